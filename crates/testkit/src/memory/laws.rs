//! The laws that the store runs: the domain's. A simulation puts a broken one in its place to show that it would notice.

use almoner_domain::hold::Hold;
use almoner_domain::id::{HoldId, LeaseId};
use almoner_domain::lease::{Incarnation, LeaseReply, LeaseReport};
use almoner_domain::ledger::{self, Books, LedgerError};
use almoner_domain::tenant::Realm;

/// The laws that a seeded bug may break. Each is the domain's own unless it is replaced.
pub trait Laws: Send {
    /// Does who asks in one realm see the rows of another?
    fn sees(&self) -> fn(asked: Realm, owner: Realm) -> bool {
        |asked, owner| asked == owner
    }

    /// Applies one report of a gate.
    fn settle(
        &self,
        books: &mut Books<'_>,
        by: Incarnation,
        current: u64,
        gates: u32,
        report: &LeaseReport,
        facts: &dyn Fn(HoldId) -> Option<Hold>,
    ) -> Result<LeaseReply, LedgerError> {
        ledger::settle(books, by, current, gates, report, facts)
    }

    /// Marks a lease whose gate has been silent past its term.
    fn doubt(&self, books: &mut Books<'_>, lease: LeaseId) -> Result<(), LedgerError> {
        ledger::doubt(books, lease)
    }
}

/// The domain's laws, all of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Production;

impl Laws for Production {}
