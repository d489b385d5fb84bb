//! Signatures, by the Standard Webhooks specification (v1: HMAC-SHA256 over `id.timestamp.body`).

use almoner_domain::webhook::WebhookSecret;
use standardwebhooks::{Webhook, WebhookError};

/// The header `webhook-signature`: a signature by each secret, the current one first, with spaces between.
///
/// # Errors
/// None that a text and a secret of ours can cause.
pub(super) fn signatures(
    secrets: &[WebhookSecret],
    id: &str,
    timestamp_s: i64,
    body: &str,
) -> Result<String, WebhookError> {
    let sign =
        |secret: &WebhookSecret| Webhook::from_bytes(secret.bytes().to_vec())?.sign(id, timestamp_s, body.as_bytes());
    Ok(secrets.iter().map(sign).collect::<Result<Vec<_>, _>>()?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By another implementation: `printf '%s' "$id.$timestamp.$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:...`, in
    /// base64, and by the specification's own example, whose secret has 24 bytes and so is given to the library as it is.
    #[test]
    fn a_signature_is_what_the_specification_says() {
        let example = Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = example.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");

        let secret = |byte| WebhookSecret::from_bytes(&[byte; 32]).unwrap();
        let one = signatures(&[secret(1)], "ntc_1", 1_700_000_000, r#"{"type":"webhook.test"}"#).unwrap();
        assert_eq!(one, "v1,iC9MjvXdAAtBPGXJN2lcsSqLRe2q7DMavEImU/2s5R4=");
        let both = signatures(&[secret(2), secret(1)], "ntc_1", 1_700_000_000, r#"{"type":"webhook.test"}"#).unwrap();
        let (newer, older) = both.split_once(' ').unwrap();
        assert_eq!(older, one);
        assert!(newer.starts_with("v1,") && newer != older);
    }
}
