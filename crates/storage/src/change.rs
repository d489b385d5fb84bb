//! The change feed: positions in the order of commits, so that who follows it by position misses nothing.
//!
//! SQLite has one writer, so the next number is the next commit's. On PostgreSQL a sequence alone is not enough: a transaction
//! may take 7, another take 8 and commit first, and a follower that has read 8 never sees 7. So entries are written last in
//! their transaction, under a lock that is held to its end, and the number is taken under the lock. The other known way,
//! showing only entries older than the oldest running transaction, needs no lock; but then any long transaction anywhere in the
//! cluster, a backup for example, would delay every revocation. This lock is held just for one insert and one commit.

use crate::key::realm_of;
use crate::table::realm_table;
use crate::trouble::Trouble;
use crate::tx::Everywhere;
use almoner_domain::id::Id;
use almoner_domain::notice::Change;
use almoner_domain::tenant::Realm;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, Order, Statement, Value};

realm_table! {
    "changes" {
        key { position: i64, }
        change: String,
        subject_id: Uuid,
    }
}

/// Any number that nothing else on the database locks.
const FEED_LOCK: i64 = 0x616c_6d6f_6e65_7202;

const INSERT_POSTGRES: &str = "INSERT INTO changes (tenant, environment, change, subject_id) VALUES ($1, $2, $3, $4)";
const INSERT_SQLITE: &str = "INSERT INTO changes (tenant, environment, position, change, subject_id) \
    VALUES (?, ?, (SELECT coalesce(max(position), 0) + 1 FROM changes), ?, ?)";

/// Writes entries. The last thing that a transaction does: whoever waits for the lock holds no other that a holder needs.
pub(crate) async fn append(conn: &DatabaseTransaction, realm: Realm, changes: &[Change]) -> Result<(), Trouble> {
    if changes.is_empty() {
        return Ok(());
    }
    let backend = conn.get_database_backend();
    let insert = match backend {
        DbBackend::Postgres => {
            conn.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({FEED_LOCK})")).await?;
            INSERT_POSTGRES
        }
        _ => INSERT_SQLITE,
    };
    for change in changes {
        let (word, subject) = change.parts();
        let values: [Value; 4] =
            [realm.tenant.uuid().into(), realm.environment.as_str().into(), word.into(), subject.into()];
        conn.execute_raw(Statement::from_sql_and_values(backend, insert, values)).await?;
    }
    Ok(())
}

/// Entries after a position, oldest first; without one, the latest alone.
pub(crate) async fn after(
    tx: &Everywhere,
    position: Option<i64>,
    limit: u64,
) -> Result<Vec<(i64, Realm, Change)>, Trouble> {
    let rows = tx.rows::<Entity>();
    let rows = match position {
        Some(position) => rows.filter(Column::Position.gt(position)).order(Column::Position, Order::Asc).limit(limit),
        None => rows.order(Column::Position, Order::Desc).limit(1),
    };
    rows.all().await?.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<(i64, Realm, Change), Trouble> {
    let change = Change::from_parts(&row.change, row.subject_id)
        .ok_or_else(|| Trouble::row("change", format!("the word {:?}", row.change)))?;
    Ok((row.position, realm_of(row.tenant, &row.environment)?, change))
}
