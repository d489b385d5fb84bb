//! Signatures, by the Standard Webhooks specification, over `id.timestamp.body`: v1 by HMAC-SHA256, v1a by Ed25519.

use almoner_domain::webhook::{PublicKey, SignatureScheme, WebhookSecret};
use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use standardwebhooks::{Webhook, WebhookError};
use thiserror::Error;

/// Why nothing was signed. None of it can be caused by a text and a secret of ours.
#[derive(Debug, Error)]
pub enum SignError {
    /// The library does not take the secret.
    #[error(transparent)]
    Secret(#[from] WebhookError),
    /// The library does not take the key.
    #[error("the key cannot be used: {0}")]
    Key(#[from] KeyRejected),
    /// The library makes public keys of another length.
    #[error("the public key has another length than Ed25519 says")]
    PublicKey,
}

/// The header `webhook-signature`: a signature by each secret, the current one first, with spaces between.
pub(super) fn signatures(
    scheme: SignatureScheme,
    secrets: &[WebhookSecret],
    id: &str,
    timestamp_s: i64,
    body: &str,
) -> Result<String, SignError> {
    let sign = |secret: &WebhookSecret| -> Result<String, SignError> {
        Ok(match scheme {
            SignatureScheme::V1 => {
                Webhook::from_bytes(secret.bytes().to_vec())?.sign(id, timestamp_s, body.as_bytes())?
            }
            SignatureScheme::V1a => {
                let signature = pair(secret)?.sign(format!("{id}.{timestamp_s}.{body}").as_bytes());
                format!("v1a,{}", STANDARD.encode(signature.as_ref()))
            }
        })
    };
    Ok(secrets.iter().map(sign).collect::<Result<Vec<_>, _>>()?.join(" "))
}

/// The public key that verifies what a secret signs by Ed25519.
///
/// # Errors
/// None that a secret of ours can cause.
pub fn public_key(secret: &WebhookSecret) -> Result<PublicKey, SignError> {
    let pair = pair(secret)?;
    PublicKey::from_bytes(pair.public_key().as_ref()).ok_or(SignError::PublicKey)
}

/// A secret is the seed of a key pair (RFC 8032, section 5.1.5).
fn pair(secret: &WebhookSecret) -> Result<Ed25519KeyPair, KeyRejected> {
    Ed25519KeyPair::from_seed_unchecked(secret.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"type":"webhook.test"}"#;

    fn secret(byte: u8) -> WebhookSecret {
        WebhookSecret::from_bytes(&[byte; 32]).unwrap()
    }

    /// By another implementation: `printf '%s' "$id.$timestamp.$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:...`, in
    /// base64, and by the specification's own examples, whose secrets have 24 bytes and so are given to the library as they are.
    #[test]
    fn a_signature_is_what_the_specification_says() {
        for (secret, id, timestamp_s, body, signature) in [
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
        ] {
            let signed = Webhook::new(secret).unwrap().sign(id, timestamp_s, body.as_bytes()).unwrap();
            assert_eq!(signed, signature);
        }

        let one = signatures(SignatureScheme::V1, &[secret(1)], "ntc_1", 1_700_000_000, BODY).unwrap();
        assert_eq!(one, "v1,iC9MjvXdAAtBPGXJN2lcsSqLRe2q7DMavEImU/2s5R4=");
        let both = signatures(SignatureScheme::V1, &[secret(2), secret(1)], "ntc_1", 1_700_000_000, BODY).unwrap();
        let (newer, older) = both.split_once(' ').unwrap();
        assert_eq!(older, one);
        assert!(newer.starts_with("v1,") && newer != older);
    }

    /// The key pair of RFC 8032, section 7.1, test 1; the signature by another implementation (Python's `cryptography`).
    #[test]
    fn a_signature_by_a_key_pair_is_what_others_make() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
            0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let key = WebhookSecret::from_bytes(&seed).unwrap();
        assert_eq!(public_key(&key).unwrap().reveal(), "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        let signed = signatures(SignatureScheme::V1a, &[key], "ntc_1", 1_700_000_000, BODY).unwrap();
        assert_eq!(
            signed,
            "v1a,8jw/nhRyvnIQrVlV4QK7O2/XH3m6tTCvyx8b4F6xa8a8jvWRrIDYrtjzqUipzSlYsCR7BxLUo4h69ygEYCuRAA=="
        );
    }
}
