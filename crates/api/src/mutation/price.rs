//! What features cost in a currency is published as lists, and never changed.

use crate::asker::asker;
use crate::object::PriceListObject;
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::prices::{self, NewPrice, NewPrices, PublishPricesError};
use almoner_domain::price::PriceListError;
use almoner_domain::text::{DimensionName, DimensionValue, FeatureKey};
use almoner_domain::time::Timestamp;
use async_graphql::{Context, InputObject, Object, Result};

/// The next prices in one currency. They take the place of the whole list before.
#[derive(InputObject)]
pub(crate) struct PublishPricesInput {
    /// The metered feature that pays, by its key, such as `credits`.
    currency: String,
    /// What costs how much: 1 to 500 prices.
    prices: Vec<FeaturePriceInput>,
    /// In effect from this instant on (RFC 3339), after the list before it and not in the past; now by default.
    effective_from: Option<String>,
}

/// What one whole unit of a feature costs. Of several prices of a feature that fit a call the one that looks at most of it holds.
#[derive(InputObject)]
pub(crate) struct FeaturePriceInput {
    /// Of which metered feature, by its key.
    feature: String,
    /// How much, as a decimal in the currency's unit.
    cost: String,
    /// Only for calls that say all of this: at most five dimensions. For any call by default.
    dimensions: Option<Vec<PriceDimensionInput>>,
}

/// What a call must say.
#[derive(InputObject)]
pub(crate) struct PriceDimensionInput {
    /// The dimension's name.
    name: String,
    /// Its value.
    value: String,
}

payload! {
    /// What came of publishing prices.
    PublishPricesPayload {
        /// The list.
        price_list: PriceListObject
    }
}

#[derive(Default)]
pub(crate) struct PriceMutation;

#[Object]
impl PriceMutation {
    /// Publishes what features cost in a currency. Calls are charged by the list that is in effect when they are decided.
    #[graphql(complexity = "input.prices.len() + child_complexity")]
    async fn publish_prices(&self, context: &Context<'_>, input: PublishPricesInput) -> Result<PublishPricesPayload> {
        PublishPricesPayload::of(publish(context, input).await)
    }
}

async fn publish(context: &Context<'_>, input: PublishPricesInput) -> Result<PriceListObject, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let currency = checks.keep(&["currency"], FeatureKey::parse(&input.currency));
    let effective_from =
        input.effective_from.as_deref().map(|text| checks.keep(&["effectiveFrom"], Timestamp::parse(text)));
    let lines: Vec<Option<NewPrice>> =
        input.prices.into_iter().enumerate().map(|(at, price)| read(at, price, &mut checks)).collect();
    checks.done()?;
    let lines = lines.into_iter().flatten().collect();
    let new = NewPrices { currency: kept(currency)?, effective_from: effective_from.flatten(), lines };
    let published = prices::publish(&asker.caller, &asker.desk.app, new).await;
    published.map(PriceListObject).map_err(|error| {
        use PublishPricesError as Why;
        let at_line = |code, line: usize, member: &str| Stop::at(code, &["prices", &line.to_string(), member], &error);
        match error {
            Why::Forbidden(why) => why.into(),
            Why::Fault(fault) => fault.into(),
            Why::UnknownCurrency(_) => Stop::at(RefusalCode::NotFound, &["currency"], error),
            Why::NotACurrency(_) => Stop::at(RefusalCode::Invalid, &["currency"], error),
            Why::UnknownFeature { line, .. } => at_line(RefusalCode::NotFound, line, "feature"),
            Why::NotMetered { line, .. } => at_line(RefusalCode::Invalid, line, "feature"),
            Why::Cost { line, .. } => at_line(RefusalCode::Invalid, line, "cost"),
            Why::List(PriceListError::Count) => Stop::at(RefusalCode::Limit, &["prices"], error),
            Why::List(PriceListError::Conditions(line)) => at_line(RefusalCode::Limit, line, "dimensions"),
            Why::List(PriceListError::Itself(line) | PriceListError::Repeated(line)) => {
                at_line(RefusalCode::Invalid, line, "feature")
            }
            Why::Past => Stop::at(RefusalCode::Invalid, &["effectiveFrom"], error),
            Why::Overlapping { .. } => Stop::at(RefusalCode::Conflict, &["effectiveFrom"], error),
            Why::Raced(_) => Stop::at(RefusalCode::Conflict, &["currency"], error),
        }
    })
}

fn read(at: usize, price: FeaturePriceInput, checks: &mut Checks) -> Option<NewPrice> {
    let at = at.to_string();
    let feature = checks.keep(&["prices", &at, "feature"], FeatureKey::parse(&price.feature));
    let mut when = Vec::new();
    for (place, said) in price.dimensions.unwrap_or_default().into_iter().enumerate() {
        let place = place.to_string();
        let member = |name| ["prices", &at, "dimensions", &place, name];
        let name = checks.keep(&member("name"), DimensionName::parse(&said.name));
        let value = checks.keep(&member("value"), DimensionValue::parse(&said.value));
        when.push((name?, value?));
    }
    Some(NewPrice { feature: feature?, when, cost: price.cost })
}
