//! What both companies sell: seven features and one plan.

use super::{SeedError, at, ensure};
use crate::{App, features::NewFeature};
use almoner_domain::caller::Caller;
use almoner_domain::feature::{Durability, ExcessRule, Feature, FeatureKind, Meter, StaticValue};
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::{Offer, Plan};
use almoner_domain::text::{FeatureKey, Name};
use almoner_domain::units::{Scale, Units};

/// What a customer gets of a feature.
enum Gets {
    /// So many whole units a month; one is called so.
    AMonth(i64, &'static str),
    /// It.
    It,
    /// This value.
    Value(i64),
}

/// Key, name and what the Pro plan gives of it.
const CATALOGUE: [(&str, &str, Gets); 7] = [
    ("image.generate", "Image generation", Gets::AMonth(1_000, "image generations")),
    ("image.describe", "Image description", Gets::AMonth(2_000, "image descriptions")),
    ("image.upload", "Image upload", Gets::AMonth(500, "image uploads")),
    ("image.background_removal", "Background removal", Gets::It),
    ("image.max_resolution", "Maximum resolution in pixels", Gets::Value(4_096)),
    ("assistant.input_tokens", "Assistant input", Gets::AMonth(30_000_000, "input tokens")),
    ("assistant.output_tokens", "Assistant output", Gets::AMonth(6_000_000, "output tokens")),
];

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
        terms.push((FeatureKey::parse(key).map_err(at("plan"))?, offer(gets)?));
    }
    ensure::plan(staff, app, ("pro", "Pro"), &terms).await
}

fn kind(gets: &Gets) -> Result<FeatureKind, SeedError> {
    Ok(match gets {
        Gets::It => FeatureKind::Boolean,
        Gets::Value(_) => FeatureKind::Static,
        Gets::AMonth(_, unit) => FeatureKind::Metered(Meter {
            unit: Name::parse(unit).map_err(at("features"))?,
            scale: Scale::WHOLE,
            durability: Durability::Durable,
            excess: ExcessRule::DenyExcess,
        }),
    })
}

fn offer(gets: &Gets) -> Result<Offer, SeedError> {
    Ok(match gets {
        Gets::It => Offer::Included,
        Gets::Value(value) => Offer::Value(StaticValue::Integer(*value)),
        Gets::AMonth(count, _) => {
            Offer::Quota { amount: Units::whole(*count, Scale::WHOLE).map_err(at("plan"))?, period: UsagePeriod::MONTH }
        }
    })
}
