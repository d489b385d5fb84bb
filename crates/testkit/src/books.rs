//! Do the books balance? The equations between rows that hold in each committed state, checked from the rows alone.

use almoner_domain::account::{Account, Pocket};
use almoner_domain::decision::{Decision, Operation, Verdict};
use almoner_domain::hold::Hold;
use almoner_domain::id::AccountId;
use almoner_domain::lease::Lease;
use almoner_domain::movement::Movement;
use almoner_domain::units::Units;
use std::collections::BTreeMap;

/// Rows of one realm in one committed state. `decisions` without those whose key another decision owns.
#[derive(Debug, Clone, Default)]
pub struct BookRows {
    /// All accounts.
    pub accounts: Vec<Account>,
    /// All leases.
    pub leases: Vec<Lease>,
    /// All holds that stand in the ledger, or stood.
    pub holds: Vec<Hold>,
    /// All lines.
    pub movements: Vec<Movement>,
    /// What gates and the ledger answered.
    pub decisions: Vec<Decision>,
}

const POCKETS: [Pocket; 6] = [Pocket::Free, Pocket::Carved, Pocket::Leased, Pocket::Held, Pocket::Used, Pocket::Lapsed];

/// Checks every equation: each account's own, carved = what its children were granted, leased = what gates have not used,
/// held = what open holds set aside, balance = the sum of its lines, used = at least what decisions say.
pub fn check_books(rows: &BookRows) -> Result<(), String> {
    let folded = fold(&rows.movements);
    for account in &rows.accounts {
        check_account(rows, account, &folded).map_err(|what| format!("{}: {what}: {account:?}", account.id))?;
    }
    for lease in &rows.leases {
        if lease.used.checked_add(lease.held).is_none_or(|claimed| claimed > lease.n) {
            return Err(format!("more is used and held than was leased: {lease:?}"));
        }
    }
    Ok(())
}

fn check_account(rows: &BookRows, account: &Account, folded: &Folded) -> Result<(), String> {
    let balance = &account.balance;
    let expect = |pocket: Pocket, why: &str, sum: Units| {
        let there = balance.get(pocket);
        if there == sum {
            Ok(())
        } else {
            Err(format!("{} is {}, but {why} {}", pocket.as_str(), there.get(), sum.get()))
        }
    };
    if !balance.holds() {
        return Err("the pockets do not add up to what was granted".to_owned());
    }
    let children = rows.accounts.iter().filter(|child| child.parent == Some(account.id));
    expect(Pocket::Carved, "its children were granted", children.map(|child| child.balance.granted()).sum())?;
    let leases = rows.leases.iter().filter(|lease| lease.account == account.id && !lease.state.is_final());
    expect(Pocket::Leased, "gates have not used", leases.map(|lease| lease.n.saturating_sub(lease.used)).sum())?;
    let parts = rows.holds.iter().filter(|hold| hold.open).flat_map(|hold| &hold.parts);
    expect(Pocket::Held, "open holds set aside", parts.filter(|p| p.account == account.id).map(|p| p.amount).sum())?;
    for (pocket, sum) in POCKETS.iter().zip(folded.get(&account.id).unwrap_or(&[0; 6])) {
        if i128::from(balance.get(*pocket).get()) != *sum {
            return Err(format!("{} is not the sum of its lines, {sum}", pocket.as_str()));
        }
    }
    let out = [Pocket::Leased, Pocket::Held, Pocket::Carved].map(|pocket| balance.get(pocket));
    if account.owed > out.into_iter().sum() {
        return Err("more is owed than is out".to_owned());
    }
    if account.closed && !balance.get(Pocket::Free).is_zero() {
        return Err("it is closed and units are free in it".to_owned());
    }
    let told = spent(&rows.decisions, account.id);
    if told > balance.get(Pocket::Used) {
        return Err(format!("decisions say that {} units are used", told.get()));
    }
    Ok(())
}

type Folded = BTreeMap<AccountId, [i128; 6]>;

fn fold(movements: &[Movement]) -> Folded {
    let mut folded = Folded::new();
    for line in movements {
        let sums = folded.entry(line.account).or_default();
        for (pocket, sum) in POCKETS.iter().zip(sums.iter_mut()) {
            let amount = i128::from(line.amount.get());
            *sum += if line.to == Some(*pocket) { amount } else { 0 };
            *sum -= if line.from == Some(*pocket) { amount } else { 0 };
        }
    }
    folded
}

/// Units of an account that decisions say were spent.
fn spent(decisions: &[Decision], account: AccountId) -> Units {
    let spends = |d: &&Decision| {
        matches!(d.operation, Operation::Consume | Operation::Commit | Operation::Release)
            && d.verdict == Verdict::Allow
    };
    let uses = decisions.iter().filter(spends).flat_map(|decision| &decision.uses);
    let granted = uses.filter_map(|used| used.kind.charged()).map(
        |(from, granted)| {
            if from == account { granted } else { Units::ZERO }
        },
    );
    granted.sum()
}
