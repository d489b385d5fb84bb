//! Changes of plan: what is scheduled, and what a change does, or would do, feature by feature.

use super::{
    AllocationNode, FeatureNode, LiveRuleName, PlanNode, SubscriptionNode, decimal, instant, plan::PlanLineObject,
    there,
};
use crate::asker::asker;
use crate::refusal::Refusal;
use almoner_domain::feature::{Feature, FeatureKind};
use almoner_domain::id::PlanId;
use almoner_domain::plan::{Offer, PlanLine};
use almoner_domain::plan_change::{AllocationEffect, FeatureEffect, PlanChange, PlanChangeState, When};
use almoner_domain::ports::PlanChanged;
use almoner_domain::units::Units;
use async_graphql::{Context, Enum, Object, Result};

/// The most allocations of one feature that are shown, the newest.
const ALLOCATIONS_MAX: usize = 100;

/// When a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "When")]
pub(crate) enum WhenName {
    /// At once.
    Now,
    /// When the longest current period of the plan's quotas ends. Those that never renew do not count.
    PeriodEnd,
}

impl From<WhenName> for When {
    fn from(when: WhenName) -> Self {
        match when {
            WhenName::Now => Self::Now,
            WhenName::PeriodEnd => Self::PeriodEnd,
        }
    }
}

/// A change of a subscription whose time is to come.
pub(crate) struct ScheduledChangeObject(pub(crate) PlanChange);

#[Object(name = "ScheduledChange")]
impl ScheduledChangeObject {
    /// The plan that it changes to, in the version that is in force then; none where it ends.
    async fn plan(&self, context: &Context<'_>) -> Result<Option<PlanNode>> {
        plan(context, self.0.to).await
    }

    /// When.
    async fn at(&self) -> String {
        instant(self.0.at)
    }

    /// Is it the end of a trial?
    async fn ends_trial(&self) -> bool {
        self.0.ends_trial
    }

    /// When it was asked for.
    async fn created_at(&self) -> String {
        instant(self.0.created_at)
    }
}

async fn plan(context: &Context<'_>, id: Option<PlanId>) -> Result<Option<PlanNode>> {
    let Some(id) = id else { return Ok(None) };
    Ok(asker(context)?.loader.load_one(id).await?.map(PlanNode))
}

/// A change that was made or scheduled.
pub(crate) struct PlanChangeObject(pub(crate) PlanChanged);

#[Object(name = "PlanChange")]
impl PlanChangeObject {
    /// The customer's subscription after it: the new one, the one that ended, or the one that the change is scheduled for.
    async fn subscription(&self) -> SubscriptionNode {
        SubscriptionNode(self.0.subscription.clone())
    }

    /// The plan that it changes to; none where it ends.
    async fn plan(&self, context: &Context<'_>) -> Result<Option<PlanNode>> {
        plan(context, self.0.change.to).await
    }

    /// When it takes effect.
    async fn takes_effect_at(&self) -> String {
        instant(self.0.change.at)
    }

    /// Is it still to be made?
    async fn is_scheduled(&self) -> bool {
        self.0.change.state == PlanChangeState::Pending
    }

    /// What it did, feature by feature; of one that is scheduled, what it would do at its time as things stand now.
    #[graphql(complexity = "5 * child_complexity")]
    async fn features(&self) -> Vec<FeatureChangeObject> {
        features(Some(&self.0))
    }
}

/// What a change would do. Nothing is changed by asking.
pub(crate) struct PlanChangePreviewObject {
    pub(crate) preview: Option<PlanChanged>,
    pub(crate) refusals: Vec<Refusal>,
}

#[Object(name = "PlanChangePreview")]
impl PlanChangePreviewObject {
    /// When it would take effect; none where it would be refused.
    async fn takes_effect_at(&self) -> Option<String> {
        self.preview.as_ref().map(|preview| instant(preview.change.at))
    }

    /// What becomes of live allocations where units are taken away, as the plan says that is left.
    async fn live_rule(&self) -> Option<LiveRuleName> {
        self.preview.as_ref().map(|preview| preview.effects.rule.into())
    }

    /// What it would do, feature by feature.
    #[graphql(complexity = "5 * child_complexity")]
    async fn features(&self) -> Vec<FeatureChangeObject> {
        features(self.preview.as_ref())
    }

    /// Why it would be refused; empty where it would not.
    async fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
}

fn features(changed: Option<&PlanChanged>) -> Vec<FeatureChangeObject> {
    let effects = changed.map_or(&[][..], |changed| &changed.effects.features);
    effects.iter().cloned().map(FeatureChangeObject).collect()
}

/// What a change does to one feature. Amounts are decimals in the feature's unit, and none where it is not metered.
pub(crate) struct FeatureChangeObject(FeatureEffect);

#[Object(name = "FeatureChange")]
impl FeatureChangeObject {
    /// Which feature.
    async fn feature(&self, context: &Context<'_>) -> Result<FeatureNode> {
        Ok(FeatureNode(self.find(context).await?))
    }

    /// What the plan that is left grants of it; none where it grants nothing.
    async fn before(&self) -> Option<PlanLineObject> {
        self.line(self.0.before.as_ref())
    }

    /// What the plan that is taken grants of it; none where it grants nothing.
    async fn after(&self) -> Option<PlanLineObject> {
        self.line(self.0.after.as_ref())
    }

    /// Does the quota's period change? Then the current window ends, and one of the new period begins with its own quota.
    async fn restarts(&self) -> bool {
        self.0.restarts
    }

    /// Units that are issued into the current window.
    async fn granted(&self, context: &Context<'_>) -> Result<Option<String>> {
        self.amount(context, self.0.shift.granted).await
    }

    /// Units of the current window that are taken back now.
    async fn taken_back(&self, context: &Context<'_>) -> Result<Option<String>> {
        self.amount(context, self.0.shift.taken_back).await
    }

    /// Units that are out, in allocations or gates' memories, and taken back when they return.
    async fn pending(&self, context: &Context<'_>) -> Result<Option<String>> {
        self.amount(context, self.0.shift.pending).await
    }

    /// Units that lapse because the current window ends with the plan.
    async fn lapsed(&self, context: &Context<'_>) -> Result<Option<String>> {
        self.amount(context, self.0.shift.lapsed).await
    }

    /// Live allocations that shrink or end, the newest first, at most 100.
    #[graphql(complexity = "5 * child_complexity")]
    async fn allocations(&self, context: &Context<'_>) -> Result<Vec<AllocationChangeObject>> {
        let feature = self.find(context).await?;
        let shown = self.0.shift.allocations.iter().take(ALLOCATIONS_MAX);
        Ok(shown.map(|effect| AllocationChangeObject { effect: *effect, feature: feature.clone() }).collect())
    }
}

impl FeatureChangeObject {
    fn line(&self, offer: Option<&Offer>) -> Option<PlanLineObject> {
        offer.map(|offer| PlanLineObject(PlanLine { feature: self.0.feature, offer: offer.clone() }))
    }

    async fn amount(&self, context: &Context<'_>, units: Units) -> Result<Option<String>> {
        let feature = self.find(context).await?;
        Ok(matches!(feature.kind, FeatureKind::Metered(_)).then(|| decimal(units, &feature)))
    }

    async fn find(&self, context: &Context<'_>) -> Result<Feature> {
        there(asker(context)?.loader.load_one(self.0.feature).await?)
    }
}

/// What a change does to a live allocation.
pub(crate) struct AllocationChangeObject {
    effect: AllocationEffect,
    feature: Feature,
}

#[Object(name = "AllocationChange")]
impl AllocationChangeObject {
    /// Which allocation.
    async fn allocation(&self, context: &Context<'_>) -> Result<AllocationNode> {
        Ok(AllocationNode(there(asker(context)?.loader.load_one(self.effect.allocation).await?)?))
    }

    /// Units of the feature that go back, as a decimal in its unit.
    async fn returned(&self) -> String {
        decimal(self.effect.returned, &self.feature)
    }

    /// Does it end?
    async fn ends(&self) -> bool {
        self.effect.ends
    }
}
