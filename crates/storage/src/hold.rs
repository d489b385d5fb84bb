//! Holds that stand in the ledger.

use crate::bulk::Clash;
use crate::hold_part;
use crate::key::realm_of;
use crate::rows;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::{Everywhere, Tx};
use almoner_domain::hold::{Hold, HoldPart};
use almoner_domain::id::{HoldId, Id};
use almoner_domain::principal::Principals;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Order};

realm_table! {
    "holds" {
        key { id: Uuid, }
        allocation_id: Option<Uuid>,
        customer_id: Uuid,
        user_id: Option<Uuid>,
        agent_id: Option<Uuid>,
        session_id: Option<Uuid>,
        expires_at: i64,
        open: bool,
    }
}

fn row(hold: &Hold) -> Model {
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: hold.id.uuid(),
        allocation_id: hold.allocation.map(Id::uuid),
        customer_id: hold.principals.customer.uuid(),
        user_id: hold.principals.user.map(Id::uuid),
        agent_id: hold.principals.agent.map(Id::uuid),
        session_id: hold.principals.session.map(Id::uuid),
        expires_at: hold.expires_at.as_micros(),
        open: hold.open,
    }
}

fn read(row: Model, parts: Vec<HoldPart>) -> Hold {
    Hold {
        id: Id::from_uuid(row.id),
        allocation: row.allocation_id.map(Id::from_uuid),
        principals: Principals {
            customer: Id::from_uuid(row.customer_id),
            user: row.user_id.map(Id::from_uuid),
            agent: row.agent_id.map(Id::from_uuid),
            session: row.session_id.map(Id::from_uuid),
        },
        expires_at: Timestamp::from_micros(row.expires_at),
        open: row.open,
        parts,
    }
}

/// Some as they are.
pub(crate) async fn by_ids(tx: &Tx, ids: &[HoldId]) -> Result<Vec<Hold>, Trouble> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let found = tx.all_among::<Entity, _>(Column::Id, &ids, |rows| rows).await?;
    with_parts(tx, found).await
}

/// Some held for change, in the order of ids; after the accounts of their parts.
pub(crate) async fn hold(tx: &Tx, ids: &[HoldId]) -> Result<Vec<Hold>, Trouble> {
    let mut ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    ids.sort_unstable();
    let found =
        tx.all_among::<Entity, _>(Column::Id, &ids, |rows| rows.order(Column::Id, Order::Asc).hold(rows::Hold::Change));
    let found = found.await?;
    with_parts(tx, found).await
}

async fn with_parts(tx: &Tx, found: Vec<Model>) -> Result<Vec<Hold>, Trouble> {
    let ids: Vec<Uuid> = found.iter().map(|row| row.id).collect();
    let mut parts = hold_part::of(tx, &ids).await?;
    let with = |row: Model| {
        let parts = parts.remove(&row.id).unwrap_or_default();
        read(row, parts)
    };
    Ok(found.into_iter().map(with).collect())
}

/// Holds of any realm whose time is over and that are still open.
pub(crate) async fn due(tx: &Everywhere, limit: u64) -> Result<Vec<(Realm, HoldId)>, Trouble> {
    // Word for word what the partial index says: SQLite uses it only where the query repeats it.
    let rows = tx.rows::<Entity>().filter(Expr::cust("open")).filter(Column::ExpiresAt.lte(tx.now().as_micros()));
    let found = rows.order(Column::ExpiresAt, Order::Asc).limit(limit).all().await?;
    found.into_iter().map(|row| Ok((realm_of(row.tenant, &row.environment)?, Id::from_uuid(row.id)))).collect()
}

/// Writes holds that are new or changed.
pub(crate) async fn write(tx: &Tx, holds: &[&Hold]) -> Result<(), Trouble> {
    let rows: Vec<Model> = holds.iter().map(|hold| row(hold)).collect();
    tx.insert::<Entity>(&rows, Clash::Update(&[Column::ExpiresAt, Column::Open])).await?;
    hold_part::write(tx, holds).await
}
