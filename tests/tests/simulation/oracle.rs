//! The oracle: what must hold in every state, whatever has happened before.

use super::truth::Truth;
use almoner_domain::account::{Account, Pocket};
use almoner_domain::id::{AccountId, LeaseId};
use almoner_domain::lease::{Lease, LeaseState};
use almoner_domain::movement::Cause;
use almoner_domain::units::Units;
use almoner_testkit::memory::Core;
use std::collections::{BTreeMap, BTreeSet};

const POCKETS: [Pocket; 6] = [Pocket::Free, Pocket::Carved, Pocket::Leased, Pocket::Held, Pocket::Used, Pocket::Lapsed];

/// Follows the ledger line by line.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    read: usize,
    folded: BTreeMap<AccountId, [i128; 6]>,
    /// The most that a gate has ever told of a lease.
    pub(crate) reported: BTreeMap<LeaseId, Units>,
}

impl Oracle {
    /// Checks everything that may have changed since the last time. Answers whether the ledger has.
    pub(crate) fn check(&mut self, core: &Core, truth: &Truth, told: &[LeaseId]) -> Result<bool, String> {
        if let Some(wrong) = core.contradictions().first() {
            return Err(format!("a law of the ledger could not be applied: {wrong}"));
        }
        let (accounts, mut leases) = self.follow(core);
        leases.extend(told);
        for id in &accounts {
            self.check_account(core, *id)?;
        }
        if accounts.is_empty() && told.is_empty() {
            return Ok(false);
        }
        for (_, account) in core.accounts() {
            check_truth(truth, account)?;
        }
        for (_, lease) in core.leases() {
            if leases.remove(&lease.id) {
                self.check_lease(truth, lease)?;
            }
        }
        match told.iter().find(|lease| leases.contains(lease)) {
            Some(lease) => Err(format!("{lease} was served from, and the ledger has never heard of it")),
            None => Ok(!accounts.is_empty()),
        }
    }

    /// The ledger is another one: everything is read anew.
    pub(crate) fn begin_again(&mut self) {
        self.read = 0;
        self.folded.clear();
    }

    /// Reads the lines added since the last time: which accounts and leases they are about.
    fn follow(&mut self, core: &Core) -> (BTreeSet<AccountId>, BTreeSet<LeaseId>) {
        let (mut accounts, mut leases) = (BTreeSet::new(), BTreeSet::new());
        let lines = core.movements_from(self.read);
        self.read += lines.len();
        for (_, line) in lines {
            let sums = self.folded.entry(line.account).or_default();
            for (pocket, sum) in POCKETS.iter().zip(sums.iter_mut()) {
                let amount = i128::from(line.amount.get());
                *sum += if line.to == Some(*pocket) { amount } else { 0 };
                *sum -= if line.from == Some(*pocket) { amount } else { 0 };
            }
            accounts.insert(line.account);
            if let Cause::Lease(lease) | Cause::Forfeit(lease) = line.cause {
                leases.insert(lease);
            }
        }
        (accounts, leases)
    }

    /// Conservation: the account's own equation, and each pocket against what it stands for.
    fn check_account(&self, core: &Core, id: AccountId) -> Result<(), String> {
        let Some((realm, account)) = core.accounts().find(|(_, account)| account.id == id) else {
            return Err(format!("a line of the ledger is about {id}, which is not there"));
        };
        let balance = &account.balance;
        let wrong = |what: &str| Err(format!("{what}: {account:?}"));
        if !balance.holds() {
            return wrong("the pockets do not add up");
        }
        for (pocket, sum) in POCKETS.iter().zip(&self.folded[&id]) {
            if i128::from(balance.get(*pocket).get()) != *sum {
                return wrong(&format!("{} is not the sum of its lines", pocket.as_str()));
            }
        }
        let children = core.accounts().filter(|(owner, child)| *owner == realm && child.parent == Some(id));
        if children.map(|(_, child)| child.balance.granted()).sum::<Units>() != balance.get(Pocket::Carved) {
            return wrong("carved is not what the children were granted");
        }
        let leases = core.leases().filter(|(_, lease)| lease.account == id && !lease.state.is_final());
        let leased: Units = leases.map(|(_, lease)| lease.n.saturating_sub(lease.used)).sum();
        if leased != balance.get(Pocket::Leased) {
            return wrong("leased is not what gates have not used");
        }
        let parts = core.holds().filter(|(_, hold)| hold.open).flat_map(|(_, hold)| &hold.parts);
        let held: Units = parts.filter(|part| part.account == id).map(|part| part.amount).sum();
        if held != balance.get(Pocket::Held) {
            return wrong("held is not what open holds set aside");
        }
        if account.closed && !balance.get(Pocket::Free).is_zero() {
            return wrong("units are free behind a closed door");
        }
        Ok(())
    }

    fn check_lease(&self, truth: &Truth, lease: &Lease) -> Result<(), String> {
        let told = truth.under.get(&lease.id).copied().unwrap_or(0);
        let charged = if lease.state == LeaseState::Settled { lease.used } else { lease.n };
        if told > charged.get() {
            return Err(format!("customers were told {told} units under {lease:?}"));
        }
        if lease.used.checked_add(lease.held).is_none_or(|claimed| claimed > lease.n) {
            return Err(format!("more is used and held than leased: {lease:?}"));
        }
        match self.reported.get(&lease.id) {
            Some(reported) if lease.used > *reported => {
                Err(format!("more is used than its gate ever told ({}): {lease:?}", reported.get()))
            }
            _ => Ok(()),
        }
    }
}

/// Truth at each level: units told are never free again, and never lapsed.
fn check_truth(truth: &Truth, account: &Account) -> Result<(), String> {
    let told = truth.below.get(&account.id).copied().unwrap_or(0);
    let balance = &account.balance;
    let spare = balance.get(Pocket::Free).saturating_add(balance.get(Pocket::Lapsed));
    let charged = balance.granted().saturating_sub(spare).get();
    if told > charged {
        Err(format!("OVER-GRANTED: customers were told {told} units of {charged}: {account:?}"))
    } else {
        Ok(())
    }
}
