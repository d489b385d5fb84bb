//! Loaders of lists: what is shown beside each entry of a list is read in one statement for all of them.

use crate::asker;
use crate::loaders::Reader;
use almoner_app::{guards, lists, plan_changes};
use almoner_domain::account::Account;
use almoner_domain::agent::Session;
use almoner_domain::allocation::Allocation;
use almoner_domain::customer::User;
use almoner_domain::decision::Decision;
use almoner_domain::grant::Grant;
use almoner_domain::guard::{Guard, GuardRules, Guarded};
use almoner_domain::id::{AccountId, AgentId, AllocationId, CustomerId, PlanId, SubscriptionId, UserId};
use almoner_domain::movement::Movement;
use almoner_domain::page::{Page, Stretch};
use almoner_domain::plan::PlanVersion;
use almoner_domain::plan_change::PlanChange;
use almoner_domain::ports::{AllocationFilter, DecisionFilter, MovementFilter};
use almoner_domain::statement::EntitlementStatement;
use almoner_domain::subscription::Subscription;
use async_graphql::Error;
use async_graphql::dataloader::Loader;
use std::collections::HashMap;

/// Kinds of lists, each with the use case that reads many of them.
macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident($of:ty) => $noun:ty, $read:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub(crate) struct $name(pub(crate) $of, pub(crate) Page);

        impl Loader<$name> for Reader {
            type Value = Stretch<$noun>;
            type Error = Error;

            async fn load(&self, keys: &[$name]) -> Result<HashMap<$name, Stretch<$noun>>, Error> {
                let mut found = HashMap::new();
                for (page, keys) in by_page(keys, |key| key.1) {
                    let of = keys.iter().map(|key| key.0.clone()).collect();
                    let lists = lists::$read(&self.caller, &self.desk, of, page).await.map_err(asker::not_found)?;
                    found.extend(keys.into_iter().zip(lists));
                }
                Ok(found)
            }
        }
    )*};
}

/// Lists of one page each, together: beside entries of one list it is the same for all.
fn by_page<K: Clone>(keys: &[K], page: impl Fn(&K) -> Page) -> HashMap<Page, Vec<K>> {
    let mut pages: HashMap<Page, Vec<K>> = HashMap::new();
    for key in keys {
        pages.entry(page(key)).or_default().push(key.clone());
    }
    pages
}

lists! {
    /// Users of a customer.
    UsersOf(CustomerId) => User, users_of;
    /// Subscriptions of a customer.
    SubscriptionsOf(CustomerId) => Subscription, subscriptions_of;
    /// Versions of a plan.
    VersionsOf(PlanId) => PlanVersion, versions_of;
    /// Sessions of an agent.
    SessionsOf(AgentId) => Session, sessions_of;
    /// Allocations that fulfil a filter.
    AllocationsOf(AllocationFilter) => Allocation, allocations_of;
    /// Decisions that fulfil a filter.
    DecisionsOf(DecisionFilter) => Decision, decisions_of;
    /// Movements that fulfil a filter.
    MovementsOf(MovementFilter) => Movement, movements_of;
    /// Accounts carved from an account.
    AccountsBelow(AccountId) => Account, accounts_below;
}

/// All that was carved from an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TreeOf(pub(crate) AllocationId);

impl Loader<TreeOf> for Reader {
    type Value = Vec<Allocation>;
    type Error = Error;

    async fn load(&self, keys: &[TreeOf]) -> Result<HashMap<TreeOf, Vec<Allocation>>, Error> {
        let of = keys.iter().map(|key| key.0).collect();
        let trees = lists::trees(&self.caller, &self.desk, of).await.map_err(asker::not_found)?;
        Ok(keys.iter().copied().zip(trees).collect())
    }
}

/// How far the runaway guard has gone with an agent or an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GuardOf(pub(crate) Guarded);

impl Loader<GuardOf> for Reader {
    type Value = Guard;
    type Error = Error;

    async fn load(&self, keys: &[GuardOf]) -> Result<HashMap<GuardOf, Guard>, Error> {
        let of = keys.iter().map(|key| key.0).collect();
        let found = guards::among(&self.caller, &self.desk, of).await.map_err(asker::not_found)?;
        Ok(found.into_iter().map(|guard| (GuardOf(guard.guarded), guard)).collect())
    }
}

/// What an agent is guarded by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GuardRulesOf(pub(crate) AgentId);

impl Loader<GuardRulesOf> for Reader {
    type Value = GuardRules;
    type Error = Error;

    async fn load(&self, keys: &[GuardRulesOf]) -> Result<HashMap<GuardRulesOf, GuardRules>, Error> {
        let of = keys.iter().map(|key| key.0).collect();
        let found = guards::rules_among(&self.caller, &self.desk, of).await.map_err(asker::not_found)?;
        Ok(found.into_iter().map(|(agent, rules)| (GuardRulesOf(agent), rules)).collect())
    }
}

/// Grants into an account, in the order of burning.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GrantsInto(pub(crate) AccountId);

impl Loader<GrantsInto> for Reader {
    type Value = Vec<Grant>;
    type Error = Error;

    async fn load(&self, keys: &[GrantsInto]) -> Result<HashMap<GrantsInto, Vec<Grant>>, Error> {
        let of = keys.iter().map(|key| key.0).collect();
        let grants = lists::grants_into(&self.caller, &self.desk, of).await.map_err(asker::not_found)?;
        let mut found: HashMap<GrantsInto, Vec<Grant>> = keys.iter().map(|key| (*key, Vec::new())).collect();
        for grant in grants {
            found.entry(GrantsInto(grant.account)).or_default().push(grant);
        }
        Ok(found)
    }
}

/// What a customer, or one of its users, may use.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct EntitlementsOf(pub(crate) CustomerId, pub(crate) Option<UserId>);

impl Loader<EntitlementsOf> for Reader {
    type Value = EntitlementStatement;
    type Error = Error;

    async fn load(&self, keys: &[EntitlementsOf]) -> Result<HashMap<EntitlementsOf, EntitlementStatement>, Error> {
        let of = keys.iter().map(|key| (key.0, key.1)).collect();
        let found = lists::entitlements_of(&self.caller, &self.desk, of).await.map_err(asker::not_found)?;
        Ok(keys.iter().zip(found).filter_map(|(key, statement)| Some((*key, statement?))).collect())
    }
}

/// The change of a subscription that is scheduled.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ScheduledOf(pub(crate) SubscriptionId);

impl Loader<ScheduledOf> for Reader {
    type Value = PlanChange;
    type Error = Error;

    async fn load(&self, keys: &[ScheduledOf]) -> Result<HashMap<ScheduledOf, PlanChange>, Error> {
        let of = keys.iter().map(|key| key.0).collect();
        let found = plan_changes::scheduled(&self.caller, &self.desk, of).await.map_err(asker::not_found)?;
        Ok(found.into_iter().map(|change| (ScheduledOf(change.subscription), change)).collect())
    }
}
