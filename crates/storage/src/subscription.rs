//! Subscriptions.

use crate::entitlement;
use crate::stored;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::window;
use crate::work::SqlWork;
use almoner_domain::fault::Fault;
use almoner_domain::id::{CustomerId, Id, SubscriptionId};
use almoner_domain::ports::Subscriptions;
use almoner_domain::subscription::{Entitlement, Subscription};
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use sea_orm::entity::prelude::Uuid;
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

impl SqlWork {
    async fn subscribe(&self, subscription: &Subscription, entitlements: &[Entitlement]) -> Result<(), Trouble> {
        let tx = self.catalogue()?;
        tx.add::<Entity>(row(subscription)).await?;
        entitlement::add(tx, entitlements).await
    }

    async fn end_subscription(&self, id: SubscriptionId, at: Timestamp) -> Result<bool, Trouble> {
        let edit = self.catalogue()?.change::<Entity>().filter(Column::Id.eq(id.uuid()));
        Ok(edit.filter(Column::EndedAt.is_null()).set(Column::EndedAt, at.as_micros()).run().await? > 0)
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
