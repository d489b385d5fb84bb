//! The runaway guard at this gate: what it sees of guarded agents' calls, and what it does about it at once.
//!
//! A step that a sign leads to holds here from the moment it is seen, and everywhere once the ledger has it: the store's state
//! comes back with the standing of each allocation. Nothing here waits, and an agent without rules costs a look at its handle.
//! What is counted is lost with the process; what the ledger has is not.

use crate::call::Call;
use crate::denial;
use crate::gate::Gate;
use crate::handle::Handle;
use crate::lease::Tally;
use crate::moment::Moment;
use almoner_domain::decision::{Decision, Denial, Operation, Reason, Verdict};
use almoner_domain::entropy::Entropy;
use almoner_domain::fault::FaultKind;
use almoner_domain::feature::Feature;
use almoner_domain::guard::{GuardMark, GuardRules, GuardState, GuardStep, Guarded, Guarding};
use almoner_domain::guard_tally::{GuardTally, Seen, Spent};
use almoner_domain::id::{AgentId, AllocationId, GuardStepId, Id};
use almoner_domain::standing::{Stopped, Suspension};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Uptime;
use almoner_domain::units::Units;
use moka::sync::Cache;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Allocations that are counted at once, and agents and allocations whose state is kept: some 2 kB each. What is let go is counted
/// anew, so a runaway is seen later and nobody is taken for one.
const WATCHED_MAX: u64 = 50_000;
/// Steps that the ledger does not have yet. At the bound no further ones are taken here; the next sign tries again.
const STEPS_MAX: usize = 10_000;

/// What this gate knows of guarded agents.
pub(crate) struct Guards {
    tallies: Cache<(Realm, AllocationId), Arc<Mutex<Counted>>>,
    states: Cache<(Realm, Guarded), Arc<Mutex<State>>>,
    /// Oldest first.
    steps: Mutex<VecDeque<(Realm, GuardStep)>>,
}

/// What was counted since a person last let agent and allocation go on.
struct Counted {
    epochs: (u64, u64),
    tally: GuardTally,
}

/// How far this gate has gone by itself, and when it admits the next call of who is slowed down.
#[derive(Default)]
struct State {
    mark: GuardMark,
    why: String,
    admits_at: Option<Uptime>,
}

impl State {
    /// Is it as the store says, or further? A person may have let it go on since, which begins it anew.
    fn catch_up(&mut self, store: GuardMark) {
        if store.epoch > self.mark.epoch {
            *self = Self { mark: GuardMark { state: GuardState::Calm, epoch: store.epoch }, ..Self::default() };
        }
    }
}

impl Guards {
    pub(crate) fn new() -> Self {
        Self { tallies: Cache::new(WATCHED_MAX), states: Cache::new(WATCHED_MAX), steps: Mutex::default() }
    }

    /// May a call go on, as far as the guard is concerned? `takes`: whether it takes the turn of who is slowed down.
    pub(crate) fn admit(&self, handle: &Handle, now: Uptime, takes: bool) -> Result<(), Denial> {
        let Some(guard) = &handle.standing.guard else { return Ok(()) };
        let here = guard.rules.as_ref().and_then(|rules| Watched::of(handle, guard, rules));
        let mut throttled = guard.throttled;
        if let Some(here) = here
            && let Some(state) = self.states.get(&(handle.realm, here.guarded))
        {
            let mut state = lock(&state);
            state.catch_up(here.mark);
            match state.mark.state {
                GuardState::Suspended => {
                    let (stopped, why) = (here.rules.stops, state.why.clone());
                    return Err(denial::suspended(handle, &Suspension::Guarded { stopped, why }));
                }
                GuardState::Throttled => throttled = throttled.or(Some((here.guarded, here.rules.interval))),
                GuardState::Calm | GuardState::Watch => {}
            }
        }
        match throttled {
            Some((guarded, interval)) => self.turn(handle, guarded, interval, now, takes),
            None => Ok(()),
        }
    }

    /// One call in a stated time.
    fn turn(
        &self,
        handle: &Handle,
        guarded: Guarded,
        interval: Duration,
        now: Uptime,
        takes: bool,
    ) -> Result<(), Denial> {
        let state = self.state(handle.realm, guarded);
        let mut state = lock(&state);
        if let Some(at) = state.admits_at.filter(|at| now < *at) {
            return Err(denial::rate_limited(handle, guarded.stopped(), interval, at.saturating_since(now)));
        }
        if takes {
            state.admits_at = Some(now.saturating_add(interval));
        }
        Ok(())
    }

    fn state(&self, realm: Realm, guarded: Guarded) -> Arc<Mutex<State>> {
        self.states.get_with((realm, guarded), Arc::default)
    }

    fn count(&self, here: &Watched<'_>, realm: Realm, seen: &Seen<'_>, now: Uptime) -> Option<(GuardState, String)> {
        let fresh = || Counted { epochs: here.epochs, tally: GuardTally::new(*here.rules) };
        let counted = self.tallies.get_with((realm, here.allocation), || Arc::new(Mutex::new(fresh())));
        let mut counted = lock(&counted);
        if counted.epochs > here.epochs {
            // By what was so before a person let it go on.
            return None;
        }
        if counted.epochs != here.epochs || !counted.tally.is_under(here.rules) {
            *counted = fresh();
        }
        counted.tally.see(seen, now)
    }

    /// Takes a step, unless things have come as far already.
    fn step(&self, here: &Watched<'_>, realm: Realm, to: (GuardState, String), moment: Moment, chance: &dyn Entropy) {
        let (to, why) = to;
        let state = self.state(realm, here.guarded);
        let mut state = lock(&state);
        state.catch_up(here.mark);
        if here.mark.epoch < state.mark.epoch || to <= state.mark.state.max(here.mark.state) {
            return;
        }
        let mut steps = self.steps();
        if steps.len() >= STEPS_MAX {
            return;
        }
        let step = GuardStep {
            id: GuardStepId::new(moment.now, chance),
            guarded: here.guarded,
            agent: here.agent,
            allocation: Some(here.allocation),
            state: to,
            epoch: here.mark.epoch,
            at: moment.now,
            why: why.clone(),
        };
        tracing::warn!(%realm, guarded = %here.guarded, state = to.as_str(), %why, "the runaway guard takes a step");
        steps.push_back((realm, step));
        state.mark.state = to;
        state.why = why;
        if to == GuardState::Throttled {
            state.admits_at = Some(moment.uptime.saturating_add(here.rules.interval));
        }
    }

    /// The store's word counts from now on.
    pub(crate) fn forget(&self, realm: Realm, guarded: Guarded) {
        self.states.invalidate(&(realm, guarded));
    }

    /// Oldest first, and whole after each step, so a panic elsewhere cannot have broken it.
    fn steps(&self) -> MutexGuard<'_, VecDeque<(Realm, GuardStep)>> {
        lock(&self.steps)
    }
}

/// A guarded allocation as a handle tells of it.
struct Watched<'h> {
    rules: &'h GuardRules,
    allocation: AllocationId,
    agent: AgentId,
    /// Whom its rules stop.
    guarded: Guarded,
    /// How far the store says it has gone with those.
    mark: GuardMark,
    epochs: (u64, u64),
}

impl<'h> Watched<'h> {
    fn of(handle: &Handle, guard: &Guarding, rules: &'h GuardRules) -> Option<Self> {
        let (allocation, agent) = (handle.standing.allocation?, handle.standing.principals.agent?);
        let (guarded, mark) = match rules.stops {
            Stopped::Agent => (Guarded::Agent(agent), guard.agent),
            Stopped::Allocation => (Guarded::Allocation(allocation), guard.allocation),
        };
        let epochs = (guard.agent.epoch, guard.allocation.epoch);
        Some(Self { rules, allocation, agent, guarded, mark, epochs })
    }
}

impl Gate {
    /// Notes what a call of a guarded agent came to. `call` is none for the settlement of a hold.
    pub(crate) fn watch(&self, handle: &Handle, call: Option<&Call>, decision: &Decision) {
        let Some(guard) = &handle.standing.guard else { return };
        let Some(here) = guard.rules.as_ref().and_then(|rules| Watched::of(handle, guard, rules)) else { return };
        let is_denied = match &decision.verdict {
            Verdict::Allow => false,
            // Nobody is to blame for what the gate cannot know, and who is stopped is stopped.
            Verdict::Deny(denial) if matches!(denial.reason, Reason::Unavailable | Reason::Suspended) => return,
            Verdict::Deny(_) => true,
        };
        let moment = Moment::read(&*self.clock);
        // What a hold comes to is counted when it is settled.
        let is_spent = !is_denied && here.rules.burn.is_some() && decision.operation != Operation::Reserve;
        let spent = if is_spent { spent(handle, decision, moment) } else { SmallVec::new() };
        let seen = Seen { call: call.map(fingerprint), is_denied, spent: &spent };
        if let Some(to) = self.guards.count(&here, handle.realm, &seen, moment.uptime) {
            self.guards.step(&here, handle.realm, to, moment, &*self.entropy);
        }
    }

    /// Tells the ledger of steps that it does not have yet, in their order. What is not heard is told again.
    pub(crate) async fn tell_steps(&self) {
        loop {
            let Some((realm, step)) = self.guards.steps().front().cloned() else { return };
            match self.ledger.step_guard(realm, &step).await {
                Ok(_) => {}
                Err(fault) if fault.kind == FaultKind::Broken => {
                    // Telling it again does not help, and others wait behind it.
                    tracing::error!(
                        error = &fault as &dyn std::error::Error,
                        "a step of the runaway guard is not kept"
                    );
                }
                Err(fault) => {
                    tracing::debug!(error = &fault as &dyn std::error::Error, "a step of the runaway guard waits");
                    return;
                }
            }
            self.guards.steps().pop_front();
        }
    }
}

/// What an allowed call spent, feature by feature.
fn spent<'h>(handle: &'h Handle, decision: &Decision, moment: Moment) -> SmallVec<[Spent<'h>; 4]> {
    let spent = |used: &almoner_domain::decision::Use| {
        let (account, units) = used.kind.charged().filter(|(_, units)| !units.is_zero())?;
        let line = handle.lines.iter().find(|line| line.line.account == account)?;
        let left = line.purse.open().map_or(Units::ZERO, |state| {
            // What is held is not used yet.
            let held = state.tally.as_ref().map_or(Units::ZERO, Tally::held);
            state.remaining(moment.uptime).saturating_add(state.elsewhere).saturating_add(held)
        });
        let end = [handle.standing.expires_at, line.line.window.end].into_iter().flatten().min();
        let feature: &Feature = &line.feature;
        Some(Spent { feature, units, left, lasts: end.map(|end| end.saturating_since(moment.now)) })
    };
    decision.uses.iter().filter_map(spent).collect()
}

/// What tells calls apart: features, amounts, and what is said of the call.
fn fingerprint(call: &Call) -> u64 {
    let mut hasher = DefaultHasher::new();
    for used in &call.uses {
        (used.feature.id, used.amount.get()).hash(&mut hasher);
    }
    call.dimensions.hash(&mut hasher);
    hasher.finish()
}

/// What is guarded here is whole after each step, so a panic elsewhere cannot have broken it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
