//! Customers and the people in them.

use super::{AllocationNode, EntitlementObject, SubscriptionNode, there, wire_id};
use crate::asker::asker;
use crate::cursor::{Asked, Listing, list, page_cost};
use crate::lists::{AllocationsOf, EntitlementsOf, SubscriptionsOf, UsersOf};
use almoner_domain::customer::{Customer, Role, User};
use almoner_domain::ports::AllocationFilter;
use async_graphql::{Context, Enum, ID, Object, Result};

/// What a person may do for their customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "Role")]
pub(crate) enum RoleName {
    /// Everything, and hands ownership on.
    Owner,
    /// Manages people, subscriptions and everybody's allocations.
    Admin,
    /// Allocates within their own share.
    Member,
    /// Looks.
    Viewer,
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Admin => Self::Admin,
            Role::Member => Self::Member,
            Role::Viewer => Self::Viewer,
        }
    }
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Owner => Self::Owner,
            RoleName::Admin => Self::Admin,
            RoleName::Member => Self::Member,
            RoleName::Viewer => Self::Viewer,
        }
    }
}

/// An organisation that subscribes.
pub(crate) struct CustomerNode(pub(crate) Customer);

#[Object(name = "Customer")]
impl CustomerNode {
    /// Its id.
    pub(crate) async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// The provider's own id.
    async fn external_id(&self) -> &str {
        self.0.external_id.as_str()
    }

    /// What people call it.
    async fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// The people in it, oldest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn users(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listing<UserNode>> {
        let asked = Asked { first, after, last, before };
        list(context, asked, |page| UsersOf(self.0.id, page), |user| user.id, UserNode).await
    }

    /// What it is and was subscribed to, newest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn subscriptions(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listing<SubscriptionNode>> {
        let asked = Asked { first, after, last, before };
        list(context, asked, |page| SubscriptionsOf(self.0.id, page), |subscription| subscription.id, SubscriptionNode)
            .await
    }

    /// What was carved for its agents, newest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn allocations(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listing<AllocationNode>> {
        let asked = Asked { first, after, last, before };
        let filter = AllocationFilter { customer: Some(self.0.id), ..AllocationFilter::default() };
        list(context, asked, |page| AllocationsOf(filter, page), |allocation| allocation.id, AllocationNode).await
    }

    /// What it may use: of each feature what there is, what remains, and when it resets.
    #[graphql(complexity = "20 * child_complexity")]
    async fn entitlements(&self, context: &Context<'_>) -> Result<Vec<EntitlementObject>> {
        entitled(context, EntitlementsOf(self.0.id, None)).await
    }
}

/// A person in a customer.
pub(crate) struct UserNode(pub(crate) User);

#[Object(name = "User")]
impl UserNode {
    /// Their id.
    pub(crate) async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// The provider's own id.
    async fn external_id(&self) -> &str {
        self.0.external_id.as_str()
    }

    /// What people call them.
    async fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// What they may do for their customer.
    async fn role(&self) -> RoleName {
        self.0.role.into()
    }

    /// Their customer.
    async fn customer(&self, context: &Context<'_>) -> Result<CustomerNode> {
        Ok(CustomerNode(there(asker(context)?.loader.load_one(self.0.customer).await?)?))
    }

    /// What they may use: their own share where they have one, else the customer's quota.
    #[graphql(complexity = "20 * child_complexity")]
    async fn entitlements(&self, context: &Context<'_>) -> Result<Vec<EntitlementObject>> {
        entitled(context, EntitlementsOf(self.0.customer, Some(self.0.id))).await
    }
}

async fn entitled(context: &Context<'_>, of: EntitlementsOf) -> Result<Vec<EntitlementObject>> {
    let statement = asker(context)?.loader.load_one(of).await?;
    // None where the asker sees a part of the customer alone: then what is the customer's as a whole is not there.
    Ok(statement.map_or(Vec::new(), |found| found.lines).into_iter().map(EntitlementObject).collect())
}
