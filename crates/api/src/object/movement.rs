//! Movements: the lines of the ledger.

use super::{
    AgentNode, AllocationNode, CustomerNode, FeatureNode, SessionNode, UserNode, decimal, instant, there, wire_id,
};
use crate::asker::{asker, coded};
use crate::query::of;
use almoner_domain::account::{Account, AccountOwner, Pocket};
use almoner_domain::movement::{Cause, Movement};
use almoner_domain::ports::MovementFilter;
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};

/// Where within an account units stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "Pocket")]
pub(crate) enum PocketName {
    /// Free to be used or carved.
    Free,
    /// Carved into allocations or shares.
    Carved,
    /// In gates' memory.
    Leased,
    /// Set aside for calls whose cost is not known yet.
    Held,
    /// Used.
    Used,
    /// Let go with the end of a window.
    Lapsed,
}

impl From<Pocket> for PocketName {
    fn from(pocket: Pocket) -> Self {
        match pocket {
            Pocket::Free => Self::Free,
            Pocket::Carved => Self::Carved,
            Pocket::Leased => Self::Leased,
            Pocket::Held => Self::Held,
            Pocket::Used => Self::Used,
            Pocket::Lapsed => Self::Lapsed,
        }
    }
}

/// Which movements: those that fulfil all that is named.
#[derive(Default, InputObject)]
pub(crate) struct MovementsFilter {
    /// On behalf of which customer, by our id.
    customer: Option<ID>,
    /// In which account.
    account: Option<ID>,
    /// In the accounts of which allocation.
    allocation: Option<ID>,
    /// For a cause of this word, such as `grant` or `carve`.
    cause: Option<String>,
}

impl MovementsFilter {
    /// None where an id is of another kind: there is nothing of that name.
    pub(crate) fn read(self) -> Result<Option<MovementFilter>> {
        let known = |word: String| {
            Cause::known(&word).ok_or_else(|| {
                let words = Cause::WORDS.join(", ");
                coded("INVALID_CAUSE", &format!("cause: units move for none of this word; take one of {words}."))
            })
        };
        let cause = self.cause.map(known).transpose()?;
        let (Ok(customer), Ok(account), Ok(allocation)) = (of(self.customer), of(self.account), of(self.allocation))
        else {
            return Ok(None);
        };
        Ok(Some(MovementFilter { customer, user: None, account, allocation, cause }))
    }
}

/// Units that moved, once, for a cause. The balance of an account is the sum of its movements.
pub(crate) struct MovementNode(pub(crate) Movement);

#[Object(name = "Movement")]
impl MovementNode {
    /// Its id.
    async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// When.
    async fn at(&self) -> String {
        instant(self.0.at)
    }

    /// The account in which they moved.
    async fn account(&self) -> ID {
        wire_id(self.0.account)
    }

    /// The allocation that the account is a line of; none where it is an entitlement's.
    async fn allocation(&self, context: &Context<'_>) -> Result<Option<AllocationNode>> {
        let AccountOwner::Allocation(id) = self.find(context).await?.owner else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(id).await?.map(AllocationNode))
    }

    /// The feature whose units moved.
    async fn feature(&self, context: &Context<'_>) -> Result<FeatureNode> {
        let account = self.find(context).await?;
        Ok(FeatureNode(there(asker(context)?.loader.load_one(account.feature).await?)?))
    }

    /// Out of which pocket; none where they came into the account.
    async fn from(&self) -> Option<PocketName> {
        self.0.from.map(Into::into)
    }

    /// Into which pocket; none where they left the account.
    async fn to(&self) -> Option<PocketName> {
        self.0.to.map(Into::into)
    }

    /// How many, as a decimal in the feature's unit.
    async fn amount(&self, context: &Context<'_>) -> Result<String> {
        let account = self.find(context).await?;
        let feature = there(asker(context)?.loader.load_one(account.feature).await?)?;
        Ok(decimal(self.0.amount, &feature))
    }

    /// Why: a word that stays, such as `grant`, `carve`, `return` or `lease`.
    async fn cause(&self) -> &str {
        self.0.cause.parts().0
    }

    /// What it was: the id of the grant, allocation, lease, hold or other thing that `cause` names.
    async fn cause_id(&self) -> ID {
        wire_id(self.0.cause)
    }

    /// On behalf of which customer.
    async fn customer(&self, context: &Context<'_>) -> Result<CustomerNode> {
        Ok(CustomerNode(there(asker(context)?.loader.load_one(self.0.principals.customer).await?)?))
    }

    /// On behalf of which user, where one is named.
    async fn user(&self, context: &Context<'_>) -> Result<Option<UserNode>> {
        let Some(user) = self.0.principals.user else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(user).await?.map(UserNode))
    }

    /// For which agent, where one is named.
    async fn agent(&self, context: &Context<'_>) -> Result<Option<AgentNode>> {
        let Some(agent) = self.0.principals.agent else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(agent).await?.map(AgentNode))
    }

    /// In which session, where one is named.
    async fn session(&self, context: &Context<'_>) -> Result<Option<SessionNode>> {
        let Some(session) = self.0.principals.session else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(session).await?.map(SessionNode))
    }
}

impl MovementNode {
    async fn find(&self, context: &Context<'_>) -> Result<Account> {
        there(asker(context)?.loader.load_one(self.0.account).await?)
    }
}
