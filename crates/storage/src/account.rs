//! Accounts: where units stand.

use crate::bulk::Clash;
use crate::key::realm_of;
use crate::rows::{Hold, ListOrder, pages};
use crate::stored::{number, parsed, units};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::{Everywhere, Tx};
use almoner_domain::account::{Account, AccountOwner, Balance, Pocket};
use almoner_domain::calendar::Window;
use almoner_domain::id::{AccountId, EntitlementId, Id};
use almoner_domain::page::Page;
use almoner_domain::principal::Principals;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Order};
use std::collections::{BTreeMap, BTreeSet};

realm_table! {
    "accounts" {
        key { id: Uuid, }
        entitlement_id: Option<Uuid>,
        allocation_id: Option<Uuid>,
        feature_id: Uuid,
        parent_id: Option<Uuid>,
        depth: i16,
        customer_id: Uuid,
        user_id: Option<Uuid>,
        agent_id: Option<Uuid>,
        session_id: Option<Uuid>,
        window_start: i64,
        window_end: Option<i64>,
        closed: bool,
        overage: i64,
        granted: i64,
        free: i64,
        carved: i64,
        leased: i64,
        held: i64,
        used: i64,
        lapsed: i64,
        owed: i64,
        spare: i64,
    }
}

const NOUN: &str = "account";

/// What of an account can change.
const CHANGING: [Column; 11] = [
    Column::Overage,
    Column::Closed,
    Column::Granted,
    Column::Free,
    Column::Carved,
    Column::Leased,
    Column::Held,
    Column::Used,
    Column::Lapsed,
    Column::Owed,
    Column::Spare,
];

fn row(account: &Account) -> Model {
    let (entitlement_id, allocation_id) = match account.owner {
        AccountOwner::Entitlement(id) => (Some(id.uuid()), None),
        AccountOwner::Allocation(id) => (None, Some(id.uuid())),
    };
    let pocket = |pocket| account.balance.get(pocket).get();
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: account.id.uuid(),
        entitlement_id,
        allocation_id,
        feature_id: account.feature.uuid(),
        parent_id: account.parent.map(Id::uuid),
        depth: i16::from(account.depth),
        customer_id: account.principals.customer.uuid(),
        user_id: account.principals.user.map(Id::uuid),
        agent_id: account.principals.agent.map(Id::uuid),
        session_id: account.principals.session.map(Id::uuid),
        window_start: account.window.start.as_micros(),
        window_end: account.window.end.map(Timestamp::as_micros),
        closed: account.closed,
        overage: account.overage.get(),
        granted: account.balance.granted().get(),
        free: pocket(Pocket::Free),
        carved: pocket(Pocket::Carved),
        leased: pocket(Pocket::Leased),
        held: pocket(Pocket::Held),
        used: pocket(Pocket::Used),
        lapsed: pocket(Pocket::Lapsed),
        owed: account.owed.get(),
        spare: account.spare.get(),
    }
}

/// Reads an account back, refusing one whose pockets do not add up.
pub(crate) fn read(row: Model) -> Result<Account, Trouble> {
    let owner = match (row.entitlement_id, row.allocation_id) {
        (Some(id), None) => AccountOwner::Entitlement(Id::from_uuid(id)),
        (None, Some(id)) => AccountOwner::Allocation(Id::from_uuid(id)),
        _ => return Err(Trouble::row(NOUN, "it has no owner, or two")),
    };
    Ok(Account {
        id: Id::from_uuid(row.id),
        owner,
        feature: Id::from_uuid(row.feature_id),
        parent: row.parent_id.map(Id::from_uuid),
        depth: number(NOUN, row.depth)?,
        principals: Principals {
            customer: Id::from_uuid(row.customer_id),
            user: row.user_id.map(Id::from_uuid),
            agent: row.agent_id.map(Id::from_uuid),
            session: row.session_id.map(Id::from_uuid),
        },
        window: Window {
            start: Timestamp::from_micros(row.window_start),
            end: row.window_end.map(Timestamp::from_micros),
        },
        closed: row.closed,
        overage: units(NOUN, row.overage)?,
        owed: units(NOUN, row.owed)?,
        spare: units(NOUN, row.spare)?,
        balance: balance(&row)?,
    })
}

fn balance(row: &Model) -> Result<Balance, Trouble> {
    let mut pockets = BTreeMap::new();
    for (pocket, count) in [
        (Pocket::Free, row.free),
        (Pocket::Carved, row.carved),
        (Pocket::Leased, row.leased),
        (Pocket::Held, row.held),
        (Pocket::Used, row.used),
        (Pocket::Lapsed, row.lapsed),
    ] {
        pockets.insert(pocket, units(NOUN, count)?);
    }
    let restored = Balance::restore(units(NOUN, row.granted)?, |p| pockets.get(&p).copied().unwrap_or(Units::ZERO));
    parsed(NOUN, restored)
}

/// Accounts as they are, in no particular order.
pub(crate) async fn by_ids(tx: &Tx, ids: &[AccountId]) -> Result<Vec<Account>, Trouble> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = tx.all_among::<Entity, _>(Column::Id, &ids, |rows| rows).await?;
    rows.into_iter().map(read).collect()
}

/// Accounts and all that they were carved from, held for change. Unknown ids are left out.
///
/// Locks are taken from the root to the leaves, and by id at one depth. Every transaction takes them in that one order, so two
/// of them never wait for each other in a circle. What an account was carved from never changes, so it may be read before
/// anything is locked.
pub(crate) async fn hold_with_ancestors(tx: &Tx, ids: &[AccountId]) -> Result<Vec<Account>, Trouble> {
    let mut found: BTreeMap<Uuid, Model> = BTreeMap::new();
    let mut next: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    while !next.is_empty() {
        next.sort_unstable();
        next.dedup();
        for row in tx.all_among::<Entity, _>(Column::Id, &next, |rows| rows).await? {
            found.insert(row.id, row);
        }
        let parents: BTreeSet<Uuid> = next.iter().filter_map(|id| found.get(id)?.parent_id).collect();
        next = parents.into_iter().filter(|id| !found.contains_key(id)).collect();
    }
    hold_found(tx, found.into_values().collect()).await
}

/// Accounts held for change, root first; unknown ids are left out.
pub(crate) async fn hold(tx: &Tx, ids: &[AccountId]) -> Result<Vec<Account>, Trouble> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let found = tx.all_among::<Entity, _>(Column::Id, &ids, |rows| rows).await?;
    hold_found(tx, found).await
}

async fn hold_found(tx: &Tx, mut found: Vec<Model>) -> Result<Vec<Account>, Trouble> {
    found.sort_by_key(|row| (row.depth, row.id));
    // Nobody else writes meanwhile: what was read is what is.
    if tx.is_alone() {
        return found.into_iter().map(read).collect();
    }
    let order: Vec<Uuid> = found.into_iter().map(|row| row.id).collect();
    let rows = tx.all_among::<Entity, _>(Column::Id, &order, |rows| {
        rows.order(Column::Depth, Order::Asc).order(Column::Id, Order::Asc).hold(Hold::Change)
    });
    rows.await?.into_iter().map(read).collect()
}

/// Accounts of entitlements in windows that begin at these instants, over or not, as they are.
pub(crate) async fn that_begin(
    tx: &Tx,
    windows: &BTreeSet<(EntitlementId, Timestamp)>,
) -> Result<Vec<Account>, Trouble> {
    let ids: Vec<Uuid> = windows.iter().map(|(id, _)| id.uuid()).collect();
    // Few: all windows of one subscription begin on its anchor.
    let starts: BTreeSet<i64> = windows.iter().map(|(_, start)| start.as_micros()).collect();
    let rows = tx.all_among::<Entity, _>(Column::EntitlementId, &ids, |rows| {
        rows.filter(Column::WindowStart.is_in(starts.iter().copied()))
    });
    let accounts = rows.await?.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let wanted = |account: &Account| match account.owner {
        AccountOwner::Entitlement(id) => windows.contains(&(id, account.window.start)),
        AccountOwner::Allocation(_) => false,
    };
    Ok(accounts.into_iter().filter(wanted).collect())
}

/// Accounts of entitlements in the current windows, which begin at these instants, as they are.
pub(crate) async fn of_windows(
    tx: &Tx,
    windows: &BTreeSet<(EntitlementId, Timestamp)>,
) -> Result<Vec<Account>, Trouble> {
    let mut current = that_begin(tx, windows).await?;
    current.retain(|account| account.window.contains(tx.now()));
    let found: BTreeSet<AccountOwner> = current.iter().map(|account| account.owner).collect();
    let rest = windows.iter().map(|(id, _)| *id).filter(|id| !found.contains(&AccountOwner::Entitlement(*id)));
    // One that was opened when the zone's rules were others begins at another time, and is current to its own end.
    let last = last_of(tx, &rest.collect()).await?;
    current.extend(last.into_values().filter(|account| account.window.contains(tx.now())));
    Ok(current)
}

/// The account of each of these entitlements that was opened last, where one was.
pub(crate) async fn last_of(
    tx: &Tx,
    entitlements: &BTreeSet<EntitlementId>,
) -> Result<BTreeMap<EntitlementId, Account>, Trouble> {
    let of_one = |id: &EntitlementId| tx.rows::<Entity>().filter(Column::EntitlementId.eq(id.uuid()));
    let lists = entitlements.iter().map(of_one).collect();
    let found = pages(lists, Column::WindowStart, ListOrder::NewestFirst, Page::first(1)).await?;
    let last = entitlements.iter().zip(found).filter_map(|(id, list)| Some((*id, list.entries.into_iter().next()?)));
    last.map(|(id, row)| Ok((id, read(row)?))).collect()
}

/// Accounts below these in which something lives: open ones, and closed ones with units that are out. What is carved of an account
/// stays there when it is used, so one that has none of it has nothing below it.
pub(crate) async fn living_below(tx: &Tx, accounts: &[AccountId]) -> Result<Vec<Account>, Trouble> {
    let mut found = Vec::new();
    let mut next: Vec<Uuid> = accounts.iter().map(|id| id.uuid()).collect();
    while !next.is_empty() {
        let level = tx.all_among::<Entity, _>(Column::ParentId, &next, |rows| rows.filter(Expr::cust(LIVING))).await?;
        next = level.iter().map(|row| row.id).collect();
        found.extend(level);
    }
    found.into_iter().map(read).collect()
}

/// Accounts of these entitlements, of whatever window, that something was carved from.
pub(crate) async fn carved_from(tx: &Tx, entitlements: &[EntitlementId]) -> Result<Vec<AccountId>, Trouble> {
    let ids: Vec<Uuid> = entitlements.iter().map(|id| id.uuid()).collect();
    let rows = tx.all_among::<Entity, _>(Column::EntitlementId, &ids, |rows| rows.filter(Column::Carved.gt(0))).await?;
    Ok(rows.into_iter().map(|row| Id::from_uuid(row.id)).collect())
}

/// Accounts in which something lives.
const LIVING: &str = "(NOT closed OR leased > 0 OR held > 0 OR carved > 0)";

/// Entitlements' accounts of any realm whose window is over and that are not closed, deepest first.
pub(crate) async fn over(tx: &Everywhere, limit: u64) -> Result<Vec<(Realm, AccountId)>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Expr::cust("entitlement_id IS NOT NULL AND NOT closed"));
    let rows = rows.filter(Column::WindowEnd.lte(tx.now().as_micros()));
    let rows = rows.order(Column::Depth, Order::Desc).order(Column::Id, Order::Asc).limit(limit);
    let found = rows.all().await?;
    found.into_iter().map(|row| Ok((realm_of(row.tenant, &row.environment)?, Id::from_uuid(row.id)))).collect()
}

/// Writes new accounts, parents before children.
pub(crate) async fn add(tx: &Tx, accounts: &[&Account]) -> Result<(), Trouble> {
    let mut rows: Vec<Model> = accounts.iter().map(|account| row(account)).collect();
    rows.sort_by_key(|row| (row.depth, row.id));
    tx.insert::<Entity>(&rows, Clash::Refuse).await?;
    Ok(())
}

/// Writes back accounts that changed.
pub(crate) async fn write_back(tx: &Tx, accounts: &[&Account]) -> Result<(), Trouble> {
    let rows: Vec<Model> = accounts.iter().map(|account| row(account)).collect();
    tx.insert::<Entity>(&rows, Clash::Update(&CHANGING)).await?;
    Ok(())
}
