//! What gates read.

use crate::decision::Decision;
use crate::fault::Fault;
use crate::feature::Feature;
use crate::hold::Hold;
use crate::id::{AllocationId, HoldId};
use crate::key::{ApiKey, KeyHash};
use crate::notice::Change;
use crate::ports::SubjectName;
use crate::price::PriceList;
use crate::standing::Standing;
use crate::statement::{AllocationStatement, EntitlementStatement};
use crate::tenant::Realm;
use crate::time::Timestamp;
use async_trait::async_trait;

/// What is known of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectStanding {
    /// It may use this.
    Known(Box<Standing>),
    /// No such customer in the realm.
    UnknownCustomer,
    /// No such user at the customer.
    UnknownUser,
}

/// What is known of a hold that a gate does not have in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldStanding {
    /// It stands in the ledger, open; with the decision that opened it, where that is known.
    Open(Hold, Option<Box<Decision>>),
    /// It was settled by this decision (commit, release or expiry).
    Settled(Decision),
    /// It stood in the ledger and its time ran out.
    Expired,
    /// A gate opened it by this decision and has not told more: it is in that gate's memory.
    Elsewhere(Decision),
    /// The realm has no such hold.
    Unknown,
}

/// Reads, each of one committed state.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// The key that hashes to this and is not revoked.
    async fn credential(&self, hash: KeyHash) -> Result<Option<ApiKey>, Fault>;

    /// All features of a realm.
    async fn features(&self, realm: Realm) -> Result<Vec<Feature>, Fault>;

    /// What features of a realm cost: lists that are in effect, and those to come.
    async fn prices(&self, realm: Realm) -> Result<Vec<PriceList>, Fault>;

    /// An allocation, as gates keep it; none where the realm has no such allocation.
    async fn allocation(&self, realm: Realm, id: AllocationId) -> Result<Option<Standing>, Fault>;

    /// A subject's entitlements in the current windows, which are opened when nobody has yet.
    async fn subject(&self, realm: Realm, subject: &SubjectName) -> Result<SubjectStanding, Fault>;

    /// An allocation and where its units stand.
    async fn statement(&self, realm: Realm, id: AllocationId) -> Result<Option<AllocationStatement>, Fault>;

    /// What a subject may use, what remains and when it resets; none where the realm has no such customer or user.
    async fn entitlements(&self, realm: Realm, subject: &SubjectName) -> Result<Option<EntitlementStatement>, Fault>;

    /// The decision taken for an idempotency key (hashed with its realm and principal) within its retention.
    async fn answered(&self, realm: Realm, key: [u8; 16]) -> Result<Option<Decision>, Fault>;

    /// What is known of a hold.
    async fn hold(&self, realm: Realm, id: HoldId) -> Result<HoldStanding, Fault>;

    /// Hashes of idempotency keys of all realms decided at or after `since`, with the instant of each, in order of
    /// instant and hash, after the given one; at most `limit`.
    async fn keys_since(
        &self,
        since: Timestamp,
        after: Option<(Timestamp, [u8; 16])>,
        limit: u64,
    ) -> Result<Vec<(Timestamp, [u8; 16])>, Fault>;

    /// Entries of the change feed after a position, in order, at most `limit`, each with its position.
    /// Without a position: just the latest entry, to start from.
    async fn changes(&self, after: Option<i64>, limit: u64) -> Result<Vec<(i64, Realm, Change)>, Fault>;

    /// Can the store be reached?
    async fn ping(&self) -> Result<(), Fault>;
}
