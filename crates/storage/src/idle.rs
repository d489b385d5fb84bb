//! Allocations that have lain idle for too long. When one did is not written with each use, which would cost every flush a row: it
//! is looked up in the ledger when its time may have come, and where it was used since, looked up again later.

use crate::store::Outcome;
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{account, allocation, books, end, lease, movement};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::{Allocation, AllocationState};
use almoner_domain::conditions::IDLE_AGAIN;
use almoner_domain::id::{AccountId, AllocationId};
use almoner_domain::ledger;
use almoner_domain::time::Timestamp;
use std::collections::BTreeSet;

/// Ends those of these allocations that have lain idle for too long, with all below them, and answers how many did.
pub(crate) async fn end_idle(tx: &Tx, ids: &[AllocationId]) -> Result<Outcome<u64>, Trouble> {
    let families = allocation::hold_families(tx, ids).await?;
    let asked = |a: &&Allocation| a.state == AllocationState::Active && ids.contains(&a.id);
    let mut idle = Vec::new();
    for one in families.iter().filter(asked) {
        match idle_at(tx, one, &accounts_below(&families, one.id)).await? {
            Some(at) if at <= tx.now() => idle.push(one.id),
            Some(at) => allocation::look_again(tx, one.id, at).await?,
            None => {}
        }
    }
    if idle.is_empty() {
        return Ok(Outcome::Keep(0));
    }
    let mut books = end::load(tx, families).await?;
    for id in idle {
        ledger::end(&mut books, id, AllocationState::Expired)?;
    }
    let ended = books.allocations.changed().count();
    books::write_back(tx, &books, None).await?;
    Ok(Outcome::Keep(ended as u64))
}

/// When an allocation has lain idle for too long, or is to be looked at again because a call may be under way in it.
async fn idle_at(tx: &Tx, allocation: &Allocation, accounts: &[AccountId]) -> Result<Option<Timestamp>, Trouble> {
    let is_held = account::by_ids(tx, accounts).await?.iter().any(|one| !one.balance.get(Pocket::Held).is_zero());
    // A gate that has fallen silent may have allowed what nobody has heard of yet.
    let figures = lease::shown(tx, accounts).await?;
    let is_out = figures.iter().any(|(_, held, in_doubt)| !held.is_zero() || !in_doubt.is_zero());
    if is_held || is_out {
        return Ok(Some(tx.now().saturating_add(IDLE_AGAIN)));
    }
    Ok(allocation.idle_at(movement::last_of(tx, accounts).await?))
}

/// The accounts of an allocation and of all below it. Families come parents first.
fn accounts_below(families: &[Allocation], root: AllocationId) -> Vec<AccountId> {
    let mut within = BTreeSet::from([root]);
    let mut accounts = Vec::new();
    for one in families {
        if one.parent.is_some_and(|parent| within.contains(&parent)) {
            within.insert(one.id);
        }
        if within.contains(&one.id) {
            accounts.extend(one.lines.iter().map(|line| line.account));
        }
    }
    accounts
}
