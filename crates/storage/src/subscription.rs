//! Subscriptions.

use crate::key::realm_of;
use crate::rows::Hold;
use crate::stored;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::{Everywhere, Tx};
use crate::work::SqlWork;
use crate::{entitlement, plan_change, window};
use almoner_domain::fault::Fault;
use almoner_domain::id::{CustomerId, Id, SubscriptionId};
use almoner_domain::plan_change::PlanChange;
use almoner_domain::ports::Subscriptions;
use almoner_domain::subscription::{Entitlement, Subscription};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, Order};
use std::collections::{BTreeMap, BTreeSet};

realm_table! {
    "subscriptions" {
        key { id: Uuid, }
        customer_id: Uuid,
        plan_version_id: Uuid,
        anchor: i64,
        zone: String,
        local_anchor: Option<String>,
        started_at: i64,
        ended_at: Option<i64>,
        paused_at: Option<i64>,
        changes_at: Option<i64>,
    }
}

fn row(subscription: &Subscription) -> Model {
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: subscription.id.uuid(),
        customer_id: subscription.customer.uuid(),
        plan_version_id: subscription.plan_version.uuid(),
        anchor: subscription.calendar.anchor().as_micros(),
        zone: subscription.calendar.zone().to_owned(),
        local_anchor: Some(subscription.calendar.local_anchor()),
        started_at: subscription.started_at.as_micros(),
        ended_at: subscription.ended_at.map(Timestamp::as_micros),
        paused_at: subscription.paused_at.map(Timestamp::as_micros),
        changes_at: subscription.changes_at.map(Timestamp::as_micros),
    }
}

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<Subscription, Trouble> {
    Ok(Subscription {
        id: Id::from_uuid(row.id),
        customer: Id::from_uuid(row.customer_id),
        plan_version: Id::from_uuid(row.plan_version_id),
        calendar: stored::calendar("subscription", row.anchor, row.local_anchor.as_deref(), &row.zone)?,
        started_at: Timestamp::from_micros(row.started_at),
        ended_at: row.ended_at.map(Timestamp::from_micros),
        paused_at: row.paused_at.map(Timestamp::from_micros),
        changes_at: row.changes_at.map(Timestamp::from_micros),
    })
}

/// The subscription of a customer that has begun and not ended at the transaction's instant. Where an old one ends the moment
/// a new one begins, it is the new one.
pub(crate) async fn running(tx: &Tx, customer: CustomerId) -> Result<Option<Subscription>, Trouble> {
    let now = tx.now().as_micros();
    let rows = tx.rows::<Entity>().filter(Column::CustomerId.eq(customer.uuid()));
    let rows = rows.filter(Column::StartedAt.lte(now));
    let rows = rows.filter(Condition::any().add(Column::EndedAt.is_null()).add(Column::EndedAt.gt(now)));
    let rows = rows.order(Column::StartedAt, Order::Desc).order(Column::Id, Order::Desc);
    rows.one().await?.map(read).transpose()
}

/// The same of many customers.
pub(crate) async fn running_of(
    tx: &Tx,
    customers: &BTreeSet<CustomerId>,
) -> Result<BTreeMap<CustomerId, Subscription>, Trouble> {
    let now = tx.now().as_micros();
    let ids: Vec<Uuid> = customers.iter().map(|id| id.uuid()).collect();
    let rows = tx.all_among::<Entity, _>(Column::CustomerId, &ids, |rows| {
        let rows = rows.filter(Column::StartedAt.lte(now));
        let rows = rows.filter(Condition::any().add(Column::EndedAt.is_null()).add(Column::EndedAt.gt(now)));
        rows.order(Column::StartedAt, Order::Asc).order(Column::Id, Order::Asc)
    });
    // The last of a customer stays: the one that began last.
    let read = |row| read(row).map(|subscription| (subscription.customer, subscription));
    rows.await?.into_iter().map(read).collect()
}

/// One, held for change: whoever changes a subscription is alone at it.
pub(crate) async fn hold(tx: &Tx, id: SubscriptionId) -> Result<Option<Subscription>, Trouble> {
    tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).hold(Hold::Change).one().await?.map(read).transpose()
}

/// Adds one.
pub(crate) async fn add(tx: &Tx, subscription: &Subscription) -> Result<(), Trouble> {
    tx.add::<Entity>(row(subscription)).await
}

/// Writes when one ended, is paused and changes.
pub(crate) async fn write_back(tx: &Tx, subscription: &Subscription) -> Result<(), Trouble> {
    let edit = tx.change::<Entity>().filter(Column::Id.eq(subscription.id.uuid()));
    let edit = edit.set(Column::EndedAt, subscription.ended_at.map(Timestamp::as_micros));
    let edit = edit.set(Column::PausedAt, subscription.paused_at.map(Timestamp::as_micros));
    edit.set(Column::ChangesAt, subscription.changes_at.map(Timestamp::as_micros)).run().await?;
    Ok(())
}

/// Word for word what the partial index says: SQLite uses it only where the query repeats it.
const SCHEDULED: &str = "changes_at IS NOT NULL AND ended_at IS NULL";

/// Customers of any realm whose subscription is due to change.
pub(crate) async fn due(tx: &Everywhere, limit: u64) -> Result<Vec<(Realm, CustomerId)>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Expr::cust(SCHEDULED)).filter(Column::ChangesAt.lte(tx.now().as_micros()));
    let found = rows.order(Column::ChangesAt, Order::Asc).limit(limit).all().await?;
    found.into_iter().map(|row| Ok((realm_of(row.tenant, &row.environment)?, Id::from_uuid(row.customer_id)))).collect()
}

impl SqlWork {
    async fn subscribe(&self, subscription: &Subscription, entitlements: &[Entitlement]) -> Result<(), Trouble> {
        let tx = self.catalogue()?;
        add(tx, subscription).await?;
        entitlement::add(tx, entitlements).await
    }

    async fn end_subscription(&self, id: SubscriptionId, at: Timestamp) -> Result<bool, Trouble> {
        let edit = self.catalogue()?.change::<Entity>().filter(Column::Id.eq(id.uuid()));
        Ok(edit.filter(Column::EndedAt.is_null()).set(Column::EndedAt, at.as_micros()).run().await? > 0)
    }

    async fn schedule_change(&self, change: &PlanChange) -> Result<(), Trouble> {
        let tx = self.catalogue()?;
        plan_change::add(tx, change).await?;
        let edit = tx.change::<Entity>().filter(Column::Id.eq(change.subscription.uuid()));
        edit.set(Column::ChangesAt, change.at.as_micros()).run().await?;
        Ok(())
    }

    async fn running_subscription(&self, customer: CustomerId) -> Result<Option<Subscription>, Trouble> {
        running(self.tx()?, customer).await
    }

    async fn entitlements_of(&self, customer: CustomerId) -> Result<Vec<Entitlement>, Trouble> {
        entitlement::of_customer(self.tx()?, customer).await
    }

    async fn share(&self, share: &Entitlement) -> Result<(), Trouble> {
        window::add_share(self.catalogue()?, share).await
    }
}

#[async_trait]
impl Subscriptions for SqlWork {
    async fn add(&mut self, subscription: &Subscription, entitlements: &[Entitlement]) -> Result<(), Fault> {
        self.subscribe(subscription, entitlements).await.map_err(|trouble| trouble.into_fault("add_subscription"))
    }

    async fn end(&mut self, id: SubscriptionId, at: Timestamp) -> Result<bool, Fault> {
        self.end_subscription(id, at).await.map_err(|trouble| trouble.into_fault("end_subscription"))
    }

    async fn schedule(&mut self, change: &PlanChange) -> Result<(), Fault> {
        self.schedule_change(change).await.map_err(|trouble| trouble.into_fault("schedule"))
    }

    async fn running(&mut self, customer: CustomerId) -> Result<Option<Subscription>, Fault> {
        self.running_subscription(customer).await.map_err(|trouble| trouble.into_fault("running_subscription"))
    }

    async fn entitlements(&mut self, customer: CustomerId) -> Result<Vec<Entitlement>, Fault> {
        self.entitlements_of(customer).await.map_err(|trouble| trouble.into_fault("entitlements"))
    }

    async fn add_share(&mut self, share: &Entitlement) -> Result<(), Fault> {
        self.share(share).await.map_err(|trouble| trouble.into_fault("add_share"))
    }
}
