//! Entitlements: what may be used, what remains, when it resets.

use super::plan::value_text;
use super::{FeatureNode, instant, there};
use crate::asker::asker;
use almoner_domain::account::Pocket;
use almoner_domain::decision::Level;
use almoner_domain::feature::{Feature, FeatureKind};
use almoner_domain::statement::{EntitlementLine, LineStatement, Right};
use almoner_domain::units::Units;
use async_graphql::{Context, Object, Result};

/// One entitlement of a customer or user.
pub(crate) struct EntitlementObject(pub(crate) EntitlementLine);

#[Object(name = "Entitlement")]
impl EntitlementObject {
    /// To which feature.
    async fn feature(&self, context: &Context<'_>) -> Result<FeatureNode> {
        Ok(FeatureNode(self.find(context).await?))
    }

    /// A static feature: its value, as text.
    async fn value(&self) -> Option<String> {
        match &self.0.right {
            Right::Value(value) => Some(value_text(value)),
            Right::Included | Right::Quota { .. } => None,
        }
    }

    /// A metered feature: is it the user's own share of the customer's quota?
    async fn is_own_share(&self) -> Option<bool> {
        match &self.0.right {
            Right::Quota { level, .. } => Some(*level == Level::User),
            Right::Included | Right::Value(_) => None,
        }
    }

    /// A metered feature: when its quota renews; none where it never does.
    async fn resets_at(&self) -> Option<String> {
        match &self.0.right {
            Right::Quota { window, .. } => window.end.map(instant),
            Right::Included | Right::Value(_) => None,
        }
    }

    /// A metered feature: where the units of the current window stand.
    async fn balance(&self, context: &Context<'_>) -> Result<Option<BalanceObject>> {
        let Right::Quota { line, .. } = &self.0.right else { return Ok(None) };
        let feature = self.find(context).await?;
        Ok(Some(BalanceObject::of_line(line, &feature)))
    }
}

impl EntitlementObject {
    async fn find(&self, context: &Context<'_>) -> Result<Feature> {
        there(asker(context)?.loader.load_one(self.0.feature).await?)
    }
}

/// Where units stand, as decimals in the feature's unit. Granted is the sum of all others.
#[derive(async_graphql::SimpleObject)]
#[graphql(name = "Balance")]
pub(crate) struct BalanceObject {
    /// Units in all.
    granted: String,
    /// Free to be used or carved.
    free: String,
    /// Carved into allocations or shares.
    carved: String,
    /// In gates' memory, to be served from; it comes back when it is not used.
    leased: String,
    /// Set aside for calls whose cost is not known yet.
    held: String,
    /// Used.
    used: String,
    /// Let go with the end of a window.
    lapsed: String,
}

impl BalanceObject {
    fn of_line(line: &LineStatement, feature: &Feature) -> Self {
        Self::of(&line.balance, feature)
    }

    /// A balance in a feature's unit.
    pub(crate) fn of(balance: &almoner_domain::account::Balance, feature: &Feature) -> Self {
        let text = |units: Units| match &feature.kind {
            FeatureKind::Metered(meter) => units.display(meter.scale),
            FeatureKind::Boolean | FeatureKind::Static => units.get().to_string(),
        };
        let pocket = |pocket| text(balance.get(pocket));
        Self {
            granted: text(balance.granted()),
            free: pocket(Pocket::Free),
            carved: pocket(Pocket::Carved),
            leased: pocket(Pocket::Leased),
            held: pocket(Pocket::Held),
            used: pocket(Pocket::Used),
            lapsed: pocket(Pocket::Lapsed),
        }
    }
}
