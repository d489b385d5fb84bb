//! Price lists: what features cost in a currency. A list is never changed once published; a change is a new one.

use crate::app::{App, or_taken};
use crate::audit::{Deed, sign};
use crate::authority::{self, FindError, Forbidden};
use almoner_domain::audit::Action;
use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::feature::Meter;
use almoner_domain::ports::Features;
use almoner_domain::price::{PriceLine, PriceList, PriceListError, Rate};
use almoner_domain::text::{DimensionName, DimensionValue, FeatureKey};
use almoner_domain::time::Timestamp;
use almoner_domain::units::{Units, UnitsError};
use thiserror::Error;

/// The next prices in one currency.
#[derive(Debug, Clone)]
pub struct NewPrices {
    /// The feature that pays.
    pub currency: FeatureKey,
    /// In effect from then on; none for now.
    pub effective_from: Option<Timestamp>,
    /// What costs how much.
    pub lines: Vec<NewPrice>,
}

/// A price to be.
#[derive(Debug, Clone)]
pub struct NewPrice {
    /// Of which feature.
    pub feature: FeatureKey,
    /// What a call must say.
    pub when: Vec<(DimensionName, DimensionValue)>,
    /// What one whole unit costs, as a decimal of the currency.
    pub cost: String,
}

/// Why no prices were published.
#[derive(Debug, Error)]
pub enum PublishPricesError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such feature to pay with.
    #[error("there is no feature \"{0}\"")]
    UnknownCurrency(FeatureKey),
    /// What is not counted cannot pay.
    #[error("the feature \"{0}\" is not metered; a currency is")]
    NotACurrency(FeatureKey),
    /// No such feature to be paid for.
    #[error("there is no feature \"{key}\"")]
    UnknownFeature {
        /// Its key.
        key: FeatureKey,
        /// In which line.
        line: usize,
    },
    /// What is not counted has no price.
    #[error("the feature \"{key}\" is not metered; there is nothing to count the price by")]
    NotMetered {
        /// Its key.
        key: FeatureKey,
        /// In which line.
        line: usize,
    },
    /// The price is no amount of the currency.
    #[error("the price {why}")]
    Cost {
        /// In which line.
        line: usize,
        /// What is wrong with it.
        why: UnitsError,
    },
    /// The lines are no list together.
    #[error(transparent)]
    List(#[from] PriceListError),
    /// It would begin in the past, for which calls were charged already.
    #[error("prices begin now or later")]
    Past,
    /// It would begin before, or with, the list before it.
    #[error("list {number} begins at {from}; the next begins after that")]
    Overlapping {
        /// The newest list.
        number: u32,
        /// When it begins.
        from: Timestamp,
    },
    /// Another list came in between.
    #[error("list {0} was published by somebody else at the same time: look at it, then publish again")]
    Raced(u32),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Publishes what features cost in a currency, from now on or from an instant ahead. It takes the place of the whole list before.
pub async fn publish(caller: &Caller, app: &App, new: NewPrices) -> Result<PriceList, PublishPricesError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    let currency = work.features().by_key(&new.currency).await?;
    let currency = currency.ok_or_else(|| PublishPricesError::UnknownCurrency(new.currency.clone()))?;
    let meter = currency.meter().ok_or_else(|| PublishPricesError::NotACurrency(new.currency.clone()))?.clone();
    let latest = work.prices().latest(currency.id).await?;
    let number = latest.as_ref().map_or(1, |list| list.number.saturating_add(1));
    let now = app.now();
    let effective_from = new.effective_from.unwrap_or(now);
    if effective_from < now {
        return Err(PublishPricesError::Past);
    }
    if let Some(list) = latest.filter(|list| list.effective_from >= effective_from) {
        return Err(PublishPricesError::Overlapping { number: list.number, from: list.effective_from });
    }
    let lines = lines(work.features(), &meter, new.lines).await?;
    let list = PriceList { id: app.new_id(), currency: currency.id, number, effective_from, lines };
    list.check()?;
    work.prices().publish(&list).await.map_err(|fault| or_taken(fault, || PublishPricesError::Raced(number)))?;
    let note = format!("{} list {number}", currency.key);
    sign(&mut *work, app, caller, Deed { action: Action::PublishPrices, subject: &list.id, customer: None, note })
        .await?;
    work.commit().await?;
    tracing::info!(%realm, currency = %currency.key, number, "prices published");
    Ok(list)
}

/// The newest prices in a currency, whether or not their time has come; none while nothing is published.
pub async fn latest(caller: &Caller, app: &App, currency: &FeatureKey) -> Result<Option<PriceList>, FindError> {
    let (realm, _) = authority::looks(caller)?;
    let mut work = app.store.begin(realm).await?;
    match work.features().by_key(currency).await? {
        Some(currency) => Ok(work.prices().latest(currency.id).await?),
        None => Ok(None),
    }
}

async fn lines(
    features: &mut dyn Features,
    currency: &Meter,
    new: Vec<NewPrice>,
) -> Result<Vec<PriceLine>, PublishPricesError> {
    let mut lines = Vec::with_capacity(new.len());
    for (line, price) in new.into_iter().enumerate() {
        let key = price.feature;
        let feature = features.by_key(&key).await?;
        let feature = feature.ok_or_else(|| PublishPricesError::UnknownFeature { key: key.clone(), line })?;
        let meter = feature.meter().ok_or_else(|| PublishPricesError::NotMetered { key: key.clone(), line })?;
        let cost = Units::parse(&price.cost, currency.scale).map_err(|why| PublishPricesError::Cost { line, why })?;
        let mut when = price.when;
        when.sort();
        lines.push(PriceLine { feature: feature.id, when, rate: Rate::new(cost, meter.scale) });
    }
    Ok(lines)
}
