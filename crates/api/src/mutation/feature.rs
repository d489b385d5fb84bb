//! Features are defined once; what they mean does not change under those who use them.

use crate::asker::asker;
use crate::object::{DurabilityName, FeatureKindName, FeatureNode};
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::features::{self, DefineFeatureError, NewFeature};
use almoner_domain::feature::{ExcessRule, FeatureKind, Meter};
use almoner_domain::text::{FeatureKey, Name};
use almoner_domain::units::Scale;
use async_graphql::{Context, InputObject, Object, Result};

/// A feature to be.
#[derive(InputObject)]
pub(crate) struct DefineFeatureInput {
    /// Its stable name in code, unique for the tenant.
    key: String,
    /// What people will call it.
    name: String,
    /// What using it means.
    kind: FeatureKindName,
    /// A metered feature, and only one: what one unit is called, in the plural.
    unit: Option<String>,
    /// A metered feature: decimal places of its amounts, 0 to 9; 0 by default.
    scale: Option<i32>,
    /// A metered feature: when a decision on it is safe on the gate's disk; `DURABLE` by default.
    durability: Option<DurabilityName>,
    /// A metered feature: does a commit above its hold take the excess from what is free? By default it does not, and
    /// commits what is held.
    overage: Option<bool>,
}

payload! {
    /// What came of defining a feature.
    DefineFeaturePayload {
        /// The feature.
        feature: FeatureNode
    }
}

#[derive(Default)]
pub(crate) struct FeatureMutation;

#[Object]
impl FeatureMutation {
    /// Defines a feature.
    async fn define_feature(&self, context: &Context<'_>, input: DefineFeatureInput) -> Result<DefineFeaturePayload> {
        DefineFeaturePayload::of(define(context, input).await)
    }
}

async fn define(context: &Context<'_>, input: DefineFeatureInput) -> Result<FeatureNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let key = checks.keep(&["key"], FeatureKey::parse(&input.key));
    let name = checks.keep(&["name"], Name::parse(&input.name));
    let kind = kind(&input, &mut checks);
    checks.done()?;
    let new = NewFeature { key: kept(key)?, name: kept(name)?, kind: kept(kind)? };
    match features::define(&asker.caller, &asker.desk.app, new).await {
        Ok(feature) => Ok(FeatureNode(feature)),
        Err(DefineFeatureError::Forbidden(why)) => Err(why.into()),
        Err(DefineFeatureError::Fault(fault)) => Err(fault.into()),
        Err(taken @ DefineFeatureError::Taken(_)) => Err(Stop::at(RefusalCode::Taken, &["key"], taken)),
    }
}

fn kind(input: &DefineFeatureInput, checks: &mut Checks) -> Option<FeatureKind> {
    let kind = match input.kind {
        FeatureKindName::Boolean => FeatureKind::Boolean,
        FeatureKindName::Static => FeatureKind::Static,
        FeatureKindName::Metered => return meter(input, checks).map(FeatureKind::Metered),
    };
    let only_metered = [
        ("unit", input.unit.is_some()),
        ("scale", input.scale.is_some()),
        ("durability", input.durability.is_some()),
        ("overage", input.overage.is_some()),
    ];
    for (name, _) in only_metered.iter().filter(|(_, given)| *given) {
        checks.add(&[name], "is for metered features alone; leave it out");
    }
    Some(kind)
}

fn meter(input: &DefineFeatureInput, checks: &mut Checks) -> Option<Meter> {
    let unit = match &input.unit {
        Some(unit) => checks.keep(&["unit"], Name::parse(unit)),
        None => {
            checks.add(&["unit"], "is missing; say what one unit is called, in the plural");
            None
        }
    };
    // What does not fit a byte is as wrong as what is above nine.
    let places = u8::try_from(input.scale.unwrap_or(0)).unwrap_or(u8::MAX);
    let scale = checks.keep(&["scale"], Scale::new(places));
    Some(Meter {
        unit: unit?,
        scale: scale?,
        durability: input.durability.map(Into::into).unwrap_or_default(),
        excess: if input.overage == Some(true) { ExcessRule::Overage } else { ExcessRule::DenyExcess },
    })
}
