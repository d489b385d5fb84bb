//! An allocation made larger, out of what it was carved from, or smaller, back into it.

use super::books::{Books, LedgerError};
use super::carve::{CarveRefusal, check_amounts, short};
use crate::account::Pocket;
use crate::allocation::{AllocationLine, AllocationState};
use crate::id::{AccountId, AllocationId, FeatureId};
use crate::movement::Cause;
use crate::notice::Change;
use crate::units::Units;

/// In which direction an allocation is adjusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Adjustment {
    /// More units, from what is free above.
    TopUp,
    /// Fewer units: what is free goes back above.
    Shrink,
}

/// Why an allocation was not adjusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdjustRefusal {
    /// It has ended, or its window is over.
    Ended(AllocationState),
    /// It has nothing of the feature.
    NoLine(FeatureId),
    /// Too few units, or lines that cannot be. Shrinking to nothing is closing.
    Terms(CarveRefusal),
}

/// Adjusts all lines, or refuses and changes nothing that the caller may commit.
///
/// The books need the allocation, the accounts of its lines and the accounts that they were carved from.
pub fn adjust(
    books: &mut Books<'_>,
    id: AllocationId,
    adjustment: Adjustment,
    asked: &[(FeatureId, Units)],
) -> Result<Result<(), AdjustRefusal>, LedgerError> {
    let allocation = books.allocations.get(id)?;
    if allocation.state != AllocationState::Active {
        return Ok(Err(AdjustRefusal::Ended(allocation.state)));
    }
    if allocation.expires_at <= books.now {
        return Ok(Err(AdjustRefusal::Ended(AllocationState::Expired)));
    }
    if let Err(refusal) = check_amounts(asked) {
        return Ok(Err(AdjustRefusal::Terms(refusal)));
    }
    let mut lines = allocation.lines.clone();
    for (feature, amount) in asked {
        let Some(line) = lines.iter_mut().find(|line| line.feature == *feature) else {
            return Ok(Err(AdjustRefusal::NoLine(*feature)));
        };
        let moved = match adjustment {
            Adjustment::TopUp => top_up(books, id, line, *amount)?,
            Adjustment::Shrink => shrink(books, id, line, *amount)?,
        };
        if let Err(refusal) = moved {
            return Ok(Err(AdjustRefusal::Terms(refusal)));
        }
    }
    books.allocations.change(id)?.lines = lines;
    books.changes.push(Change::Allocation(id));
    Ok(Ok(()))
}

fn above(books: &Books<'_>, line: &AllocationLine) -> Result<AccountId, LedgerError> {
    let account = books.accounts.get(line.account)?;
    account.parent.ok_or_else(|| LedgerError::Missing(format!("what {} was carved from", line.account)))
}

fn top_up(
    books: &mut Books<'_>,
    id: AllocationId,
    line: &mut AllocationLine,
    amount: Units,
) -> Result<Result<(), CarveRefusal>, LedgerError> {
    let from = above(books, line)?;
    if let Some(refusal) = short(books.accounts.get(from)?, amount) {
        return Ok(Err(refusal));
    }
    let Some(carved) = line.carved.checked_add(amount) else { return Ok(Err(CarveRefusal::Lines)) };
    books.post_down(from, line.account, amount, Cause::Carve(id))?;
    line.carved = carved;
    Ok(Ok(()))
}

fn shrink(
    books: &mut Books<'_>,
    id: AllocationId,
    line: &mut AllocationLine,
    amount: Units,
) -> Result<Result<(), CarveRefusal>, LedgerError> {
    if let Some(refusal) = short(books.accounts.get(line.account)?, amount) {
        return Ok(Err(refusal));
    }
    let rest = line.carved.saturating_sub(amount);
    if rest.is_zero() {
        return Ok(Err(CarveRefusal::Lines));
    }
    let to = above(books, line)?;
    books.post(line.account, Some(Pocket::Free), None, amount, Cause::Return(id))?;
    books.post(to, Some(Pocket::Carved), Some(Pocket::Free), amount, Cause::Return(id))?;
    // What it was carved from may be closed by now: then what came free passes on.
    books.surrender(to)?;
    line.carved = rest;
    Ok(Ok(()))
}
