//! One round: gather what is wanted, report, hear, and tell those who wait.

use super::{Courier, Errand, Want, Word};
use crate::answered::Answered;
use crate::config::GateConfig;
use crate::gate::Gate;
use crate::holds::Holds;
use crate::journal::Position;
use crate::lease::{Heard, Tally};
use crate::metrics::Metrics;
use crate::purse::{Purse, PurseState, Purses};
use crate::record::Record;
use crate::scribe::{Pending, Scribe};
use almoner_domain::entropy::Entropy;
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::hold::Hold;
use almoner_domain::id::{AccountId, HoldId, Id, LeaseId};
use almoner_domain::lease::{Incarnation, LeaseReply, LeaseReport, Wish};
use almoner_domain::ports::{LeaseBatch, Ledger};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Clock;
use almoner_domain::units::Units;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// A first lease is sized for so many calls like the one that waits.
const CALLS_AHEAD: i64 = 64;
/// Leases told of in one round, beside those that somebody waits for.
const REPORTS_MAX: usize = 1_000;
/// While the backlog is small the ledger is told for one part in so many of the time, so that calls have the processors.
const FLUSH_SHARE: u32 = 8;
/// The longest pause that this makes, for what is used is to be seen soon.
const FLUSH_PAUSE_MAX: std::time::Duration = std::time::Duration::from_secs(2);
/// After a fault the ledger is left alone for so long; those who wait are told at once.
const PAUSE_AFTER_FAULT: std::time::Duration = std::time::Duration::from_millis(200);

/// What a courier works with.
pub(crate) struct Rounds {
    pub(super) life: Incarnation,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) scribe: Arc<Scribe>,
    pub(super) purses: Arc<Purses>,
    pub(super) holds: Arc<Holds>,
    pub(super) answered: Arc<Answered>,
    pub(super) courier: Arc<Courier>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) config: GateConfig,
    pub(super) fenced: Arc<AtomicBool>,
    /// Decisions taken from the queue that the ledger does not have yet.
    pub(super) in_hand: Vec<Pending>,
    /// Leases on their way back.
    pub(super) settling: HashMap<LeaseId, Settling>,
    /// How many decisions go into one transaction: one after a batch that the store could not take.
    pub(super) decisions_max: usize,
    pub(super) last_flush: Instant,
    /// How long after the last flush the next is due.
    pub(super) flush_pause: std::time::Duration,
    pub(super) last_keep: Instant,
    /// The segment that says which life this is.
    pub(super) segment: u64,
}

/// A lease that has left its purse and is on its way back to the ledger.
pub(crate) struct Settling {
    pub(super) purse: Arc<Purse>,
    pub(super) tally: Tally,
    pub(super) holds: Vec<(HoldId, Units)>,
    pub(super) facts: Vec<Hold>,
    pub(super) segment: u64,
    pub(super) waiting: Vec<oneshot::Sender<Word>>,
}

/// What is wanted for one purse in one round.
pub(super) struct Ask {
    purse: Arc<Purse>,
    costs: Vec<Units>,
    give_back: bool,
    waiting: Vec<oneshot::Sender<Word>>,
    /// Those who want the ledger to know all that was used and held when they asked.
    tells: Vec<oneshot::Sender<Word>>,
}

/// A report on its way, and who waits for it.
struct Sent {
    report: LeaseReport,
    purse: Arc<Purse>,
    settling: bool,
    waiting: Vec<oneshot::Sender<Word>>,
    /// Those who want the ledger to know all that was used and held when they asked.
    tells: Vec<oneshot::Sender<Word>>,
    /// Was it made in an earlier round, and does it say less than is so now?
    stale: bool,
    /// Decisions on the purse that it does not cover have at least this number.
    number: u64,
}

/// What goes to the ledger in one transaction.
#[derive(Default)]
pub(super) struct Load {
    sent: Vec<Sent>,
    holds: Vec<Hold>,
    decisions: Vec<Pending>,
}

impl Rounds {
    /// The rounds of a gate whose life begins in this segment.
    pub(crate) fn of(gate: &Gate, segment: u64) -> Self {
        Self {
            life: gate.life,
            ledger: gate.ledger.clone(),
            clock: gate.clock.clone(),
            entropy: gate.entropy.clone(),
            scribe: gate.scribe.clone(),
            purses: gate.purses.clone(),
            holds: gate.holds.clone(),
            answered: gate.answered.clone(),
            courier: gate.courier.clone(),
            metrics: gate.metrics.clone(),
            config: gate.config.clone(),
            fenced: gate.fenced.clone(),
            in_hand: Vec::new(),
            settling: HashMap::new(),
            decisions_max: gate.config.flush_decisions_max,
            last_flush: Instant::now(),
            flush_pause: gate.config.flush_interval,
            last_keep: Instant::now(),
            segment,
        }
    }

    /// Runs rounds until the gate stops and `errands` is closed.
    pub(crate) async fn run(mut self, mut errands: mpsc::UnboundedReceiver<Errand>, mut stop: oneshot::Receiver<()>) {
        loop {
            let mut gathered = Vec::new();
            let behind = self.scribe.waiting().0 > self.config.backlog_calm;
            let pause = if behind { std::time::Duration::ZERO } else { self.flush_pause };
            tokio::select! {
                biased;
                _ = &mut stop => break,
                count = errands.recv_many(&mut gathered, self.config.calls_max) => if count == 0 { break },
                () = tokio::time::sleep_until(self.last_flush + pause) => {}
            }
            // Errands that came with the first one, and while the last round was under way.
            while gathered.len() < self.config.calls_max
                && let Ok(errand) = errands.try_recv()
            {
                gathered.push(errand);
            }
            self.round(gathered).await;
        }
        errands.close();
        while errands.try_recv().is_ok() {}
        self.finish().await;
    }

    /// The last rounds: everything goes back and the ledger hears of every decision, as far as it can be reached.
    async fn finish(&mut self) {
        for purse in self.purses.all() {
            if let Some(mut state) = purse.open() {
                state.closed = true;
            }
            self.start_settling(&purse, Vec::new());
        }
        // All of them are on their way back.
        drop(self.courier.take_changed(usize::MAX));
        // Twice as many rounds as there is to tell: a fault ends the attempt, and recovery tells the rest.
        for _ in 0..(self.scribe.waiting().0 / self.config.flush_decisions_max + 2) * 2 {
            self.flush_pause = std::time::Duration::ZERO;
            let heard = self.round(Vec::new()).await;
            let done = self.settling.is_empty() && self.in_hand.is_empty() && self.scribe.waiting().0 == 0;
            if done || !heard {
                break;
            }
        }
    }

    /// One round. False when some of it was not heard.
    pub(super) async fn round(&mut self, errands: Vec<Errand>) -> bool {
        let tells = errands.iter().any(|errand| errand.want == Want::Tell);
        let due = self.last_flush.elapsed() >= self.flush_pause;
        let behind = self.scribe.waiting().0 > self.config.backlog_calm;
        let flush = due || tells || behind;
        if flush && self.in_hand.len() < self.decisions_max {
            // Decisions first and then what is used: what the ledger has of decisions never exceeds what it has of use.
            self.in_hand.extend(self.scribe.take(self.decisions_max - self.in_hand.len()));
        }
        let begun = self.scribe.next_number();
        let mut loads: BTreeMap<Realm, Load> = BTreeMap::new();
        self.load_errands(errands, &mut loads);
        if flush {
            self.last_flush = Instant::now();
            self.load_changed(&mut loads, begun);
        }
        self.load_settling(&mut loads);
        if flush {
            self.load_decisions(&mut loads);
        }
        let heard = self.send_all(loads).await;
        if flush {
            let took = self.last_flush.elapsed();
            self.flush_pause = (took * FLUSH_SHARE).min(FLUSH_PAUSE_MAX).max(self.config.flush_interval);
            self.keep().await;
        }
        heard
    }

    fn load_errands(&mut self, errands: Vec<Errand>, loads: &mut BTreeMap<Realm, Load>) {
        let mut asks: BTreeMap<AccountId, Ask> = BTreeMap::new();
        for errand in errands {
            if errand.want == Want::Settle {
                self.start_settling(&errand.purse, vec![errand.done]);
                continue;
            }
            let fresh = || Ask {
                purse: errand.purse.clone(),
                costs: Vec::new(),
                give_back: false,
                waiting: Vec::new(),
                tells: Vec::new(),
            };
            let ask = asks.entry(errand.purse.account).or_insert_with(fresh);
            match errand.want {
                Want::Raise { cost, .. } => ask.costs.push(cost),
                Want::GiveBack => ask.give_back = true,
                Want::Tell | Want::Settle => {
                    ask.tells.push(errand.done);
                    continue;
                }
            }
            ask.waiting.push(errand.done);
        }
        for ask in asks.into_values() {
            self.load_ask(ask, loads);
        }
    }

    fn load_ask(&mut self, mut ask: Ask, loads: &mut BTreeMap<Realm, Load>) {
        let now = self.clock.uptime();
        if ask.purse.open().is_some_and(|state| state.is_spent(now)) {
            // Its term is over: it goes back, and what it holds stands in the ledger from now on.
            self.start_settling(&ask.purse, Vec::new());
        }
        let purse = ask.purse.clone();
        let Some(mut state) = purse.open() else {
            ask.waiting.append(&mut ask.tells);
            return tell(&mut ask.waiting, &Err("a part has failed".into()));
        };
        let wish = match wish(&ask, &state, now) {
            Some(wish) => wish,
            None if ask.tells.is_empty() => return tell(&mut ask.waiting, &Ok(())),
            None => {
                // The units that were waited for are here; whoever wants the ledger to know still has to wait.
                tell(&mut ask.waiting, &Ok(()));
                Wish::Keep
            }
        };
        if matches!(wish, Wish::Raise { .. })
            && state.tally.is_none()
            && let Err(why) = self.open_lease(&purse, &mut state)
        {
            ask.waiting.append(&mut ask.tells);
            return tell(&mut ask.waiting, &Err(why));
        }
        let Some(tally) = &mut state.tally else {
            tell(&mut ask.waiting, &Ok(()));
            return self.tell_when_settled(purse.account, &mut ask.tells);
        };
        let report = tally.report(wish, now);
        let stale = tally.is_ahead_of(&report);
        let number = self.scribe.next_number();
        drop(state);
        let sent = Sent { report, purse, settling: false, waiting: ask.waiting, tells: ask.tells, stale, number };
        loads.entry(sent.purse.realm).or_default().sent.push(sent);
    }

    /// Opens a lease. Its record comes before any use of it.
    fn open_lease(&self, purse: &Purse, state: &mut PurseState) -> Word {
        let lease = LeaseId::new(self.clock.now(), &*self.entropy);
        let record = Record::Opened { realm: purse.realm, lease, account: purse.account };
        let ticket = self.scribe.write(&record).map_err(|why| why.to_string())?;
        state.segment = ticket.position().segment;
        state.tally = Some(Tally::opened(lease, purse.account));
        Ok(())
    }

    /// Only decisions on purses of which the ledger hears in this round, or has heard since. An older report, told again, does
    /// not say what has been decided since it was made: then all decisions wait for the next round.
    fn load_decisions(&mut self, loads: &mut BTreeMap<Realm, Load>) {
        let stale = loads.values().flat_map(|load| &load.sent).any(|sent| sent.stale);
        let below = if stale { 0 } else { self.courier.told_below() };
        let count = self.in_hand.iter().take_while(|pending| pending.number < below).count();
        for pending in self.in_hand.drain(..count) {
            loads.entry(pending.realm).or_default().decisions.push(pending);
        }
    }

    /// `begun`: the number of the next decision when the round began.
    fn load_changed(&mut self, loads: &mut BTreeMap<Realm, Load>, begun: u64) {
        let now = self.clock.uptime();
        for purse in self.courier.take_changed(REPORTS_MAX) {
            let Some(mut state) = purse.open() else { continue };
            let Some(tally) = &mut state.tally else { continue };
            if tally.is_reporting() && loads.get(&purse.realm).is_some_and(|load| load.reports(tally.id())) {
                // Reported in this round already, at a state that may be older: it is told of in the next.
                state.dirty_since = None;
                self.courier.note_change(&purse, &mut state, now, begun);
                continue;
            }
            let report = tally.report(Wish::Keep, now);
            let stale = tally.is_ahead_of(&report);
            let number = self.scribe.next_number();
            drop(state);
            let realm = purse.realm;
            let (waiting, tells) = (Vec::new(), Vec::new());
            let sent = Sent { report, purse, settling: false, waiting, tells, stale, number };
            loads.entry(realm).or_default().sent.push(sent);
        }
    }

    fn load_settling(&mut self, loads: &mut BTreeMap<Realm, Load>) {
        let now = self.clock.uptime();
        for settling in self.settling.values_mut() {
            let report = settling.tally.report(Wish::Settle { holds: settling.holds.clone() }, now);
            let stale = settling.tally.is_ahead_of(&report);
            let load = loads.entry(settling.purse.realm).or_default();
            load.holds.extend(settling.facts.iter().cloned());
            load.sent.push(Sent {
                report,
                purse: settling.purse.clone(),
                settling: true,
                waiting: std::mem::take(&mut settling.waiting),
                tells: Vec::new(),
                stale,
                // Nothing is decided on it any more.
                number: u64::MAX,
            });
        }
    }

    async fn send_all(&mut self, loads: BTreeMap<Realm, Load>) -> bool {
        if loads.is_empty() {
            return true;
        }
        // What the ledger hears of must be found again after a crash: else units would be charged that nobody answers for.
        let durable = self.scribe.journal().sync().durable().await.map_err(|why| why.to_string());
        let mut last = None;
        let mut heard = true;
        for (realm, load) in loads {
            last = last.max(load.decisions.last().map(|pending| pending.position));
            heard &= match &durable {
                Ok(_) => self.send(realm, load).await,
                Err(why) => self.not_heard(load, why),
            };
        }
        if let Some(last) = last
            && self.in_hand.first().is_none_or(|pending| pending.position > last)
        {
            self.note_stored(last);
        }
        heard
    }

    async fn send(&mut self, realm: Realm, load: Load) -> bool {
        let batch = LeaseBatch {
            reports: load.sent.iter().map(|sent| sent.report.clone()).collect(),
            holds: load.holds.clone(),
            decisions: load.decisions.iter().map(|pending| pending.decision.as_ref().clone()).collect(),
        };
        match self.ledger.settle(realm, self.life, &batch).await {
            Ok(replies) => {
                self.heard(load, replies);
                true
            }
            Err(fault) => self.fault(load, &fault).await,
        }
    }

    fn heard(&mut self, load: Load, replies: Vec<LeaseReply>) {
        for pending in &load.decisions {
            self.answered.stored(&pending.decision);
        }
        self.decisions_max = (self.decisions_max * 2).min(self.config.flush_decisions_max);
        for (sent, reply) in load.sent.into_iter().zip(replies) {
            if sent.settling { self.heard_settling(sent, reply) } else { self.heard_lease(sent, reply) }
        }
    }

    fn heard_lease(&mut self, mut sent: Sent, reply: LeaseReply) {
        let now = self.clock.uptime();
        let Some(mut state) = sent.purse.open() else { return };
        let heard = match &mut state.tally {
            Some(tally) if tally.id() == sent.report.lease => tally.applied(reply),
            // It left the purse in the meantime and is on its way back, where the same report is answered again.
            _ => {
                drop(state);
                tell(&mut sent.waiting, &Ok(()));
                return self.tell_when_settled(sent.purse.account, &mut sent.tells);
            }
        };
        match heard {
            Heard::Settled { free, elsewhere, recalled, closed } => {
                state.free = free;
                state.elsewhere = elsewhere;
                state.closed |= closed;
                if matches!(sent.report.wish, Wish::Raise { .. }) {
                    state.given_since_raise = Units::ZERO;
                }
                self.note_told(&sent, &mut state, now);
                drop(state);
                if closed {
                    self.start_settling(&sent.purse, Vec::new());
                } else if recalled {
                    drop(self.courier.ask(sent.purse.clone(), Want::GiveBack));
                }
                tell(&mut sent.waiting, &Ok(()));
                if sent.stale {
                    // That was an older report; what came after it goes out in the next round.
                    sent.tells.into_iter().for_each(|done| self.courier.ask_for(sent.purse.clone(), Want::Tell, done));
                } else {
                    self.tell_when_settled(sent.purse.account, &mut sent.tells);
                }
            }
            Heard::Stopped | Heard::Fenced => {
                tracing::error!(lease = %sent.report.lease, ?reply, "the ledger and this gate disagree about a lease; it is given up and stays charged");
                self.metrics.lease_lost();
                state.tally = None;
                state.dirty_since = None;
                state.holds.clear();
                drop(state);
                if heard == Heard::Fenced {
                    self.fenced.store(true, Ordering::Release);
                }
                sent.waiting.append(&mut sent.tells);
                tell(&mut sent.waiting, &Err("a lease was lost".to_owned()));
            }
        }
    }

    /// The ledger knows what the report said; what came after it is told of in a coming round.
    fn note_told(&self, sent: &Sent, state: &mut PurseState, now: almoner_domain::time::Uptime) {
        let same = |tally: &Tally| !tally.is_ahead_of(&sent.report);
        let was_dirty = state.dirty_since.take().is_some();
        if was_dirty && !state.tally.as_ref().is_some_and(same) {
            self.courier.note_change(&sent.purse, state, now, sent.number);
        }
    }

    fn heard_settling(&mut self, mut sent: Sent, reply: LeaseReply) {
        let Some(settling) = self.settling.get_mut(&sent.report.lease) else { return };
        let heard = settling.tally.applied(reply);
        let again = matches!(heard, Heard::Settled { .. }) && !matches!(sent.report.wish, Wish::Settle { .. });
        if again {
            // That was an older report; the one that ends the lease goes out in the next round.
            settling.waiting.append(&mut sent.waiting);
            return;
        }
        if !matches!(heard, Heard::Settled { .. }) {
            tracing::error!(lease = %sent.report.lease, ?reply, "a lease could not be settled; it stays charged");
            self.metrics.lease_lost();
        }
        if let Some(mut settled) = self.settling.remove(&sent.report.lease) {
            self.holds.moved(settled.holds.iter().map(|(id, _)| *id));
            sent.waiting.append(&mut settled.waiting);
        }
        // Not written: recovery settles it again, which changes nothing.
        let _ = self.scribe.write(&Record::Closed { lease: sent.report.lease });
        self.purses.forget_if_empty(sent.purse.account);
        self.tell_when_settled(sent.purse.account, &mut sent.waiting);
    }

    /// Tells those who wait, once no lease of the account is on its way back any more: until then the ledger does not know
    /// all that was used of it here.
    pub(super) fn tell_when_settled(&mut self, account: AccountId, waiting: &mut Vec<oneshot::Sender<Word>>) {
        match self.settling.values_mut().find(|settling| settling.purse.account == account) {
            Some(settling) => settling.waiting.append(waiting),
            None => tell(waiting, &Ok(())),
        }
    }

    async fn fault(&mut self, load: Load, fault: &Fault) -> bool {
        tracing::warn!(error = fault as &dyn std::error::Error, "the ledger was not heard");
        self.metrics.ledger_fault();
        if fault.kind == FaultKind::Broken && !load.decisions.is_empty() {
            return self.isolate(load);
        }
        let heard = self.not_heard(load, "the store is away");
        tokio::time::sleep(PAUSE_AFTER_FAULT).await;
        heard
    }

    /// One record that the store cannot take must not hold up the others: batches shrink until it is alone.
    fn isolate(&mut self, mut load: Load) -> bool {
        if load.decisions.len() == 1 {
            let bad = load.decisions.remove(0);
            tracing::error!(decision = %bad.decision.id, "the store cannot take this decision; it stays in the journal alone");
            self.metrics.decision_unstorable();
            self.holds.pin(bad.position.segment);
        } else {
            self.decisions_max = (load.decisions.len() / 2).max(1);
        }
        self.not_heard(load, "the store refuses a record")
    }

    fn not_heard(&mut self, load: Load, why: &str) -> bool {
        self.in_hand.extend(load.decisions);
        self.in_hand.sort_by_key(|pending| pending.position);
        let now = self.clock.uptime();
        for mut sent in load.sent {
            if let Some(settling) = self.settling.get_mut(&sent.report.lease) {
                settling.waiting.append(&mut sent.waiting);
            } else if let Some(mut state) = sent.purse.open() {
                // Told again, word for word, in a coming round.
                state.dirty_since = None;
                self.courier.note_change(&sent.purse, &mut state, now, sent.number);
            }
            sent.waiting.append(&mut sent.tells);
            tell(&mut sent.waiting, &Err(why.to_owned()));
        }
        false
    }

    fn note_stored(&mut self, last: Position) {
        // Not written: recovery tells the ledger again, which stores each decision once.
        let _ = self.scribe.write(&Record::Stored { segment: last.segment, offset: last.offset });
    }
}

impl Load {
    fn reports(&self, lease: LeaseId) -> bool {
        self.sent.iter().any(|sent| sent.report.lease == lease)
    }
}

/// What to ask the ledger for, or none when what somebody waited for is here by now.
fn wish(ask: &Ask, state: &PurseState, now: almoner_domain::time::Uptime) -> Option<Wish> {
    if ask.give_back {
        return Some(Wish::GiveBack);
    }
    let Some(least) = ask.costs.iter().copied().min() else { return Some(Wish::Keep) };
    if state.closed {
        return None;
    }
    let idle = state.idle(now);
    let need = least.saturating_sub(idle);
    let all = ask.costs.iter().copied().sum::<Units>().saturating_sub(idle);
    if need.is_zero() && all.is_zero() {
        return None;
    }
    let ahead = Units::new(least.get().saturating_mul(CALLS_AHEAD)).unwrap_or(Units::ZERO);
    let rate = state.given_since_raise.saturating_add(state.given_since_raise);
    let need = if need.is_zero() { all.min(Units::new(1).unwrap_or(Units::ZERO)) } else { need };
    Some(Wish::Raise { need, want: all.max(ahead).max(rate) })
}

fn tell(waiting: &mut Vec<oneshot::Sender<Word>>, word: &Word) {
    for done in waiting.drain(..) {
        // Whoever no longer waits does not need to know.
        let _ = done.send(word.clone());
    }
}
