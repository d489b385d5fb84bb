//! The end of a run: every fault heals, everything is told, and each unit must be where it belongs.

use super::climate::Climate;
use super::rules::Rules;
use super::world::World;
use almoner_domain::account::{Account, AccountOwner, Pocket};
use almoner_domain::allocation::AllocationState;
use almoner_domain::units::Units;
use almoner_testkit::check_books;
use std::time::Duration;

/// Rounds until everything must have been told: each report, its repetition, and what it uncovers.
const ROUNDS_MAX: usize = 60;

/// Steps without new calls, so that patience runs out before everything is told.
const TAIL: u32 = 60;

impl<R: Rules> World<R> {
    /// Runs to the end.
    pub(crate) fn run(mut self) -> Result<Self, String> {
        for _ in 0..self.climate.steps {
            self.customers()?;
            self.step()?;
        }
        // Nobody calls any more; whoever still waits is answered.
        for _ in 0..TAIL {
            self.step()?;
        }
        self.heal()?;
        Ok(self)
    }

    fn heal(&mut self) -> Result<(), String> {
        let calm = Climate::calm(self.climate.gates, self.climate.quota, 0);
        self.climate = Climate { fast: self.climate.fast, ..calm };
        for gate in &mut self.gates {
            (gate.mute, gate.deaf) = (false, false);
        }
        for _ in 0..ROUNDS_MAX {
            if self.is_quiet() {
                break;
            }
            self.clock.advance(Duration::from_secs(12));
            for index in 0..self.gates.len() {
                self.boot(index);
                self.gates[index].return_everything();
                self.tell(index)?;
            }
            // There and back; late copies of old messages arrive as well.
            for _ in 0..2 {
                self.clock.advance(Duration::from_millis(50));
                self.deliver()?;
            }
        }
        self.nothing_is_in_doubt()?;
        self.everything_is_accounted_for()
    }

    fn is_quiet(&self) -> bool {
        let idle = |gate: &super::gate::Gate| {
            gate.up && gate.settling.is_empty() && gate.purses.values().all(|purse| purse.tally.is_none())
        };
        self.network.is_empty() && self.gates.iter().all(idle)
    }

    fn nothing_is_in_doubt(&self) -> Result<(), String> {
        let core = self.store.core();
        let open = core.leases().find(|(_, lease)| !lease.state.is_final() && !self.is_lost(lease));
        match open {
            Some((_, lease)) => Err(format!("after everything healed a lease is not settled: {lease:?}")),
            None => Ok(()),
        }
    }

    fn everything_is_accounted_for(&mut self) -> Result<(), String> {
        // Every hold runs out, every allocation ends, every window closes.
        self.clock.advance(Duration::from_secs(40 * 24 * 3_600));
        let now = self.now();
        let mut core = self.store.core();
        core.sweep(now, u64::MAX).map_err(|fault| fault.to_string())?;
        for (shop, ids) in self.shops.iter().zip(&self.allocations) {
            for id in ids {
                core.end(now, shop.realm, *id, AllocationState::Closed).map_err(|fault| fault.to_string())?;
            }
        }
        drop(core);
        self.observe()?;
        let core = self.store.core();
        for shop in &self.shops {
            check_books(&core.book_rows(shop.realm))?;
        }
        let mut used = 0;
        for (_, account) in core.accounts() {
            used += account.balance.get(Pocket::Used).get();
            let leases = core.leases().filter(|(_, l)| l.account == account.id && !l.state.is_final());
            let lost: Units = leases.map(|(_, lease)| lease.n.saturating_sub(lease.used)).sum();
            // The month that follows has begun, with what it grants and nothing out: the sweep opens it.
            if account.window.contains(now) && matches!(account.owner, AccountOwner::Entitlement(_)) {
                untouched(account)?;
            } else {
                settled(account, lost)?;
            }
        }
        let truth = &self.truth;
        let most = truth.debited + truth.unattributed + truth.forfeited;
        if used < truth.told && self.lost.is_empty() {
            return Err(format!("{used} units are used in the end, and customers were told {}", truth.told));
        }
        if used > most {
            return Err(format!("{used} units are used in the end, and only {most} were ever debited: {truth:?}"));
        }
        Ok(())
    }
}

/// A new month's units are free, or set aside for people.
fn untouched(account: &Account) -> Result<(), String> {
    let there = account.balance.get(Pocket::Free).saturating_add(account.balance.get(Pocket::Carved));
    if there == account.balance.granted() {
        Ok(())
    } else {
        Err(format!("in the end units of a month in which nobody called are not free: {account:?}"))
    }
}

/// Nothing is free, held or out any more, but for what a lost gate had.
fn settled(account: &Account, lost: Units) -> Result<(), String> {
    for pocket in [Pocket::Free, Pocket::Held, Pocket::Leased] {
        let expected = if pocket == Pocket::Leased { lost } else { Units::ZERO };
        if account.balance.get(pocket) != expected {
            return Err(format!("in the end units are stuck in {}: {account:?}", pocket.as_str()));
        }
    }
    Ok(())
}
