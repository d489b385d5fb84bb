//! Windows of entitlements: opened once with their quota, closed once with what nobody used.

use super::books::{Books, LedgerError};
use crate::account::{Account, AccountOwner, Balance, Pocket};
use crate::calendar::Window;
use crate::grant::{Grant, GrantKind};
use crate::id::{AccountId, GrantId};
use crate::movement::Cause;
use crate::plan::Offer;
use crate::principal::Principals;
use crate::subscription::Entitlement;
use crate::units::Units;

/// Opens an entitlement's window and issues its renewal. The store holds at most one account for an entitlement and
/// window, so whoever comes second finds the first.
pub fn open_window(books: &mut Books<'_>, entitlement: &Entitlement, window: Window) -> Result<AccountId, LedgerError> {
    let account = add_account(books, entitlement, None, 0, window);
    let overage = entitlement.beyond().overage;
    grant(books, entitlement, account, GrantKind::Renewal, quota(entitlement))?;
    if !overage.is_zero() {
        grant(books, entitlement, account, GrantKind::Overage, overage)?;
        books.accounts.change(account)?.overage = overage;
    }
    Ok(account)
}

/// Issues units of the plan into a window that is being opened.
fn grant(
    books: &mut Books<'_>,
    entitlement: &Entitlement,
    account: AccountId,
    kind: GrantKind,
    amount: Units,
) -> Result<(), LedgerError> {
    let (id, row) = (books.new_id::<GrantId>(), books.accounts.get(account)?);
    let grant = Grant::of_plan(id, entitlement.id, row, kind, amount, books.now);
    books.post(account, None, Some(Pocket::Free), amount, Cause::Grant(grant.id))?;
    books.grants.push(grant);
    Ok(())
}

/// Opens a user's share of a customer's window: as much of it as is free there.
pub fn open_share(books: &mut Books<'_>, share: &Entitlement, parent: AccountId) -> Result<AccountId, LedgerError> {
    let above = books.accounts.get(parent)?;
    let (window, free) = (above.window, above.balance.get(Pocket::Free));
    let account = add_account(books, share, Some(parent), 1, window);
    books.post_down(parent, account, quota(share).min(free), Cause::Share(account))?;
    Ok(account)
}

fn add_account(
    books: &mut Books<'_>,
    entitlement: &Entitlement,
    parent: Option<AccountId>,
    depth: u8,
    window: Window,
) -> AccountId {
    let id = books.new_id::<AccountId>();
    let account = Account {
        id,
        owner: AccountOwner::Entitlement(entitlement.id),
        feature: entitlement.feature,
        parent,
        depth,
        principals: Principals { customer: entitlement.customer, user: entitlement.user, agent: None, session: None },
        window,
        closed: false,
        overage: Units::ZERO,
        owed: Units::ZERO,
        spare: Units::ZERO,
        balance: Balance::default(),
    };
    books.accounts.add(id, account);
    id
}

fn quota(entitlement: &Entitlement) -> Units {
    match entitlement.offer {
        Offer::Quota { amount, .. } => amount,
        Offer::Included | Offer::Value(_) => Units::ZERO,
    }
}

/// Closes an entitlement's account whose window is over. What is free passes on or lapses now; what is leased, held or
/// carved does when it comes back.
pub fn close_window(books: &mut Books<'_>, account: AccountId) -> Result<(), LedgerError> {
    let row = books.accounts.change(account)?;
    if row.window.end.is_none_or(|end| end > books.now) {
        return Ok(());
    }
    row.closed = true;
    books.surrender(account)
}
