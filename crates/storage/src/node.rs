//! Gates, and which life of each is the latest.

use crate::rows::Hold;
use crate::stored::number;
use crate::table::installation_table;
use crate::trouble::Trouble;
use crate::tx::{Everywhere, Tx};
use almoner_domain::id::{Id, NodeId};
use almoner_domain::lease::Incarnation;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, QueryFilter};
use std::time::Duration;

installation_table! {
    "nodes" {
        key { id: Uuid, }
        incarnation: i64,
        last_seen: i64,
    }
}

/// A gate that has given no sign of life for so long does not count among those that share an account.
pub(crate) const ALIVE: Duration = Duration::from_secs(30);
/// A sign of life is written down no more often: a gate asks many times a second, and each write is a sync of the disk.
const SIGN_EVERY: Duration = Duration::from_secs(5);

/// Starts a new life of a gate.
pub(crate) async fn enlist(tx: &Everywhere, node: NodeId) -> Result<Incarnation, Trouble> {
    let marks = match tx.backend() {
        DbBackend::Postgres => ["$1", "$2"],
        _ => ["?", "?"],
    };
    let sql = format!(
        "INSERT INTO nodes (id, incarnation, last_seen) VALUES ({}, 1, {}) \
         ON CONFLICT (id) DO UPDATE SET incarnation = nodes.incarnation + 1, last_seen = excluded.last_seen \
         RETURNING incarnation",
        marks[0], marks[1]
    );
    let row = tx.query_one(&sql, vec![node.uuid().into(), tx.now().as_micros().into()]).await?;
    let row = row.ok_or_else(|| Trouble::row("node", "a life that was written is not there"))?;
    Ok(Incarnation { node, number: number("node", row.try_get_by_index::<i64>(0)?)? })
}

/// The latest life of a gate, held: no new one begins before the transaction ends. 0 for a gate that never enlisted.
pub(crate) async fn current(tx: &Tx, node: NodeId) -> Result<u64, Trouble> {
    let row = tx.installed::<Entity>().filter(Column::Id.eq(node.uuid())).hold(Hold::Steady).one().await?;
    row.map_or(Ok(0), |row| number("node", row.incarnation))
}

/// How many gates are alive, at least one: whoever asks is.
pub(crate) async fn alive(tx: &Tx) -> Result<u32, Trouble> {
    let since = tx.now().as_micros().saturating_sub(i64::try_from(ALIVE.as_micros()).unwrap_or(i64::MAX));
    let rows = tx.installed::<Entity>().filter(Column::LastSeen.gte(since)).all().await?;
    Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX).max(1))
}

/// Is it time to write down another sign of life of this gate?
pub(crate) async fn sign_due(tx: &Everywhere, by: Incarnation) -> Result<bool, Trouble> {
    let row = tx.rows::<Entity>().filter(Column::Id.eq(by.node.uuid())).one().await?;
    let Some(row) = row else { return Ok(false) };
    let age = tx.now().as_micros().saturating_sub(row.last_seen);
    let latest = i64::try_from(by.number) == Ok(row.incarnation);
    Ok(latest && age >= i64::try_from(SIGN_EVERY.as_micros()).unwrap_or(i64::MAX))
}

/// Writes down a sign of life.
pub(crate) async fn sign(tx: &Everywhere, by: Incarnation) -> Result<(), Trouble> {
    let update = Entity::update_many()
        .col_expr(Column::LastSeen, Expr::value(tx.now().as_micros()))
        .filter(Column::Id.eq(by.node.uuid()))
        .filter(Column::Incarnation.eq(i64::try_from(by.number).unwrap_or(i64::MAX)))
        .filter(Column::LastSeen.lt(tx.now().as_micros()));
    tx.change::<Entity>(update).await?;
    Ok(())
}
