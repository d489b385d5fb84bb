//! Grants issued and voided. Units that are used or handed out are never taken back.

use super::books::{Books, LedgerError};
use crate::account::{BalanceError, Pocket};
use crate::grant::{Grant, burn, burn_order};
use crate::id::GrantId;
use crate::movement::Cause;
use crate::notice::Change;
use crate::units::Units;

/// Issues a grant into an open window. False when the account would hold more than the ledger can count.
///
/// The books need the grant's account.
pub fn issue(books: &mut Books<'_>, grant: Grant) -> Result<bool, LedgerError> {
    match books.post(grant.account, None, Some(Pocket::Free), grant.amount, Cause::Grant(grant.id)) {
        Ok(()) => {}
        Err(LedgerError::Balance { source: BalanceError::Overflow, .. }) => return Ok(false),
        Err(error) => return Err(error),
    }
    books.grants.push(grant);
    books.changes.push(Change::Catalogue);
    Ok(true)
}

/// Voids a grant: what of it is still free is taken back; what is used, carved or in a gate's memory stays. Which units
/// are whose is told by the burn order. None where it was voided before, or its window is closed.
///
/// The books need the account; `all` are the grants of that account.
pub fn void(books: &mut Books<'_>, mut all: Vec<Grant>, id: GrantId) -> Result<Option<Grant>, LedgerError> {
    burn_order(&mut all);
    let grant = all.iter().find(|grant| grant.id == id).ok_or_else(|| LedgerError::Missing(id.to_string()))?;
    let account = books.accounts.get(grant.account)?;
    if grant.voided_at.is_some() || account.closed {
        return Ok(None);
    }
    let free = account.balance.get(Pocket::Free);
    let spoken_for = account.balance.granted().saturating_sub(free);
    let burnt = burn(&all, spoken_for).into_iter().find(|(of, _)| *of == id).map_or(Units::ZERO, |(_, units)| units);
    let mut voided = grant.clone();
    // Never more than is free: the grants of an account sum up to what it was granted, and the burn order to the rest.
    voided.taken_back = grant.amount.saturating_sub(burnt).min(free);
    voided.voided_at = Some(books.now);
    books.post(voided.account, Some(Pocket::Free), None, voided.taken_back, Cause::Grant(id))?;
    books.grants.push(voided.clone());
    books.changes.push(Change::Catalogue);
    Ok(Some(voided))
}
