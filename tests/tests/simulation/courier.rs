//! What a gate tells the ledger: one attempt a realm at a time, each report again and again until it is answered.

use super::disk::Record;
use super::gate::{Attempt, Call, Gate, Purse, Settling};
use super::network::{Reply, Request};
use almoner_domain::hold::Hold;
use almoner_domain::id::{AccountId, LeaseId};
use almoner_domain::lease::{LeaseReply, Wish};
use almoner_domain::ports::LeaseBatch;
use almoner_domain::tenant::Realm;
use almoner_domain::time::{Timestamp, Uptime};
use almoner_domain::units::Units;
use almoner_gate::lease::{Heard, Tally};
use std::time::Duration;

/// An attempt without an answer is given up after this, and its reports go out again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// A first lease is sized for so many calls like the one that waits.
const CALLS_AHEAD: i64 = 16;

impl Gate {
    /// What the gate has to say in a realm now; `flush`: also what it has just used. It is on the disk before it is said.
    /// `number` is the attempt's, `lease` the id of a lease that may have to be opened.
    pub(crate) fn round(
        &mut self,
        realm: Realm,
        now: Timestamp,
        flush: bool,
        number: u64,
        lease: LeaseId,
    ) -> Option<Request> {
        let uptime = self.uptime(now);
        self.attempts.retain(|attempt| uptime.saturating_since(attempt.at) < ATTEMPT_TIMEOUT);
        if !self.up || self.attempts.iter().any(|attempt| attempt.realm == realm) {
            return None;
        }
        self.retire(realm, uptime);
        let mut batch = LeaseBatch::default();
        let mut fresh = Some(lease);
        for purse in self.purses.values_mut().filter(|purse| purse.realm == realm) {
            let Some(wish) = purse.wish(uptime, flush) else { continue };
            if purse.tally.is_none() {
                // One new lease a round: its id is the caller's.
                let Some(lease) = fresh.take() else { continue };
                self.disk.append(Record::Opened(lease));
                purse.tally = Some(Tally::opened(lease, purse.account));
            }
            let Some(tally) = &mut purse.tally else { continue };
            batch.reports.push(tally.report(wish, uptime));
            purse.dirty = false;
            purse.waiting.iter_mut().for_each(|call| call.attempt = Some(number));
        }
        for settling in self.settling.values_mut().filter(|settling| settling.realm == realm) {
            batch.reports.push(settling.tally.report(Wish::Settle { holds: settling.holds.clone() }, uptime));
            batch.holds.extend(settling.facts.iter().cloned());
        }
        if batch.reports.is_empty() {
            return None;
        }
        // What gives comes before what takes: the answer to a call must know of every unit that came back with it.
        batch.reports.sort_by_key(|report| matches!(report.wish, Wish::Raise { .. }));
        self.disk.sync();
        let leases = batch.reports.iter().map(|report| report.lease).collect();
        self.attempts.push(Attempt { number, realm, at: uptime, leases });
        Some(Request { gate: self.index, attempt: number, by: self.life, realm, batch })
    }

    /// Sends back leases whose term is over, whose account is closed, or that nobody used for half a term.
    fn retire(&mut self, realm: Realm, now: Uptime) {
        let spent = |purse: &Purse| {
            purse.tally.as_ref().is_some_and(|tally| {
                let over = !tally.is_new() && !tally.is_reporting() && !tally.live(now);
                let unused = tally.wants_word(now) && !tally.is_reporting() && purse.is_unused();
                over || purse.closed || unused
            })
        };
        let due: Vec<AccountId> =
            self.purses.values().filter(|p| p.realm == realm && spent(p)).map(|p| p.account).collect();
        due.into_iter().for_each(|account| self.start_settling(account));
    }

    /// Takes the lease out of a purse and sends it back, holds and all.
    pub(crate) fn start_settling(&mut self, account: AccountId) {
        let Some(purse) = self.purses.get_mut(&account) else { return };
        let Some(tally) = purse.tally.take() else { return };
        let held = std::mem::take(&mut purse.holds);
        let principals = purse.principals;
        let fact = |(id, (_, expires_at)): (&_, &(Units, Timestamp))| Hold {
            id: *id,
            allocation: None,
            principals,
            expires_at: *expires_at,
            open: true,
            parts: Vec::new(),
        };
        let facts = held.iter().map(fact).collect();
        let holds = held.iter().map(|(id, (amount, _))| (*id, *amount)).collect();
        (purse.dirty, purse.recalled, purse.free) = (false, false, Units::ZERO);
        purse.loosened_at = None;
        if self.forgets_marks {
            purse.mark_on_its_way = None;
        }
        let realm = purse.realm;
        self.settling.insert(tally.id(), Settling { realm, tally, holds, facts });
    }

    /// Sends back every lease; nobody waits for units any more.
    pub(crate) fn return_everything(&mut self) {
        self.purses.values_mut().for_each(|purse| purse.waiting.clear());
        let accounts: Vec<AccountId> = self.purses.keys().copied().collect();
        accounts.into_iter().for_each(|account| self.start_settling(account));
    }

    /// Hears the answer to an attempt, unless it was given up. Answers what went wrong, and calls that may go on.
    pub(crate) fn hear(&mut self, reply: &Reply) -> Result<Vec<(AccountId, Call)>, String> {
        let known = self.attempts.iter().position(|attempt| attempt.number == reply.attempt);
        let Some(attempt) = known.filter(|_| self.up && self.life == reply.by).map(|at| self.attempts.remove(at))
        else {
            return Ok(Vec::new());
        };
        for (lease, reply) in attempt.leases.iter().zip(&reply.replies) {
            if self.settling.contains_key(lease) {
                self.hear_settling(*lease, *reply)?;
            } else {
                self.hear_lease(*lease, *reply)?;
            }
        }
        let mut woken = Vec::new();
        for purse in self.purses.values_mut() {
            let asked = |call: &mut Call| call.attempt == Some(attempt.number);
            for mut call in purse.waiting.extract_if(.., asked) {
                (call.heard, call.attempt) = (true, None);
                woken.push((purse.account, call));
            }
        }
        Ok(woken)
    }

    fn hear_lease(&mut self, lease: LeaseId, reply: LeaseReply) -> Result<(), String> {
        let found = self.purses.values_mut().find(|purse| purse.tally.as_ref().is_some_and(|t| t.id() == lease));
        let Some(purse) = found else { return Ok(()) };
        let Some(tally) = &mut purse.tally else { return Ok(()) };
        match tally.applied(reply) {
            Heard::Settled { free, elsewhere, recalled, closed } => {
                (purse.free, purse.elsewhere, purse.given) = (free, elsewhere, Units::ZERO);
                purse.closed |= closed;
                purse.recalled |= recalled;
                Ok(())
            }
            Heard::Stopped | Heard::Fenced => Err(format!("a live gate was told {reply:?} of {lease}")),
        }
    }

    fn hear_settling(&mut self, lease: LeaseId, reply: LeaseReply) -> Result<(), String> {
        let Some(settling) = self.settling.get_mut(&lease) else { return Ok(()) };
        let last = settling.tally.settles();
        match settling.tally.applied(reply) {
            Heard::Settled { .. } if !last => Ok(()),
            Heard::Settled { .. } => {
                self.settling.remove(&lease);
                self.disk.append(Record::Closed(lease));
                Ok(())
            }
            Heard::Stopped | Heard::Fenced => Err(format!("{lease} could not be settled: {reply:?}")),
        }
    }
}

/// Is the report on its way the one that ends the lease?
trait Settles {
    fn settles(&self) -> bool;
}

impl Settles for Tally {
    fn settles(&self) -> bool {
        let mut copy = self.clone();
        matches!(copy.report(Wish::Keep, Uptime::from_micros(0)).wish, Wish::Settle { .. })
    }
}

impl Purse {
    fn is_unused(&self) -> bool {
        self.given.is_zero() && self.holds.is_empty() && self.waiting.is_empty()
    }

    /// What is wanted of the ledger, if anything.
    fn wish(&mut self, now: Uptime, flush: bool) -> Option<Wish> {
        let told = self.tally.as_ref().is_some_and(|tally| !tally.is_new());
        if std::mem::take(&mut self.recalled) && told {
            return Some(Wish::GiveBack);
        }
        let idle = self.idle(now);
        let costs: Vec<Units> = self.waiting.iter().map(|call| call.amount).collect();
        if let Some(least) = costs.iter().min().filter(|_| !self.closed) {
            let need = least.saturating_sub(idle);
            let all = costs.iter().copied().sum::<Units>().saturating_sub(idle);
            let ahead = Units::new(least.get() * CALLS_AHEAD).unwrap_or(Units::ZERO);
            let rate = self.given.saturating_add(self.given);
            return Some(Wish::Raise { need, want: all.max(ahead).max(rate) });
        }
        let tally = self.tally.as_ref()?;
        (self.dirty && flush || tally.is_reporting() || tally.wants_word(now)).then_some(Wish::Keep)
    }
}
