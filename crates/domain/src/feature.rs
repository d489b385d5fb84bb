//! Features: what a plan can grant.

use crate::id::FeatureId;
use crate::text::{FeatureKey, Name};
use crate::units::Scale;

/// A capability that plans grant and calls use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Our id.
    pub id: FeatureId,
    /// Its stable name in code, unique in the realm.
    pub key: FeatureKey,
    /// What people call it.
    pub name: Name,
    /// What using it means.
    pub kind: FeatureKind,
}

impl Feature {
    /// How it is counted; none where it is not.
    pub fn meter(&self) -> Option<&Meter> {
        match &self.kind {
            FeatureKind::Metered(meter) => Some(meter),
            FeatureKind::Boolean | FeatureKind::Static => None,
        }
    }

    /// Decimal places of its amounts; whole units where it is not counted.
    pub fn scale(&self) -> Scale {
        self.meter().map_or(Scale::WHOLE, |meter| meter.scale)
    }
}

/// What using a feature means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeatureKind {
    /// There or not there: a use without an amount.
    Boolean,
    /// A value that the plan states and a call reads.
    Static,
    /// Counted.
    Metered(Meter),
}

/// How a metered feature is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// What one is called, in the plural: `image generations`.
    pub unit: Name,
    /// Decimal places of the unit.
    pub scale: Scale,
    /// When a decision is safe on the gate's disk.
    pub durability: Durability,
    /// What a commit above its hold does.
    pub excess: ExcessRule,
}

/// When a decision is safe on the gate's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Durability {
    /// Its record is synced before the answer.
    #[default]
    Durable,
    /// A synced high-water mark runs ahead of serving. A crash charges up to one chunk that no decision names.
    Fast,
}

impl Durability {
    /// The word on the wire and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Fast => "fast",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Durable, Self::Fast].into_iter().find(|d| d.as_str() == text)
    }
}

/// What a commit above its hold does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ExcessRule {
    /// Commits what is held and says so.
    #[default]
    DenyExcess,
    /// Takes the excess from what is free; what even that cannot cover is not committed.
    Overage,
}

impl ExcessRule {
    /// The word on the wire and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DenyExcess => "deny_excess",
            Self::Overage => "overage",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::DenyExcess, Self::Overage].into_iter().find(|r| r.as_str() == text)
    }
}

/// What a static feature is worth to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaticValue {
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(Name),
}
