//! A gate's flush: reports of leases, holds that come to stand in the ledger, and decisions, in one transaction.

use crate::decision::{self, Double};
use crate::store::Outcome;
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{account, books, hold, lease, node};
use almoner_domain::account::{Account, Pocket};
use almoner_domain::hold::Hold;
use almoner_domain::id::{AccountId, DecisionId, HoldId, LeaseId};
use almoner_domain::lease::{Incarnation, Lease, LeaseReply, LeaseReport, Wish};
use almoner_domain::ledger::{self, Books};
use almoner_domain::ports::LeaseBatch;
use almoner_domain::units::Units;
use std::collections::{BTreeMap, BTreeSet};

/// Applies a batch of one gate. Answers report by report.
///
/// Decisions are written before any account is locked: two gates that bring the same idempotency key wait for each other
/// there, and nobody who holds an account may wait for somebody who wants one.
pub(crate) async fn settle(tx: &Tx, by: Incarnation, batch: &LeaseBatch) -> Result<Outcome<Vec<LeaseReply>>, Trouble> {
    let current = node::current(tx, by.node).await?;
    let gates = node::alive(tx).await?;
    let written = decision::store(tx, &batch.decisions).await?;
    let refunds: Vec<Refund> = written.doubles.iter().flat_map(refunds).collect();
    let loaded = load(tx, batch, &refunds).await?;
    let facts: BTreeMap<HoldId, &Hold> = batch.holds.iter().map(|hold| (hold.id, hold)).collect();
    let ledger = Ledger { by, current, gates, facts };
    let (mut books, replies) = ledger.apply(tx, &loaded, &batch.reports);
    refund(&mut books, &refunds);
    books::write_back(tx, &books, None).await?;
    written.add_up(tx).await?;
    Ok(Outcome::Keep(replies))
}

/// Units to give back.
struct Refund {
    decision: DecisionId,
    account: AccountId,
    amount: Units,
}

/// What the second of two decisions under one key spent, where it goes back.
fn refunds(double: &Double) -> Vec<Refund> {
    if !double.goes_back {
        return Vec::new();
    }
    let decision = &double.decision;
    let units = decision.uses.iter().filter_map(|used| {
        let (account, amount) = used.kind.charged().filter(|(_, granted)| !granted.is_zero())?;
        Some(Refund { decision: decision.id, account, amount })
    });
    units.collect()
}

fn refund(books: &mut Books<'_>, refunds: &[Refund]) {
    for Refund { decision, account, amount } in refunds {
        // The report that told of this use may have been refused. Then it is not charged, and there is nothing to return.
        if let Err(error) = ledger::refund(books, *account, *amount, *decision) {
            tracing::error!(%error, %decision, "a second debit of one idempotency key could not be returned");
        }
    }
}

/// The rows that a batch needs.
struct Loaded {
    accounts: Vec<Account>,
    leases: Vec<Lease>,
    holds: Vec<Hold>,
}

async fn load(tx: &Tx, batch: &LeaseBatch, refunds: &[Refund]) -> Result<Loaded, Trouble> {
    let mut wanted: BTreeSet<AccountId> = batch.reports.iter().map(|report| report.account).collect();
    wanted.extend(refunds.iter().map(|refund| refund.account));
    let wanted: Vec<AccountId> = wanted.into_iter().collect();
    let accounts = account::hold_with_ancestors(tx, &wanted).await?;

    let mut leases: BTreeSet<LeaseId> = batch.reports.iter().map(|report| report.lease).collect();
    leases.extend(lease::active_of(tx, &scarce(&accounts, &batch.reports)).await?);
    let leases: Vec<LeaseId> = leases.into_iter().collect();
    let leases = lease::hold(tx, &leases).await?;

    let named = batch.reports.iter().flat_map(|report| match &report.wish {
        Wish::Settle { holds } => holds.as_slice(),
        _ => &[],
    });
    let holds: BTreeSet<HoldId> = named.map(|(id, _)| *id).collect();
    let holds = hold::hold(tx, &holds.into_iter().collect::<Vec<_>>()).await?;
    Ok(Loaded { accounts, leases, holds })
}

/// Accounts that may have too little for what is asked of them. Only there the law looks at the leases of others, to recall them.
fn scarce(accounts: &[Account], reports: &[LeaseReport]) -> Vec<AccountId> {
    let mut asked: BTreeMap<AccountId, Units> = BTreeMap::new();
    for report in reports {
        if let Wish::Raise { need, want } = report.wish {
            let sum = asked.entry(report.account).or_default();
            *sum = sum.saturating_add(need.max(want));
        }
    }
    let short = |account: &&Account| asked.get(&account.id).is_some_and(|sum| *sum > account.balance.get(Pocket::Free));
    accounts.iter().filter(short).map(|account| account.id).collect()
}

/// Who speaks, and what the laws must know beside the books.
struct Ledger<'b> {
    by: Incarnation,
    current: u64,
    gates: u32,
    facts: BTreeMap<HoldId, &'b Hold>,
}

impl Ledger<'_> {
    /// Applies reports in order to fresh books.
    ///
    /// A report that the laws cannot apply (it contradicts what the store holds) is left out, and the others are applied again
    /// without it: one wrong report must not keep the rest of a flush out of the ledger, nor leave a trace of itself.
    fn apply<'t>(&self, tx: &'t Tx, loaded: &Loaded, reports: &[LeaseReport]) -> (Books<'t>, Vec<LeaseReply>) {
        let mut wrong: BTreeSet<usize> = BTreeSet::new();
        loop {
            let mut books = open(tx, loaded);
            let before = wrong.len();
            let replies = reports.iter().enumerate().map(|(index, report)| {
                if wrong.contains(&index) {
                    return refusal(&books, report);
                }
                self.apply_one(&mut books, report).unwrap_or_else(|error| {
                    tracing::error!(%error, lease = %report.lease, "a report contradicts the ledger");
                    wrong.insert(index);
                    refusal(&books, report)
                })
            });
            let replies: Vec<LeaseReply> = replies.collect();
            if wrong.len() == before {
                return (books, replies);
            }
        }
    }

    fn apply_one(&self, books: &mut Books<'_>, report: &LeaseReport) -> Result<LeaseReply, ledger::LedgerError> {
        let facts = |id: HoldId| self.facts.get(&id).map(|hold| (*hold).clone());
        ledger::settle(books, self.by, self.current, self.gates, report, &facts)
    }
}

fn open<'t>(tx: &'t Tx, loaded: &Loaded) -> Books<'t> {
    let mut books = tx.books();
    for account in &loaded.accounts {
        books.accounts.load(account.id, account.clone());
    }
    for lease in &loaded.leases {
        books.leases.load(lease.id, lease.clone());
    }
    for hold in &loaded.holds {
        books.holds.load(hold.id, hold.clone());
    }
    books
}

/// The answer to a report that contradicts the ledger: the gate stops serving from the lease and raises an alarm. What was
/// leased stays charged.
fn refusal(books: &Books<'_>, report: &LeaseReport) -> LeaseReply {
    LeaseReply::Overdrawn { n: books.leases.find(report.lease).map_or(Units::ZERO, |lease| lease.n) }
}
