//! Standings: all that a gate must know of an allocation or a subject to decide without asking again.

use crate::allocation::AllocationState;
use crate::calendar::Window;
use crate::conditions::Conditions;
use crate::decision::Level;
use crate::feature::{Durability, StaticValue};
use crate::guard::Guarding;
use crate::id::{AccountId, AllocationId, FeatureId, UserId};
use crate::principal::Principals;
use crate::scope::Scope;
use crate::time::Timestamp;
use crate::units::Units;

/// What a gate keeps in memory of an allocation, or of a customer's or user's entitlements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// On whose behalf units are used here.
    pub principals: Principals,
    /// The allocation, where it is one.
    pub allocation: Option<AllocationId>,
    /// The allocations it was carved from, nearest first: the end of any is its end.
    pub ancestors: Vec<AllocationId>,
    /// What people call it in a sentence: `The allocation for session catalog-2026-11`, `The quota of acme-shop`.
    pub label: String,
    /// With which tools, on which resources.
    pub scope: Scope,
    /// Not usable before.
    pub not_before: Option<Timestamp>,
    /// Not usable from then on.
    pub expires_at: Option<Timestamp>,
    /// Usable, or why not.
    pub state: AllocationState,
    /// Stopped for a while, by whom and why; none while it runs.
    pub suspension: Option<Suspension>,
    /// What a call has to meet: its own conditions, then those of the allocations it was carved from, nearest first; where there are none
    /// of one it is left out.
    pub conditions: Vec<(AllocationId, Conditions)>,
    /// When the customer's plan changes: it is looked up again from then on. None for an allocation, which the change tells of.
    pub changes_at: Option<Timestamp>,
    /// What the runaway guard has to know of it; none where nobody set rules.
    pub guard: Option<Box<Guarding>>,
    /// How its decisions are kept, where it says so itself.
    pub durability: Option<Durability>,
    /// Metered features: where their units stand.
    pub lines: Vec<StandingLine>,
    /// Boolean and static features of the customer's plan: the feature and its value, where it has one.
    pub rights: Vec<(FeatureId, Option<StaticValue>)>,
    /// People who can raise it.
    pub raise: Vec<UserId>,
}

/// Stopped until somebody lets it go on. Its units stay where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suspension {
    /// The customer's subscription is paused.
    Paused,
    /// The runaway guard stopped it.
    Guarded {
        /// What it stopped.
        stopped: Stopped,
        /// Why, in a sentence without its end: `the same call came 40 times in a minute`.
        why: String,
    },
}

/// What the runaway guard stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stopped {
    /// An agent, in all that it does.
    Agent,
    /// One allocation.
    Allocation,
}

impl Stopped {
    /// The word on the wire and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Allocation => "allocation",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Agent, Self::Allocation].into_iter().find(|stopped| stopped.as_str() == text)
    }
}

/// Where the units of one metered feature stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingLine {
    /// Of which feature.
    pub feature: FeatureId,
    /// In which account.
    pub account: AccountId,
    /// Which level says no when it is empty.
    pub level: Level,
    /// The account's units in all, for sentences.
    pub granted: Units,
    /// Units that were free when this was read: what is left, as long as the gate has not asked the ledger itself.
    pub free: Units,
    /// When they may be used. A gate looks again when it is over.
    pub window: Window,
    /// When the quota renews by itself; none for an allocation, which does not.
    pub resets_at: Option<Timestamp>,
}
