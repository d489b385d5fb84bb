//! The world of a run: one seed, one PRNG, one ledger, some gates, and what happens to them step by step.

use super::climate::Climate;
use super::customers::OpenHold;
use super::gate::Gate;
use super::network::{Network, Parcel, Reply, Request};
use super::oracle::Oracle;
use super::recovery::Lost;
use super::rules::Rules;
use super::truth::Truth;
use almoner_domain::entropy::Entropy;
use almoner_domain::id::{AccountId, AllocationId, Id, LeaseId, NodeId};
use almoner_domain::lease::{Incarnation, Lease, LeaseReply};
use almoner_domain::principal::Principals;
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::time::{Clock, Timestamp};
use almoner_domain::units::Units;
use almoner_testkit::image_shop::{self, ImageShop, at};
use almoner_testkit::memory::Snapshot;
use almoner_testkit::{Dice, MemoryStore, MockClock, SeededEntropy};
use futures::FutureExt;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// Gates' civil clocks are at most so far apart from the ledger's.
pub(crate) const SKEW_MS: u64 = 1_000;

/// A run.
pub(crate) struct World<R> {
    pub(crate) dice: Dice,
    pub(crate) climate: Climate,
    pub(crate) clock: MockClock,
    pub(crate) entropy: Arc<SeededEntropy>,
    pub(crate) store: MemoryStore,
    pub(crate) shops: Vec<ImageShop>,
    pub(crate) allocations: Vec<Vec<AllocationId>>,
    pub(crate) gates: Vec<Gate>,
    pub(crate) network: Network,
    pub(crate) truth: Truth,
    pub(crate) oracle: Oracle,
    pub(crate) holds: Vec<OpenHold>,
    pub(crate) chains: BTreeMap<AccountId, (Realm, Vec<AccountId>)>,
    pub(crate) lost: Lost,
    /// Leases that customers were served from since the oracle last looked.
    pub(crate) told: Vec<LeaseId>,
    pub(crate) attempts: u64,
    pub(crate) calls: u64,
    /// How often what has happened, to know that a run is as rough as it is meant to be.
    pub(crate) seen: BTreeMap<&'static str, u64>,
    /// What the standby has, where it lags behind.
    pub(crate) standby: Option<Snapshot>,
    rules: PhantomData<R>,
}

impl<R: Rules> World<R> {
    /// A world in this weather.
    pub(crate) fn in_climate(mut dice: Dice, climate: Climate) -> Self {
        let begin = if climate.month_ends { at(image_shop::MONTH_END) } else { at(almoner_testkit::clock::BEGIN) };
        let before = Duration::from_secs(if climate.month_ends { dice.between(60, 900) } else { 0 });
        let clock =
            MockClock::at(Timestamp::from_micros(begin.as_micros() - i64::try_from(before.as_micros()).unwrap_or(0)));
        let entropy = Arc::new(SeededEntropy::new(dice.roll()));
        let chance: Arc<dyn Entropy> = entropy.clone();
        let store = MemoryStore::under(R::laws(), Arc::new(clock.clone()), chance);
        let mut world = Self {
            dice,
            climate,
            clock,
            entropy,
            store,
            shops: Vec::new(),
            allocations: vec![Vec::new(), Vec::new()],
            gates: Vec::new(),
            network: Network::default(),
            truth: Truth::default(),
            oracle: Oracle::default(),
            holds: Vec::new(),
            chains: BTreeMap::new(),
            lost: Lost::new(),
            told: Vec::new(),
            attempts: 0,
            calls: 0,
            seen: BTreeMap::new(),
            standby: None,
            rules: PhantomData,
        };
        world.furnish();
        world
    }

    fn furnish(&mut self) {
        for _ in 0..2 {
            let realm = Realm { tenant: self.id(), environment: Environment::Live };
            let quotas = [i64::try_from(self.climate.quota).unwrap_or(0), 1, 1];
            let shop = ImageShop::furnish_with(realm, quotas, &self.store, &self.clock, &*self.entropy);
            self.shops.push(shop.now_or_never().expect("nothing waits").expect("the store takes a shop"));
        }
        for index in 0..self.climate.gates {
            let mut gate = Gate::new(index, Incarnation { node: self.id::<NodeId>(), number: 0 });
            gate.fast = self.dice.chance(self.climate.fast);
            gate.forgets_marks = R::FORGETS_MARKS_WITH_THEIR_LEASE;
            gate.rate = self.dice.between(100 - self.climate.clock_percent, 100 + self.climate.clock_percent);
            gate.ahead_ms =
                i64::try_from(self.dice.between(0, 2 * SKEW_MS)).unwrap_or(0) - i64::try_from(SKEW_MS).unwrap_or(0);
            self.gates.push(gate);
            self.boot(index);
        }
        for _ in 0..self.climate.allocations {
            self.carve();
        }
    }

    pub(crate) fn id<I: Id>(&self) -> I {
        I::new(self.clock.now(), &*self.entropy)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// On whose behalf calls of a shop are served.
    pub(crate) fn principals(&self, shop: usize) -> Principals {
        let shop = &self.shops[shop];
        Principals { customer: shop.acme.id, user: Some(shop.ada.id), agent: Some(shop.catalogue.id), session: None }
    }

    /// Starts a gate, if it can reach the ledger.
    pub(crate) fn boot(&mut self, index: usize) {
        let (now, principals) = (self.now(), self.principals(0));
        let gate = &mut self.gates[index];
        if !gate.up && !gate.mute && !gate.deaf {
            let node = gate.life.node;
            let lost = gate.boot::<R>(&mut self.store.core(), now, node, principals, &mut self.truth);
            let recovered = !gate.settling.is_empty();
            self.lost.extend(lost);
            if recovered {
                self.see("a lease that is recovered");
            }
        }
    }

    pub(crate) fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Can nobody speak for this lease any more?
    pub(crate) fn is_lost(&self, lease: &Lease) -> bool {
        self.lost.contains(&lease.id) || self.gates.iter().all(|gate| gate.life.node != lease.holder.node)
    }

    /// One step: some time passes, whatever happens beside calls happens, and what has arrived is delivered.
    pub(crate) fn step(&mut self) -> Result<(), String> {
        let lull = self.dice.chance(self.climate.lull);
        let millis = if lull { self.dice.between(60_000, 900_000) } else { self.dice.between(0, 1_500) };
        self.clock.advance(Duration::from_millis(millis));
        self.misfortunes();
        self.people()?;
        self.gates_at_work()?;
        self.deliver()?;
        self.observe()
    }

    /// Delivers what has arrived, and looks at every state in between.
    pub(crate) fn deliver(&mut self) -> Result<(), String> {
        while let Some(parcel) = self.network.due(self.now()) {
            match parcel {
                Parcel::Request(request) => self.at_ledger(request)?,
                Parcel::Reply(reply) => {
                    for (account, call) in self.gates[reply.gate].hear(&reply)? {
                        self.serve(reply.gate, account, call)?;
                    }
                }
            }
            self.observe()?;
        }
        Ok(())
    }

    fn at_ledger(&mut self, request: Request) -> Result<(), String> {
        let Request { gate, attempt, by, realm, batch } = request;
        let fenced = by.node != self.gates[gate].life.node || by.number != self.gates[gate].life.number;
        let before = fenced.then(|| self.leases_of(by.node));
        let replies = self.store.core().settle(self.now(), realm, by, &batch).map_err(|fault| fault.to_string())?;
        for reply in &replies {
            match reply {
                LeaseReply::Fenced => self.see("a report of an earlier life"),
                LeaseReply::OutOfSequence { .. } => self.see("a report out of order"),
                LeaseReply::Applied { recalled: true, .. } => self.see("a recall"),
                LeaseReply::Applied { closed: true, .. } => self.see("a lease of what has ended"),
                _ => {}
            }
        }
        if let Some(before) = before.filter(|_| by.node == self.gates[gate].life.node) {
            self.check_fence(&before)?;
        }
        if !self.gates[gate].deaf {
            let reply = Parcel::Reply(Reply { gate, attempt, by, replies });
            self.network.send(self.clock.now(), &reply, &self.climate, &mut self.dice);
        }
        Ok(())
    }

    fn leases_of(&self, node: NodeId) -> Vec<Lease> {
        self.store.core().leases().filter(|(_, lease)| lease.holder.node == node).map(|(_, l)| l.clone()).collect()
    }

    /// An earlier life has spoken: nothing but use may have changed.
    fn check_fence(&self, before: &[Lease]) -> Result<(), String> {
        let Some(first) = before.first() else { return Ok(()) };
        for (old, new) in before.iter().zip(self.leases_of(first.holder.node)) {
            let same =
                (old.id, old.n, old.seq, old.state, old.deadline) == (new.id, new.n, new.seq, new.state, new.deadline);
            if !same || new.used < old.used {
                return Err(format!("a fenced life changed {old:?} into {new:?}"));
            }
        }
        Ok(())
    }

    /// Looks at the state as it is now.
    pub(crate) fn observe(&mut self) -> Result<(), String> {
        let told = std::mem::take(&mut self.told);
        let core = self.store.core();
        if !self.oracle.check(&core, &self.truth, &told)? {
            return Ok(());
        }
        let waiting = self.gates.iter_mut().flat_map(|gate| gate.purses.values_mut()).filter(|p| !p.waiting.is_empty());
        for purse in waiting {
            let free = free(&core, purse.account);
            purse.waiting.iter_mut().for_each(|call| call.least_free = call.least_free.min(free));
        }
        Ok(())
    }
}

/// Units free in an account.
pub(crate) fn free(core: &almoner_testkit::memory::Core, account: AccountId) -> Units {
    let row = core.accounts().find(|(_, row)| row.id == account);
    row.map_or(Units::ZERO, |(_, row)| row.balance.get(almoner_domain::account::Pocket::Free))
}
