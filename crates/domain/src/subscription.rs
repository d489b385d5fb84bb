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
    /// Since when it is paused; none while it gives what it gives.
    pub paused_at: Option<Timestamp>,
    /// When a change of it is due; none while none is scheduled.
    pub changes_at: Option<Timestamp>,
}

impl Subscription {
    /// Is a change of it due and not made yet? Until it is made, nobody may say what it gives.
    pub fn is_due(&self, at: Timestamp) -> bool {
        self.ended_at.is_none() && self.changes_at.is_some_and(|due| due <= at)
    }

    /// Does it give nothing for now?
    pub fn is_paused(&self) -> bool {
        self.paused_at.is_some()
    }
}

/// What happened to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubscriptionStep {
    /// It began.
    Started,
    /// It took the place of another, with other terms.
    Changed,
    /// A change was scheduled.
    Scheduled,
    /// A scheduled change was withdrawn.
    Withdrawn,
    /// It was paused.
    Paused,
    /// It was resumed.
    Resumed,
    /// It ended, and none took its place.
    Ended,
}

impl SubscriptionStep {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Started, Self::Changed, Self::Scheduled, Self::Withdrawn, Self::Paused, Self::Resumed, Self::Ended];

    /// The name of an entry of the outbox that tells of it: what kind of event it is, and after the colon which step.
    pub const fn event(self) -> &'static str {
        match self {
            Self::Started => "subscription.changed:started",
            Self::Changed => "subscription.changed:changed",
            Self::Scheduled => "subscription.changed:scheduled",
            Self::Withdrawn => "subscription.changed:withdrawn",
            Self::Paused => "subscription.changed:paused",
            Self::Resumed => "subscription.changed:resumed",
            Self::Ended => "subscription.changed:ended",
        }
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        self.event().split_once(':').map_or("", |(_, word)| word)
    }

    /// Reads the name of an entry of the outbox.
    pub fn of_event(event: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.event() == event)
    }
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
