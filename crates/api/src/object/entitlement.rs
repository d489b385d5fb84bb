//! Entitlements: what may be used, what remains, when it resets.

use super::plan::value_text;
use super::{AllocationNode, FeatureNode, GrantNode, MovementNode, UserNode, decimal, instant, there};
use crate::asker::asker;
use crate::cursor::{Asked, Listing, list, page_cost};
use crate::lists::{AccountsBelow, GrantsInto, MovementsOf};
use almoner_domain::account::{Account, AccountOwner, Pocket};
use almoner_domain::decision::Level;
use almoner_domain::feature::Feature;
use almoner_domain::grant::{Grant, burn};
use almoner_domain::ports::MovementFilter;
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

    /// A metered feature: units that a change of plan takes back when they return, as a decimal in its unit. They are out still, in
    /// allocations or gates' memories.
    async fn pending(&self, context: &Context<'_>) -> Result<Option<String>> {
        let Right::Quota { line, .. } = &self.0.right else { return Ok(None) };
        Ok(Some(decimal(line.pending, &self.find(context).await?)))
    }

    /// A metered feature: what was issued into the current window, in the order in which it burns, and how much of each has
    /// burnt. What was used or carved has.
    #[graphql(complexity = "5 * child_complexity")]
    async fn grants(&self, context: &Context<'_>) -> Result<Vec<BurningGrantObject>> {
        let Right::Quota { line, .. } = &self.0.right else { return Ok(Vec::new()) };
        let feature = self.find(context).await?;
        let grants = asker(context)?.loader.load_one(GrantsInto(line.account)).await?.unwrap_or_default();
        let gone = [Pocket::Carved, Pocket::Leased, Pocket::Held, Pocket::Used].map(|pocket| line.balance.get(pocket));
        let burnt = burn(&grants, gone.into_iter().sum());
        let grant = |(grant, (_, burnt)): (Grant, _)| BurningGrantObject::of(grant, burnt, &feature);
        Ok(grants.into_iter().zip(burnt).map(grant).collect())
    }

    /// A metered feature: to whom units of the current window were handed out, newest first: users' shares, and lines of
    /// allocations, with where their units stand.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn allocations(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listing<CarvedObject>> {
        let asked = Asked { first, after, last, before };
        let Right::Quota { line, .. } = &self.0.right else { return Ok(Listing::new(false, false)) };
        list(context, asked, |page| AccountsBelow(line.account, page), |account| account.id, CarvedObject).await
    }

    /// A metered feature: how units of the current window moved, newest first.
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
        let Right::Quota { line, .. } = &self.0.right else { return Ok(Listing::new(false, false)) };
        let filter = MovementFilter { account: Some(line.account), ..MovementFilter::default() };
        list(context, asked, |page| MovementsOf(filter, page), |movement| movement.id, MovementNode).await
    }
}

impl EntitlementObject {
    async fn find(&self, context: &Context<'_>) -> Result<Feature> {
        there(asker(context)?.loader.load_one(self.0.feature).await?)
    }
}

/// A grant, and what is left of it.
#[derive(async_graphql::SimpleObject)]
#[graphql(name = "BurningGrant")]
pub(crate) struct BurningGrantObject {
    /// The grant.
    grant: GrantNode,
    /// Units that were used or handed out of it, as a decimal in the feature's unit.
    burnt: String,
    /// Units that are left of it, as a decimal in the feature's unit.
    left: String,
}

impl BurningGrantObject {
    fn of(grant: Grant, burnt: Units, feature: &Feature) -> Self {
        let left = grant.there().saturating_sub(burnt);
        Self { burnt: decimal(burnt, feature), left: decimal(left, feature), grant: GrantNode(grant) }
    }
}

/// Units that were handed out of an entitlement.
pub(crate) struct CarvedObject(Account);

#[Object(name = "Carved")]
impl CarvedObject {
    /// The allocation that they are a line of; none where they are a user's share.
    async fn allocation(&self, context: &Context<'_>) -> Result<Option<AllocationNode>> {
        let AccountOwner::Allocation(id) = self.0.owner else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(id).await?.map(AllocationNode))
    }

    /// On whose behalf they are used; none where it is the customer as a whole.
    async fn user(&self, context: &Context<'_>) -> Result<Option<UserNode>> {
        let Some(user) = self.0.principals.user else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(user).await?.map(UserNode))
    }

    /// Where they stand.
    async fn balance(&self, context: &Context<'_>) -> Result<BalanceObject> {
        let feature = there(asker(context)?.loader.load_one(self.0.feature).await?)?;
        Ok(BalanceObject::of(&self.0.balance, &feature))
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
        let text = |units: Units| decimal(units, feature);
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
