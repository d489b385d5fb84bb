//! The ledger as people use it: grants into a quota, allocations made larger or smaller, and what a carve would take.

use crate::account::Account;
use crate::allocation::AllocationState;
use crate::audit::Author;
use crate::fault::Fault;
use crate::grant::{Grant, GrantKind};
use crate::id::{AllocationId, CustomerId, FeatureId, GrantId};
use crate::ledger::{Adjustment, CarveRefusal};
use crate::ports::{CarveAnswer, CarveRequest};
use crate::statement::AllocationStatement;
use crate::tenant::Realm;
use crate::text::{ExternalId, Named};
use crate::time::Timestamp;
use crate::units::Units;
use async_trait::async_trait;

/// Units to be issued into the current window of a customer's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRequest {
    /// Its id, chosen by the caller.
    pub id: GrantId,
    /// The provider's own id of it, such as an order's number: one is issued once.
    pub external_id: Option<ExternalId>,
    /// Whose quota.
    pub customer: Named<CustomerId>,
    /// Of which feature.
    pub feature: FeatureId,
    /// Why.
    pub kind: GrantKind,
    /// How many, above zero.
    pub amount: Units,
    /// Lower burns first.
    pub priority: i16,
    /// Usable from; none for now.
    pub effective_at: Option<Timestamp>,
    /// Usable until; none where it ends with the current window.
    pub expires_at: Option<Timestamp>,
    /// Who signs it.
    pub by: Author,
}

/// What became of a request to issue a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantAnswer {
    /// Issued.
    Issued(Grant),
    /// One with this external id was issued before.
    Taken,
    /// No such customer in the realm.
    UnknownCustomer,
    /// The customer has no quota of the feature now.
    NotEntitled,
    /// The quota would hold more than the ledger can count.
    TooMany,
}

/// What became of a request to void a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VoidAnswer {
    /// Voided now: what was neither used nor handed out is taken back.
    Voided(Grant),
    /// It was voided before, or its window is over.
    Ended(Grant),
    /// No such grant in the realm.
    Unknown,
}

/// An allocation to be made larger or smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustRequest {
    /// Which.
    pub allocation: AllocationId,
    /// In which direction.
    pub adjustment: Adjustment,
    /// By how many units of which of its features.
    pub lines: Vec<(FeatureId, Units)>,
    /// Who signs it.
    pub by: Author,
}

/// What became of a request to adjust an allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdjustAnswer {
    /// Adjusted, all lines of it.
    Adjusted(Box<AllocationStatement>),
    /// No such allocation in the realm.
    Unknown,
    /// It has ended.
    Ended(AllocationState),
    /// It has nothing of this feature.
    NoLine(FeatureId),
    /// Refused by a law: too few units, or lines that cannot be.
    Refused(CarveRefusal),
}

/// What a carve would take, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarvePreview {
    /// Until when the allocation would be usable.
    pub expires_at: Timestamp,
    /// Line by line, in the order asked.
    pub lines: Vec<PreviewLine>,
}

/// One line of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewLine {
    /// How many units.
    pub amount: Units,
    /// The account that they would come from, as it would be afterwards.
    pub from: Account,
}

/// The ledger, for people.
#[async_trait]
pub trait Treasury: Send + Sync {
    /// Issues a grant into the current window of a customer's quota.
    async fn issue(&self, realm: Realm, request: &GrantRequest) -> Result<GrantAnswer, Fault>;

    /// Voids a grant, signed by who does: takes back what of it is neither used nor handed out. It stays in the history.
    async fn void(&self, realm: Realm, id: GrantId, by: &Author) -> Result<VoidAnswer, Fault>;

    /// Makes an allocation larger, out of what it was carved from, or smaller, back into it: all lines or none.
    async fn adjust(&self, realm: Realm, request: &AdjustRequest) -> Result<AdjustAnswer, Fault>;

    /// What [`crate::ports::Ledger::carve`] would do now. Nothing is changed by it; the error is what carving would answer.
    async fn preview(&self, realm: Realm, request: &CarveRequest) -> Result<Result<CarvePreview, CarveAnswer>, Fault>;
}
