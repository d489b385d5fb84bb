//! The registry of ids: one newtype per noun, each a UUIDv7 with a wire prefix.
//!
//! On the wire an id is `<prefix>_<26 letters>` in lower-case Crockford base32 (`alc_01k...`).
//! An id of another kind, or written in any other way, is a parse error: two spellings of one id
//! would be two cache keys and two rows.

use crate::entropy::Entropy;
use crate::time::Timestamp;
use thiserror::Error;
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters of the base32 part: 26 x 5 bits hold 128 bits, so the first letter is at most `7`.
const LETTERS: usize = 26;

/// Why a text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The prefix names another kind, or none.
    #[error("expected an id that starts with \"{expected}_\"")]
    Kind {
        /// The prefix that was expected, without the underscore.
        expected: &'static str,
    },
    /// The part after the prefix is not 26 lower-case Crockford base32 letters.
    #[error("expected 26 lower-case base32 letters after \"{expected}_\"")]
    Letters {
        /// The prefix that was expected, without the underscore.
        expected: &'static str,
    },
}

/// What every id can do. Implemented by the registry below alone.
pub trait Id: Copy + Eq + Ord + std::hash::Hash + Send + Sync + 'static {
    /// The wire prefix, without the underscore.
    const PREFIX: &'static str;
    /// The id as stored.
    fn uuid(self) -> Uuid;
    /// The id of this kind with the given stored form.
    fn from_uuid(uuid: Uuid) -> Self;

    /// A new id (UUIDv7, RFC 9562 section 5.7): its first 48 bits are milliseconds of `now`, so ids sort by creation.
    fn new(now: Timestamp, entropy: &dyn Entropy) -> Self {
        Self::from_uuid(uuid_v7(now, entropy))
    }

    /// No id that is made at this instant or later is below it.
    fn least_at(at: Timestamp) -> Self {
        Self::from_uuid(uuid_at(at, &[0; 10]))
    }

    /// When it was made, to the millisecond, if it was made here; anything else where it was made up.
    fn made_at(self) -> Timestamp {
        let millis = i64::try_from(self.uuid().as_u128() >> 80).unwrap_or(i64::MAX);
        Timestamp::from_micros(millis.saturating_mul(1_000))
    }
}

fn uuid_v7(now: Timestamp, entropy: &dyn Entropy) -> Uuid {
    let mut random = [0u8; 10];
    entropy.fill(&mut random);
    uuid_at(now, &random)
}

fn uuid_at(now: Timestamp, random: &[u8; 10]) -> Uuid {
    let millis = u64::try_from(now.as_micros() / 1_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid()
}

fn encode(prefix: &str, uuid: Uuid, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    let mut letters = [0u8; LETTERS];
    let mut rest = uuid.as_u128();
    for slot in letters.iter_mut().rev() {
        *slot = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    let letters = std::str::from_utf8(&letters).map_err(|_| std::fmt::Error)?;
    write!(f, "{prefix}_{letters}")
}

fn decode(prefix: &'static str, text: &str) -> Result<Uuid, IdError> {
    let letters = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .ok_or(IdError::Kind { expected: prefix })?
        .as_bytes();
    let wrong = IdError::Letters { expected: prefix };
    if letters.len() != LETTERS || letters[0] > b'7' {
        return Err(wrong);
    }
    let mut value = 0u128;
    for letter in letters {
        let Some(digit) = ALPHABET.iter().position(|a| a == letter) else { return Err(wrong) };
        value = (value << 5) | digit as u128;
    }
    Ok(Uuid::from_u128(value))
}

macro_rules! registry {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl Id for $name {
            const PREFIX: &'static str = $prefix;
            fn uuid(self) -> Uuid { self.0 }
            fn from_uuid(uuid: Uuid) -> Self { Self(uuid) }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { encode($prefix, self.0, f) }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { encode($prefix, self.0, f) }
        }
        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> { decode($prefix, text).map(Self) }
        }
    )*};
}

registry! {
    /// A tool provider on this installation.
    TenantId = "ten";
    /// An API key of a tenant.
    KeyId = "key";
    /// An organisation that subscribes.
    CustomerId = "cus";
    /// A person in a customer.
    UserId = "usr";
    /// Software that acts for somebody.
    AgentId = "agt";
    /// One run or task of an agent.
    SessionId = "ses";
    /// A boolean, static or metered feature.
    FeatureId = "fea";
    /// A plan, whatever its version.
    PlanId = "pln";
    /// One version of a plan.
    PlanVersionId = "plv";
    /// A customer's subscription to a plan version.
    SubscriptionId = "sub";
    /// A customer's or user's right to a feature.
    EntitlementId = "ent";
    /// Units issued into an entitlement.
    GrantId = "grt";
    /// Where units stand.
    AccountId = "acc";
    /// One line of the ledger.
    MovementId = "mov";
    /// Units carved out for one agent, session, window and scope.
    AllocationId = "alc";
    /// Units set aside for one call.
    HoldId = "hld";
    /// Units in one gate's memory.
    LeaseId = "lea";
    /// One process that serves a gate.
    NodeId = "nod";
    /// One answer of a gate.
    DecisionId = "dec";
    /// One entry of the outbox.
    NoticeId = "ntc";
    /// Where a realm's systems hear of what happens.
    EndpointId = "whe";
    /// One event on its way to one endpoint.
    DeliveryId = "whd";
    /// One attempt at a delivery.
    AttemptId = "wha";
    /// One entry of the audit trail.
    AuditId = "aud";
    /// One version of what features cost in a currency.
    PriceListId = "prc";
    /// A rule that makes allocations just in time.
    PolicyId = "pol";
    /// One change of a subscription to other terms, or to none.
    PlanChangeId = "pch";
    /// One step of the runaway guard.
    GuardStepId = "gst";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself_and_as_nothing_else() {
        let id = AllocationId::from_uuid(Uuid::from_u128(0x0199_aaaa_bbbb_7ccc_8ddd_eeee_ffff_0001));
        let text = id.to_string();
        assert_eq!(text.parse::<AllocationId>(), Ok(id));
        assert_eq!(text.parse::<AgentId>(), Err(IdError::Kind { expected: "agt" }));
        assert!(text.to_uppercase().parse::<AllocationId>().is_err());
        assert!(format!("{text}0").parse::<AllocationId>().is_err());
        assert!(format!("alc_8{}", &text[5..]).parse::<AllocationId>().is_err(), "129 bits");
    }

    #[test]
    fn the_least_id_of_an_instant_is_below_all_that_are_made_then() {
        struct Least;
        impl Entropy for Least {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(0);
            }
        }
        let at = Timestamp::from_micros(1_700_000_000_123_456);
        let least = AllocationId::least_at(at);
        assert!(least <= AllocationId::new(at, &Least));
        assert!(least > AllocationId::least_at(Timestamp::from_micros(at.as_micros() - 1_000)));
        assert_eq!(least.made_at(), Timestamp::from_micros(1_700_000_000_123_000));
    }
}
