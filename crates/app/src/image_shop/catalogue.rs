//! What both companies sell: ten features, one plan, and a price list: support is paid with credits.

use super::{SeedError, at, ensure};
use crate::prices::{NewPrice, NewPrices};
use crate::{App, features::NewFeature};
use almoner_domain::caller::Caller;
use almoner_domain::feature::{Durability, ExcessRule, Feature, FeatureKind, Meter, StaticValue};
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::{Beyond, Offer, Plan};
use almoner_domain::text::{FeatureKey, Name, TextError};
use almoner_domain::units::{Scale, Units};

/// What a customer gets of a feature.
enum Gets {
    /// So many whole units a month; one is called so, and has so many decimal places.
    AMonth(i64, &'static str, u8),
    /// None of it: it is paid with credits. One is called so.
    ForCredits(&'static str),
    /// It.
    It,
    /// This value.
    Value(i64),
}

/// Key, name and what the Pro plan gives of it.
const CATALOGUE: [(&str, &str, Gets); 10] = [
    ("image.generate", "Image generation", Gets::AMonth(1_000, "image generations", 0)),
    ("image.describe", "Image description", Gets::AMonth(2_000, "image descriptions", 0)),
    ("image.upload", "Image upload", Gets::AMonth(500, "image uploads", 0)),
    ("image.background_removal", "Background removal", Gets::It),
    ("image.max_resolution", "Maximum resolution in pixels", Gets::Value(4_096)),
    ("assistant.input_tokens", "Assistant input", Gets::AMonth(30_000_000, "input tokens", 0)),
    ("assistant.output_tokens", "Assistant output", Gets::AMonth(6_000_000, "output tokens", 0)),
    (CREDITS, "Credits", Gets::AMonth(5_000, "credits", 2)),
    ("support.reply", "Support reply", Gets::ForCredits("support replies")),
    ("support.refund_check", "Refund check", Gets::ForCredits("refund checks")),
];

/// What support is paid with.
pub(super) const CREDITS: &str = "credits";
/// Whole credits for each.
const PRICES: [(&str, &str); 2] = [("support.reply", "1"), ("support.refund_check", "3")];

/// The features, in the order of the catalogue.
pub(super) async fn features(staff: &Caller, app: &App) -> Result<Vec<Feature>, SeedError> {
    let mut features = Vec::with_capacity(CATALOGUE.len());
    for (key, name, gets) in &CATALOGUE {
        let new = NewFeature {
            key: FeatureKey::parse(key).map_err(at("features"))?,
            name: Name::parse(name).map_err(at("features"))?,
            kind: kind(gets)?,
        };
        features.push(ensure::feature(staff, app, new).await?);
    }
    Ok(features)
}

/// The plan, with one version at least.
pub(super) async fn pro_plan(staff: &Caller, app: &App) -> Result<Plan, SeedError> {
    let mut terms = Vec::with_capacity(CATALOGUE.len());
    for (key, _, gets) in &CATALOGUE {
        if let Some(offer) = offer(gets)? {
            terms.push((FeatureKey::parse(key).map_err(at("plan"))?, offer));
        }
    }
    ensure::plan(staff, app, ("pro", "Pro"), &terms).await
}

/// What support costs in credits.
pub(super) async fn prices(staff: &Caller, app: &App) -> Result<(), SeedError> {
    let line = |(key, cost): &(&str, &str)| {
        Ok(NewPrice { feature: FeatureKey::parse(key)?, when: Vec::new(), cost: (*cost).to_owned() })
    };
    let lines: Result<Vec<NewPrice>, TextError> = PRICES.iter().map(line).collect();
    let currency = FeatureKey::parse(CREDITS).map_err(at("prices"))?;
    let new = NewPrices { currency, effective_from: None, lines: lines.map_err(at("prices"))? };
    ensure::prices(staff, app, new).await
}

fn kind(gets: &Gets) -> Result<FeatureKind, SeedError> {
    Ok(match gets {
        Gets::It => FeatureKind::Boolean,
        Gets::Value(_) => FeatureKind::Static,
        Gets::AMonth(_, unit, places) => metered(unit, *places)?,
        Gets::ForCredits(unit) => metered(unit, 0)?,
    })
}

fn metered(unit: &str, places: u8) -> Result<FeatureKind, SeedError> {
    Ok(FeatureKind::Metered(Meter {
        unit: Name::parse(unit).map_err(at("features"))?,
        scale: Scale::new(places).map_err(at("features"))?,
        durability: Durability::Durable,
        excess: ExcessRule::DenyExcess,
    }))
}

fn offer(gets: &Gets) -> Result<Option<Offer>, SeedError> {
    Ok(match gets {
        Gets::It => Some(Offer::Included),
        Gets::Value(value) => Some(Offer::Value(StaticValue::Integer(*value))),
        Gets::AMonth(count, _, places) => {
            let scale = Scale::new(*places).map_err(at("plan"))?;
            let amount = Units::whole(*count, scale).map_err(at("plan"))?;
            Some(Offer::Quota { amount, period: UsagePeriod::MONTH, beyond: Beyond::default() })
        }
        Gets::ForCredits(_) => None,
    })
}
