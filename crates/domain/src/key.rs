//! API keys: how programs of a tool provider prove who they are. A key is shown once and kept as a hash.

use crate::entropy::Entropy;
use crate::id::{CustomerId, KeyId, UserId};
use crate::tenant::{Environment, Realm};
use crate::text::Name;
use crate::time::Timestamp;
use sha2::{Digest, Sha256};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// The tenant's own staff and programs: catalogue, customers, keys.
    Operator,
    /// A customer's own people and programs: what is theirs.
    Customer,
    /// Tool providers' servers in front of their agents' calls.
    Gate,
}

impl KeyKind {
    /// The word in keys and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Customer => "customer",
            Self::Gate => "gate",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Operator, Self::Customer, Self::Gate].into_iter().find(|k| k.as_str() == text)
    }
}

/// Whose a customer's key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The customer.
    pub customer: CustomerId,
    /// The user it speaks for, with whatever role they have; none for a program that manages the customer's affairs.
    pub user: Option<UserId>,
}

/// SHA-256 of a whole key. A key has 160 random bits, so a plain hash cannot be searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of a key as presented.
    pub fn of(presented: &str) -> Self {
        Self(Sha256::digest(presented.as_bytes()).into())
    }
}

/// An API key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Our id.
    pub id: KeyId,
    /// Whose, and for which environment.
    pub realm: Realm,
    /// For what.
    pub kind: KeyKind,
    /// A customer's key, and only one: whose.
    pub holder: Option<Holder>,
    /// What people call it.
    pub name: Name,
    /// What a presented key must hash to.
    pub hash: KeyHash,
    /// Its first letters, to recognise it by.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Bytes of chance in a key.
const SECRET_BYTES: usize = 20;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Makes a key: `alm_<environment>_<kind>_<32 letters>`. It is shown to its owner once, here; only its hash is kept.
pub fn generate(environment: Environment, kind: KeyKind, entropy: &dyn Entropy) -> String {
    let mut secret = [0u8; SECRET_BYTES];
    entropy.fill(&mut secret);
    let mut letters = String::with_capacity(SECRET_BYTES * 8 / 5);
    for chunk in secret.chunks(5) {
        let bits = chunk.iter().fold(0u64, |bits, byte| (bits << 8) | u64::from(*byte));
        for place in (0..8).rev() {
            letters.push(char::from(ALPHABET[((bits >> (place * 5)) & 31) as usize]));
        }
    }
    format!("alm_{}_{}_{letters}", environment.as_str(), kind.as_str())
}

/// The part of a key that may be shown again.
pub fn hint(key: &str) -> String {
    let shown = key.rfind('_').map_or(0, |at| at + 5).min(key.len());
    format!("{}...", &key[..shown])
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count;
    impl Entropy for Count {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.iter_mut().zip(1u8..).for_each(|(b, i)| *b = i);
        }
    }

    #[test]
    fn a_key_says_what_it_is_for_and_its_hint_gives_nothing_away() {
        let key = generate(Environment::Live, KeyKind::Gate, &Count);
        assert!(key.starts_with("alm_live_gate_"));
        assert_eq!(key.len(), "alm_live_gate_".len() + 32);
        assert_eq!(hint(&key).len(), "alm_live_gate_".len() + 4 + 3);
    }
}
