//! Ending allocations, and with each all that was carved from it.

use crate::store::{Outcome, SqlStore};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{account, allocation, audit, books, statement};
use almoner_domain::allocation::{Allocation, AllocationState};
use almoner_domain::audit::{Action, Author};
use almoner_domain::fault::Fault;
use almoner_domain::id::{AccountId, AllocationId};
use almoner_domain::ledger::{self, Books};
use almoner_domain::statement::AllocationStatement;
use almoner_domain::tenant::Realm;
use std::sync::Arc;

impl SqlStore {
    /// Ends an allocation and all below it.
    pub(crate) async fn end_allocation(
        &self,
        realm: Realm,
        id: AllocationId,
        state: AllocationState,
        by: &Author,
    ) -> Result<Option<AllocationStatement>, Fault> {
        let by = Arc::new(by.clone());
        self.write("end", realm, move |tx| {
            let by = Arc::clone(&by);
            Box::pin(async move { end(tx, id, state, &by).await })
        })
        .await
    }
}

async fn end(
    tx: &Tx,
    id: AllocationId,
    state: AllocationState,
    by: &Author,
) -> Result<Outcome<Option<AllocationStatement>>, Trouble> {
    let families = allocation::hold_families(tx, &[id]).await?;
    let Some(was) = families.iter().find(|allocation| allocation.id == id) else { return Ok(Outcome::Undo(None)) };
    if was.state == AllocationState::Active {
        let action = match state {
            AllocationState::Revoked => Action::RevokeAllocation,
            _ => Action::CloseAllocation,
        };
        audit::sign(tx, by, action, id, was.principals.customer, String::new()).await?;
    }
    let mut books = load(tx, families).await?;
    ledger::end(&mut books, id, state)?;
    books::write_back(tx, &books, None).await?;
    Ok(Outcome::Keep(Some(statement::must(tx, id).await?)))
}

/// Books with these allocations, their accounts and all accounts above.
pub(crate) async fn load(tx: &Tx, families: Vec<Allocation>) -> Result<Books<'_>, Trouble> {
    let mut books = tx.books();
    let ids: Vec<AccountId> = families.iter().flat_map(|a| a.lines.iter().map(|line| line.account)).collect();
    for account in account::hold_with_ancestors(tx, &ids).await? {
        books.accounts.load(account.id, account);
    }
    for allocation in families {
        books.allocations.load(allocation.id, allocation);
    }
    Ok(books)
}

/// Ends those of these allocations whose time is over, and answers how many did.
pub(crate) async fn expire(tx: &Tx, ids: &[AllocationId]) -> Result<Outcome<u64>, Trouble> {
    let families = allocation::hold_families(tx, ids).await?;
    let due = |a: &&Allocation| a.state == AllocationState::Active && a.expires_at <= tx.now() && ids.contains(&a.id);
    let due: Vec<AllocationId> = families.iter().filter(due).map(|a| a.id).collect();
    if due.is_empty() {
        return Ok(Outcome::Undo(0));
    }
    let mut books = load(tx, families).await?;
    for id in due {
        ledger::end(&mut books, id, AllocationState::Expired)?;
    }
    let ended = books.allocations.changed().count();
    books::write_back(tx, &books, None).await?;
    Ok(Outcome::Keep(ended as u64))
}
