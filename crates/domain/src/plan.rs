//! Plans: versioned terms that customers subscribe to.

use crate::feature::StaticValue;
use crate::id::{FeatureId, PlanId, PlanVersionId};
use crate::period::UsagePeriod;
use crate::text::{ExternalId, Name};
use crate::units::Units;

/// A plan, whatever its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Our id.
    pub id: PlanId,
    /// The provider's own id, unique in the realm.
    pub external_id: ExternalId,
    /// What people call it.
    pub name: Name,
}

/// The terms of a plan at one time. Never changed once published: a change is a new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanVersion {
    /// Our id.
    pub id: PlanVersionId,
    /// Of which plan.
    pub plan: PlanId,
    /// 1, 2, 3, ...
    pub number: u32,
    /// What it grants: at most one line a feature.
    pub lines: Vec<PlanLine>,
}

/// What a plan grants of one feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanLine {
    /// Of which feature.
    pub feature: FeatureId,
    /// What of it.
    pub offer: Offer,
}

/// What a customer gets of a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// It is there.
    Included,
    /// It has this value.
    Value(StaticValue),
    /// So many units in each usage period.
    Quota {
        /// Units a period.
        amount: Units,
        /// How long a period is.
        period: UsagePeriod,
    },
}
