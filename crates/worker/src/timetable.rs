//! The timetable: claims slots that are due, puts each into the queue, and notes how they went.
//!
//! Outcomes wait for the next claim and are written in its transaction: on SQLite each transaction is a sync of the disk that
//! gates wait for too.

use crate::chore::{self, CHORES};
use crate::jobs::Jobs;
use almoner_domain::fault::Fault;
use almoner_domain::ports::Schedules;
use almoner_domain::schedule::{Outcome, Schedule, Slot};
use almoner_domain::time::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

/// How often it is looked whether something is due: the most that a slot is late.
const TICK: Duration = Duration::from_millis(100);
/// How long the store is left alone after it could not be asked.
const AWAY: Duration = Duration::from_secs(1);
/// How long an outcome waits for a claim to go with.
const OUTCOME_WAIT: Duration = Duration::from_secs(1);
/// Outcomes kept for a store that cannot be asked; the claims of those beyond end by themselves.
pub(crate) const OUTCOMES_MAX: usize = 1_000;
/// How long a stop waits for slots that this runner has put into the queue.
const LAST_SLOTS_WAIT: Duration = Duration::from_secs(2);

pub(crate) struct Timetable {
    pub(crate) schedules: Arc<dyn Schedules>,
    pub(crate) jobs: Jobs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) heard: mpsc::Receiver<Outcome>,
    pub(crate) waiting: Vec<Outcome>,
    /// Slots that this runner has put into the queue and not heard of.
    pub(crate) open: Vec<Slot>,
}

impl Timetable {
    /// Runs until told to stop; then waits a little for what it has begun, so that no claim outlives it.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut since = Instant::now();
        while !*stop.borrow() {
            let pause = match self.turn(&mut since).await {
                Ok(()) => TICK,
                Err(fault) => {
                    tracing::debug!(error = &fault as &dyn std::error::Error, "the schedules cannot be read");
                    AWAY
                }
            };
            let _ = timeout(pause, stop.wait_for(|stop| *stop)).await;
        }
        let last = async {
            while !self.open.is_empty() {
                self.hear();
                sleep(TICK / 10).await;
            }
        };
        let _ = timeout(LAST_SLOTS_WAIT, last).await;
        self.hear();
        if let Err(fault) = self.schedules.report(&self.waiting).await {
            tracing::debug!(error = &fault as &dyn std::error::Error, "the last outcomes cannot be noted");
        }
    }

    async fn turn(&mut self, since: &mut Instant) -> Result<(), Fault> {
        self.hear();
        if self.waiting.is_empty() {
            *since = Instant::now();
        }
        if self.is_due(self.schedules.list().await?) {
            let slots = self.schedules.claim(&self.waiting).await?;
            self.waiting.clear();
            for slot in slots {
                self.enqueue(slot).await;
            }
        } else if since.elapsed() >= OUTCOME_WAIT {
            self.schedules.report(&self.waiting).await?;
            self.waiting.clear();
        }
        Ok(())
    }

    fn hear(&mut self) {
        while let Ok(outcome) = self.heard.try_recv() {
            self.open.retain(|slot| *slot != outcome.slot);
            if self.waiting.len() < OUTCOMES_MAX {
                self.waiting.push(outcome);
            }
        }
    }

    /// Would a claim find something, once the outcomes are noted?
    fn is_due(&self, schedules: Vec<Schedule>) -> bool {
        let now = self.clock.now();
        schedules.into_iter().any(|mut schedule| {
            for outcome in &self.waiting {
                if outcome.slot.schedule == schedule.name {
                    schedule.settle(outcome);
                }
            }
            schedule.is_due(now)
        })
    }

    async fn enqueue(&mut self, slot: Slot) {
        let task = chore::write(&slot);
        match self.jobs.push(CHORES, &task, Some(&task)).await {
            Ok(_) => self.open.push(slot),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, schedule = slot.schedule, "a slot is lost");
                let error = Some("the queue could not take it".to_owned());
                self.waiting.push(Outcome { slot, ended_at: self.clock.now(), error });
            }
        }
        // Others do some of them, and tell the store themselves.
        let excess = self.open.len().saturating_sub(OUTCOMES_MAX);
        self.open.drain(..excess);
    }
}
