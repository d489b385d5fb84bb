//! A gate process: it serves calls from leases by the production arithmetic, and answers once its disk has the record.

use super::disk::{Disk, Record};
use super::rules::Rules;
use almoner_domain::hold::Hold;
use almoner_domain::id::{AccountId, AllocationId, HoldId, LeaseId};
use almoner_domain::lease::Incarnation;
use almoner_domain::ports::SubjectName;
use almoner_domain::principal::Principals;
use almoner_domain::tenant::Realm;
use almoner_domain::time::{Timestamp, Uptime};
use almoner_domain::units::Units;
use almoner_gate::lease::Tally;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// What a customer names to draw on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Subject(SubjectName),
    Allocation(AllocationId),
}

/// A call that a customer waits for.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) amount: Units,
    /// A hold to open, where the cost is not known yet.
    pub(crate) hold: Option<HoldId>,
    pub(crate) arrived: Timestamp,
    /// The fewest units that were free in the ledger at any time since the call arrived.
    pub(crate) least_free: Units,
    /// The attempt that asks the ledger on its behalf; answered ones are `heard`.
    pub(crate) attempt: Option<u64>,
    pub(crate) heard: bool,
}

/// What a gate knows of what it serves, until it hears otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(crate) account: AccountId,
    pub(crate) principals: Principals,
    pub(crate) until: Option<Timestamp>,
}

/// An answer that waits for the disk.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) account: AccountId,
    pub(crate) lease: LeaseId,
    /// Units spent for good.
    pub(crate) spent: Units,
    /// A hold that the customer has from now on.
    pub(crate) opened: Option<HoldId>,
}

/// Units of one account at one gate.
#[derive(Debug)]
pub(crate) struct Purse {
    pub(crate) realm: Realm,
    pub(crate) account: AccountId,
    pub(crate) principals: Principals,
    pub(crate) tally: Option<Tally>,
    pub(crate) closed: bool,
    pub(crate) free: Units,
    pub(crate) elsewhere: Units,
    pub(crate) holds: BTreeMap<HoldId, (Units, Timestamp)>,
    pub(crate) dirty: bool,
    pub(crate) recalled: bool,
    pub(crate) given: Units,
    /// A mark that takes effect when its record is on the disk.
    pub(crate) mark_on_its_way: Option<(Units, usize)>,
    /// Held units that came free by a record which may not be on the disk yet.
    pub(crate) loosened_at: Option<usize>,
    pub(crate) waiting: Vec<Call>,
}

/// A lease on its way back to the ledger.
#[derive(Debug)]
pub(crate) struct Settling {
    pub(crate) realm: Realm,
    pub(crate) tally: Tally,
    pub(crate) holds: Vec<(HoldId, Units)>,
    pub(crate) facts: Vec<Hold>,
}

/// What a gate has of a realm's messages under way.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) number: u64,
    pub(crate) realm: Realm,
    pub(crate) at: Uptime,
    pub(crate) leases: Vec<LeaseId>,
}

/// One gate.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) index: usize,
    pub(crate) life: Incarnation,
    pub(crate) up: bool,
    /// Its requests, and the answers to it, do not arrive.
    pub(crate) mute: bool,
    pub(crate) deaf: bool,
    pub(crate) fast: bool,
    /// Are marks on their way forgotten with their leases?
    pub(crate) forgets_marks: bool,
    /// Its steady clock runs at so many percent of the true one.
    pub(crate) rate: u64,
    /// Its civil clock is so many milliseconds ahead.
    pub(crate) ahead_ms: i64,
    pub(crate) disk: Disk,
    pub(crate) handles: HashMap<(Realm, Target), Handle>,
    pub(crate) purses: BTreeMap<AccountId, Purse>,
    pub(crate) settling: BTreeMap<LeaseId, Settling>,
    pub(crate) answers: Vec<(usize, Answer)>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) position: Option<i64>,
}

/// What came of a call at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is being served.
    Taken,
    /// It waits for the ledger.
    Waits,
    /// The units are spent.
    Exhausted,
    /// Nothing is served from this any more.
    Closed,
}

/// How long a call waits for units that other gates hold idle.
pub(crate) const RECALL_PATIENCE: Duration = Duration::from_secs(20);
/// How long a call waits for the ledger at all.
pub(crate) const LEDGER_PATIENCE: Duration = Duration::from_secs(30);

impl Gate {
    pub(crate) fn new(index: usize, life: Incarnation) -> Self {
        Self {
            index,
            life,
            up: false,
            mute: false,
            deaf: false,
            fast: false,
            forgets_marks: true,
            rate: 100,
            ahead_ms: 0,
            disk: Disk::default(),
            handles: HashMap::new(),
            purses: BTreeMap::new(),
            settling: BTreeMap::new(),
            answers: Vec::new(),
            attempts: Vec::new(),
            position: None,
        }
    }

    pub(crate) fn uptime(&self, now: Timestamp) -> Uptime {
        let micros = u64::try_from(now.as_micros()).unwrap_or(0);
        Uptime::from_micros(micros / 100 * self.rate)
    }

    pub(crate) fn civil(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_micros(now.as_micros() + self.ahead_ms * 1_000)
    }

    pub(crate) fn reaches_ledger(&self) -> bool {
        self.up && !self.mute && !self.deaf
    }

    pub(crate) fn purse(&mut self, realm: Realm, handle: &Handle) -> &mut Purse {
        self.purses.entry(handle.account).or_insert_with(|| Purse::new(realm, handle))
    }

    /// Serves a call from what is here, or says why not.
    pub(crate) fn serve<R: Rules>(&mut self, account: AccountId, call: &Call, now: Timestamp) -> Outcome {
        let (uptime, civil) = (self.uptime(now), self.civil(now));
        let Some(purse) = self.purses.get_mut(&account) else { return Outcome::Closed };
        if purse.closed {
            return Outcome::Closed;
        }
        let idle = purse.idle(uptime);
        let taken = purse.tally.as_mut().is_some_and(|tally| {
            tally.live(uptime)
                && match call.hold {
                    Some(_) => tally.set_aside(call.amount),
                    None => R::take(tally, call.amount),
                }
        });
        if !taken {
            let within_reach = idle.saturating_add(purse.free);
            let out_of_patience = now.saturating_since(call.arrived) > RECALL_PATIENCE;
            let reach = within_reach.saturating_add(if out_of_patience { Units::ZERO } else { purse.elsewhere });
            return if call.heard && call.amount > reach { Outcome::Exhausted } else { Outcome::Waits };
        }
        let lease = purse.tally.as_ref().map_or_else(|| unreachable!("just taken from"), Tally::id);
        purse.given = purse.given.saturating_add(call.amount);
        purse.dirty = true;
        let until = civil.saturating_add(Duration::from_secs(60));
        let record = match call.hold {
            None => Record::Used(lease, call.amount),
            Some(hold) => {
                purse.holds.insert(hold, (call.amount, until));
                Record::Held(lease, hold, call.amount, until)
            }
        };
        let position = self.disk.append(record);
        let spent = if call.hold.is_some() { Units::ZERO } else { call.amount };
        let answer = Answer { account, lease, spent, opened: call.hold };
        let covered = self.fast && self.covered::<R>(account);
        self.answers.push((if covered { 0 } else { position }, answer));
        Outcome::Taken
    }

    /// Calls that wait for units which are here by now, or that nobody will serve any more.
    pub(crate) fn wake(&mut self, now: Timestamp) -> Vec<(AccountId, Call)> {
        let (uptime, mut woken) = (self.uptime(now), Vec::new());
        for purse in self.purses.values_mut().filter(|purse| !purse.waiting.is_empty()) {
            let (idle, closed) = (purse.idle(uptime), purse.closed);
            let ready = |call: &mut Call| closed || call.amount <= idle;
            woken.extend(purse.waiting.extract_if(.., ready).map(|call| (purse.account, call)));
        }
        woken
    }

    /// In `fast` mode: does a synced mark cover what is used and held? Keeps the mark running ahead.
    fn covered<R: Rules>(&mut self, account: AccountId) -> bool {
        let Some(purse) = self.purses.get_mut(&account) else { return false };
        let disk = &self.disk;
        let durable = |position| !R::DISK_FIRST || disk.is_synced(position);
        let Some(tally) = &mut purse.tally else { return false };
        if let Some((mark, position)) = purse.mark_on_its_way
            && durable(position)
        {
            tally.raise_mark(mark);
            purse.mark_on_its_way = None;
        }
        // Recovery takes what a synced record says is held as held: it may have come free and been spent since.
        let loose = R::LOOSENS_ON_DISK && purse.loosened_at.is_some_and(|position| !durable(position));
        let chunk = Units::new(tally.idle().get() / 8 + 1).unwrap_or(Units::ZERO);
        if purse.mark_on_its_way.is_none() && tally.next_mark(Units::new(1).unwrap_or(Units::ZERO)) > tally.mark() {
            let mark = tally.next_mark(chunk);
            purse.mark_on_its_way = Some((mark, self.disk.append(Record::Marked(tally.id(), mark))));
        }
        tally.within_mark() && !loose
    }

    /// Settles a hold that is open here: `Some` when it was, with what was spent.
    pub(crate) fn settle_hold(
        &mut self,
        account: AccountId,
        hold: HoldId,
        actual: Units,
        expires: bool,
        now: Timestamp,
    ) -> Option<Units> {
        let (uptime, civil) = (self.uptime(now), self.civil(now));
        let purse = self.purses.get_mut(&account)?;
        let (amount, until) = *purse.holds.get(&hold)?;
        if (until <= civil) != expires {
            return None;
        }
        let live = purse.tally.as_ref().is_some_and(|tally| tally.live(uptime)) && !purse.closed;
        let tally = purse.tally.as_mut()?;
        purse.holds.remove(&hold);
        let within = actual.min(amount);
        tally.spend_held(amount, within);
        let excess = if live { actual.saturating_sub(within).min(tally.idle()) } else { Units::ZERO };
        tally.take(excess);
        let spent = within.saturating_add(excess);
        let lease = tally.id();
        purse.dirty = true;
        let position = self.disk.append(Record::Unheld(lease, hold, spent));
        purse.loosened_at = Some(position);
        if !expires {
            self.answers.push((position, Answer { account, lease, spent, opened: None }));
        }
        Some(spent)
    }

    /// Answers whose records are on the disk.
    pub(crate) fn answered<R: Rules>(&mut self) -> Vec<Answer> {
        let disk = &self.disk;
        let ready = |position: usize| !R::DISK_FIRST || disk.is_synced(position);
        let (out, stay) = std::mem::take(&mut self.answers).into_iter().partition(|(position, _)| ready(*position));
        self.answers = stay;
        let out: Vec<(usize, Answer)> = out;
        out.into_iter().map(|(_, answer)| answer).collect()
    }
}

impl Purse {
    fn new(realm: Realm, handle: &Handle) -> Self {
        Self {
            realm,
            account: handle.account,
            principals: handle.principals,
            tally: None,
            closed: false,
            free: Units::ZERO,
            elsewhere: Units::ZERO,
            holds: BTreeMap::new(),
            dirty: false,
            recalled: false,
            given: Units::ZERO,
            mark_on_its_way: None,
            loosened_at: None,
            waiting: Vec::new(),
        }
    }

    pub(crate) fn idle(&self, now: Uptime) -> Units {
        match &self.tally {
            Some(tally) if !self.closed && tally.live(now) => tally.idle(),
            _ => Units::ZERO,
        }
    }
}
