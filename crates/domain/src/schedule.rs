//! Schedules: what recurs, whose turn it is now, and how it went the last time.
//!
//! A schedule belongs to the installation. Of any number of runners one claims each slot; a claim lasts until its outcome is
//! reported or the schedule's patience is over, so that a slow run is not overtaken by the next and a dead runner holds
//! nothing up for long. A slot that was missed is not made up for: the next one does what there is to do.

use crate::time::Timestamp;
use std::time::Duration;

/// The longest text that is kept of an error, in bytes.
pub const ERROR_BYTES_MAX: usize = 500;

/// A schedule to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSchedule {
    /// Its name, unique on the installation.
    pub name: &'static str,
    /// From one slot to the next.
    pub period: Duration,
    /// How long a claim holds the next one up when nobody reports how it went.
    pub patience: Duration,
}

/// Something that recurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its name, unique on the installation.
    pub name: String,
    /// From one slot to the next.
    pub period: Duration,
    /// How long a claim holds the next one up when nobody reports how it went.
    pub patience: Duration,
    /// When its next slot begins.
    pub next_at: Timestamp,
    /// When the slot that is being worked on was claimed; none between two.
    pub claimed_at: Option<Timestamp>,
    /// When a run last ended.
    pub ran_at: Option<Timestamp>,
    /// When a run last ended well.
    pub succeeded_at: Option<Timestamp>,
    /// Runs that ended, well or not.
    pub runs: u64,
    /// Runs that failed.
    pub failures: u64,
    /// What the last run that failed said, shortened. It holds no secrets.
    pub last_error: Option<String>,
}

/// One turn of a schedule, claimed by one runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Of which schedule.
    pub schedule: String,
    /// When it was due: with the schedule's name, what tells it from all others.
    pub due_at: Timestamp,
    /// When it was claimed.
    pub claimed_at: Timestamp,
}

/// How a slot's work went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which.
    pub slot: Slot,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why it failed; none where it went well.
    pub error: Option<String>,
}

impl Schedule {
    /// A schedule whose first slot is now.
    pub fn begin(new: NewSchedule, now: Timestamp) -> Self {
        Self {
            name: new.name.to_owned(),
            period: new.period,
            patience: new.patience,
            next_at: now,
            claimed_at: None,
            ran_at: None,
            succeeded_at: None,
            runs: 0,
            failures: 0,
            last_error: None,
        }
    }

    /// Takes the terms of `new`: who deploys another period wants it now.
    pub fn revise(&mut self, new: NewSchedule, now: Timestamp) {
        self.next_at = self.next_at.min(now.saturating_add(new.period));
        self.period = new.period;
        self.patience = new.patience;
    }

    /// May its slot be claimed now? What lies far ahead was written by a clock that has been set back since: it counts for
    /// nothing, or the schedule would rest for as long as the clock was wrong.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let near = |at: Timestamp, span: Duration| at.saturating_since(now) < span;
        let held = |at: Timestamp| now.saturating_since(at) < self.patience && near(at, self.patience);
        let reached = self.next_at <= now || !near(self.next_at, self.period + self.patience);
        reached && !self.claimed_at.is_some_and(held)
    }

    /// Claims its slot, where it is due.
    pub fn claim(&mut self, now: Timestamp) -> Option<Slot> {
        if !self.is_due(now) {
            return None;
        }
        let slot = Slot { schedule: self.name.clone(), due_at: self.next_at, claimed_at: now };
        self.claimed_at = Some(now);
        let (next, latest) = (self.next_at.saturating_add(self.period), now.saturating_add(self.period));
        // Whoever was away for a day owes one run, not thousands.
        self.next_at = if next > now { next.min(latest) } else { latest };
        Some(slot)
    }

    /// Notes how a slot went. One that was claimed anew meanwhile counts, and ends no claim but its own.
    pub fn settle(&mut self, outcome: &Outcome) {
        if self.claimed_at == Some(outcome.slot.claimed_at) {
            self.claimed_at = None;
        }
        self.runs += 1;
        self.ran_at = self.ran_at.max(Some(outcome.ended_at));
        match &outcome.error {
            None => self.succeeded_at = self.succeeded_at.max(Some(outcome.ended_at)),
            Some(error) => {
                self.failures += 1;
                self.last_error = Some(shortened(error).to_owned());
            }
        }
    }
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(ERROR_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: NewSchedule =
        NewSchedule { name: "sweep", period: Duration::from_secs(1), patience: Duration::from_secs(5) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn ended(slot: &Slot, at: Timestamp, error: Option<&str>) -> Outcome {
        Outcome { slot: slot.clone(), ended_at: at, error: error.map(str::to_owned) }
    }

    #[test]
    fn a_slot_is_claimed_once_and_the_next_waits_for_its_outcome() {
        let mut schedule = Schedule::begin(NEW, at(0));
        let slot = schedule.claim(at(0)).unwrap();
        assert_eq!(schedule.claim(at(0)), None);
        assert_eq!(schedule.claim(at(3)), None, "it is still being worked on");
        schedule.settle(&ended(&slot, at(3), None));
        assert_eq!(schedule.claim(at(3)).map(|slot| slot.due_at), Some(at(1)));
        assert_eq!((schedule.runs, schedule.failures, schedule.succeeded_at), (1, 0, Some(at(3))));
    }

    #[test]
    fn a_dead_runner_holds_it_up_for_its_patience_and_its_late_word_frees_nothing() {
        let mut schedule = Schedule::begin(NEW, at(0));
        let lost = schedule.claim(at(0)).unwrap();
        assert!(!schedule.is_due(at(4)));
        let second = schedule.claim(at(5)).unwrap();
        schedule.settle(&ended(&lost, at(6), Some("late")));
        assert_eq!(schedule.claimed_at, Some(second.claimed_at));
        assert_eq!((schedule.failures, schedule.last_error.as_deref()), (1, Some("late")));
    }

    #[test]
    fn a_day_away_costs_one_run() {
        let mut schedule = Schedule::begin(NEW, at(0));
        let slot = schedule.claim(at(86_400)).unwrap();
        schedule.settle(&ended(&slot, at(86_400), None));
        assert_eq!(schedule.claim(at(86_400)), None);
        assert!(schedule.is_due(at(86_401)));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut schedule = Schedule::begin(NEW, at(86_400));
        schedule.claim(at(86_400));
        assert!(schedule.is_due(at(0)));
        schedule.claim(at(0));
        assert_eq!(schedule.next_at, at(1));
    }

    #[test]
    fn a_shorter_period_counts_at_once() {
        let mut schedule = Schedule::begin(NewSchedule { period: Duration::from_secs(3_600), ..NEW }, at(0));
        schedule.claim(at(0));
        schedule.revise(NEW, at(10));
        assert_eq!(schedule.next_at, at(11));
    }

    #[test]
    fn a_long_error_is_cut_between_letters() {
        assert_eq!(shortened(&"é".repeat(400)).len(), ERROR_BYTES_MAX);
        assert_eq!(shortened(&format!("x{}", "é".repeat(400))).len(), ERROR_BYTES_MAX - 1);
    }
}
