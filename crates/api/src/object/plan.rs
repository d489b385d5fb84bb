//! Plans and their versions.

use super::period::{UsagePeriodName, WeekdayName};
use super::{FeatureNode, decimal, instant, there, wire_id};
use crate::asker::asker;
use crate::cursor::{Asked, Listing, list, page_cost};
use crate::lists::VersionsOf;
use almoner_domain::feature::{Feature, FeatureKind, StaticValue};
use almoner_domain::page::Page;
use almoner_domain::period::{Alignment, Recurrence, UsagePeriod};
use almoner_domain::plan::{Beyond, LiveRule, Offer, Plan, PlanLine, PlanVersion, Price};
use almoner_domain::units::Scale;
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};

/// A plan, whatever its version.
pub(crate) struct PlanNode(pub(crate) Plan);

#[Object(name = "Plan")]
impl PlanNode {
    /// Its id.
    pub(crate) async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// The provider's own id.
    async fn external_id(&self) -> &str {
        self.0.external_id.as_str()
    }

    /// What people call it.
    async fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// Its newest version, which new subscriptions take; none while nothing is published.
    async fn latest_version(&self, context: &Context<'_>) -> Result<Option<PlanVersionNode>> {
        let newest = asker(context)?.loader.load_one(VersionsOf(self.0.id, Page::first(1))).await?;
        Ok(newest.and_then(|mut newest| newest.entries.pop()).map(PlanVersionNode))
    }

    /// Its versions, newest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn versions(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listing<PlanVersionNode>> {
        let asked = Asked { first, after, last, before };
        list(context, asked, |page| VersionsOf(self.0.id, page), |version| version.id, PlanVersionNode).await
    }
}

/// The terms of a plan at one time. Never changed once published.
pub(crate) struct PlanVersionNode(pub(crate) PlanVersion);

#[Object(name = "PlanVersion")]
impl PlanVersionNode {
    /// Its id.
    pub(crate) async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// 1, 2, 3, ...
    async fn number(&self) -> i64 {
        i64::from(self.0.number)
    }

    /// Of which plan.
    async fn plan(&self, context: &Context<'_>) -> Result<PlanNode> {
        Ok(PlanNode(there(asker(context)?.loader.load_one(self.0.plan).await?)?))
    }

    /// New subscriptions take it from then on, until the next version's turn.
    async fn effective_from(&self) -> String {
        instant(self.0.effective_from)
    }

    /// What a customer pays for each month, where the provider says so.
    async fn price(&self) -> Option<PriceObject> {
        let price = self.0.price.as_ref()?;
        let amount = price.amount.display(Scale::new(Price::PLACES).ok()?);
        Some(PriceObject { amount, currency: price.currency.to_string() })
    }

    /// What becomes of live allocations when a customer leaves these terms.
    async fn live_rule(&self) -> LiveRuleName {
        self.0.live_rule.into()
    }

    /// What it grants: at most one line a feature.
    async fn lines(&self) -> Vec<PlanLineObject> {
        self.0.lines.iter().cloned().map(PlanLineObject).collect()
    }
}

/// What becomes of live allocations when their customer's plan takes units away, or ends. Units that nobody has been given go first
/// in any case, and what is used stays used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "LiveRule")]
pub(crate) enum LiveRuleName {
    /// They live to their own end. What they return then is taken back.
    Keep,
    /// What is free in them is taken back, of the newest first.
    Shrink,
    /// They are ended, the newest first, as many as it takes.
    End,
}

impl From<LiveRule> for LiveRuleName {
    fn from(rule: LiveRule) -> Self {
        match rule {
            LiveRule::Keep => Self::Keep,
            LiveRule::Shrink => Self::Shrink,
            LiveRule::End => Self::End,
        }
    }
}

impl From<LiveRuleName> for LiveRule {
    fn from(rule: LiveRuleName) -> Self {
        match rule {
            LiveRuleName::Keep => Self::Keep,
            LiveRuleName::Shrink => Self::Shrink,
            LiveRuleName::End => Self::End,
        }
    }
}

/// An amount of money.
#[derive(SimpleObject)]
#[graphql(name = "Price")]
pub(crate) struct PriceObject {
    /// A decimal.
    amount: String,
    /// The currency's code of ISO 4217.
    currency: String,
}

/// What a plan grants of one feature.
pub(crate) struct PlanLineObject(pub(crate) PlanLine);

#[Object(name = "PlanLine")]
impl PlanLineObject {
    /// Of which feature.
    async fn feature(&self, context: &Context<'_>) -> Result<FeatureNode> {
        Ok(FeatureNode(self.find(context).await?))
    }

    /// A static feature: its value, as text.
    async fn value(&self) -> Option<String> {
        match &self.0.offer {
            Offer::Value(value) => Some(value_text(value)),
            Offer::Included | Offer::Quota { .. } => None,
        }
    }

    /// A metered feature: units in each usage period, as a decimal in the feature's unit.
    async fn amount(&self, context: &Context<'_>) -> Result<Option<String>> {
        let Offer::Quota { amount, .. } = &self.0.offer else { return Ok(None) };
        let FeatureKind::Metered(meter) = self.find(context).await?.kind else { return Ok(None) };
        Ok(Some(amount.display(meter.scale)))
    }

    /// A metered feature: what of a period's units goes on in the next; none where nothing does.
    async fn rollover(&self, context: &Context<'_>) -> Result<Option<RolloverObject>> {
        let Offer::Quota { beyond: Beyond { rollover: Some(rollover), .. }, .. } = self.0.offer else {
            return Ok(None);
        };
        let feature = self.find(context).await?;
        Ok(Some(RolloverObject {
            minimum: decimal(rollover.minimum(), &feature),
            maximum: decimal(rollover.maximum(), &feature),
            expires_after_days: rollover.days().map(i64::from),
        }))
    }

    /// A metered feature: units of a period that may be used beyond the amount, as a decimal in the feature's unit; none where none may.
    async fn overage(&self, context: &Context<'_>) -> Result<Option<String>> {
        let Offer::Quota { beyond: Beyond { overage, .. }, .. } = self.0.offer else { return Ok(None) };
        if overage.is_zero() {
            return Ok(None);
        }
        Ok(Some(decimal(overage, &self.find(context).await?)))
    }

    /// A metered feature: what its usage periods are measured in.
    async fn period(&self) -> Option<UsagePeriodName> {
        self.usage_period().map(Into::into)
    }

    /// A metered feature: how many of them one usage period is; none where it never renews.
    async fn period_count(&self) -> Option<i32> {
        self.recurrence().map(|every| every.count().into())
    }

    /// A metered feature: are its periods counted from the calendar of the subscription's zone, and not from its anchor?
    async fn aligned(&self) -> Option<bool> {
        self.recurrence().map(|every| every.alignment() != Alignment::Anchor)
    }

    /// A metered feature with periods of weeks of the calendar: the day on which they begin.
    async fn week_start(&self) -> Option<WeekdayName> {
        match self.recurrence()?.alignment() {
            Alignment::Calendar { week_start } => Some(week_start.into()),
            Alignment::Anchor => None,
        }
    }
}

/// What of a period's units goes on in the next one.
#[derive(SimpleObject)]
#[graphql(name = "Rollover")]
pub(crate) struct RolloverObject {
    /// At least so many, even where less is left, as a decimal in the feature's unit.
    minimum: String,
    /// At most so many, as a decimal in the feature's unit.
    maximum: String,
    /// How many days it lasts from the start of the next period; none where it ends with that.
    expires_after_days: Option<i64>,
}

impl PlanLineObject {
    fn usage_period(&self) -> Option<UsagePeriod> {
        match &self.0.offer {
            Offer::Quota { period, .. } => Some(*period),
            Offer::Included | Offer::Value(_) => None,
        }
    }

    fn recurrence(&self) -> Option<Recurrence> {
        match self.usage_period()? {
            UsagePeriod::Every(every) => Some(every),
            UsagePeriod::Never => None,
        }
    }

    async fn find(&self, context: &Context<'_>) -> Result<Feature> {
        there(asker(context)?.loader.load_one(self.0.feature).await?)
    }
}

/// A static value, as text.
pub(crate) fn value_text(value: &StaticValue) -> String {
    match value {
        StaticValue::Integer(number) => number.to_string(),
        StaticValue::Text(text) => text.as_str().to_owned(),
    }
}
