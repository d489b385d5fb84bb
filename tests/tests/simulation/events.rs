//! What happens beside calls: misfortunes, people's acts, and the gates' own work.

use super::network::Parcel;
use super::recovery::Death;
use super::rules::Rules;
use super::world::World;
use almoner_domain::allocation::AllocationState;
use almoner_domain::id::{Id, LeaseId, NodeId};
use almoner_domain::lease::LeaseState;
use almoner_domain::notice::Change;
use almoner_domain::ports::{CarveAnswer, Source};
use almoner_domain::units::Units;
use std::time::Duration;

impl<R: Rules> World<R> {
    /// Gates die and come back, networks are cut and found again, the ledger fails over.
    pub(crate) fn misfortunes(&mut self) {
        if !R::STANDBY_FIRST && (self.standby.is_none() || self.dice.chance(100)) {
            self.standby = Some(self.store.core().snapshot());
        }
        for index in 0..self.gates.len() {
            if !self.gates[index].up {
                if self.dice.chance(50) {
                    self.boot(index);
                }
                continue;
            }
            if self.dice.chance(self.climate.kill) {
                self.kill(index);
            }
            let gate = &mut self.gates[index];
            if gate.mute || gate.deaf {
                if self.dice.chance(30) {
                    (gate.mute, gate.deaf) = (false, false);
                }
            } else if self.dice.chance(self.climate.cut) {
                // In one direction, in the other, or in both.
                let way = self.dice.below(3);
                (gate.mute, gate.deaf) = (way != 1, way != 0);
            }
        }
        if self.dice.chance(self.climate.failover) {
            self.fail_over();
        }
    }

    /// The standby takes over. It has every commit that was answered, unless that rule is broken.
    fn fail_over(&mut self) {
        self.see("a failover");
        self.network.lose_all();
        if let Some(standby) = self.standby.take() {
            self.store.core().fail_over(standby);
            self.oracle.begin_again();
        }
    }

    fn kill(&mut self, index: usize) {
        let gate = &mut self.gates[index];
        let death = gate.die(&self.climate, &mut self.dice);
        self.see(match death {
            Death::Killed => "a gate that is killed",
            Death::Power => "a power cut",
            Death::Disk => "a lost disk",
        });
        if death == Death::Disk {
            let gate = &mut self.gates[index];
            let life = gate.life;
            let mine = |lease: &almoner_domain::lease::Lease| lease.holder.node == life.node && !lease.state.is_final();
            let lost: Vec<LeaseId> = self.store.core().leases().filter(|(_, l)| mine(l)).map(|(_, l)| l.id).collect();
            self.lost.extend(lost);
            if self.dice.chance(500) {
                // It comes back under a name that nobody has heard.
                let node = NodeId::new(almoner_domain::time::Clock::now(&self.clock), &*self.entropy);
                self.gates[index].life.node = node;
            }
        }
    }

    /// People carve allocations and end them; an operator gives up what a lost gate had.
    pub(crate) fn people(&mut self) -> Result<(), String> {
        if self.dice.chance(self.climate.people) {
            self.carve();
        }
        if self.dice.chance(self.climate.people) {
            self.end()?;
        }
        if self.dice.chance(5) {
            self.forfeit()?;
        }
        self.observe()
    }

    pub(crate) fn carve(&mut self) {
        let shop = usize::from(self.dice.chance(200));
        let source = match self.dice.pick(&self.allocations[shop]) {
            Some(parent) if self.dice.chance(500) => Source::Allocation(*parent),
            _ => Source::Subject(self.shops[shop].ada()),
        };
        let most =
            if matches!(source, Source::Allocation(_)) { self.climate.quota / 6 } else { self.climate.quota / 2 };
        let amount = i64::try_from(self.dice.between(1, most)).unwrap_or(1);
        let lasts = Duration::from_secs(self.dice.between(60, 3_000));
        let (now, id) = (self.now(), self.id());
        let mut request = self.shops[shop].carve(id, source, &[(self.shops[shop].generate.id, amount)]);
        if self.dice.chance(700) {
            request.expires_at = Some(now.saturating_add(lasts));
        }
        let answer = self.store.core().carve(now, self.shops[shop].realm, &request);
        if matches!(answer, Ok(CarveAnswer::Carved(_))) {
            self.allocations[shop].push(id);
        }
    }

    fn end(&mut self) -> Result<(), String> {
        let shop = usize::from(self.dice.chance(200));
        let Some(id) = self.dice.pick(&self.allocations[shop]).copied() else { return Ok(()) };
        let state = if self.dice.chance(500) { AllocationState::Closed } else { AllocationState::Revoked };
        let ended = self.store.core().end(self.clock_now(), self.shops[shop].realm, id, state);
        ended.map(drop).map_err(|fault| fault.to_string())
    }

    fn clock_now(&self) -> almoner_domain::time::Timestamp {
        self.now()
    }

    fn forfeit(&mut self) -> Result<(), String> {
        let now = self.now();
        let mut core = self.store.core();
        let doubtful = |lease: &almoner_domain::lease::Lease| lease.state == LeaseState::InDoubt && self.is_lost(lease);
        let found = core.leases().find(|(_, lease)| doubtful(lease)).map(|(realm, lease)| (realm, lease.clone()));
        let Some((realm, lease)) = found else { return Ok(()) };
        if core.forfeit(now, realm, lease.id).map_err(|fault| fault.to_string())? {
            self.truth.forfeited += lease.n.saturating_sub(lease.used).get();
            drop(core);
            self.see("a lease that is forfeited");
        }
        Ok(())
    }

    /// Each gate does what it does beside calls: sync, tell, follow the feed, expire, sweep.
    pub(crate) fn gates_at_work(&mut self) -> Result<(), String> {
        for index in 0..self.gates.len() {
            if !self.gates[index].up {
                continue;
            }
            if self.dice.chance(300) {
                self.gates[index].disk.sync();
                self.answers(index)?;
            }
            if self.dice.chance(150) {
                self.watch(index)?;
            }
            if self.dice.chance(500) {
                self.tell(index)?;
            }
        }
        if self.dice.chance(100) && self.gates.iter().any(|gate| gate.reaches_ledger()) {
            let swept = self.store.core().sweep(self.clock_now(), 100).map_err(|fault| fault.to_string())?;
            let kinds = [
                ("an allocation that expires", swept.allocations),
                ("a hold that expires in the ledger", swept.holds),
                ("a lease in doubt", swept.leases),
                ("a month that ends", swept.windows),
            ];
            kinds.into_iter().filter(|(_, count)| *count > 0).for_each(|(what, _)| self.see(what));
        }
        Ok(())
    }

    /// A gate tells the ledger what it has to say in each realm.
    pub(crate) fn tell(&mut self, index: usize) -> Result<(), String> {
        let now = self.now();
        for (account, call) in self.gates[index].wake(now) {
            self.serve(index, account, call)?;
        }
        let flush = self.dice.chance(150);
        for shop in 0..self.shops.len() {
            let (realm, now, lease) = (self.shops[shop].realm, self.now(), self.id());
            self.attempts += 1;
            let Some(request) = self.gates[index].round(realm, now, flush, self.attempts, lease) else { continue };
            for report in &request.batch.reports {
                let most = self.oracle.reported.entry(report.lease).or_insert(Units::ZERO);
                *most = (*most).max(report.used);
            }
            if !self.gates[index].mute {
                self.network.send(now, &Parcel::Request(request), &self.climate, &mut self.dice);
            }
            // What was told had to be on the disk first, and so is all that came before it.
            self.answers(index)?;
        }
        Ok(())
    }

    /// A gate reads the feed and the recalls, and gives back holds whose time is over.
    fn watch(&mut self, index: usize) -> Result<(), String> {
        let now = self.now();
        let gate = &mut self.gates[index];
        let civil = gate.civil(now);
        let over =
            gate.purses.values().flat_map(|purse| purse.holds.iter().map(|(id, held)| (purse.account, *id, held.1)));
        let over: Vec<_> = over.filter(|(_, _, until)| *until <= civil).collect();
        for (account, hold, _) in over {
            gate.settle_hold(account, hold, Units::ZERO, true, now);
        }
        if !gate.reaches_ledger() {
            return Ok(());
        }
        let mut core = self.store.core();
        for (_, lease) in core.recalled(now, gate.life) {
            let held = gate.purses.values_mut().find(|p| p.tally.as_ref().is_some_and(|t| t.id() == lease));
            if let Some(purse) = held {
                purse.recalled = true;
            }
        }
        let changes = core.changes(gate.position.or(Some(0)), 100);
        for (at, realm, change) in changes {
            gate.position = Some(at);
            let Change::Allocation(id) = change else { continue };
            gate.handles.retain(|(_, target), _| *target != super::gate::Target::Allocation(id));
            let ended =
                core.allocation(now, realm, id).is_none_or(|standing| standing.state != AllocationState::Active);
            let accounts = core.statement(realm, id).map_or(Vec::new(), |s| s.lines);
            for line in accounts.iter().filter(|_| ended) {
                if let Some(purse) = gate.purses.get_mut(&line.account) {
                    purse.closed = true;
                    gate.start_settling(line.account);
                }
            }
        }
        Ok(())
    }
}
