//! Ending an allocation, and with it every allocation carved from it.

use super::books::{Books, LedgerError};
use crate::account::Pocket;
use crate::allocation::{Allocation, AllocationState};
use crate::id::AllocationId;
use crate::notice::{Change, Event};

/// Ends an allocation as `state` and returns what is free, at once and exactly once. What is leased or held returns when
/// it settles. One that has ended already stays as it ended.
///
/// The books need the allocation, its descendants that are still active, their accounts and all accounts above.
pub fn end(books: &mut Books<'_>, id: AllocationId, state: AllocationState) -> Result<Allocation, LedgerError> {
    if books.allocations.get(id)?.state == AllocationState::Active {
        // Deepest first: what a child gives back is there to be given back by its parent.
        for descendant in family(books, id) {
            end_one(books, descendant, state)?;
        }
    }
    books.allocations.get(id).cloned()
}

fn family(books: &Books<'_>, root: AllocationId) -> Vec<AllocationId> {
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        let active = |a: &&Allocation| a.parent == Some(parent) && a.state == AllocationState::Active;
        found.extend(books.allocations.iter().filter(active).map(|a| a.id));
        next += 1;
    }
    found.reverse();
    found
}

fn end_one(books: &mut Books<'_>, id: AllocationId, state: AllocationState) -> Result<(), LedgerError> {
    let mut lines = books.allocations.get(id)?.lines.clone();
    for line in &mut lines {
        let account = books.accounts.change(line.account)?;
        account.closed = true;
        line.returned = account.balance.get(Pocket::Free);
        books.surrender(line.account)?;
    }
    let row = books.allocations.change(id)?;
    row.state = state;
    row.lines = lines;
    books.announce(Event::AllocationEnded(id, state));
    books.changes.push(Change::Allocation(id));
    Ok(())
}
