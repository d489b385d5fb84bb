//! Holds that stand in the ledger: commit, release, extend, expire.

use super::books::{Books, LedgerError};
use crate::account::Pocket;
use crate::feature::ExcessRule;
use crate::hold::HoldPart;
use crate::id::{FeatureId, HoldId};
use crate::movement::Cause;
use crate::time::Timestamp;
use crate::units::Units;
use thiserror::Error;

/// How a hold is to be settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldOrder {
    /// Which.
    pub hold: HoldId,
    /// Actual units of each feature; a feature not named here is taken as held (commit) or as zero (release).
    pub actual: Vec<(FeatureId, Units, ExcessRule)>,
    /// Whether features not named are spent as held.
    pub spend_unnamed: bool,
}

/// Why a hold cannot be settled or extended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HoldRefusal {
    /// Its time is over.
    #[error("the hold has expired")]
    Expired,
    /// It was settled before.
    #[error("the hold is settled")]
    Settled,
}

/// Spends the actual units of a hold and frees the rest, at most once. Answers what was spent of each part, in its order.
///
/// The books need the hold, its accounts and their ancestors.
pub fn settle_hold(
    books: &mut Books<'_>,
    order: &HoldOrder,
) -> Result<Result<Vec<(HoldPart, Units)>, HoldRefusal>, LedgerError> {
    let hold = books.holds.get(order.hold)?.clone();
    if let Err(refusal) = still_open(hold.open, hold.expires_at, books.now) {
        return Ok(Err(refusal));
    }
    let mut spent = Vec::with_capacity(hold.parts.len());
    for part in &hold.parts {
        let named = order.actual.iter().find(|(feature, _, _)| *feature == part.feature);
        let (actual, excess) = match named {
            Some((_, actual, excess)) => (*actual, *excess),
            None if order.spend_unnamed => (part.amount, ExcessRule::DenyExcess),
            None => (Units::ZERO, ExcessRule::DenyExcess),
        };
        spent.push((*part, settle_part(books, order.hold, part, actual, excess)?));
    }
    books.holds.change(order.hold)?.open = false;
    Ok(Ok(spent))
}

fn settle_part(
    books: &mut Books<'_>,
    hold: HoldId,
    part: &HoldPart,
    actual: Units,
    excess: ExcessRule,
) -> Result<Units, LedgerError> {
    let cause = Cause::Hold(hold);
    let used_before = books.accounts.get(part.account)?.balance.get(Pocket::Used);
    let within = actual.min(part.amount);
    books.post(part.account, Some(Pocket::Held), Some(Pocket::Used), within, cause)?;
    books.post(part.account, Some(Pocket::Held), Some(Pocket::Free), part.amount.saturating_sub(within), cause)?;
    let mut spent = within;
    let account = books.accounts.get(part.account)?;
    if excess == ExcessRule::Overage && !account.closed {
        let more = actual.saturating_sub(within).min(account.balance.get(Pocket::Free));
        books.post(part.account, Some(Pocket::Free), Some(Pocket::Used), more, cause)?;
        spent = spent.saturating_add(more);
    }
    books.announce_marks(part.account, used_before)?;
    books.surrender(part.account)?;
    Ok(spent)
}

/// Gives a hold until `until`.
pub fn extend_hold(
    books: &mut Books<'_>,
    id: HoldId,
    until: Timestamp,
) -> Result<Result<(), HoldRefusal>, LedgerError> {
    let now = books.now;
    let hold = books.holds.change(id)?;
    if let Err(refusal) = still_open(hold.open, hold.expires_at, now) {
        return Ok(Err(refusal));
    }
    hold.expires_at = hold.expires_at.max(until);
    Ok(Ok(()))
}

/// Frees a hold whose time is over. An uncertain outcome is not refunded before this.
pub fn expire_hold(books: &mut Books<'_>, id: HoldId) -> Result<(), LedgerError> {
    let hold = books.holds.get(id)?.clone();
    if !hold.open || hold.expires_at > books.now {
        return Ok(());
    }
    for part in &hold.parts {
        books.post(part.account, Some(Pocket::Held), Some(Pocket::Free), part.amount, Cause::Hold(id))?;
        books.surrender(part.account)?;
    }
    books.holds.change(id)?.open = false;
    Ok(())
}

fn still_open(open: bool, expires_at: Timestamp, now: Timestamp) -> Result<(), HoldRefusal> {
    match (open, expires_at <= now) {
        (false, _) => Err(HoldRefusal::Settled),
        (true, true) => Err(HoldRefusal::Expired),
        (true, false) => Ok(()),
    }
}
