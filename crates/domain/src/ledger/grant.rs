//! Grants issued, begun, expired and voided. Units that are used or handed out are never taken back.

use super::books::{Books, LedgerError};
use crate::account::{Account, BalanceError, Pocket};
use crate::grant::{Grant, GrantStage, burn, burn_order};
use crate::id::{AccountId, GrantId, LeaseId};
use crate::lease::LeaseState;
use crate::movement::Cause;
use crate::notice::{Change, Event};
use crate::time::Timestamp;
use crate::units::Units;

/// Issues a grant into an open window. False when the account would hold more than the ledger can count. The units of one that is not
/// effective yet enter the account when it is.
///
/// The books need the grant's account.
pub fn issue(books: &mut Books<'_>, mut grant: Grant) -> Result<bool, LedgerError> {
    grant.stage = GrantStage::Pending;
    if grant.effective_at <= books.now && !begin(books, &mut grant)? {
        return Ok(false);
    }
    books.grants.push(grant);
    books.changes.push(Change::Catalogue);
    Ok(true)
}

/// Puts a grant's units into its account. False when that would hold more than the ledger can count.
fn begin(books: &mut Books<'_>, grant: &mut Grant) -> Result<bool, LedgerError> {
    match books.post(grant.account, None, Some(Pocket::Free), grant.amount, Cause::Grant(grant.id)) {
        Ok(()) => {}
        Err(LedgerError::Balance { source: BalanceError::Overflow, .. }) => return Ok(false),
        Err(error) => return Err(error),
    }
    grant.stage = GrantStage::Live;
    Ok(true)
}

/// Does what time asks for of the grants of an open account: begins what is effective, announces what expires soon, and lets what has
/// expired lapse, as far as it is free. Doing it again changes nothing.
///
/// The books need the account and the leases that serve from it; `all` are its grants.
pub fn mature(books: &mut Books<'_>, account: AccountId, mut all: Vec<Grant>) -> Result<(), LedgerError> {
    if books.accounts.get(account)?.closed {
        return Ok(());
    }
    burn_order(&mut all);
    let window_end = books.accounts.get(account)?.window.end;
    for place in 0..all.len() {
        if all[place].voided_at.is_some() || all[place].due_at(window_end, books.now).is_none() {
            continue;
        }
        advance(books, &mut all[place])?;
        if all[place].stage == GrantStage::Expired {
            let more = lapse(books, account, &all, place)?;
            let grant = &mut all[place];
            grant.lapsed = grant.lapsed.saturating_add(more);
            if !grant.there().is_zero() {
                recall(books, account)?;
            }
        }
        books.grants.push(all[place].clone());
    }
    Ok(())
}

/// Brings a grant to the stage that it has reached by now, and announces it.
fn advance(books: &mut Books<'_>, grant: &mut Grant) -> Result<(), LedgerError> {
    let now = books.now;
    let is_reached = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    if is_reached(grant.expires_at) {
        if grant.stage == GrantStage::Expired {
            return Ok(());
        }
        if grant.stage == GrantStage::Pending {
            // Its units have never been anywhere.
            grant.taken_back = grant.amount;
        }
        grant.stage = GrantStage::Expired;
        books.announce(Event::GrantExpired(grant.id));
        return Ok(());
    }
    if grant.stage == GrantStage::Pending && grant.effective_at <= now {
        // What cannot be counted waits until it can.
        let _ = begin(books, grant)?;
        books.changes.push(Change::Catalogue);
    }
    if grant.stage == GrantStage::Live && is_reached(grant.expiring_at()) {
        grant.stage = GrantStage::Expiring;
        books.announce(Event::GrantExpiring(grant.id));
    }
    Ok(())
}

/// Asks gates for what they hold idle of an account: units of what has expired may be among them.
fn recall(books: &mut Books<'_>, account: AccountId) -> Result<(), LedgerError> {
    let serving = books.leases.iter().filter(|lease| lease.account == account && lease.state == LeaseState::Active);
    let ids: Vec<LeaseId> = serving.map(|lease| lease.id).collect();
    for id in ids {
        books.leases.change(id)?.state = LeaseState::Recalling;
    }
    Ok(())
}

/// Lets lapse what nobody has used or been handed of an expired grant, and answers how much that was.
fn lapse(books: &mut Books<'_>, account: AccountId, in_order: &[Grant], place: usize) -> Result<Units, LedgerError> {
    let grant = &in_order[place];
    let balance = books.accounts.get(account)?.balance;
    let left = left(books.accounts.get(account)?, in_order, grant.id).min(balance.get(Pocket::Free));
    books.post(account, Some(Pocket::Free), Some(Pocket::Lapsed), left, Cause::Grant(grant.id))?;
    if !left.is_zero() {
        books.changes.push(Change::Catalogue);
    }
    Ok(left)
}

/// What of a grant nobody has used or been handed, by the burn order.
pub(super) fn left(account: &Account, in_order: &[Grant], id: GrantId) -> Units {
    let gone = [Pocket::Carved, Pocket::Leased, Pocket::Held, Pocket::Used].map(|pocket| account.balance.get(pocket));
    let burnt = burn(in_order, gone.into_iter().sum());
    let burnt = burnt.into_iter().find(|(of, _)| *of == id).map_or(Units::ZERO, |(_, units)| units);
    in_order.iter().find(|grant| grant.id == id).map_or(Units::ZERO, |grant| grant.there().saturating_sub(burnt))
}

/// Voids a grant: what of it is still free is taken back; what is used, carved or in a gate's memory stays. Which units
/// are whose is told by the burn order. None where it was voided before, has expired, or its window is closed.
///
/// The books need the account; `all` are the grants of that account.
pub fn void(books: &mut Books<'_>, mut all: Vec<Grant>, id: GrantId) -> Result<Option<Grant>, LedgerError> {
    burn_order(&mut all);
    let grant = all.iter().find(|grant| grant.id == id).ok_or_else(|| LedgerError::Missing(id.to_string()))?;
    let account = books.accounts.get(grant.account)?;
    if grant.voided_at.is_some() || grant.stage == GrantStage::Expired || account.closed {
        return Ok(None);
    }
    let mut voided = grant.clone();
    // Never more than is free: the grants of an account sum up to what it was granted, and the burn order to the rest.
    voided.taken_back = match grant.stage {
        GrantStage::Pending => grant.amount,
        _ => left(account, &all, id).min(account.balance.get(Pocket::Free)),
    };
    voided.voided_at = Some(books.now);
    if grant.stage != GrantStage::Pending {
        books.post(voided.account, Some(Pocket::Free), None, voided.taken_back, Cause::Grant(id))?;
    }
    books.grants.push(voided.clone());
    books.changes.push(Change::Catalogue);
    Ok(Some(voided))
}
