//! The directory port: lists and sets as people look at them.

use crate::rows::{ListOrder, Rows};
use crate::store::SqlStore;
use crate::trouble::Trouble;
use crate::tx::{Owned, Tx};
use crate::{
    account, agent, allocation, audit, customer, decision, delivery, feature, grant, guard, guard_rule, plan,
    plan_version, session, subscription, user,
};
use almoner_domain::account::Account;
use almoner_domain::agent::{Agent, Session};
use almoner_domain::allocation::Allocation;
use almoner_domain::audit::AuditEntry;
use almoner_domain::customer::{Customer, User};
use almoner_domain::decision::Decision;
use almoner_domain::delivery::{Delivery, DeliveryFilter};
use almoner_domain::fault::Fault;
use almoner_domain::feature::Feature;
use almoner_domain::grant::Grant;
use almoner_domain::guard::{Guard, GuardRules, Guarded};
use almoner_domain::id::{
    AccountId, AgentId, AllocationId, CustomerId, DecisionId, FeatureId, GrantId, Id, PlanId, PlanVersionId, SessionId,
    SubscriptionId, UserId,
};
use almoner_domain::page::{Page, Stretch};
use almoner_domain::plan::{Plan, PlanVersion};
use almoner_domain::ports::{AllocationFilter, AuditFilter, DecisionFilter, Directory, SessionDecisionFilter};
use almoner_domain::subscription::Subscription;
use almoner_domain::tenant::Realm;
use async_trait::async_trait;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, Value};

/// Reads the rows of a stretch back.
fn all_read<M, T>(rows: Stretch<M>, read: fn(M) -> Result<T, Trouble>) -> Result<Stretch<T>, Trouble> {
    rows.try_map(read)
}

fn uuids<I: Id>(ids: &[I]) -> Vec<Uuid> {
    ids.iter().map(|id| id.uuid()).collect()
}

/// Rows by their ids, in any order.
async fn among<E: Owned>(tx: &Tx, id: E::Column, ids: &[Uuid]) -> Result<Vec<E::Model>, Trouble> {
    tx.all_among::<E, _>(id, ids, |rows| rows).await
}

/// Only rows whose columns are as named; what is not named may be anything.
pub(crate) fn named<'t, E: Owned>(rows: Rows<'t, E>, wanted: Vec<(E::Column, Option<Value>)>) -> Rows<'t, E> {
    wanted.into_iter().fold(rows, |rows, (column, value)| match value {
        Some(value) => rows.filter(column.eq(value)),
        None => rows,
    })
}

pub(crate) fn value<I: Id>(id: Option<I>) -> Option<Value> {
    id.map(|id| id.uuid().into())
}

/// Allocations that fulfil a filter.
pub(crate) fn allocations_where(tx: &Tx, filter: AllocationFilter) -> Rows<'_, allocation::Entity> {
    use allocation::Column;
    let wanted = vec![
        (Column::CustomerId, value(filter.customer)),
        (Column::UserId, value(filter.user)),
        (Column::AgentId, value(filter.agent)),
        (Column::SessionId, value(filter.session)),
        (Column::ParentId, value(filter.parent)),
        (Column::State, filter.state.map(|state| state.as_str().into())),
    ];
    named(tx.rows::<allocation::Entity>(), wanted)
}

async fn allocations(tx: &Tx, filter: AllocationFilter, page: Page) -> Result<Stretch<Allocation>, Trouble> {
    let rows = allocations_where(tx, filter);
    let Stretch { entries, before, after } = rows.page(allocation::Column::Id, ListOrder::NewestFirst, page).await?;
    Ok(Stretch { entries: allocation::with_lines(tx, entries).await?, before, after })
}

/// Decisions that fulfil a filter.
pub(crate) fn decisions_where(tx: &Tx, filter: DecisionFilter) -> Rows<'_, decision::Entity> {
    use decision::Column;
    let wanted = vec![
        (Column::CustomerId, value(filter.customer)),
        (Column::UserId, value(filter.user)),
        (Column::AgentId, value(filter.agent)),
        (Column::SessionId, value(filter.session)),
        (Column::AllocationId, value(filter.allocation)),
    ];
    let mut rows = named(tx.rows::<decision::Entity>(), wanted);
    if let Some(allowed) = filter.allowed {
        rows = rows.filter(if allowed { Column::Reason.is_null() } else { Column::Reason.is_not_null() });
    }
    if let Some(since) = filter.since {
        rows = rows.filter(Column::At.gte(since.as_micros()));
    }
    if let Some(until) = filter.until {
        rows = rows.filter(Column::At.lt(until.as_micros()));
    }
    rows
}

async fn decisions(tx: &Tx, filter: DecisionFilter, page: Page) -> Result<Stretch<Decision>, Trouble> {
    let rows = decisions_where(tx, filter);
    all_read(rows.page(decision::Column::Id, ListOrder::NewestFirst, page).await?, decision::read)
}

async fn audit(tx: &Tx, filter: AuditFilter, page: Page) -> Result<Stretch<AuditEntry>, Trouble> {
    use audit::Column;
    let wanted = vec![
        (Column::CustomerId, value(filter.customer)),
        (Column::UserId, value(filter.user)),
        (Column::KeyId, value(filter.key)),
        (Column::Subject, filter.subject.map(Into::into)),
    ];
    let rows = named(tx.rows::<audit::Entity>(), wanted);
    all_read(rows.page(Column::Id, ListOrder::NewestFirst, page).await?, audit::read)
}

/// Deliveries of the realm, newest first.
pub(crate) async fn deliveries(tx: &Tx, filter: DeliveryFilter, page: Page) -> Result<Stretch<Delivery>, Trouble> {
    use delivery::Column;
    let wanted = vec![
        (Column::EndpointId, value(filter.endpoint)),
        (Column::NoticeId, value(filter.notice)),
        (Column::State, filter.state.map(|state| state.as_str().into())),
    ];
    let rows = named(tx.rows::<delivery::Entity>(), wanted);
    all_read(rows.page(Column::Id, ListOrder::NewestFirst, page).await?, delivery::read)
}

/// A page of a table whose rows are read one by one.
macro_rules! page {
    ($tx:ident, $noun:ident, $order:ident, $page:ident) => {
        Box::pin(async move {
            let rows = $tx.rows::<$noun::Entity>();
            all_read(rows.page($noun::Column::Id, ListOrder::$order, $page).await?, $noun::read)
        })
    };
}

/// Rows by id of a table whose rows are read one by one.
macro_rules! set {
    ($tx:ident, $noun:ident, $ids:ident) => {
        Box::pin(async move {
            let rows = among::<$noun::Entity>($tx, $noun::Column::Id, &uuids(&$ids)).await?;
            rows.into_iter().map($noun::read).collect()
        })
    };
}

#[async_trait]
impl Directory for SqlStore {
    async fn features(&self, realm: Realm, page: Page) -> Result<Stretch<Feature>, Fault> {
        self.read("features", realm, move |tx| page!(tx, feature, OldestFirst, page)).await
    }

    async fn plans(&self, realm: Realm, page: Page) -> Result<Stretch<Plan>, Fault> {
        self.read("plans", realm, move |tx| page!(tx, plan, OldestFirst, page)).await
    }

    async fn customers(&self, realm: Realm, page: Page) -> Result<Stretch<Customer>, Fault> {
        self.read("customers", realm, move |tx| page!(tx, customer, OldestFirst, page)).await
    }

    async fn agents(&self, realm: Realm, page: Page) -> Result<Stretch<Agent>, Fault> {
        self.read("agents", realm, move |tx| page!(tx, agent, OldestFirst, page)).await
    }

    async fn allocations(
        &self,
        realm: Realm,
        filter: AllocationFilter,
        page: Page,
    ) -> Result<Stretch<Allocation>, Fault> {
        self.read("allocations", realm, move |tx| Box::pin(allocations(tx, filter, page))).await
    }

    async fn audit(&self, realm: Realm, filter: AuditFilter, page: Page) -> Result<Stretch<AuditEntry>, Fault> {
        self.read("audit", realm, move |tx| Box::pin(audit(tx, filter, page))).await
    }

    async fn decisions(&self, realm: Realm, filter: DecisionFilter, page: Page) -> Result<Stretch<Decision>, Fault> {
        self.read("decisions", realm, move |tx| Box::pin(decisions(tx, filter, page))).await
    }

    async fn session_decisions(
        &self,
        realm: Realm,
        filter: SessionDecisionFilter,
        after: Option<DecisionId>,
        limit: u64,
    ) -> Result<Vec<Decision>, Fault> {
        let read = self.read("session_decisions", realm, move |tx| {
            Box::pin(async move { decision::in_sessions(tx, &filter, after, limit).await })
        });
        read.await
    }

    async fn decision_ids(&self, realm: Realm, from: DecisionId, limit: u64) -> Result<Vec<DecisionId>, Fault> {
        self.read("decision_ids", realm, move |tx| Box::pin(decision::ids_from(tx, from, limit))).await
    }

    async fn features_among(&self, realm: Realm, ids: Vec<FeatureId>) -> Result<Vec<Feature>, Fault> {
        self.read("features_among", realm, move |tx| set!(tx, feature, ids)).await
    }

    async fn plans_among(&self, realm: Realm, ids: Vec<PlanId>) -> Result<Vec<Plan>, Fault> {
        self.read("plans_among", realm, move |tx| set!(tx, plan, ids)).await
    }

    async fn plan_versions_among(&self, realm: Realm, ids: Vec<PlanVersionId>) -> Result<Vec<PlanVersion>, Fault> {
        let read = self.read("plan_versions_among", realm, move |tx| {
            Box::pin(async move {
                let rows = among::<plan_version::Entity>(tx, plan_version::Column::Id, &uuids(&ids)).await?;
                plan_version::with_lines(tx, rows).await
            })
        });
        read.await
    }

    async fn customers_among(&self, realm: Realm, ids: Vec<CustomerId>) -> Result<Vec<Customer>, Fault> {
        self.read("customers_among", realm, move |tx| set!(tx, customer, ids)).await
    }

    async fn users_among(&self, realm: Realm, ids: Vec<UserId>) -> Result<Vec<User>, Fault> {
        self.read("users_among", realm, move |tx| set!(tx, user, ids)).await
    }

    async fn agents_among(&self, realm: Realm, ids: Vec<AgentId>) -> Result<Vec<Agent>, Fault> {
        self.read("agents_among", realm, move |tx| set!(tx, agent, ids)).await
    }

    async fn sessions_among(&self, realm: Realm, ids: Vec<SessionId>) -> Result<Vec<Session>, Fault> {
        self.read("sessions_among", realm, move |tx| set!(tx, session, ids)).await
    }

    async fn allocations_among(&self, realm: Realm, ids: Vec<AllocationId>) -> Result<Vec<Allocation>, Fault> {
        let read = self.read("allocations_among", realm, move |tx| {
            Box::pin(async move {
                let rows = among::<allocation::Entity>(tx, allocation::Column::Id, &uuids(&ids)).await?;
                allocation::with_lines(tx, rows).await
            })
        });
        read.await
    }

    async fn decisions_among(&self, realm: Realm, ids: Vec<DecisionId>) -> Result<Vec<Decision>, Fault> {
        self.read("decisions_among", realm, move |tx| set!(tx, decision, ids)).await
    }

    async fn grants_among(&self, realm: Realm, ids: Vec<GrantId>) -> Result<Vec<Grant>, Fault> {
        self.read("grants_among", realm, move |tx| set!(tx, grant, ids)).await
    }

    async fn subscriptions_among(&self, realm: Realm, ids: Vec<SubscriptionId>) -> Result<Vec<Subscription>, Fault> {
        self.read("subscriptions_among", realm, move |tx| set!(tx, subscription, ids)).await
    }

    async fn guards_among(&self, realm: Realm, of: Vec<Guarded>) -> Result<Vec<Guard>, Fault> {
        let read = self.read("guards_among", realm, move |tx| Box::pin(async move { guard::among(tx, &of).await }));
        read.await
    }

    async fn guard_rules_among(&self, realm: Realm, agents: Vec<AgentId>) -> Result<Vec<(AgentId, GuardRules)>, Fault> {
        let read = self
            .read("guard_rules_among", realm, move |tx| Box::pin(async move { guard_rule::among(tx, &agents).await }));
        read.await
    }

    async fn grants_into(&self, realm: Realm, accounts: Vec<AccountId>) -> Result<Vec<Grant>, Fault> {
        let read =
            self.read("grants_into", realm, move |tx| Box::pin(async move { grant::of_accounts(tx, &accounts).await }));
        read.await
    }

    async fn accounts_among(&self, realm: Realm, ids: Vec<AccountId>) -> Result<Vec<Account>, Fault> {
        let read =
            self.read("accounts_among", realm, move |tx| Box::pin(async move { account::by_ids(tx, &ids).await }));
        read.await
    }
}
