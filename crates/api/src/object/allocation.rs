//! Allocations: prepaid cards for one agent, one session, one window, one scope.

use super::{
    AgentNode, AllocationGuardObject, BalanceObject, BusinessHoursObject, CustomerNode, DecisionNode, DurabilityName,
    FeatureNode, MovementNode, PaceObject, SessionNode, UserNode, decimal, instant, there, wire_id,
};
use crate::asker::asker;
use crate::cursor::{Asked, Listing, list, page_cost};
use crate::lists::{AllocationsOf, DecisionsOf, MovementsOf, TreeOf};
use almoner_domain::allocation::{Allocation, AllocationLine, AllocationState};
use almoner_domain::ports::{AllocationFilter, DecisionFilter, MovementFilter, TREE_MAX};
use async_graphql::{Context, Enum, ID, Object, Result};

/// Usable, or why not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "AllocationState")]
pub(crate) enum AllocationStateName {
    /// Usable within its window.
    Active,
    /// Its task ended.
    Closed,
    /// Its window ended.
    Expired,
    /// Somebody took it back.
    Revoked,
}

impl From<AllocationState> for AllocationStateName {
    fn from(state: AllocationState) -> Self {
        match state {
            AllocationState::Active => Self::Active,
            AllocationState::Closed => Self::Closed,
            AllocationState::Expired => Self::Expired,
            AllocationState::Revoked => Self::Revoked,
        }
    }
}

impl From<AllocationStateName> for AllocationState {
    fn from(name: AllocationStateName) -> Self {
        match name {
            AllocationStateName::Active => Self::Active,
            AllocationStateName::Closed => Self::Closed,
            AllocationStateName::Expired => Self::Expired,
            AllocationStateName::Revoked => Self::Revoked,
        }
    }
}

/// Units carved for one agent, one session, one window, one scope.
pub(crate) struct AllocationNode(pub(crate) Allocation);

#[Object(name = "Allocation")]
impl AllocationNode {
    /// Its id.
    pub(crate) async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// Usable, or why not any more.
    async fn state(&self) -> AllocationStateName {
        self.0.state.into()
    }

    /// Whose quota it comes from.
    async fn customer(&self, context: &Context<'_>) -> Result<CustomerNode> {
        Ok(CustomerNode(there(asker(context)?.loader.load_one(self.0.principals.customer).await?)?))
    }

    /// The person on whose behalf it is used; none where it was carved from the customer's quota itself.
    async fn user(&self, context: &Context<'_>) -> Result<Option<UserNode>> {
        let Some(user) = self.0.principals.user else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(user).await?.map(UserNode))
    }

    /// The agent it serves.
    async fn agent(&self, context: &Context<'_>) -> Result<AgentNode> {
        Ok(AgentNode(there(asker(context)?.loader.load_one(self.0.agent).await?)?))
    }

    /// How far the runaway guard has gone with it.
    async fn guard(&self) -> AllocationGuardObject {
        AllocationGuardObject(self.0.id)
    }

    /// The session it is for.
    async fn session(&self, context: &Context<'_>) -> Result<Option<SessionNode>> {
        let Some(session) = self.0.principals.session else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(session).await?.map(SessionNode))
    }

    /// The allocation it was carved from; none when from an entitlement.
    async fn parent(&self, context: &Context<'_>) -> Result<Option<AllocationNode>> {
        let Some(parent) = self.0.parent else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(parent).await?.map(AllocationNode))
    }

    /// Tools it may be used with; none where any may.
    async fn tools(&self) -> Option<Vec<String>> {
        self.0.scope.tools.as_ref().map(|names| names.iter().map(|name| name.as_str().to_owned()).collect())
    }

    /// Resources it may be used on; none where any may.
    async fn resources(&self) -> Option<Vec<String>> {
        self.0.scope.resources.as_ref().map(|names| names.iter().map(|name| name.as_str().to_owned()).collect())
    }

    /// In which hours it may be used; none for any time.
    async fn hours(&self) -> Option<BusinessHoursObject> {
        self.0.conditions.hours.clone().map(BusinessHoursObject)
    }

    /// How fast it may be used; none for any pace.
    async fn pace(&self) -> Option<PaceObject> {
        self.0.conditions.pace.map(PaceObject::from)
    }

    /// After how many seconds without use it ends; none for never.
    async fn idle_timeout_seconds(&self) -> Option<i64> {
        let timeout = self.0.conditions.idle_timeout?;
        Some(i64::try_from(timeout.span().as_secs()).unwrap_or(i64::MAX))
    }

    /// Not usable before.
    async fn not_before(&self) -> Option<String> {
        self.0.not_before.map(instant)
    }

    /// Not usable from then on.
    async fn expires_at(&self) -> String {
        instant(self.0.expires_at)
    }

    /// When it was carved.
    async fn created_at(&self) -> String {
        instant(self.0.created_at)
    }

    /// How its decisions are kept, where it says so itself; else as each feature says.
    async fn durability(&self) -> Option<DurabilityName> {
        self.0.durability.map(Into::into)
    }

    /// One for each feature.
    async fn lines(&self) -> Vec<AllocationLineObject> {
        self.0.lines.iter().copied().map(AllocationLineObject).collect()
    }

    /// How far it stands below an entitlement: 1 where it was carved from one, at most 8.
    async fn depth(&self) -> i32 {
        i32::from(self.0.depth)
    }

    /// The allocation at the top of its tree, which was carved from an entitlement; itself where it is that.
    async fn root(&self, context: &Context<'_>) -> Result<AllocationNode> {
        let loader = &asker(context)?.loader;
        let mut root = self.0.clone();
        while let Some(parent) = root.parent {
            root = there(loader.load_one(parent).await?)?;
        }
        Ok(AllocationNode(root))
    }

    /// Its tree: all that was carved from it, and from what was carved from it, parents before children; 100 at most.
    #[graphql(complexity = "usize::from(TREE_MAX) * child_complexity")]
    async fn tree(&self, context: &Context<'_>) -> Result<Vec<AllocationNode>> {
        let tree = asker(context)?.loader.load_one(TreeOf(self.0.id)).await?;
        Ok(tree.unwrap_or_default().into_iter().map(AllocationNode).collect())
    }

    /// What was carved from it, newest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn children(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listing<AllocationNode>> {
        let asked = Asked { first, after, last, before };
        let filter = AllocationFilter { parent: Some(self.0.id), ..AllocationFilter::default() };
        list(context, asked, |page| AllocationsOf(filter, page), |allocation| allocation.id, AllocationNode).await
    }

    /// What gates decided on it, newest first. The latest may follow within seconds.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn decisions(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listing<DecisionNode>> {
        let asked = Asked { first, after, last, before };
        let filter = DecisionFilter { allocation: Some(self.0.id), ..DecisionFilter::default() };
        list(context, asked, |page| DecisionsOf(filter, page), |decision| decision.id, DecisionNode).await
    }

    /// How its units moved, newest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn movements(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listing<MovementNode>> {
        let asked = Asked { first, after, last, before };
        let filter = MovementFilter { allocation: Some(self.0.id), ..MovementFilter::default() };
        list(context, asked, |page| MovementsOf(filter, page), |movement| movement.id, MovementNode).await
    }
}

/// The units of one feature in an allocation.
pub(crate) struct AllocationLineObject(AllocationLine);

#[Object(name = "AllocationLine")]
impl AllocationLineObject {
    /// Of which feature.
    async fn feature(&self, context: &Context<'_>) -> Result<FeatureNode> {
        Ok(FeatureNode(there(asker(context)?.loader.load_one(self.0.feature).await?)?))
    }

    /// Units carved, with what it was topped up by and without what it was shrunk by, as a decimal in the feature's unit.
    async fn carved(&self, context: &Context<'_>) -> Result<String> {
        let feature = there(asker(context)?.loader.load_one(self.0.feature).await?)?;
        Ok(decimal(self.0.carved, &feature))
    }

    /// How its units moved, newest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn movements(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listing<MovementNode>> {
        let asked = Asked { first, after, last, before };
        let filter = MovementFilter { account: Some(self.0.account), ..MovementFilter::default() };
        list(context, asked, |page| MovementsOf(filter, page), |movement| movement.id, MovementNode).await
    }

    /// Where its units stand by the ledger. What gates have not told yet follows within a second or so.
    async fn balance(&self, context: &Context<'_>) -> Result<BalanceObject> {
        let loader = &asker(context)?.loader;
        let feature = there(loader.load_one(self.0.feature).await?)?;
        let account = there(loader.load_one(self.0.account).await?)?;
        Ok(BalanceObject::of(&account.balance, &feature))
    }
}
