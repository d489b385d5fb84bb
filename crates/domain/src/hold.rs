//! Holds: units set aside for one call whose cost is not known yet. A hold is its own expiring record, never an
//! addition to what is spent.

use crate::id::{AccountId, AllocationId, FeatureId, HoldId};
use crate::principal::Principals;
use crate::time::Timestamp;
use crate::units::Units;
use std::time::Duration;

/// How long a hold stands when the call does not say.
pub const HOLD_TTL_DEFAULT: Duration = Duration::from_secs(60);
/// The longest a hold may stand from now, at reserve and at each extension.
pub const HOLD_TTL_MAX: Duration = Duration::from_secs(3_600);

/// A hold that stands in the ledger because the lease it was taken under has been settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Our id.
    pub id: HoldId,
    /// The allocation it draws on; none when straight on an entitlement.
    pub allocation: Option<AllocationId>,
    /// On whose behalf.
    pub principals: Principals,
    /// When it releases itself.
    pub expires_at: Timestamp,
    /// Still open?
    pub open: bool,
    /// What is set aside.
    pub parts: Vec<HoldPart>,
}

/// Units of one feature in a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldPart {
    /// Of which feature.
    pub feature: FeatureId,
    /// Where they stand.
    pub account: AccountId,
    /// How many.
    pub amount: Units,
}
