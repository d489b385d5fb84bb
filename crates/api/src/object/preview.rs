//! What carving an allocation would take, and from where.

use super::{BalanceObject, FeatureNode, UserNode, decimal, instant, there};
use crate::asker::asker;
use crate::refusal::Refusal;
use almoner_domain::account::AccountOwner;
use almoner_domain::feature::Feature;
use almoner_domain::ports::{CarvePreview, PreviewLine};
use async_graphql::{Context, ID, Object, Result};

/// What carving would come to, now. Nothing is changed by asking.
pub(crate) struct PreviewObject {
    pub(crate) preview: Option<CarvePreview>,
    pub(crate) refusals: Vec<Refusal>,
}

#[Object(name = "AllocationPreview")]
impl PreviewObject {
    /// Until when the allocation would be usable; none where it would be refused.
    async fn expires_at(&self) -> Option<String> {
        self.preview.as_ref().map(|preview| instant(preview.expires_at))
    }

    /// What would be taken, line by line.
    async fn lines(&self) -> Vec<PreviewLineObject> {
        let lines = self.preview.as_ref().map_or(&[][..], |preview| &preview.lines);
        lines.iter().cloned().map(PreviewLineObject).collect()
    }

    /// Why it would be refused; empty where it would not.
    async fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
}

/// What would be taken of one feature.
pub(crate) struct PreviewLineObject(PreviewLine);

#[Object(name = "AllocationPreviewLine")]
impl PreviewLineObject {
    /// Of which feature.
    async fn feature(&self, context: &Context<'_>) -> Result<FeatureNode> {
        Ok(FeatureNode(self.find(context).await?))
    }

    /// Units that would be taken, as a decimal in the feature's unit.
    async fn amount(&self, context: &Context<'_>) -> Result<String> {
        Ok(decimal(self.0.amount, &self.find(context).await?))
    }

    /// The allocation it would come from; none where it comes from a quota.
    #[graphql(name = "fromAllocation")]
    async fn giving_allocation(&self) -> Option<ID> {
        match self.0.from.owner {
            AccountOwner::Allocation(id) => Some(super::wire_id(id)),
            AccountOwner::Entitlement(_) => None,
        }
    }

    /// The user whose own share it would come from; none where it comes from the customer's quota.
    #[graphql(name = "fromUser")]
    async fn giving_user(&self, context: &Context<'_>) -> Result<Option<UserNode>> {
        let Some(user) = self.0.from.principals.user else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(user).await?.map(UserNode))
    }

    /// When that quota renews; none where it never does, or for an allocation.
    async fn resets_at(&self) -> Option<String> {
        match self.0.from.owner {
            AccountOwner::Entitlement(_) => self.0.from.window.end.map(instant),
            AccountOwner::Allocation(_) => None,
        }
    }

    /// Where the units that it comes from would stand afterwards.
    async fn afterwards(&self, context: &Context<'_>) -> Result<BalanceObject> {
        let feature = self.find(context).await?;
        Ok(BalanceObject::of(&self.0.from.balance, &feature))
    }
}

impl PreviewLineObject {
    async fn find(&self, context: &Context<'_>) -> Result<Feature> {
        there(asker(context)?.loader.load_one(self.0.from.feature).await?)
    }
}
