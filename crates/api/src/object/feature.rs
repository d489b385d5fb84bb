//! Features.

use super::wire_id;
use almoner_domain::feature::{Durability, Feature, FeatureKind};
use almoner_domain::units::Units;
use async_graphql::{Enum, ID, Object};

/// What using a feature means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "FeatureKind")]
pub(crate) enum FeatureKindName {
    /// There or not there.
    Boolean,
    /// A value that the plan states and a call reads.
    Static,
    /// Counted.
    Metered,
}

/// When a decision is safe on the gate's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "Durability")]
pub(crate) enum DurabilityName {
    /// Its record is synced before the answer.
    Durable,
    /// A synced mark runs ahead of serving: quicker, and a crash may charge for calls that no decision names.
    Fast,
}

impl From<Durability> for DurabilityName {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Durable => Self::Durable,
            Durability::Fast => Self::Fast,
        }
    }
}

impl From<DurabilityName> for Durability {
    fn from(name: DurabilityName) -> Self {
        match name {
            DurabilityName::Durable => Self::Durable,
            DurabilityName::Fast => Self::Fast,
        }
    }
}

/// A capability that plans grant and calls use.
pub(crate) struct FeatureNode(pub(crate) Feature);

#[Object(name = "Feature")]
impl FeatureNode {
    /// Its id.
    pub(crate) async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// Its stable name in code, unique for the tenant.
    async fn key(&self) -> &str {
        self.0.key.as_str()
    }

    /// What people call it.
    async fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// What using it means.
    async fn kind(&self) -> FeatureKindName {
        match self.0.kind {
            FeatureKind::Boolean => FeatureKindName::Boolean,
            FeatureKind::Static => FeatureKindName::Static,
            FeatureKind::Metered(_) => FeatureKindName::Metered,
        }
    }

    /// A metered feature: what one unit is called, in the plural.
    async fn unit(&self) -> Option<&str> {
        self.0.meter().map(|meter| meter.unit.as_str())
    }

    /// A metered feature: decimal places of its amounts, 0 to 9.
    async fn scale(&self) -> Option<i32> {
        self.0.meter().map(|meter| i32::from(meter.scale.places()))
    }

    /// A metered feature: when a decision on it is safe on the gate's disk, unless its allocation says otherwise.
    async fn durability(&self) -> Option<DurabilityName> {
        self.0.meter().map(|meter| meter.durability.into())
    }
}

/// Units as a decimal in a feature's unit.
pub(crate) fn decimal(units: Units, feature: &Feature) -> String {
    units.display(feature.scale())
}
