//! The lists port: the same page of the lists below many things.

use super::core::Core;
use super::page::ListOrder::{NewestFirst, OldestFirst};
use super::page::{cut, fits};
use super::ports::MemoryStore;
use super::table::Eye;
use almoner_domain::account::{Account, AccountOwner};
use almoner_domain::agent::Session;
use almoner_domain::allocation::{Allocation, DEPTH_MAX};
use almoner_domain::customer::User;
use almoner_domain::decision::Decision;
use almoner_domain::fault::Fault;
use almoner_domain::id::{AccountId, AllocationId, CustomerId, PlanId, UserId};
use almoner_domain::movement::Movement;
use almoner_domain::page::{Page, Stretch};
use almoner_domain::plan::PlanVersion;
use almoner_domain::ports::{
    AllocationFilter, DecisionFilter, Lists, MovementFilter, QuotaWindow, SessionFilter, SubjectName, TREE_MAX,
};
use almoner_domain::statement::{EntitlementStatement, QuotaStatement};
use almoner_domain::subscription::Subscription;
use almoner_domain::tenant::Realm;
use almoner_domain::text::Named;
use async_trait::async_trait;

impl Core {
    fn sessions_where(&self, eye: Eye, filter: SessionFilter) -> impl Iterator<Item = &Session> {
        let SessionFilter { agent, customer, user } = filter;
        let carved = AllocationFilter { customer, user, agent: Some(agent), ..AllocationFilter::default() };
        self.rows.sessions.seen(eye).filter(move |session| {
            let of = AllocationFilter { session: Some(session.id), ..carved.clone() };
            let is_anybodys = customer.is_none() && user.is_none();
            session.agent == agent && (is_anybodys || self.allocations_where(eye, &of).next().is_some())
        })
    }

    fn movements_where(&self, eye: Eye, filter: &MovementFilter) -> impl Iterator<Item = &Movement> {
        let is_of = move |id: AccountId, allocation| {
            self.rows.accounts.find(eye, id).is_some_and(|a| a.owner == AccountOwner::Allocation(allocation))
        };
        let seen = self.rows.movements.iter().filter(move |(owner, _)| (eye.sees)(eye.realm, *owner));
        seen.map(|(_, movement)| movement).filter(move |movement| {
            fits(filter.customer, Some(movement.principals.customer))
                && fits(filter.user, movement.principals.user)
                && fits(filter.account, Some(movement.account))
                && fits(filter.cause, Some(movement.cause.parts().0))
                && filter.allocation.is_none_or(|allocation| is_of(movement.account, allocation))
        })
    }

    /// Level by level; at one level by parent, and each parent's oldest first.
    fn tree(&self, eye: Eye, root: AllocationId) -> Vec<Allocation> {
        let most = usize::from(TREE_MAX);
        let mut tree: Vec<Allocation> = Vec::new();
        let mut parents = vec![root];
        for _ in 0..DEPTH_MAX {
            parents.sort_unstable();
            let below = |parent| self.rows.allocations.seen(eye).filter(move |child| child.parent == Some(parent));
            let level = parents.iter().flat_map(|parent| below(*parent)).take(most - tree.len());
            let level: Vec<Allocation> = level.cloned().collect();
            parents = level.iter().map(|allocation| allocation.id).collect();
            tree.extend(level);
        }
        tree
    }
}

#[async_trait]
impl Lists for MemoryStore {
    async fn users_of(&self, realm: Realm, of: Vec<CustomerId>, page: Page) -> Result<Vec<Stretch<User>>, Fault> {
        let (core, _) = self.here("users_of")?;
        let users = |customer| core.kept(realm, |c| &c.users).filter(move |user| user.customer == customer);
        Ok(of.into_iter().map(|customer| cut(users(customer), |user| user.id, OldestFirst, page)).collect())
    }

    async fn subscriptions_of(
        &self,
        realm: Realm,
        of: Vec<CustomerId>,
        page: Page,
    ) -> Result<Vec<Stretch<Subscription>>, Fault> {
        let (core, _) = self.here("subscriptions_of")?;
        let signed = |customer| core.kept(realm, |c| &c.subscriptions).filter(move |one| one.customer == customer);
        Ok(of.into_iter().map(|customer| cut(signed(customer), |one| one.id, NewestFirst, page)).collect())
    }

    async fn versions_of(&self, realm: Realm, of: Vec<PlanId>, page: Page) -> Result<Vec<Stretch<PlanVersion>>, Fault> {
        let (core, _) = self.here("versions_of")?;
        let versions = |plan| core.kept(realm, |c| &c.versions).filter(move |version| version.plan == plan);
        Ok(of.into_iter().map(|plan| cut(versions(plan), |version| version.id, NewestFirst, page)).collect())
    }

    async fn sessions_of(
        &self,
        realm: Realm,
        of: Vec<SessionFilter>,
        page: Page,
    ) -> Result<Vec<Stretch<Session>>, Fault> {
        let (core, _) = self.here("sessions_of")?;
        let list = |filter| cut(core.sessions_where(core.eye(realm), filter), |one| one.id, NewestFirst, page);
        Ok(of.into_iter().map(list).collect())
    }

    async fn allocations_of(
        &self,
        realm: Realm,
        of: Vec<AllocationFilter>,
        page: Page,
    ) -> Result<Vec<Stretch<Allocation>>, Fault> {
        let (core, _) = self.here("allocations_of")?;
        let list = |filter| cut(core.allocations_where(core.eye(realm), filter), |one| one.id, NewestFirst, page);
        Ok(of.iter().map(list).collect())
    }

    async fn decisions_of(
        &self,
        realm: Realm,
        of: Vec<DecisionFilter>,
        page: Page,
    ) -> Result<Vec<Stretch<Decision>>, Fault> {
        let (core, _) = self.here("decisions_of")?;
        let list = |filter| cut(core.decisions_where(core.eye(realm), filter), |one| one.id, NewestFirst, page);
        Ok(of.iter().map(list).collect())
    }

    async fn movements_of(
        &self,
        realm: Realm,
        of: Vec<MovementFilter>,
        page: Page,
    ) -> Result<Vec<Stretch<Movement>>, Fault> {
        let (core, _) = self.here("movements_of")?;
        let list = |filter| cut(core.movements_where(core.eye(realm), filter), |one| one.id, NewestFirst, page);
        Ok(of.iter().map(list).collect())
    }

    async fn accounts_below(
        &self,
        realm: Realm,
        of: Vec<AccountId>,
        page: Page,
    ) -> Result<Vec<Stretch<Account>>, Fault> {
        let (core, _) = self.here("accounts_below")?;
        let below = |id| core.rows.accounts.seen(core.eye(realm)).filter(move |account| account.parent == Some(id));
        Ok(of.into_iter().map(|id| cut(below(id), |account| account.id, NewestFirst, page)).collect())
    }

    async fn trees(&self, realm: Realm, of: Vec<AllocationId>) -> Result<Vec<Vec<Allocation>>, Fault> {
        let (core, _) = self.here("trees")?;
        Ok(of.into_iter().map(|root| core.tree(core.eye(realm), root)).collect())
    }

    async fn quotas_of(
        &self,
        realm: Realm,
        of: Vec<(CustomerId, QuotaWindow)>,
    ) -> Result<Vec<Vec<QuotaStatement>>, Fault> {
        let (core, now) = self.here("quotas_of")?;
        Ok(of.into_iter().map(|(customer, which)| core.quotas(now, realm, customer, which)).collect())
    }
    async fn entitlements_of(
        &self,
        realm: Realm,
        of: Vec<(CustomerId, Option<UserId>)>,
    ) -> Result<Vec<Option<EntitlementStatement>>, Fault> {
        let (mut core, now) = self.here("entitlements_of")?;
        let name = |(customer, user): (CustomerId, Option<UserId>)| SubjectName {
            customer: Named::Id(customer),
            user: user.map(Named::Id),
        };
        of.into_iter().map(|who| core.entitlements(now, realm, &name(who))).collect()
    }
}
