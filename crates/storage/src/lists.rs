//! The lists port: pages of many lists, each read in one statement for all of them.

use crate::directory::{allocations_where, decisions_where, named, value};
use crate::rows::{ListOrder, Rows, pages};
use crate::store::SqlStore;
use crate::trouble::Trouble;
use crate::tx::{Owned, Tx};
use crate::{account, allocation, decision, entitled, movement, plan_version, quota, session, subscription, user};
use almoner_domain::account::Account;
use almoner_domain::agent::Session;
use almoner_domain::allocation::{Allocation, DEPTH_MAX};
use almoner_domain::customer::User;
use almoner_domain::decision::Decision;
use almoner_domain::fault::Fault;
use almoner_domain::id::{AccountId, AllocationId, CustomerId, Id, PlanId, UserId};
use almoner_domain::movement::Movement;
use almoner_domain::page::{Page, Stretch};
use almoner_domain::plan::PlanVersion;
use almoner_domain::ports::{
    AllocationFilter, DecisionFilter, Lists, MovementFilter, QuotaWindow, SessionFilter, TREE_MAX,
};
use almoner_domain::statement::{EntitlementStatement, QuotaStatement};
use almoner_domain::subscription::Subscription;
use almoner_domain::tenant::Realm;
use async_trait::async_trait;
use sea_orm::ColumnTrait;
use sea_orm::entity::prelude::Uuid;
use std::collections::BTreeMap;

/// Reads each row of each list back.
fn each_read<M, T>(lists: Vec<Stretch<M>>, read: fn(M) -> Result<T, Trouble>) -> Result<Vec<Stretch<T>>, Trouble> {
    lists.into_iter().map(|list| list.try_map(read)).collect()
}

/// Rows whose column is one id, list by list.
fn by<'t, E: Owned, I: Id>(tx: &'t Tx, column: E::Column, ids: &[I]) -> Vec<Rows<'t, E>> {
    ids.iter().map(|id| tx.rows::<E>().filter(column.eq(id.uuid()))).collect()
}

/// What is read of many rows at once, dealt out to the lists that the rows came in.
fn dealt<M, T>(lists: Vec<Stretch<M>>, read: Vec<T>) -> Vec<Stretch<T>> {
    let mut read = read.into_iter();
    let deal = |list: Stretch<M>| Stretch {
        entries: read.by_ref().take(list.entries.len()).collect(),
        before: list.before,
        after: list.after,
    };
    lists.into_iter().map(deal).collect()
}

async fn versions(tx: &Tx, of: Vec<PlanId>, page: Page) -> Result<Vec<Stretch<PlanVersion>>, Trouble> {
    use plan_version::{Column, Entity};
    let lists = pages(by::<Entity, _>(tx, Column::PlanId, &of), Column::Id, ListOrder::NewestFirst, page).await?;
    let rows = lists.iter().flat_map(|list| list.entries.iter().cloned()).collect();
    let read = plan_version::with_lines(tx, rows).await?;
    Ok(dealt(lists, read))
}

async fn sessions(tx: &Tx, of: Vec<SessionFilter>, page: Page) -> Result<Vec<Stretch<Session>>, Trouble> {
    use session::{Column, Entity};
    let rows = of.iter().map(|filter| {
        let rows = tx.rows::<Entity>().filter(Column::AgentId.eq(filter.agent.uuid()));
        if filter.customer.is_none() && filter.user.is_none() {
            return rows;
        }
        let whose = vec![
            (allocation::Column::AgentId, value(Some(filter.agent))),
            (allocation::Column::CustomerId, value(filter.customer)),
            (allocation::Column::UserId, value(filter.user)),
        ];
        let carved = named(tx.rows::<allocation::Entity>(), whose);
        rows.filter(Column::Id.in_subquery(carved.subquery(allocation::Column::SessionId)))
    });
    let lists = pages(rows.collect(), Column::Id, ListOrder::NewestFirst, page).await?;
    each_read(lists, session::read)
}

async fn allocations(tx: &Tx, of: Vec<AllocationFilter>, page: Page) -> Result<Vec<Stretch<Allocation>>, Trouble> {
    let rows = of.into_iter().map(|filter| allocations_where(tx, filter)).collect();
    let lists = pages(rows, allocation::Column::Id, ListOrder::NewestFirst, page).await?;
    let rows = lists.iter().flat_map(|list| list.entries.iter().cloned()).collect();
    let read = allocation::with_lines(tx, rows).await?;
    Ok(dealt(lists, read))
}

async fn decisions(tx: &Tx, of: Vec<DecisionFilter>, page: Page) -> Result<Vec<Stretch<Decision>>, Trouble> {
    let rows = of.into_iter().map(|filter| decisions_where(tx, filter)).collect();
    each_read(pages(rows, decision::Column::Id, ListOrder::NewestFirst, page).await?, decision::read)
}

async fn movements(tx: &Tx, of: Vec<MovementFilter>, page: Page) -> Result<Vec<Stretch<Movement>>, Trouble> {
    use movement::{Column, Entity};
    let rows = of.into_iter().map(|filter| {
        let wanted = vec![
            (Column::CustomerId, value(filter.customer)),
            (Column::UserId, value(filter.user)),
            (Column::AccountId, value(filter.account)),
            (Column::Cause, filter.cause.map(Into::into)),
        ];
        let rows = named(tx.rows::<Entity>(), wanted);
        let Some(allocation) = filter.allocation else { return rows };
        let of = tx.rows::<account::Entity>().filter(account::Column::AllocationId.eq(allocation.uuid()));
        rows.filter(Column::AccountId.in_subquery(of.subquery(account::Column::Id)))
    });
    let lists = pages(rows.collect(), Column::Id, ListOrder::NewestFirst, page).await?;
    each_read(lists, movement::read)
}

/// Level by level, so that the deepest tree takes as many statements as there are levels.
async fn trees(tx: &Tx, roots: Vec<AllocationId>) -> Result<Vec<Vec<Allocation>>, Trouble> {
    let mut trees: Vec<Vec<Allocation>> = roots.iter().map(|_| Vec::new()).collect();
    // Which trees a parent's children belong to: one may be below another that is asked for as well.
    let mut next: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
    for (tree, root) in roots.iter().enumerate() {
        next.entry(root.uuid()).or_default().push(tree);
    }
    for _ in 0..DEPTH_MAX {
        if next.is_empty() {
            break;
        }
        let parents: Vec<Uuid> = next.keys().copied().collect();
        let lists = parents
            .iter()
            .map(|parent| tx.rows::<allocation::Entity>().filter(allocation::Column::ParentId.eq(*parent)));
        let found =
            pages(lists.collect(), allocation::Column::Id, ListOrder::OldestFirst, Page::first(TREE_MAX)).await?;
        let rows = found.into_iter().flat_map(|list| list.entries).collect();
        let mut below: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
        for child in allocation::with_lines(tx, rows).await? {
            let of = child.parent.and_then(|parent| next.get(&parent.uuid())).cloned().unwrap_or_default();
            for tree in of {
                if trees[tree].len() < usize::from(TREE_MAX) {
                    below.entry(child.id.uuid()).or_default().push(tree);
                    trees[tree].push(child.clone());
                }
            }
        }
        next = below;
    }
    Ok(trees)
}

#[async_trait]
impl Lists for SqlStore {
    async fn users_of(&self, realm: Realm, of: Vec<CustomerId>, page: Page) -> Result<Vec<Stretch<User>>, Fault> {
        use user::{Column, Entity};
        let read = self.read("users_of", realm, move |tx| {
            Box::pin(async move {
                let rows = by::<Entity, _>(tx, Column::CustomerId, &of);
                each_read(pages(rows, Column::Id, ListOrder::OldestFirst, page).await?, user::read)
            })
        });
        read.await
    }

    async fn subscriptions_of(
        &self,
        realm: Realm,
        of: Vec<CustomerId>,
        page: Page,
    ) -> Result<Vec<Stretch<Subscription>>, Fault> {
        use subscription::{Column, Entity};
        let read = self.read("subscriptions_of", realm, move |tx| {
            Box::pin(async move {
                let rows = by::<Entity, _>(tx, Column::CustomerId, &of);
                each_read(pages(rows, Column::Id, ListOrder::NewestFirst, page).await?, subscription::read)
            })
        });
        read.await
    }

    async fn versions_of(&self, realm: Realm, of: Vec<PlanId>, page: Page) -> Result<Vec<Stretch<PlanVersion>>, Fault> {
        self.read("versions_of", realm, move |tx| Box::pin(versions(tx, of, page))).await
    }

    async fn sessions_of(
        &self,
        realm: Realm,
        of: Vec<SessionFilter>,
        page: Page,
    ) -> Result<Vec<Stretch<Session>>, Fault> {
        self.read("sessions_of", realm, move |tx| Box::pin(sessions(tx, of, page))).await
    }

    async fn allocations_of(
        &self,
        realm: Realm,
        of: Vec<AllocationFilter>,
        page: Page,
    ) -> Result<Vec<Stretch<Allocation>>, Fault> {
        self.read("allocations_of", realm, move |tx| Box::pin(allocations(tx, of, page))).await
    }

    async fn decisions_of(
        &self,
        realm: Realm,
        of: Vec<DecisionFilter>,
        page: Page,
    ) -> Result<Vec<Stretch<Decision>>, Fault> {
        self.read("decisions_of", realm, move |tx| Box::pin(decisions(tx, of, page))).await
    }

    async fn movements_of(
        &self,
        realm: Realm,
        of: Vec<MovementFilter>,
        page: Page,
    ) -> Result<Vec<Stretch<Movement>>, Fault> {
        self.read("movements_of", realm, move |tx| Box::pin(movements(tx, of, page))).await
    }

    async fn accounts_below(
        &self,
        realm: Realm,
        of: Vec<AccountId>,
        page: Page,
    ) -> Result<Vec<Stretch<Account>>, Fault> {
        use account::{Column, Entity};
        let read = self.read("accounts_below", realm, move |tx| {
            Box::pin(async move {
                let rows = by::<Entity, _>(tx, Column::ParentId, &of);
                each_read(pages(rows, Column::Id, ListOrder::NewestFirst, page).await?, account::read)
            })
        });
        read.await
    }

    async fn trees(&self, realm: Realm, of: Vec<AllocationId>) -> Result<Vec<Vec<Allocation>>, Fault> {
        self.read("trees", realm, move |tx| Box::pin(trees(tx, of))).await
    }

    async fn quotas_of(
        &self,
        realm: Realm,
        of: Vec<(CustomerId, QuotaWindow)>,
    ) -> Result<Vec<Vec<QuotaStatement>>, Fault> {
        self.read("quotas_of", realm, move |tx| Box::pin(quota::of(tx, of))).await
    }

    async fn entitlements_of(
        &self,
        realm: Realm,
        of: Vec<(CustomerId, Option<UserId>)>,
    ) -> Result<Vec<Option<EntitlementStatement>>, Fault> {
        entitled::entitlements_of(self, realm, of).await
    }
}
