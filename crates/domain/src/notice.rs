//! Notices: what other systems want to hear of, written to the outbox in the transaction in which it happens.

use crate::allocation::AllocationState;
use crate::guard::GuardState;
use crate::happening::HappeningKind;
use crate::id::{
    AccountId, AgentId, AllocationId, EndpointId, GrantId, GuardStepId, LeaseId, NoticeId, SubscriptionId,
};
use crate::subscription::SubscriptionStep;
use crate::time::Timestamp;

/// The share of an account's units whose use is announced, in percent.
pub const THRESHOLD_PERCENT: i64 = 80;

/// What an entry is called when four fifths of an account are used; its owner says whether that is an allocation's or an
/// entitlement's.
pub const ACCOUNT_THRESHOLD: &str = "account.threshold";
/// What an entry is called when all of an account is used.
pub const ACCOUNT_EXHAUSTED: &str = "account.exhausted";

/// One entry of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Our id.
    pub id: NoticeId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
    /// The allocation that it happened to. Whoever writes it to the outbox gives it the next number of that allocation.
    pub allocation: Option<AllocationId>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An allocation was carved.
    AllocationCreated(AllocationId),
    /// An allocation ended.
    AllocationEnded(AllocationId, AllocationState),
    /// Four fifths of an account are used.
    ThresholdReached(AccountId),
    /// All of an account is used.
    Exhausted(AccountId),
    /// A gate fell silent and its units are charged until it settles.
    LeaseInDoubt(LeaseId),
    /// An entitlement's window that follows an earlier one is open: the account that holds it.
    EntitlementReset(AccountId),
    /// More than the quota of an account is used, as its plan allows.
    OverageBegun(AccountId),
    /// A grant expires soon.
    GrantExpiring(GrantId),
    /// A grant's time is over.
    GrantExpired(GrantId),
    /// A subscription is not as it was.
    SubscriptionChanged(SubscriptionId, SubscriptionStep),
    /// The runaway guard took a step, or somebody took it back: to which state.
    Guarded(GuardStepId, GuardState),
    /// An endpoint of webhooks was disabled.
    EndpointDisabled(EndpointId),
    /// Somebody tries whether an endpoint of webhooks hears.
    Test(EndpointId),
}

impl Event {
    /// The name of the event's type, and the id it is about.
    pub fn parts(&self) -> (&'static str, uuid::Uuid) {
        use crate::id::Id;
        match self {
            Self::AllocationCreated(id) => ("allocation.created", id.uuid()),
            Self::AllocationEnded(id, AllocationState::Expired) => ("allocation.expired", id.uuid()),
            Self::AllocationEnded(id, AllocationState::Revoked) => ("allocation.revoked", id.uuid()),
            Self::AllocationEnded(id, _) => ("allocation.closed", id.uuid()),
            Self::ThresholdReached(id) => (ACCOUNT_THRESHOLD, id.uuid()),
            Self::Exhausted(id) => (ACCOUNT_EXHAUSTED, id.uuid()),
            Self::LeaseInDoubt(id) => ("lease.in_doubt", id.uuid()),
            Self::EntitlementReset(id) => (HappeningKind::EntitlementReset.as_str(), id.uuid()),
            Self::OverageBegun(id) => (HappeningKind::EntitlementOverage.as_str(), id.uuid()),
            Self::GrantExpiring(id) => (HappeningKind::GrantExpiring.as_str(), id.uuid()),
            Self::GrantExpired(id) => (HappeningKind::GrantExpired.as_str(), id.uuid()),
            Self::SubscriptionChanged(id, step) => (step.event(), id.uuid()),
            Self::Guarded(id, state) => (HappeningKind::of_guard(*state).as_str(), id.uuid()),
            Self::EndpointDisabled(id) => (HappeningKind::EndpointDisabled.as_str(), id.uuid()),
            Self::Test(id) => (HappeningKind::Test.as_str(), id.uuid()),
        }
    }
}

/// One entry of the change feed: something that a gate may hold in memory is not as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// This allocation ended or changed.
    Allocation(AllocationId),
    /// The guard of this agent: its rules, or how far it has gone.
    Agent(AgentId),
    /// Something of the realm's catalogue, customers or subscriptions changed.
    Catalogue,
    /// A key was revoked.
    Keys,
}

impl Change {
    /// The word in tables, and the id it goes with (nil where there is none).
    pub fn parts(&self) -> (&'static str, uuid::Uuid) {
        use crate::id::Id;
        match self {
            Self::Allocation(id) => ("allocation", id.uuid()),
            Self::Agent(id) => ("agent", id.uuid()),
            Self::Catalogue => ("catalogue", uuid::Uuid::nil()),
            Self::Keys => ("keys", uuid::Uuid::nil()),
        }
    }

    /// Reads back the two parts.
    pub fn from_parts(word: &str, id: uuid::Uuid) -> Option<Self> {
        use crate::id::Id;
        match word {
            "allocation" => Some(Self::Allocation(Id::from_uuid(id))),
            "agent" => Some(Self::Agent(Id::from_uuid(id))),
            "catalogue" => Some(Self::Catalogue),
            "keys" => Some(Self::Keys),
            _ => None,
        }
    }
}
