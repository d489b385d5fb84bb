//! Allocations.

use crate::bulk::Clash;
use crate::key::realm_of;
use crate::rows::{Hold, Rows};
use crate::stored::{hash16, number, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::{Everywhere, Tx};
use crate::{allocation_line, conditions, scope};
use almoner_domain::allocation::{Allocation, AllocationLine, AllocationState};
use almoner_domain::decision::KeyMark;
use almoner_domain::feature::Durability;
use almoner_domain::id::{AllocationId, CustomerId, Id, SessionId, UserId};
use almoner_domain::principal::Principals;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Order};
use std::collections::BTreeSet;

realm_table! {
    "allocations" {
        key { id: Uuid, }
        parent_id: Option<Uuid>,
        depth: i16,
        customer_id: Uuid,
        user_id: Option<Uuid>,
        agent_id: Uuid,
        session_id: Uuid,
        scope: String,
        not_before: Option<i64>,
        expires_at: i64,
        durability: Option<String>,
        conditions: Option<String>,
        idle_at: Option<i64>,
        state: String,
        created_at: i64,
        key_principal: Option<Uuid>,
        key_hash: Option<Vec<u8>>,
        key_body: Option<Vec<u8>>,
    }
}

const NOUN: &str = "allocation";

/// Allocations that are not over. Word for word what the partial index says: SQLite uses it only where the query repeats it.
const ACTIVE: &str = "state = 'active'";

fn row(allocation: &Allocation, key: Option<KeyMark>) -> Result<Model, Trouble> {
    let session = allocation.principals.session.ok_or_else(|| Trouble::row(NOUN, "it has no session"))?;
    Ok(Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: allocation.id.uuid(),
        parent_id: allocation.parent.map(Id::uuid),
        depth: i16::from(allocation.depth),
        customer_id: allocation.principals.customer.uuid(),
        user_id: allocation.principals.user.map(Id::uuid),
        agent_id: allocation.agent.uuid(),
        session_id: session.uuid(),
        scope: scope::text(&allocation.scope)?,
        not_before: allocation.not_before.map(Timestamp::as_micros),
        expires_at: allocation.expires_at.as_micros(),
        durability: allocation.durability.map(|durability| durability.as_str().to_owned()),
        conditions: conditions::text(&allocation.conditions)?,
        idle_at: allocation.idle_at(None).map(Timestamp::as_micros),
        state: allocation.state.as_str().to_owned(),
        created_at: allocation.created_at.as_micros(),
        key_principal: key.map(|key| key.principal.uuid()),
        key_hash: key.map(|key| key.key.to_vec()),
        key_body: key.map(|key| key.body.to_vec()),
    })
}

fn read(row: Model, lines: Vec<AllocationLine>) -> Result<Allocation, Trouble> {
    Ok(Allocation {
        id: Id::from_uuid(row.id),
        parent: row.parent_id.map(Id::from_uuid),
        depth: number(NOUN, row.depth)?,
        principals: Principals {
            customer: Id::from_uuid(row.customer_id),
            user: row.user_id.map(Id::from_uuid),
            agent: Some(Id::from_uuid(row.agent_id)),
            session: Some(Id::from_uuid(row.session_id)),
        },
        agent: Id::from_uuid(row.agent_id),
        scope: scope::read(&row.scope)?,
        not_before: row.not_before.map(Timestamp::from_micros),
        expires_at: Timestamp::from_micros(row.expires_at),
        durability: row.durability.map(|text| word(NOUN, &text, Durability::parse)).transpose()?,
        conditions: conditions::read(row.conditions.as_deref())?,
        state: word(NOUN, &row.state, AllocationState::parse)?,
        created_at: Timestamp::from_micros(row.created_at),
        lines,
    })
}

/// Reads them back, each with its lines. One may be among them more than once: it is in several lists.
pub(crate) async fn with_lines(tx: &Tx, rows: Vec<Model>) -> Result<Vec<Allocation>, Trouble> {
    let ids: BTreeSet<Uuid> = rows.iter().map(|row| row.id).collect();
    let lines = allocation_line::of(tx, &Vec::from_iter(ids)).await?;
    let allocation = |row: Model| {
        let lines = lines.get(&row.id).cloned().unwrap_or_default();
        read(row, lines)
    };
    rows.into_iter().map(allocation).collect()
}

/// One as it is.
pub(crate) async fn find(tx: &Tx, id: AllocationId) -> Result<Option<Allocation>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).all().await?;
    Ok(with_lines(tx, rows).await?.pop())
}

/// One, kept from ending until the transaction is over.
pub(crate) async fn find_steady(tx: &Tx, id: AllocationId) -> Result<Option<Allocation>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).hold(Hold::Steady).all().await?;
    Ok(with_lines(tx, rows).await?.pop())
}

/// One, held for change.
pub(crate) async fn find_for_change(tx: &Tx, id: AllocationId) -> Result<Option<Allocation>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).hold(Hold::Change).all().await?;
    Ok(with_lines(tx, rows).await?.pop())
}

/// The newest allocation of a customer's or user's session that is active and not past its end; where none is, the newest.
pub(crate) async fn of_session(
    tx: &Tx,
    customer: CustomerId,
    user: Option<UserId>,
    session: SessionId,
) -> Result<Option<AllocationId>, Trouble> {
    let rows = || {
        let rows = tx.rows::<Entity>().filter(Column::SessionId.eq(session.uuid()));
        let rows = rows.filter(Column::CustomerId.eq(customer.uuid())).filter(match user {
            Some(user) => Column::UserId.eq(user.uuid()),
            None => Column::UserId.is_null(),
        });
        rows.order(Column::CreatedAt, Order::Desc).order(Column::Id, Order::Desc).limit(1)
    };
    let active = rows().filter(Expr::cust(ACTIVE)).filter(Column::ExpiresAt.gt(tx.now().as_micros()));
    let found = match active.one().await? {
        None => rows().one().await?,
        found => found,
    };
    Ok(found.map(|row| Id::from_uuid(row.id)))
}

/// The allocation carved under an idempotency key, when, and by which request.
pub(crate) async fn by_key(tx: &Tx, key: [u8; 16]) -> Result<Option<(AllocationId, Timestamp, [u8; 16])>, Trouble> {
    let row = tx.rows::<Entity>().filter(Column::KeyHash.eq(key.to_vec())).one().await?;
    let Some(row) = row else { return Ok(None) };
    let body = hash16(NOUN, row.key_body.as_deref().unwrap_or_default())?;
    Ok(Some((Id::from_uuid(row.id), Timestamp::from_micros(row.created_at), body)))
}

/// The request that an allocation was carved by, where it had an idempotency key.
pub(crate) async fn body_of(tx: &Tx, id: AllocationId) -> Result<Option<[u8; 16]>, Trouble> {
    let row = tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).one().await?;
    row.and_then(|row| row.key_body).map(|body| hash16(NOUN, &body)).transpose()
}

/// Lets an idempotency key go whose retention is over.
pub(crate) async fn forget_key(tx: &Tx, id: AllocationId) -> Result<(), Trouble> {
    let none: Option<Vec<u8>> = None;
    let edit = tx.change::<Entity>().filter(Column::Id.eq(id.uuid()));
    let edit = edit.set(Column::KeyPrincipal, Option::<Uuid>::None).set(Column::KeyHash, none.clone());
    edit.set(Column::KeyBody, none).run().await?;
    Ok(())
}

/// These allocations and all active ones below them, held for change, parents before children.
///
/// Whoever carves holds the parent too, so once a row is held no child can appear below it, and reading its children then
/// finds all there will ever be.
pub(crate) async fn hold_families(tx: &Tx, ids: &[AllocationId]) -> Result<Vec<Allocation>, Trouble> {
    let mut found: Vec<Model> = Vec::new();
    let mut seen: BTreeSet<Uuid> = BTreeSet::new();
    let mut next: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    while !next.is_empty() {
        next.sort_unstable();
        let level = tx.all_among::<Entity, _>(Column::Id, &next, in_lock_order).await?;
        seen.extend(level.iter().map(|row| row.id));
        let parents: Vec<Uuid> = level.iter().map(|row| row.id).collect();
        found.extend(level);
        let children = tx.all_among::<Entity, _>(Column::ParentId, &parents, |rows| rows.filter(Expr::cust(ACTIVE)));
        next = children.await?.into_iter().map(|row| row.id).filter(|id| !seen.contains(id)).collect();
    }
    with_lines(tx, found).await
}

fn in_lock_order(rows: Rows<'_, Entity>) -> Rows<'_, Entity> {
    rows.order(Column::Depth, Order::Asc).order(Column::Id, Order::Asc).hold(Hold::Change)
}

/// Allocations of any realm whose time is over and that are still active.
pub(crate) async fn due(tx: &Everywhere, limit: u64) -> Result<Vec<(Realm, AllocationId)>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Expr::cust(ACTIVE)).filter(Column::ExpiresAt.lte(tx.now().as_micros()));
    let found = rows.order(Column::ExpiresAt, Order::Asc).limit(limit).all().await?;
    found.into_iter().map(|row| Ok((realm_of(row.tenant, &row.environment)?, Id::from_uuid(row.id)))).collect()
}

/// Active allocations of any realm that may have lain idle for too long.
pub(crate) async fn perhaps_idle(tx: &Everywhere, limit: u64) -> Result<Vec<(Realm, AllocationId)>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Expr::cust(ACTIVE)).filter(Column::IdleAt.lte(tx.now().as_micros()));
    let found = rows.order(Column::IdleAt, Order::Asc).limit(limit).all().await?;
    found.into_iter().map(|row| Ok((realm_of(row.tenant, &row.environment)?, Id::from_uuid(row.id)))).collect()
}

/// When to look again whether one lies idle.
pub(crate) async fn look_again(tx: &Tx, id: AllocationId, at: Timestamp) -> Result<(), Trouble> {
    tx.change::<Entity>().filter(Column::Id.eq(id.uuid())).set(Column::IdleAt, at.as_micros()).run().await?;
    Ok(())
}

/// Writes new allocations without their lines, which need the accounts first.
pub(crate) async fn add(tx: &Tx, allocations: &[&Allocation], key: Option<KeyMark>) -> Result<(), Trouble> {
    let rows = allocations.iter().map(|allocation| row(allocation, key)).collect::<Result<Vec<_>, _>>()?;
    tx.insert::<Entity>(&rows, Clash::Refuse).await?;
    Ok(())
}

/// Writes back allocations that ended or were adjusted, with what became of each line.
pub(crate) async fn write_back(tx: &Tx, allocations: &[&Allocation]) -> Result<(), Trouble> {
    let rows = allocations.iter().map(|allocation| row(allocation, None)).collect::<Result<Vec<_>, _>>()?;
    tx.insert::<Entity>(&rows, Clash::Update(&[Column::State])).await?;
    allocation_line::write_back(tx, allocations).await
}
