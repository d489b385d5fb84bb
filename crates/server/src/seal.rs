//! The seal: secrets that must be read again are kept encrypted (AES-256-GCM) by a key that is not in the database.

use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::ports::Seal;
use almoner_domain::tenant::Realm;
use almoner_domain::webhook::{PublicKey, SealedSecret, WebhookSecret};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

/// Bytes of the key.
pub(crate) const KEY_BYTES: usize = 32;

/// How what follows is sealed, so that another way can follow one day.
const VERSION: u8 = 1;

/// Seals by one key. What is sealed is `version, nonce, ciphertext and tag`, bound to its realm: put into another realm's row it
/// does not open.
pub(crate) struct AesSeal {
    key: RandomizedNonceKey,
}

impl AesSeal {
    /// A seal by this key.
    ///
    /// # Errors
    /// [`FaultKind::Broken`] when the library refuses the key.
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Result<Self, Fault> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|error| broken("make a seal", error))?;
        Ok(Self { key })
    }
}

fn broken(operation: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::new(operation, FaultKind::Broken, error)
}

fn unreadable() -> Fault {
    let why = "it was sealed by another key (secrets.seal_key), or for another realm, or was changed";
    Fault::new("open a sealed secret", FaultKind::Broken, why)
}

fn bound_to(realm: Realm) -> Aad<Vec<u8>> {
    Aad::from(format!("webhook secret of {realm}").into_bytes())
}

impl Seal for AesSeal {
    fn seal(&self, realm: Realm, secret: &WebhookSecret) -> Result<SealedSecret, Fault> {
        let mut text = secret.bytes().to_vec();
        let nonce = self.key.seal_in_place_append_tag(bound_to(realm), &mut text);
        let nonce = nonce.map_err(|error| broken("seal a secret", error))?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&text);
        Ok(SealedSecret(sealed))
    }

    fn open(&self, realm: Realm, sealed: &SealedSecret) -> Result<WebhookSecret, Fault> {
        let (head, text) = sealed.0.split_at_checked(1 + NONCE_LEN).ok_or_else(unreadable)?;
        let nonce = match head.split_first() {
            Some((&VERSION, nonce)) => Nonce::try_assume_unique_for_key(nonce).map_err(|_| unreadable())?,
            _ => return Err(unreadable()),
        };
        let mut text = text.to_vec();
        let plain = self.key.open_in_place(nonce, bound_to(realm), &mut text).map_err(|_| unreadable())?;
        WebhookSecret::from_bytes(plain).ok_or_else(unreadable)
    }

    fn public_key(&self, secret: &WebhookSecret) -> Result<PublicKey, Fault> {
        almoner_worker::public_key(secret).map_err(|error| broken("make a public key", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OsEntropy, SystemClock};
    use almoner_domain::id::{Id, TenantId};
    use almoner_domain::tenant::Environment;
    use almoner_domain::time::Clock;

    #[test]
    fn what_is_sealed_opens_by_its_key_in_its_realm_unchanged_and_not_otherwise() {
        let tenant = TenantId::new(SystemClock.now(), &OsEntropy);
        let (live, test) =
            (Realm { tenant, environment: Environment::Live }, Realm { tenant, environment: Environment::Test });
        let seal = AesSeal::new(&[7; KEY_BYTES]).unwrap();
        let secret = WebhookSecret::generate(&OsEntropy);
        let sealed = seal.seal(live, &secret).unwrap();
        assert_eq!(seal.open(live, &sealed).unwrap(), secret);
        assert_ne!(seal.seal(live, &secret).unwrap(), sealed, "no two are alike");
        assert!(!sealed.0.windows(8).any(|part| part == &secret.bytes()[..8]), "nothing of it shows");

        assert!(seal.open(test, &sealed).is_err(), "another realm");
        assert!(AesSeal::new(&[8; KEY_BYTES]).unwrap().open(live, &sealed).is_err(), "another key");
        for at in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[at] ^= 1;
            assert!(seal.open(live, &changed).is_err(), "byte {at}");
            changed.0.truncate(at);
            assert!(seal.open(live, &changed).is_err(), "cut at byte {at}");
        }
    }
}
