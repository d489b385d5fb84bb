//! Entitlements: customers' quotas and rights, and users' shares of them.

use crate::bulk::Clash;
use crate::offer::{self, OfferColumns};
use crate::rows::{Hold, Rows, among};
use crate::stored;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::id::{CustomerId, EntitlementId, Id, SubscriptionId, UserId};
use almoner_domain::subscription::Entitlement;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, Order};
use std::collections::BTreeSet;

realm_table! {
    "entitlements" {
        key { id: Uuid, }
        customer_id: Uuid,
        user_id: Option<Uuid>,
        feature_id: Uuid,
        subscription_id: Uuid,
        offer: String,
        value_integer: Option<i64>,
        value_text: Option<String>,
        amount: Option<i64>,
        period: Option<String>,
        beyond: Option<String>,
        anchor: i64,
        zone: String,
        local_anchor: Option<String>,
    }
}

fn row(entitlement: &Entitlement) -> Result<Model, Trouble> {
    let columns = offer::columns(&entitlement.offer)?;
    Ok(Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: entitlement.id.uuid(),
        customer_id: entitlement.customer.uuid(),
        user_id: entitlement.user.map(Id::uuid),
        feature_id: entitlement.feature.uuid(),
        subscription_id: entitlement.subscription.uuid(),
        offer: columns.offer,
        value_integer: columns.value_integer,
        value_text: columns.value_text,
        amount: columns.amount,
        period: columns.period,
        beyond: columns.beyond,
        anchor: entitlement.calendar.anchor().as_micros(),
        zone: entitlement.calendar.zone().to_owned(),
        local_anchor: Some(entitlement.calendar.local_anchor()),
    })
}

fn read(row: Model) -> Result<Entitlement, Trouble> {
    let columns = OfferColumns {
        offer: row.offer,
        value_integer: row.value_integer,
        value_text: row.value_text,
        amount: row.amount,
        period: row.period,
        beyond: row.beyond,
    };
    Ok(Entitlement {
        id: Id::from_uuid(row.id),
        customer: Id::from_uuid(row.customer_id),
        user: row.user_id.map(Id::from_uuid),
        feature: Id::from_uuid(row.feature_id),
        subscription: Id::from_uuid(row.subscription_id),
        offer: offer::read(&columns)?,
        calendar: stored::calendar("entitlement", row.anchor, row.local_anchor.as_deref(), &row.zone)?,
    })
}

/// Adds some; all or, where one is there already, none that a transaction should keep.
pub(crate) async fn add(tx: &Tx, entitlements: &[Entitlement]) -> Result<(), Trouble> {
    let rows = entitlements.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    let written = tx.insert::<Entity>(&rows, Clash::Skip).await?;
    if written == rows.len() as u64 { Ok(()) } else { Err(Trouble::Exists) }
}

/// Gives entitlements that go on to another subscription, with what it offers.
pub(crate) async fn move_on(tx: &Tx, entitlements: &[Entitlement]) -> Result<(), Trouble> {
    let rows = entitlements.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    tx.insert::<Entity>(&rows, Clash::Update(&MOVING)).await?;
    Ok(())
}

/// What of an entitlement changes when it goes on by another plan.
const MOVING: [Column; 7] = [
    Column::SubscriptionId,
    Column::Offer,
    Column::ValueInteger,
    Column::ValueText,
    Column::Amount,
    Column::Period,
    Column::Beyond,
];

/// All that a subscription gives.
pub(crate) async fn of_subscription(tx: &Tx, subscription: SubscriptionId) -> Result<Vec<Entitlement>, Trouble> {
    in_order(tx.rows::<Entity>().filter(Column::SubscriptionId.eq(subscription.uuid()))).await
}

/// The customer's own entitlements of a subscription, and the shares of one user where one is named.
pub(crate) async fn of_subject(
    tx: &Tx,
    subscription: SubscriptionId,
    user: Option<UserId>,
) -> Result<Vec<Entitlement>, Trouble> {
    let all = || tx.rows::<Entity>().filter(Column::SubscriptionId.eq(subscription.uuid()));
    let mut found = in_order(all().filter(Column::UserId.is_null())).await?;
    if let Some(user) = user {
        found.extend(in_order(all().filter(Column::UserId.eq(user.uuid()))).await?);
    }
    Ok(found)
}

/// The customers' own entitlements of many subscriptions, and these users' shares of them.
pub(crate) async fn of_subjects(
    tx: &Tx,
    subscriptions: Vec<SubscriptionId>,
    users: &BTreeSet<UserId>,
) -> Result<Vec<Entitlement>, Trouble> {
    let ids: Vec<Uuid> = subscriptions.iter().map(|id| id.uuid()).collect();
    let users: Vec<Uuid> = users.iter().map(|id| id.uuid()).collect();
    let rows = tx.all_among::<Entity, _>(Column::SubscriptionId, &ids, |rows| {
        let theirs = among(tx.backend(), Expr::col(Column::UserId), &users);
        let whose = Condition::any().add(Column::UserId.is_null()).add(theirs);
        rows.filter(whose)
    });
    let mut found = rows.await?.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    found.sort_by_key(|entitlement| entitlement.id);
    Ok(found)
}

/// Reads rows in the order in which they were made. Sorted here: asked to sort, SQLite reads the whole realm by its key.
async fn in_order(rows: Rows<'_, Entity>) -> Result<Vec<Entitlement>, Trouble> {
    let mut found = rows.all().await?.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    found.sort_by_key(|entitlement| entitlement.id);
    Ok(found)
}

/// The customer's own entitlements of a subscription, held: who opens a window of one, or adds a share to it, is alone at it.
pub(crate) async fn hold_roots(tx: &Tx, subscription: SubscriptionId) -> Result<(), Trouble> {
    if tx.is_alone() {
        return Ok(());
    }
    let rows = tx.rows::<Entity>().filter(Column::SubscriptionId.eq(subscription.uuid()));
    let rows = rows.filter(Column::UserId.is_null()).order(Column::Id, Order::Asc);
    rows.hold(Hold::Change).all().await?;
    Ok(())
}

/// One as it is.
pub(crate) async fn find(tx: &Tx, id: EntitlementId) -> Result<Option<Entitlement>, Trouble> {
    tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).one().await?.map(read).transpose()
}

/// All of a customer, its users' shares included.
pub(crate) async fn of_customer(tx: &Tx, customer: CustomerId) -> Result<Vec<Entitlement>, Trouble> {
    in_order(tx.rows::<Entity>().filter(Column::CustomerId.eq(customer.uuid()))).await
}
