//! Calls: what the gate is asked, parsed and valid.

use crate::handle::Target;
use almoner_domain::feature::Feature;
use almoner_domain::id::FeatureId;
use almoner_domain::price::Rate;
use almoner_domain::text::IdempotencyKey;
use almoner_domain::units::Units;
use std::sync::Arc;
use std::time::Duration;

/// A call of `check`, `consume` or `reserve`.
#[derive(Debug, Clone)]
pub struct Call {
    /// What it draws on.
    pub target: Target,
    /// The features it uses, each once.
    pub uses: Vec<AskedUse>,
    /// The caller's idempotency key and a hash of the body.
    pub key: Option<CallKey>,
    /// What the caller says about the call, sorted by name.
    pub dimensions: Vec<(String, String)>,
    /// How long a hold stands.
    pub ttl: Duration,
}

/// One feature of a call.
#[derive(Debug, Clone)]
pub struct AskedUse {
    /// Which.
    pub feature: Arc<Feature>,
    /// How many units of a metered feature; zero for another.
    pub amount: Units,
    /// What a whole unit costs, in each currency that it can be paid with; for a settlement the prices of its hold count.
    pub prices: Vec<(FeatureId, Rate)>,
}

/// An idempotency key with a hash of what it was sent with.
#[derive(Debug, Clone)]
pub struct CallKey {
    /// The key.
    pub key: IdempotencyKey,
    /// Hash of operation and body.
    pub body: [u8; 16],
}

/// A call of `commit` or `release`.
#[derive(Debug, Clone)]
pub struct HoldCall {
    /// Actual units of features; those not named are as held (commit) or zero (release).
    pub actual: Vec<AskedUse>,
    /// The caller's idempotency key and a hash of the body.
    pub key: Option<CallKey>,
}

impl Call {
    /// A dimension by name.
    pub(crate) fn dimension(&self, name: &str) -> Option<&str> {
        self.dimensions.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}
