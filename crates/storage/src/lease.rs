//! Leases: units in gates' memories.

use crate::bulk::Clash;
use crate::key::realm_of;
use crate::rows::Hold;
use crate::stored::{hash16, number, units, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::{Everywhere, Tx};
use almoner_domain::id::{AccountId, Id, LeaseId};
use almoner_domain::lease::{Incarnation, Lease, LeaseState};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Order};

realm_table! {
    "leases" {
        key { id: Uuid, }
        account_id: Uuid,
        node_id: Uuid,
        incarnation: i64,
        n: i64,
        used: i64,
        held: i64,
        seq: i64,
        digest: Vec<u8>,
        state: String,
        deadline: i64,
    }
}

const NOUN: &str = "lease";

/// What of a lease can change.
const CHANGING: [Column; 7] =
    [Column::N, Column::Used, Column::Held, Column::Seq, Column::Digest, Column::State, Column::Deadline];

/// Leases that are not over. Word for word what the partial indexes say: SQLite uses one only where the query repeats it.
const LIVING: &str = "state NOT IN ('settled', 'forfeited')";
/// Leases that silence can bring into doubt, likewise.
const SERVING: &str = "state IN ('active', 'recalling')";

fn row(lease: &Lease) -> Result<Model, Trouble> {
    Ok(Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: lease.id.uuid(),
        account_id: lease.account.uuid(),
        node_id: lease.holder.node.uuid(),
        incarnation: number(NOUN, lease.holder.number)?,
        n: lease.n.get(),
        used: lease.used.get(),
        held: lease.held.get(),
        seq: number(NOUN, lease.seq)?,
        digest: lease.digest.to_vec(),
        state: lease.state.as_str().to_owned(),
        deadline: lease.deadline.as_micros(),
    })
}

/// Reads a lease back.
pub(crate) fn read(row: Model) -> Result<Lease, Trouble> {
    Ok(Lease {
        id: Id::from_uuid(row.id),
        account: Id::from_uuid(row.account_id),
        holder: Incarnation { node: Id::from_uuid(row.node_id), number: number(NOUN, row.incarnation)? },
        n: units(NOUN, row.n)?,
        used: units(NOUN, row.used)?,
        held: units(NOUN, row.held)?,
        seq: number(NOUN, row.seq)?,
        digest: hash16(NOUN, &row.digest)?,
        state: word(NOUN, &row.state, LeaseState::parse)?,
        deadline: Timestamp::from_micros(row.deadline),
    })
}

/// Leases held for change, in the order of ids, which is the order that everybody takes them in; after their accounts.
pub(crate) async fn hold(tx: &Tx, ids: &[LeaseId]) -> Result<Vec<Lease>, Trouble> {
    let mut ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    ids.sort_unstable();
    let rows =
        tx.all_among::<Entity, _>(Column::Id, &ids, |rows| rows.order(Column::Id, Order::Asc).hold(Hold::Change));
    rows.await?.into_iter().map(read).collect()
}

/// Ids of the active leases of accounts.
pub(crate) async fn active_of(tx: &Tx, accounts: &[AccountId]) -> Result<Vec<LeaseId>, Trouble> {
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.uuid()).collect();
    let rows = tx.all_among::<Entity, _>(Column::AccountId, &accounts, |rows| {
        rows.filter(Expr::cust(LIVING)).filter(Column::State.eq(LeaseState::Active.as_str()))
    });
    Ok(rows.await?.into_iter().map(|row| Id::from_uuid(row.id)).collect())
}

/// One as it is.
pub(crate) async fn find(tx: &Tx, id: LeaseId) -> Result<Option<Lease>, Trouble> {
    tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).one().await?.map(read).transpose()
}

/// Leases past their deadline among these, held for change; those that somebody else holds are left for the next time.
pub(crate) async fn hold_silent(tx: &Tx, ids: &[LeaseId]) -> Result<Vec<Lease>, Trouble> {
    let mut ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    ids.sort_unstable();
    let now = tx.now().as_micros();
    let rows = tx.all_among::<Entity, _>(Column::Id, &ids, |rows| {
        rows.filter(Column::Deadline.lte(now)).order(Column::Id, Order::Asc).hold(Hold::ChangeUnheld)
    });
    rows.await?.into_iter().map(read).collect()
}

/// What gates hold of accounts, by account: units reported as held, and units in doubt that were neither used nor held.
pub(crate) async fn shown(tx: &Tx, accounts: &[AccountId]) -> Result<Vec<(AccountId, Units, Units)>, Trouble> {
    let ids: Vec<Uuid> = accounts.iter().map(|id| id.uuid()).collect();
    let rows = tx.all_among::<Entity, _>(Column::AccountId, &ids, |rows| rows.filter(Expr::cust(LIVING)));
    let leases = rows.await?.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let figures = accounts.iter().map(|account| {
        let here = || leases.iter().filter(|lease| lease.account == *account);
        let held = here().map(|lease| lease.held).sum();
        let doubtful = here().filter(|lease| lease.state == LeaseState::InDoubt);
        let idle = doubtful.map(|lease| lease.n.saturating_sub(lease.used).saturating_sub(lease.held)).sum();
        (*account, held, idle)
    });
    Ok(figures.collect())
}

/// Leases of this life of a gate that others need.
pub(crate) async fn recalled(tx: &Everywhere, by: Incarnation) -> Result<Vec<(Realm, LeaseId)>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::NodeId.eq(by.node.uuid()));
    let rows = rows.filter(Expr::cust(LIVING)).filter(Column::State.eq(LeaseState::Recalling.as_str()));
    let rows = rows.filter(Column::Incarnation.eq(number::<u64, i64>(NOUN, by.number)?));
    let found = rows.order(Column::Id, Order::Asc).all().await?;
    found.into_iter().map(|row| Ok((realm_of(row.tenant, &row.environment)?, Id::from_uuid(row.id)))).collect()
}

/// Leases of earlier lives of a gate that are not over.
pub(crate) async fn unsettled(tx: &Everywhere, by: Incarnation) -> Result<Vec<(Realm, Lease)>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::NodeId.eq(by.node.uuid()));
    let rows = rows.filter(Expr::cust(LIVING));
    let rows = rows.filter(Column::Incarnation.lt(number::<u64, i64>(NOUN, by.number)?));
    let found = rows.order(Column::Id, Order::Asc).all().await?;
    found.into_iter().map(|row| Ok((realm_of(row.tenant, &row.environment)?, read(row)?))).collect()
}

/// Leases of any realm past their deadline that are not in doubt yet.
pub(crate) async fn silent(tx: &Everywhere, limit: u64) -> Result<Vec<(Realm, LeaseId)>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Expr::cust(SERVING));
    let rows = rows.filter(Column::Deadline.lte(tx.now().as_micros())).order(Column::Deadline, Order::Asc).limit(limit);
    let found = rows.all().await?;
    found.into_iter().map(|row| Ok((realm_of(row.tenant, &row.environment)?, Id::from_uuid(row.id)))).collect()
}

/// Writes leases that are new or changed.
pub(crate) async fn write(tx: &Tx, leases: impl Iterator<Item = &Lease>) -> Result<(), Trouble> {
    let rows = leases.map(row).collect::<Result<Vec<_>, _>>()?;
    tx.insert::<Entity>(&rows, Clash::Update(&CHANGING)).await?;
    Ok(())
}
