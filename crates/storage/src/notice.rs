//! The outbox: what other systems want to hear of, written in the transaction in which it happens.

use crate::allocation_sequence;
use crate::bulk::Clash;
use crate::key::realm_of;
use crate::rows::Hold;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Everywhere;
use crate::tx::Tx;
use almoner_domain::id::{Id, NoticeId};
use almoner_domain::notice::Notice;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Order};
use std::collections::BTreeSet;

realm_table! {
    "outbox" {
        key { id: Uuid, }
        at: i64,
        event: String,
        subject_id: Uuid,
        sent_at: Option<i64>,
        sequence: Option<i64>,
    }
}

fn row(notice: &Notice, sequence: Option<i64>) -> Model {
    let (event, subject_id) = notice.event.parts();
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: notice.id.uuid(),
        at: notice.at.as_micros(),
        event: event.to_owned(),
        subject_id,
        sent_at: None,
        sequence,
    }
}

/// Writes entries.
pub(crate) async fn add(tx: &Tx, notices: &[Notice]) -> Result<(), Trouble> {
    let numbers = allocation_sequence::next(tx, notices).await?;
    let rows: Vec<Model> = notices.iter().zip(numbers).map(|(notice, number)| row(notice, number)).collect();
    tx.insert::<Entity>(&rows, Clash::Refuse).await?;
    Ok(())
}

/// Entries that nobody has gone through. Word for word what the partial index says: SQLite uses it only where the query repeats
/// it.
const UNSENT: &str = "sent_at IS NULL";

/// An entry that nobody has gone through.
pub(crate) struct Unsent {
    /// Its id.
    pub(crate) id: NoticeId,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// What happened.
    pub(crate) event: String,
    /// What it is about.
    pub(crate) subject: Uuid,
    /// Which it is of all that happened to its allocation.
    pub(crate) sequence: Option<i64>,
}

fn unsent_entry(row: Model) -> Unsent {
    let (id, at) = (Id::from_uuid(row.id), Timestamp::from_micros(row.at));
    Unsent { id, at, event: row.event, subject: row.subject_id, sequence: row.sequence }
}

/// Realms of the oldest entries that nobody has gone through, at most `limit` of them.
pub(crate) async fn realms_unsent(tx: &Everywhere, limit: u64) -> Result<BTreeSet<Realm>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Expr::cust(UNSENT)).order(Column::At, Order::Asc);
    let rows = rows.order(Column::Id, Order::Asc).limit(limit).all().await?;
    rows.into_iter().map(|row| realm_of(row.tenant, &row.environment)).collect()
}

/// Ids of the oldest entries of the realm that nobody has gone through.
pub(crate) async fn unsent(tx: &Tx, limit: u64) -> Result<Vec<NoticeId>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Expr::cust(UNSENT)).order(Column::At, Order::Asc);
    let rows = rows.order(Column::Id, Order::Asc).limit(limit).all().await?;
    Ok(rows.into_iter().map(|row| Id::from_uuid(row.id)).collect())
}

/// The oldest entries of the realm that nobody has gone through, held; those that somebody else holds are passed over.
pub(crate) async fn hold_unsent(tx: &Tx, limit: u64) -> Result<Vec<Unsent>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Expr::cust(UNSENT)).order(Column::At, Order::Asc);
    let rows = rows.order(Column::Id, Order::Asc).limit(limit).hold(Hold::ChangeUnheld).all().await?;
    Ok(rows.into_iter().map(unsent_entry).collect())
}

/// One of them, held.
pub(crate) async fn hold_one_unsent(tx: &Tx, id: NoticeId) -> Result<Vec<Unsent>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Expr::cust(UNSENT)).filter(Column::Id.eq(id.uuid()));
    Ok(rows.hold(Hold::ChangeUnheld).all().await?.into_iter().map(unsent_entry).collect())
}

/// Notes that somebody has gone through these.
pub(crate) async fn mark_sent(tx: &Tx, entries: &[Unsent]) -> Result<(), Trouble> {
    if entries.is_empty() {
        return Ok(());
    }
    let ids = entries.iter().map(|entry| entry.id.uuid());
    tx.change::<Entity>().filter(Column::Id.is_in(ids)).set(Column::SentAt, tx.now().as_micros()).run().await?;
    Ok(())
}

/// Notes that nobody will go through this one.
pub(crate) async fn skip(tx: &Tx, id: NoticeId) -> Result<(), Trouble> {
    tx.change::<Entity>().filter(Column::Id.eq(id.uuid())).set(Column::SentAt, tx.now().as_micros()).run().await?;
    Ok(())
}
