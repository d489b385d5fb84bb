//! What features cost in a currency.

use super::{FeatureNode, instant, there, wire_id};
use crate::asker::asker;
use almoner_domain::id::FeatureId;
use almoner_domain::price::{PriceLine, PriceList};
use async_graphql::{Context, ID, Object, Result, SimpleObject};

/// What features cost in one currency, from some time on. Never changed once published.
pub(crate) struct PriceListObject(pub(crate) PriceList);

#[Object(name = "PriceList")]
impl PriceListObject {
    /// Its id.
    async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// 1, 2, 3, ... for each currency.
    async fn number(&self) -> i64 {
        i64::from(self.0.number)
    }

    /// The metered feature that pays.
    async fn currency(&self, context: &Context<'_>) -> Result<FeatureNode> {
        feature(context, self.0.currency).await
    }

    /// In effect from then on, until the next list's turn.
    async fn effective_from(&self) -> String {
        instant(self.0.effective_from)
    }

    /// What costs how much.
    #[graphql(complexity = "20 * child_complexity")]
    async fn prices(&self) -> Vec<FeaturePriceObject> {
        let of = |line: &PriceLine| FeaturePriceObject { line: line.clone(), currency: self.0.currency };
        self.0.lines.iter().map(of).collect()
    }
}

/// What one whole unit of a feature costs.
pub(crate) struct FeaturePriceObject {
    line: PriceLine,
    currency: FeatureId,
}

#[Object(name = "FeaturePrice")]
impl FeaturePriceObject {
    /// Of which feature.
    async fn feature(&self, context: &Context<'_>) -> Result<FeatureNode> {
        feature(context, self.line.feature).await
    }

    /// How much, as a decimal in the currency's unit.
    async fn cost(&self, context: &Context<'_>) -> Result<String> {
        let scale = feature(context, self.currency).await?.0.scale();
        Ok(self.line.rate.cost().display(scale))
    }

    /// What calls must say for it to hold; nothing for any call that no other price fits better.
    async fn dimensions(&self) -> Vec<PriceDimension> {
        let said = self.line.when.iter();
        said.map(|(name, value)| PriceDimension { name: name.to_string(), value: value.to_string() }).collect()
    }
}

/// What a call must say.
#[derive(SimpleObject)]
pub(crate) struct PriceDimension {
    /// The dimension's name.
    name: String,
    /// Its value.
    value: String,
}

async fn feature(context: &Context<'_>, id: FeatureId) -> Result<FeatureNode> {
    Ok(FeatureNode(there(asker(context)?.loader.load_one(id).await?)?))
}
