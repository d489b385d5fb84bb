//! Subscriptions.

use super::{CustomerNode, PlanVersionNode, ScheduledChangeObject, instant, there, wire_id};
use crate::asker::asker;
use crate::lists::ScheduledOf;
use almoner_domain::plan_change::PlanChange;
use almoner_domain::subscription::Subscription;
use async_graphql::{Context, ID, Object, Result};

/// A customer on one version of a plan.
pub(crate) struct SubscriptionNode(pub(crate) Subscription);

#[Object(name = "PlanSubscription")]
impl SubscriptionNode {
    /// Its id.
    pub(crate) async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// Whose.
    async fn customer(&self, context: &Context<'_>) -> Result<CustomerNode> {
        Ok(CustomerNode(there(asker(context)?.loader.load_one(self.0.customer).await?)?))
    }

    /// On which terms.
    async fn plan_version(&self, context: &Context<'_>) -> Result<PlanVersionNode> {
        Ok(PlanVersionNode(there(asker(context)?.loader.load_one(self.0.plan_version).await?)?))
    }

    /// Where its periods start.
    async fn anchor(&self) -> String {
        instant(self.0.calendar.anchor())
    }

    /// The same as clocks show it in the zone.
    async fn local_anchor(&self) -> String {
        self.0.calendar.local_anchor()
    }

    /// In whose civil time: an IANA zone.
    async fn zone(&self) -> &str {
        self.0.calendar.zone()
    }

    /// Since when.
    async fn started_at(&self) -> String {
        instant(self.0.started_at)
    }

    /// Until when; none while it runs.
    async fn ended_at(&self) -> Option<String> {
        self.0.ended_at.map(instant)
    }

    /// Since when it is paused; none while it gives what it gives. What is paused denies every call and loses nothing.
    async fn paused_at(&self) -> Option<String> {
        self.0.paused_at.map(instant)
    }

    /// The change that is scheduled; none where none is.
    async fn scheduled_change(&self, context: &Context<'_>) -> Result<Option<ScheduledChangeObject>> {
        Ok(self.scheduled(context).await?.map(ScheduledChangeObject))
    }

    /// When its trial ends, with what is scheduled then; none where it is no trial.
    async fn trial_ends_at(&self, context: &Context<'_>) -> Result<Option<String>> {
        let change = self.scheduled(context).await?.filter(|change| change.ends_trial);
        Ok(change.map(|change| instant(change.at)))
    }
}

impl SubscriptionNode {
    async fn scheduled(&self, context: &Context<'_>) -> Result<Option<PlanChange>> {
        match self.0.changes_at.filter(|_| self.0.ended_at.is_none()) {
            Some(_) => asker(context)?.loader.load_one(ScheduledOf(self.0.id)).await,
            None => Ok(None),
        }
    }
}
