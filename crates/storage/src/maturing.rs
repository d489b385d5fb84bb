//! Grants that begin and expire within their window, and what of a window that is over goes on in the next.

use crate::store::Outcome;
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{account, books, entitlement, grant, lease, window};
use almoner_domain::account::{Account, AccountOwner};
use almoner_domain::grant::{Grant, GrantStage};
use almoner_domain::id::AccountId;
use almoner_domain::ledger::{self, Books};
use almoner_domain::subscription::Entitlement;
use std::collections::BTreeSet;

/// Carries over what is left of an entitlement's last window into one that is being opened. The books hold both; `grants` are those
/// of the last one, among others.
pub(crate) fn carry_over(
    books: &mut Books<'_>,
    entitlement: &Entitlement,
    last: &Account,
    into: AccountId,
    grants: &[Grant],
) -> Result<(), Trouble> {
    let rollover = entitlement.beyond().rollover;
    let old = own(grants, last.id);
    if ledger::goes_on(rollover, last, &old) {
        ledger::close_window(books, last.id)?;
        ledger::roll(books, last.id, into, rollover, old, &[])?;
    }
    Ok(())
}

fn own(grants: &[Grant], account: AccountId) -> Vec<Grant> {
    grants.iter().filter(|grant| grant.account == account).cloned().collect()
}

/// Does what grants of these accounts want, and answers of how many accounts that was.
pub(crate) async fn mature(tx: &Tx, ids: &[AccountId]) -> Result<Outcome<u64>, Trouble> {
    let customers: BTreeSet<_> = account::by_ids(tx, ids).await?.iter().map(|a| a.principals.customer).collect();
    // Before any account, as whoever opens a window holds them.
    window::hold_running(tx, &customers).await?;
    let mut books = tx.books();
    let accounts = account::hold(tx, ids).await?;
    let all = grant::of_accounts(tx, ids).await?;
    for account in &accounts {
        books.accounts.load(account.id, account.clone());
    }
    let serving = lease::active_of(tx, ids).await?;
    for lease in lease::hold(tx, &serving).await? {
        books.leases.load(lease.id, lease);
    }
    for account in &accounts {
        let own = own(&all, account.id);
        if account.closed {
            roll_on(tx, &mut books, account, own).await?;
        } else {
            ledger::mature(&mut books, account.id, own)?;
        }
    }
    books::write_back(tx, &books, None).await?;
    Ok(Outcome::Keep(accounts.len() as u64))
}

/// Carries over what came back since the window ended.
async fn roll_on(tx: &Tx, books: &mut Books<'_>, closed: &Account, own: Vec<Grant>) -> Result<(), Trouble> {
    // Written as they are: what was to be done within the window is not any more.
    books.grants.extend(own.iter().filter(|grant| grant.stage != GrantStage::Rolling).cloned());
    if own.iter().all(|grant| grant.stage != GrantStage::Rolling) {
        return Ok(());
    }
    let AccountOwner::Entitlement(id) = closed.owner else { return Ok(()) };
    let Some(entitlement) = entitlement::find(tx, id).await? else { return Ok(()) };
    let newest = account::last_of(tx, &BTreeSet::from([id])).await?.remove(&id);
    let Some(newest) = newest.filter(|newest| newest.id != closed.id) else { return Ok(()) };
    for account in account::hold(tx, &[newest.id]).await? {
        books.accounts.load(account.id, account);
    }
    let carried = grant::of_accounts(tx, &[newest.id]).await?;
    ledger::roll(books, closed.id, newest.id, entitlement.beyond().rollover, own, &carried)?;
    Ok(())
}
