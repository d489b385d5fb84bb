//! Subscriptions and the entitlements they give.

use crate::calendar::Calendar;
use crate::id::{CustomerId, EntitlementId, FeatureId, PlanVersionId, SubscriptionId, UserId};
use crate::plan::{Beyond, Offer};
use crate::time::Timestamp;

/// A customer on one version of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Our id.
    pub id: SubscriptionId,
    /// Who.
    pub customer: CustomerId,
    /// On which terms.
    pub plan_version: PlanVersionId,
    /// Where its periods start, and in whose civil time.
    pub calendar: Calendar,
    /// Since when.
    pub started_at: Timestamp,
    /// Until when; none while it runs.
    pub ended_at: Option<Timestamp>,
}

/// A customer's, or one user's, right to a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// Our id.
    pub id: EntitlementId,
    /// Whose.
    pub customer: CustomerId,
    /// The user whose share of the customer's quota it is; none for the customer's own.
    pub user: Option<UserId>,
    /// To which feature.
    pub feature: FeatureId,
    /// From which subscription.
    pub subscription: SubscriptionId,
    /// How much of it.
    pub offer: Offer,
    /// Where its periods start: the subscription's calendar.
    pub calendar: Calendar,
}

impl Entitlement {
    /// What goes beyond its period and its amount; nothing where it is no quota.
    pub fn beyond(&self) -> Beyond {
        match self.offer {
            Offer::Quota { beyond, .. } => beyond,
            Offer::Included | Offer::Value(_) => Beyond::default(),
        }
    }
}
