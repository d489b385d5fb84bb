//! Leases against the ledger: open, report, raise, give back, settle, doubt, forfeit.

use super::books::{Books, LedgerError};
use crate::account::Pocket;
use crate::hold::{Hold, HoldPart};
use crate::id::{AccountId, DecisionId, HoldId, LeaseId};
use crate::lease::{Incarnation, LEDGER_TERM, Lease, LeaseReply, LeaseReport, LeaseState, Wish};
use crate::movement::Cause;
use crate::notice::Event;
use crate::units::Units;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long an idempotency key, a settled hold and a decision are known.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 3_600);

/// How many units to lease: enough for the call that waits, then what the rate suggests, never more than each of the
/// gates could get twice. Near the end it is just what the call needs: scarcity is exact.
pub fn lease_size(need: Units, want: Units, free: Units, gates: u32) -> Units {
    let share = Units::new(free.get() / (2 * i64::from(gates.max(1)))).unwrap_or(Units::ZERO);
    need.max(want.min(share))
}

impl LeaseReport {
    /// What two reports must agree in to be the same one.
    pub fn digest(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(format!("{self:?}").as_bytes());
        let full: [u8; 32] = hash.finalize().into();
        let mut short = [0u8; 16];
        short.copy_from_slice(&full[..16]);
        short
    }

    /// All that it says of the lease's units: used, and held or about to stand in the ledger. None where that is more than
    /// the ledger can count.
    fn claimed(&self) -> Option<Units> {
        let held = match &self.wish {
            Wish::Settle { holds } => self.held.max(holds.iter().map(|(_, amount)| *amount).sum()),
            Wish::Keep | Wish::Raise { .. } | Wish::GiveBack => self.held,
        };
        self.used.checked_add(held)
    }
}

/// Applies one report of a gate, once and in order.
///
/// `by` is who reports and `current` that gate's latest incarnation; `gates` is how many gates share the account.
/// The books need the lease (unless it is to be opened), the active leases beside it, the account and its ancestors.
pub fn settle(
    books: &mut Books<'_>,
    by: Incarnation,
    current: u64,
    gates: u32,
    report: &LeaseReport,
    hold_facts: &dyn Fn(HoldId) -> Option<Hold>,
) -> Result<LeaseReply, LedgerError> {
    let id = report.lease;
    if by.number != current {
        return fenced(books, by, report);
    }
    let digest = report.digest();
    let Some(lease) = books.leases.find(id) else {
        if report.seq != 1 || books.accounts.find(report.account).is_none() {
            return Ok(LeaseReply::Unknown);
        }
        open(books, by, report);
        return apply(books, by, gates, report, digest, hold_facts);
    };
    if lease.holder.node != by.node || lease.account != report.account {
        return Ok(LeaseReply::Unknown);
    }
    if report.seq == lease.seq && lease.digest == digest {
        return answer(books, report);
    }
    if report.seq != lease.seq + 1 {
        return Ok(LeaseReply::OutOfSequence { expected: lease.seq + 1 });
    }
    if lease.state.is_final() {
        return Ok(LeaseReply::Unknown);
    }
    apply(books, by, gates, report, digest, hold_facts)
}

/// A later life of this gate has taken over: use is accounted for, and nothing else. Use is cumulative, so it counts whatever
/// the report's number; the number that is due stays as it is, because the later life has asked for it and settles by it.
fn fenced(books: &mut Books<'_>, by: Incarnation, report: &LeaseReport) -> Result<LeaseReply, LedgerError> {
    if let Some(lease) = books.leases.find(report.lease)
        && (lease.holder.node, lease.account) == (by.node, report.account)
        && !lease.state.is_final()
        && report.claimed().is_some_and(|claimed| claimed <= lease.n)
        && report.used > lease.used
    {
        count_use(books, report)?;
        books.leases.change(report.lease)?.held = report.held;
    }
    Ok(LeaseReply::Fenced)
}

fn open(books: &mut Books<'_>, by: Incarnation, report: &LeaseReport) {
    let lease = Lease {
        id: report.lease,
        account: report.account,
        holder: by,
        n: Units::ZERO,
        used: Units::ZERO,
        held: Units::ZERO,
        seq: 0,
        digest: [0; 16],
        state: LeaseState::Active,
        deadline: books.now.saturating_add(LEDGER_TERM),
    };
    books.leases.add(lease.id, lease);
}

fn apply(
    books: &mut Books<'_>,
    by: Incarnation,
    gates: u32,
    report: &LeaseReport,
    digest: [u8; 16],
    hold_facts: &dyn Fn(HoldId) -> Option<Hold>,
) -> Result<LeaseReply, LedgerError> {
    let lease = books.leases.get(report.lease)?.clone();
    if report.used < lease.used || report.claimed().is_none_or(|claimed| claimed > lease.n) {
        return Ok(LeaseReply::Overdrawn { n: lease.n });
    }
    count_use(books, report)?;
    let deadline = books.now.saturating_add(LEDGER_TERM);
    let row = books.leases.change(lease.id)?;
    row.seq = report.seq;
    row.digest = digest;
    row.held = report.held;
    row.deadline = deadline;
    if row.state == LeaseState::InDoubt {
        row.state = LeaseState::Active;
    }
    match &report.wish {
        Wish::Keep => {}
        Wish::GiveBack => give_back(books, report)?,
        // A lease of an earlier life is settled, never served.
        Wish::Raise { .. } if lease.holder.number != by.number => {}
        Wish::Raise { need, want } => raise(books, report, *need, *want, gates)?,
        Wish::Settle { holds } => close(books, report, holds, hold_facts)?,
    }
    answer(books, report)
}

/// Moves what was used since the last report out of what is leased.
fn count_use(books: &mut Books<'_>, report: &LeaseReport) -> Result<(), LedgerError> {
    let row = books.leases.change(report.lease)?;
    let spent = report.used.saturating_sub(row.used);
    row.used = report.used;
    let used_before = books.accounts.get(report.account)?.balance.get(Pocket::Used);
    books.post(report.account, Some(Pocket::Leased), Some(Pocket::Used), spent, Cause::Lease(report.lease))?;
    books.announce_marks(report.account, used_before)
}

fn raise(books: &mut Books<'_>, report: &LeaseReport, need: Units, want: Units, gates: u32) -> Result<(), LedgerError> {
    let account = books.accounts.get(report.account)?;
    let over = account.closed || account.window.end.is_some_and(|end| end <= books.now);
    let free = account.balance.get(Pocket::Free);
    if over {
        return Ok(());
    }
    if need > free {
        recall_others(books, report)?;
        return Ok(());
    }
    let size = lease_size(need, want, free, gates);
    books.post(report.account, Some(Pocket::Free), Some(Pocket::Leased), size, Cause::Lease(report.lease))?;
    let row = books.leases.change(report.lease)?;
    row.n = row.n.saturating_add(size);
    Ok(())
}

/// Asks the other gates for what they hold idle. They answer with their next report.
fn recall_others(books: &mut Books<'_>, report: &LeaseReport) -> Result<(), LedgerError> {
    let others: Vec<LeaseId> = books
        .leases
        .iter()
        .filter(|l| l.account == report.account && l.id != report.lease && l.state == LeaseState::Active)
        .map(|l| l.id)
        .collect();
    for other in others {
        books.leases.change(other)?.state = LeaseState::Recalling;
    }
    Ok(())
}

fn give_back(books: &mut Books<'_>, report: &LeaseReport) -> Result<(), LedgerError> {
    let row = books.leases.change(report.lease)?;
    let keep = report.used.saturating_add(report.held);
    let idle = row.n.saturating_sub(keep);
    row.n = keep;
    row.state = LeaseState::Active;
    books.post(report.account, Some(Pocket::Leased), Some(Pocket::Free), idle, Cause::Lease(report.lease))?;
    books.surrender(report.account)
}

fn close(
    books: &mut Books<'_>,
    report: &LeaseReport,
    holds: &[(HoldId, Units)],
    hold_facts: &dyn Fn(HoldId) -> Option<Hold>,
) -> Result<(), LedgerError> {
    let mut held = Units::ZERO;
    for (id, amount) in holds {
        // The hold was settled before this part of it came: the call is over, so its units are idle.
        if books.holds.find(*id).is_some_and(|hold| !hold.open) {
            continue;
        }
        held = held.saturating_add(*amount);
        books.post(report.account, Some(Pocket::Leased), Some(Pocket::Held), *amount, Cause::Hold(*id))?;
        stand_hold(books, report.account, *id, *amount, hold_facts)?;
    }
    let row = books.leases.change(report.lease)?;
    let idle = row.n.saturating_sub(report.used).saturating_sub(held);
    row.n = report.used;
    row.held = Units::ZERO;
    row.state = LeaseState::Settled;
    books.post(report.account, Some(Pocket::Leased), Some(Pocket::Free), idle, Cause::Lease(report.lease))?;
    books.surrender(report.account)
}

/// Lets a hold stand in the ledger, part by part: each lease that it was taken under brings its own.
fn stand_hold(
    books: &mut Books<'_>,
    account: AccountId,
    id: HoldId,
    amount: Units,
    hold_facts: &dyn Fn(HoldId) -> Option<Hold>,
) -> Result<(), LedgerError> {
    let feature = books.accounts.get(account)?.feature;
    if books.holds.find(id).is_none() {
        let facts = hold_facts(id).ok_or_else(|| LedgerError::Missing(id.to_string()))?;
        books.holds.add(id, Hold { open: true, parts: Vec::new(), ..facts });
    }
    let hold = books.holds.change(id)?;
    hold.parts.push(HoldPart { feature, account, amount });
    Ok(())
}

fn answer(books: &Books<'_>, report: &LeaseReport) -> Result<LeaseReply, LedgerError> {
    let lease = books.leases.get(report.lease)?;
    let account = books.accounts.get(report.account)?;
    let idle_here = lease.n.saturating_sub(lease.used);
    Ok(LeaseReply::Applied {
        n: lease.n,
        free: account.balance.get(Pocket::Free),
        elsewhere: account.balance.get(Pocket::Leased).saturating_sub(idle_here),
        recalled: lease.state == LeaseState::Recalling,
        closed: account.closed || account.window.end.is_some_and(|end| end <= books.now),
    })
}

/// Marks a lease whose gate has been silent past its term. Its units stay charged: silence is spent.
pub fn doubt(books: &mut Books<'_>, id: LeaseId) -> Result<(), LedgerError> {
    let now = books.now;
    let row = books.leases.change(id)?;
    if matches!(row.state, LeaseState::Active | LeaseState::Recalling) && row.deadline <= now {
        row.state = LeaseState::InDoubt;
        books.announce(Event::LeaseInDoubt(id));
    }
    Ok(())
}

/// Declares what a lost gate may have used as spent, at an operator's word. Only a lease in doubt can be forfeited.
pub fn forfeit(books: &mut Books<'_>, id: LeaseId) -> Result<bool, LedgerError> {
    let row = books.leases.change(id)?;
    if row.state != LeaseState::InDoubt {
        return Ok(false);
    }
    row.state = LeaseState::Forfeited;
    let (account, rest) = (row.account, row.n.saturating_sub(row.used));
    books.post(account, Some(Pocket::Leased), Some(Pocket::Used), rest, Cause::Forfeit(id))?;
    Ok(true)
}

/// Gives back the second debit of an idempotency key that two gates served.
pub fn refund(
    books: &mut Books<'_>,
    account: AccountId,
    amount: Units,
    decision: DecisionId,
) -> Result<(), LedgerError> {
    books.post(account, Some(Pocket::Used), Some(Pocket::Free), amount, Cause::Duplicate(decision))?;
    books.surrender(account)
}
