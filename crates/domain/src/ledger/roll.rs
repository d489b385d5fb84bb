//! What is left when a window ends: by the plan's rule so much of it begins anew in the next, and grants that last longer go on there.
//!
//! Units that are out when the window ends come back later, and lapse then; what is carried over grows with them, as long as somebody
//! looks again.

use super::books::{Books, LedgerError};
use super::grant::{issue, left};
use crate::account::{Account, Pocket};
use crate::grant::{Grant, GrantKind, GrantStage, burn_order};
use crate::id::{AccountId, GrantId};
use crate::plan::Rollover;
use crate::units::Units;

/// Does anything of these grants go on when a window ends at which an entitlement rolls over so?
pub fn goes_on(rollover: Option<Rollover>, account: &Account, grants: &[Grant]) -> bool {
    rollover.is_some() || grants.iter().any(|grant| outlasts(grant, account))
}

/// Carries over from a closed window into a later one what is not there yet. Doing it again changes nothing, unless units have come
/// back since.
///
/// The books need both accounts; `old` are the grants of the one, `carried` those of the other.
pub fn roll(
    books: &mut Books<'_>,
    from: AccountId,
    into: AccountId,
    rollover: Option<Rollover>,
    mut old: Vec<Grant>,
    carried: &[Grant],
) -> Result<(), LedgerError> {
    let (closed, open) = (books.accounts.get(from)?.clone(), books.accounts.get(into)?.clone());
    if !closed.closed {
        return Ok(());
    }
    burn_order(&mut old);
    let renewal = old.iter().filter(|grant| grant.kind == GrantKind::Renewal).min_by_key(|grant| grant.id);
    let is_out =
        [Pocket::Carved, Pocket::Leased, Pocket::Held].iter().any(|pocket| !closed.balance.get(*pocket).is_zero());
    let stage = if is_out && !open.closed { GrantStage::Rolling } else { GrantStage::Expired };
    // Written even where it stays as it is: then it is looked at again.
    books.grants.extend(renewal.map(|renewal| Grant { stage, ..renewal.clone() }));
    if open.closed {
        return Ok(());
    }
    let mut rest = Units::ZERO;
    for grant in old.iter().filter(|grant| grant.voided_at.is_none()) {
        let left = match grant.stage {
            GrantStage::Pending => grant.amount,
            _ => left(&closed, &old, grant.id),
        };
        if outlasts(grant, &closed) {
            let more = left.saturating_sub(moved(carried, grant.id));
            carry(books, into, grant, grant.kind, more)?;
        } else if grant.kind != GrantKind::Overage && ends_with(grant, &closed) {
            rest = rest.saturating_add(left);
        }
    }
    if let (Some(rollover), Some(renewal)) = (rollover, renewal) {
        let expires_at = match rollover.expires_after {
            Some(span) => Some(open.window.start.saturating_add(span)),
            None => open.window.end,
        };
        let like = Grant { expires_at, effective_at: open.window.start, priority: 0, ..renewal.clone() };
        let more = rollover.of(rest).saturating_sub(moved(carried, renewal.id));
        carry(books, into, &like, GrantKind::Rollover, more)?;
    }
    Ok(())
}

/// Does it last longer than its window, or begin after it?
fn outlasts(grant: &Grant, account: &Account) -> bool {
    let Some(end) = account.window.end else { return false };
    let is_over = grant.voided_at.is_some() || grant.stage == GrantStage::Expired;
    !is_over
        && grant.kind != GrantKind::Overage
        && (grant.expires_at.is_none_or(|expires| expires > end) || grant.effective_at >= end)
}

/// Does it last as long as its window, and no longer?
fn ends_with(grant: &Grant, account: &Account) -> bool {
    grant.stage != GrantStage::Pending && grant.expires_at.is_none_or(|expires| Some(expires) == account.window.end)
}

/// Units that were carried over from a grant.
fn moved(carried: &[Grant], from: GrantId) -> Units {
    carried.iter().filter(|grant| grant.carried_from == Some(from)).map(|grant| grant.amount).sum()
}

fn carry(
    books: &mut Books<'_>,
    into: AccountId,
    from: &Grant,
    kind: GrantKind,
    amount: Units,
) -> Result<(), LedgerError> {
    if amount.is_zero() || from.expires_at.is_some_and(|end| end <= books.now) {
        return Ok(());
    }
    let grant = Grant {
        id: books.new_id(),
        account: into,
        kind,
        amount,
        created_at: books.now,
        taken_back: Units::ZERO,
        lapsed: Units::ZERO,
        stage: GrantStage::Pending,
        carried_from: Some(from.id),
        external_id: None,
        ..from.clone()
    };
    // What cannot be counted is not carried: the next window has more than anybody can use.
    let _ = issue(books, grant)?;
    Ok(())
}
