//! Allocations: prepaid cards for one agent, one session, one window, one scope.

use super::{
    AgentNode, BalanceObject, CustomerNode, DecisionNode, DurabilityName, FeatureNode, SessionNode, UserNode, instant,
    there, wire_id,
};
use crate::asker::{asker, not_found};
use crate::cursor::{Asked, connection, page_cost};
use almoner_app::directory;
use almoner_domain::allocation::{Allocation, AllocationLine, AllocationState};
use almoner_domain::feature::FeatureKind;
use almoner_domain::ports::{AllocationFilter, DecisionFilter};
use async_graphql::connection::{Connection, EmptyFields};
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

    /// What was carved from it, newest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn children(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, AllocationNode, EmptyFields, EmptyFields>> {
        let asker = asker(context)?;
        let page = Asked { first, after, last, before }.page()?;
        let filter = AllocationFilter { parent: Some(self.0.id), ..AllocationFilter::default() };
        let found = directory::allocations(&asker.caller, &asker.desk, filter, page).await.map_err(not_found)?;
        Ok(connection(found, |allocation| allocation.id, AllocationNode))
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
    ) -> Result<Connection<String, DecisionNode, EmptyFields, EmptyFields>> {
        let asker = asker(context)?;
        let page = Asked { first, after, last, before }.page()?;
        let filter = DecisionFilter { allocation: Some(self.0.id), ..DecisionFilter::default() };
        let found = directory::decisions(&asker.caller, &asker.desk, filter, page).await.map_err(not_found)?;
        Ok(connection(found, |decision| decision.id, DecisionNode))
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

    /// Units carved at first, as a decimal in the feature's unit.
    async fn carved(&self, context: &Context<'_>) -> Result<String> {
        let feature = there(asker(context)?.loader.load_one(self.0.feature).await?)?;
        Ok(match feature.kind {
            FeatureKind::Metered(meter) => self.0.carved.display(meter.scale),
            FeatureKind::Boolean | FeatureKind::Static => self.0.carved.get().to_string(),
        })
    }

    /// Where its units stand by the ledger. What gates have not told yet follows within a second or so.
    async fn balance(&self, context: &Context<'_>) -> Result<BalanceObject> {
        let loader = &asker(context)?.loader;
        let feature = there(loader.load_one(self.0.feature).await?)?;
        let account = there(loader.load_one(self.0.account).await?)?;
        Ok(BalanceObject::of(&account.balance, &feature))
    }
}
