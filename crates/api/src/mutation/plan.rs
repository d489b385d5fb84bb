//! Plans are created without terms; terms are published as versions, and never changed.

use crate::asker::asker;
use crate::object::{LiveRuleName, PlanNode, PlanVersionNode, UsagePeriodName, WeekdayName};
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::features;
use almoner_app::plans::{self, CreatePlanError, NewPlan, NewTerms, PublishPlanError};
use almoner_domain::feature::{Feature, FeatureKind, StaticValue};
use almoner_domain::period::{Alignment, Recurrence, UsagePeriod, Weekday};
use almoner_domain::plan::{Beyond, Currency, LiveRule, Offer, Price, Rollover, RolloverError};
use almoner_domain::text::{ExternalId, FeatureKey, Name};
use almoner_domain::time::Timestamp;
use almoner_domain::units::{Scale, Units};
use async_graphql::{Context, InputObject, Object, Result};

/// A plan to be.
#[derive(InputObject)]
pub(crate) struct CreatePlanInput {
    /// The provider's own id, unique for the tenant.
    external_id: String,
    /// What people will call it.
    name: String,
}

/// The next terms of a plan.
#[derive(InputObject)]
pub(crate) struct PublishPlanInput {
    /// The plan, by the provider's id.
    plan: String,
    /// What it grants: at most one line a feature, 1 to 256 of them.
    lines: Vec<PlanLineInput>,
    /// New subscriptions take it from this instant on (RFC 3339), after the version before it and not in the past; now by default.
    effective_from: Option<String>,
    /// What a customer pays for each month. Almoner charges nobody; it is told with the terms.
    price: Option<PriceInput>,
    /// What becomes of live allocations when a customer leaves these terms; `KEEP` by default.
    live_rule: Option<LiveRuleName>,
}

/// An amount of money.
#[derive(InputObject)]
pub(crate) struct PriceInput {
    /// A decimal with at most four places.
    amount: String,
    /// A currency by its code of ISO 4217, such as `EUR`.
    currency: String,
}

/// What a plan grants of one feature. A boolean feature needs nothing else; a static one its value; a metered one its amount
/// and period.
#[derive(InputObject)]
pub(crate) struct PlanLineInput {
    /// Of which feature, by its key.
    feature: String,
    /// A static feature: its value. One that reads as a whole number is one.
    value: Option<String>,
    /// A metered feature: units in each usage period, as a decimal in the feature's unit.
    amount: Option<String>,
    /// A metered feature: how long until its quota renews.
    period: Option<UsagePeriodName>,
    /// How many of them one usage period is, between 1 and 1,000; 1 by default.
    period_count: Option<i32>,
    /// Are usage periods counted from the calendar of the subscription's zone (months from the 1st, days from midnight, hours anew
    /// each day), and not from the subscription's anchor? They are not by default.
    aligned: Option<bool>,
    /// Where weeks of the calendar begin; Monday by default.
    week_start: Option<WeekdayName>,
    /// A metered feature: what of a period's units goes on in the next; nothing by default.
    rollover: Option<RolloverInput>,
    /// A metered feature: units of a period that may be used beyond the amount, as a decimal in the feature's unit; none by default. They burn
    /// last, and that they are begun upon is told.
    overage: Option<String>,
}

/// What of a period's units goes on in the next one: of what is left at most `maximum`, and at least `minimum`, even where less is left.
#[derive(InputObject)]
pub(crate) struct RolloverInput {
    /// As a decimal in the feature's unit; 0 by default.
    minimum: Option<String>,
    /// As a decimal in the feature's unit, above zero.
    maximum: String,
    /// How many days it lasts from the start of the next period, 1 to 3,660; until that ends by default.
    expires_after_days: Option<i64>,
}

payload! {
    /// What came of creating a plan.
    CreatePlanPayload {
        /// The plan.
        plan: PlanNode
    }
}

payload! {
    /// What came of publishing a version.
    PublishPlanPayload {
        /// The version.
        plan_version: PlanVersionNode
    }
}

#[derive(Default)]
pub(crate) struct PlanMutation;

#[Object]
impl PlanMutation {
    /// Creates a plan, without terms yet.
    async fn create_plan(&self, context: &Context<'_>, input: CreatePlanInput) -> Result<CreatePlanPayload> {
        CreatePlanPayload::of(create(context, input).await)
    }

    /// Publishes the next version of a plan. Who subscribed to an earlier one stays on it.
    #[graphql(complexity = "input.lines.len() + child_complexity")]
    async fn publish_plan(&self, context: &Context<'_>, input: PublishPlanInput) -> Result<PublishPlanPayload> {
        PublishPlanPayload::of(publish(context, input).await)
    }
}

async fn create(context: &Context<'_>, input: CreatePlanInput) -> Result<PlanNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let external_id = checks.keep(&["externalId"], ExternalId::parse(&input.external_id));
    let name = checks.keep(&["name"], Name::parse(&input.name));
    checks.done()?;
    let new = NewPlan { external_id: kept(external_id)?, name: kept(name)? };
    match plans::create(&asker.caller, &asker.desk.app, new).await {
        Ok(plan) => Ok(PlanNode(plan)),
        Err(CreatePlanError::Forbidden(why)) => Err(why.into()),
        Err(CreatePlanError::Fault(fault)) => Err(fault.into()),
        Err(taken @ CreatePlanError::Taken(_)) => Err(Stop::at(RefusalCode::Taken, &["externalId"], taken)),
    }
}

async fn publish(context: &Context<'_>, input: PublishPlanInput) -> Result<PlanVersionNode, Stop> {
    let asker = asker(context)?;
    let known = features::list(&asker.caller, &asker.desk.app).await.map_err(crate::asker::not_found)?;
    let mut checks = Checks::default();
    let plan = checks.keep(&["plan"], ExternalId::parse(&input.plan));
    let mut terms = Vec::with_capacity(input.lines.len());
    for (index, line) in input.lines.iter().enumerate() {
        let index = index.to_string();
        if let Some(key) = checks.keep(&["lines", &index, "feature"], FeatureKey::parse(&line.feature))
            && let Some(offer) = offer(line, known.iter().find(|feature| feature.key == key), &index, &mut checks)
        {
            terms.push((key, offer));
        }
    }
    let effective_from =
        input.effective_from.as_deref().map(|text| checks.keep(&["effectiveFrom"], Timestamp::parse(text)));
    let price = input.price.as_ref().map(|price| read_price(price, &mut checks));
    checks.done()?;
    let live_rule = input.live_rule.map_or(LiveRule::Keep, Into::into);
    let terms = NewTerms { effective_from: effective_from.flatten(), price: price.flatten(), live_rule, lines: terms };
    let published = plans::publish(&asker.caller, &asker.desk.app, &kept(plan)?, terms).await;
    let path_of = |key: &FeatureKey| input.lines.iter().rposition(|line| line.feature == key.as_str());
    published.map(PlanVersionNode).map_err(|error| match error {
        PublishPlanError::Forbidden(why) => why.into(),
        PublishPlanError::Fault(fault) => fault.into(),
        PublishPlanError::UnknownPlan(_) => Stop::at(RefusalCode::NotFound, &["plan"], error),
        PublishPlanError::Past => Stop::at(RefusalCode::Invalid, &["effectiveFrom"], error),
        PublishPlanError::Overlapping { .. } => Stop::at(RefusalCode::Conflict, &["effectiveFrom"], error),
        PublishPlanError::Raced(_) => Stop::at(RefusalCode::Conflict, &["plan"], error),
        PublishPlanError::Empty | PublishPlanError::TooManyLines => Stop::at(RefusalCode::Limit, &["lines"], error),
        PublishPlanError::UnknownFeature(ref key) => at_line(RefusalCode::NotFound, path_of(key), &error),
        PublishPlanError::Repeated(ref key) | PublishPlanError::Mismatched(ref key) => {
            at_line(RefusalCode::Invalid, path_of(key), &error)
        }
    })
}

fn read_price(price: &PriceInput, checks: &mut Checks) -> Option<Price> {
    let scale = checks.keep(&["price", "amount"], Scale::new(Price::PLACES))?;
    let amount = checks.keep(&["price", "amount"], Units::parse(&price.amount, scale));
    let currency = checks.keep(&["price", "currency"], Currency::parse(&price.currency));
    Some(Price { amount: amount?, currency: currency? })
}

fn at_line(code: RefusalCode, index: Option<usize>, error: &PublishPlanError) -> Stop {
    let index = index.unwrap_or_default().to_string();
    Stop::at(code, &["lines", &index, "feature"], error)
}

/// What a line offers. One of a feature that is not known is left to the use case, which says so.
fn offer(line: &PlanLineInput, feature: Option<&Feature>, index: &str, checks: &mut Checks) -> Option<Offer> {
    let at = |member| ["lines", index, member];
    let says_period = line.period_count.is_some() || line.aligned.is_some() || line.week_start.is_some();
    if says_period && line.period.is_none_or(|period| period.unit().is_none()) {
        checks.add(&at("period"), "must be a unit of time where a count, an alignment or the start of weeks is given");
        return None;
    }
    if (line.rollover.is_some() || line.overage.is_some()) && line.amount.is_none() {
        checks.add(&at("amount"), "must be given where units roll over or may be used beyond it");
        return None;
    }
    match (&line.value, &line.amount, line.period) {
        (None, None, None) => Some(Offer::Included),
        (Some(value), None, None) => {
            let text = || checks.keep(&at("value"), Name::parse(value)).map(StaticValue::Text);
            value.parse().ok().map(StaticValue::Integer).or_else(text).map(Offer::Value)
        }
        (None, Some(amount), Some(period)) => {
            let scale = match feature.map(|feature| &feature.kind) {
                Some(FeatureKind::Metered(meter)) => meter.scale,
                _ => almoner_domain::units::Scale::WHOLE,
            };
            let amount = checks.keep(&at("amount"), Units::parse(amount, scale))?;
            let beyond = read_beyond(line, scale, index, checks)?;
            Some(Offer::Quota { amount, period: read_period(line, period, &at("periodCount"), checks)?, beyond })
        }
        _ => {
            let detail =
                "is not one offer: give nothing more (boolean), a value (static), or amount and period (metered)";
            checks.add(&["lines", index], detail);
            None
        }
    }
}

/// What goes beyond a quota.
fn read_beyond(line: &PlanLineInput, scale: Scale, index: &str, checks: &mut Checks) -> Option<Beyond> {
    let mut amount = |path: &[&str], text: Option<&str>| match text {
        None => Some(Units::ZERO),
        Some(text) => checks.keep(path, Units::parse(text, scale)),
    };
    let overage = amount(&["lines", index, "overage"], line.overage.as_deref())?;
    let Some(input) = &line.rollover else { return Some(Beyond { rollover: None, overage }) };
    let at = |member| ["lines", index, "rollover", member];
    let minimum = amount(&at("minimum"), input.minimum.as_deref())?;
    let maximum = amount(&at("maximum"), Some(&input.maximum))?;
    // What is below zero is no day, and refused as that.
    let days = input.expires_after_days.map(|days| u32::try_from(days).unwrap_or_default());
    match Rollover::new(minimum, maximum, days) {
        Ok(rollover) => Some(Beyond { rollover: Some(rollover), overage }),
        Err(why) => {
            let member = match why {
                RolloverError::Maximum => "maximum",
                RolloverError::Minimum => "minimum",
                RolloverError::Days => "expiresAfterDays",
            };
            checks.add(&at(member), why);
            None
        }
    }
}

fn read_period(
    line: &PlanLineInput,
    period: UsagePeriodName,
    path: &[&str],
    checks: &mut Checks,
) -> Option<UsagePeriod> {
    let Some(unit) = period.unit() else { return Some(UsagePeriod::Never) };
    let alignment = match (line.aligned.unwrap_or_default(), line.week_start) {
        (true, week_start) => Alignment::Calendar { week_start: week_start.map_or(Weekday::Monday, Into::into) },
        (false, None) => Alignment::Anchor,
        (false, Some(_)) => {
            checks.add(&[path[0], path[1], "weekStart"], "is of weeks of the calendar: set aligned to true");
            return None;
        }
    };
    // What does not fit is none or too many, and refused as that.
    let count = u16::try_from(line.period_count.unwrap_or(1)).unwrap_or_default();
    checks.keep(path, Recurrence::new(count, unit, alignment)).map(UsagePeriod::Every)
}
