//! Statements: where units stand, told to people and programs.

use crate::account::Balance;
use crate::agent::SessionName;
use crate::allocation::{Allocation, AllocationState};
use crate::calendar::Window;
use crate::decision::Level;
use crate::feature::StaticValue;
use crate::id::{AccountId, AllocationId, FeatureId};
use crate::principal::Principals;
use crate::units::Units;

/// An allocation and where its units stand, in one committed state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationStatement {
    /// The allocation.
    pub allocation: Allocation,
    /// The name of its session.
    pub session: SessionName,
    /// Line by line, in the order of the allocation's.
    pub lines: Vec<LineStatement>,
    /// The allocations it was carved from, nearest first.
    pub chain: Vec<(AllocationId, AllocationState)>,
}

/// Where the units of one account stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineStatement {
    /// Of which feature.
    pub feature: FeatureId,
    /// Which account.
    pub account: AccountId,
    /// By the ledger.
    pub balance: Balance,
    /// Units that gates have reported as held, a part of the ledger's `leased`.
    pub held_by_gates: Units,
    /// Units in leases whose gate has fallen silent, a part of the ledger's `leased`.
    pub in_doubt: Units,
    /// Units that a change of plan takes back when they return: they are out still, in gates' memories or in allocations.
    pub pending: Units,
}

/// Where the units of one of a customer's own quotas stand in one window, or stood when it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaStatement {
    /// Of which feature.
    pub feature: FeatureId,
    /// In which window.
    pub window: Window,
    /// Where they stand.
    pub line: LineStatement,
}

/// What a customer, or one of its users, may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntitlementStatement {
    /// Whose.
    pub principals: Principals,
    /// Feature by feature.
    pub lines: Vec<EntitlementLine>,
}

/// One entitlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntitlementLine {
    /// To which feature.
    pub feature: FeatureId,
    /// What it comes to.
    pub right: Right,
}

/// What an entitlement comes to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Right {
    /// The feature is there.
    Included,
    /// The feature has this value.
    Value(StaticValue),
    /// Units of the current window.
    Quota {
        /// Whose quota it is: the user's share or the customer's.
        level: Level,
        /// The current window.
        window: Window,
        /// Where its units stand.
        line: LineStatement,
    },
}
