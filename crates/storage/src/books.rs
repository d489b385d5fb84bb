//! Writing the books back: what a law of the ledger added and changed, and nothing else.

use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{account, allocation, allocation_line, grant, hold, lease, movement, notice};
use almoner_domain::account::Account;
use almoner_domain::allocation::Allocation;
use almoner_domain::decision::KeyMark;
use almoner_domain::hold::Hold;
use almoner_domain::ledger::Books;

/// Writes what the books added and changed. `key` is the idempotency key of the allocation that they carve.
///
/// An order that the foreign keys ask for: allocations, their accounts, their lines, then all that points to accounts.
pub(crate) async fn write_back(tx: &Tx, books: &Books<'_>, key: Option<KeyMark>) -> Result<(), Trouble> {
    let carved: Vec<&Allocation> = books.allocations.added().collect();
    let opened: Vec<&Account> = books.accounts.added().collect();
    allocation::add(tx, &carved, key).await?;
    account::add(tx, &opened).await?;
    allocation_line::add(tx, &carved).await?;

    let changed: Vec<&Account> = books.accounts.changed().collect();
    account::write_back(tx, &changed).await?;
    let ended: Vec<&Allocation> = books.allocations.changed().collect();
    allocation::write_back(tx, &ended).await?;
    lease::write(tx, books.leases.added().chain(books.leases.changed())).await?;
    let holds: Vec<&Hold> = books.holds.added().chain(books.holds.changed()).collect();
    hold::write(tx, &holds).await?;

    let ends = |account| books.accounts.find(account).and_then(|account| account.window.end);
    grant::add(tx, &books.grants, ends).await?;
    movement::add(tx, &books.movements).await?;
    notice::add(tx, &books.notices).await?;
    for change in &books.changes {
        tx.feed(*change);
    }
    Ok(())
}
