//! The rules that a run goes by: the production code's, or with one of them broken to show that the simulation would notice.

use almoner_domain::account::Pocket;
use almoner_domain::hold::Hold;
use almoner_domain::id::{HoldId, LeaseId};
use almoner_domain::lease::{Incarnation, LeaseReply, LeaseReport, LeaseState};
use almoner_domain::ledger::{self, Books, LedgerError};
use almoner_domain::movement::Cause;
use almoner_domain::tenant::Realm;
use almoner_domain::units::Units;
use almoner_gate::lease::Tally;
use almoner_testkit::memory::{Laws, Production};

/// What a seeded bug may break. Each rule is the production code's own unless it is replaced.
pub(crate) trait Rules {
    /// The ledger's laws.
    fn laws() -> Box<dyn Laws> {
        Box::new(Production)
    }

    /// The gate's arithmetic: may this be spent from the lease?
    fn take(tally: &mut Tally, amount: Units) -> bool {
        tally.take(amount)
    }

    /// Does an answer wait until what it rests on is on the disk?
    const DISK_FIRST: bool = true;

    /// Does the ledger answer only when a standby has the commit, too?
    const STANDBY_FIRST: bool = true;

    /// In `fast` mode: do calls wait for the disk while a hold has come free by a record that is not on it yet?
    const LOOSENS_ON_DISK: bool = true;

    /// Is a mark on its way forgotten with its lease, so that it never covers the next one?
    const FORGETS_MARKS_WITH_THEIR_LEASE: bool = true;

    /// Does recovery claim no more than the lease has, where a mark is older than what was given back?
    const FORGETS_OLD_MARKS: bool = true;
}

/// The production code, all of it.
pub(crate) struct Real;

impl Rules for Real {}

/// A lease that runs out gives its remainder back by time alone.
pub(crate) struct ReturnsOnExpiry;

impl Rules for ReturnsOnExpiry {
    fn laws() -> Box<dyn Laws> {
        struct Broken;
        impl Laws for Broken {
            fn doubt(&self, books: &mut Books<'_>, lease: LeaseId) -> Result<(), LedgerError> {
                ledger::doubt(books, lease)?;
                let row = books.leases.change(lease)?;
                if row.state != LeaseState::InDoubt {
                    return Ok(());
                }
                let (account, rest) = (row.account, row.n.saturating_sub(row.used));
                (row.n, row.held, row.state) = (row.used, Units::ZERO, LeaseState::Settled);
                books.post(account, Some(Pocket::Leased), Some(Pocket::Free), rest, Cause::Lease(lease))?;
                books.surrender(account)
            }
        }
        Box::new(Broken)
    }
}

/// A report is applied whatever its number.
pub(crate) struct NoSequenceCheck;

impl Rules for NoSequenceCheck {
    fn laws() -> Box<dyn Laws> {
        struct Broken;
        impl Laws for Broken {
            fn settle(
                &self,
                books: &mut Books<'_>,
                by: Incarnation,
                current: u64,
                gates: u32,
                report: &LeaseReport,
                facts: &dyn Fn(HoldId) -> Option<Hold>,
            ) -> Result<LeaseReply, LedgerError> {
                let mut next = report.clone();
                next.seq = books.leases.find(report.lease).map_or(report.seq, |lease| lease.seq + 1);
                ledger::settle(books, by, current, gates, &next, facts)
            }
        }
        Box::new(Broken)
    }
}

/// The answer goes out first, and the record reaches the disk when it does.
pub(crate) struct AnswersBeforeSync;

impl Rules for AnswersBeforeSync {
    const DISK_FIRST: bool = false;
}

/// The ledger answers when it has committed, whatever the standby has; then it fails over.
pub(crate) struct AnswersBeforeTheStandby;

impl Rules for AnswersBeforeTheStandby {
    const STANDBY_FIRST: bool = false;
}

/// In `fast` mode a hold that comes free is spent again before any record says so.
pub(crate) struct LoosensInMemory;

impl Rules for LoosensInMemory {
    const LOOSENS_ON_DISK: bool = false;
}

/// A mark that was written for one lease takes effect for the next.
pub(crate) struct MixesMarks;

impl Rules for MixesMarks {
    const FORGETS_MARKS_WITH_THEIR_LEASE: bool = false;
}

/// Recovery claims what the last mark says, though units were given back since.
pub(crate) struct ClaimsOldMarks;

impl Rules for ClaimsOldMarks {
    const FORGETS_OLD_MARKS: bool = false;
}

/// A lease of which n units are used serves one more: `<=` where `<` belongs.
pub(crate) struct ServesOneTooMany;

impl Rules for ServesOneTooMany {
    fn take(tally: &mut Tally, amount: Units) -> bool {
        let one_less = Units::new((amount.get() - 1).max(0)).unwrap_or(Units::ZERO);
        tally.take(amount) || tally.take(one_less)
    }
}

/// The last unit of a lease is never served: `<` where `<=` belongs.
pub(crate) struct KeepsTheLastUnit;

impl Rules for KeepsTheLastUnit {
    fn take(tally: &mut Tally, amount: Units) -> bool {
        amount < tally.idle() && tally.take(amount)
    }
}

/// The condition on the tenant is left out of every query.
pub(crate) struct ForgetsTheTenant;

impl Rules for ForgetsTheTenant {
    fn laws() -> Box<dyn Laws> {
        struct Broken;
        impl Laws for Broken {
            fn sees(&self) -> fn(asked: Realm, owner: Realm) -> bool {
                |_, _| true
            }
        }
        Box::new(Broken)
    }
}
