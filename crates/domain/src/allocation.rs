//! Allocations: the prepaid card.

use crate::conditions::{Conditions, IDLE_TOLD_WITHIN};
use crate::feature::Durability;
use crate::id::{AccountId, AgentId, AllocationId, FeatureId};
use crate::principal::Principals;
use crate::scope::Scope;
use crate::time::Timestamp;
use crate::units::Units;

/// The most features in one allocation.
pub const LINES_MAX: usize = 64;
/// The deepest an allocation may stand below an entitlement: a chain longer than this is a loop or a mistake.
pub const DEPTH_MAX: u8 = 8;

/// Units carved out of an entitlement, or of another allocation, for one agent, one session, one window, one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// Our id.
    pub id: AllocationId,
    /// The allocation it was carved from; none when from an entitlement.
    pub parent: Option<AllocationId>,
    /// 1 below an entitlement, 2 below an allocation, and so on to [`DEPTH_MAX`].
    pub depth: u8,
    /// For whom: all four are named.
    pub principals: Principals,
    /// The agent it serves, and no other.
    pub agent: AgentId,
    /// With which tools, on which resources.
    pub scope: Scope,
    /// Not usable before.
    pub not_before: Option<Timestamp>,
    /// Not usable from then on.
    pub expires_at: Timestamp,
    /// How its decisions are kept, where it says so itself; else the feature's.
    pub durability: Option<Durability>,
    /// In which hours, how fast, and how long it may lie idle.
    pub conditions: Conditions,
    /// Usable, or why not any more.
    pub state: AllocationState,
    /// When it was carved.
    pub created_at: Timestamp,
    /// One for each feature.
    pub lines: Vec<AllocationLine>,
}

impl Allocation {
    /// When it has lain idle for too long, where it was used last then, or never; none where it may lie idle.
    ///
    /// Time during which it is not usable yet does not count.
    pub fn idle_at(&self, last_use: Option<Timestamp>) -> Option<Timestamp> {
        let begun = self.not_before.map_or(self.created_at, |start| start.max(self.created_at));
        let idle_since = last_use.map_or(begun, |used| used.max(begun));
        let timeout = self.conditions.idle_timeout?;
        Some(idle_since.saturating_add(timeout.span()).saturating_add(IDLE_TOLD_WITHIN))
    }
}

/// The units of one feature in an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllocationLine {
    /// Of which feature.
    pub feature: FeatureId,
    /// Where they stand.
    pub account: AccountId,
    /// How many were carved: at first, with what it was topped up by and without what it was shrunk by. What a change of plan
    /// took back is in it.
    pub carved: Units,
    /// How many went back in the moment it ended. What was held or leased then follows when it settles.
    pub returned: Units,
}

/// Usable, or why not any more. Time alone does not end an allocation here: a gate denies by the clock at once,
/// and the sweeper ends it and returns what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AllocationState {
    /// Usable within its window.
    Active,
    /// Its task ended.
    Closed,
    /// Its window ended.
    Expired,
    /// Somebody took it back.
    Revoked,
}

impl AllocationState {
    /// The word on the wire and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Closed => "closed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Closed, Self::Expired, Self::Revoked].into_iter().find(|s| s.as_str() == text)
    }
}
