//! Schedules of the background runner.

use super::{age, instant};
use almoner_domain::schedule::Schedule;
use almoner_domain::time::Timestamp;
use async_graphql::Object;

/// Something that recurs, over the whole installation.
pub(crate) struct ScheduleObject {
    schedule: Schedule,
    now: Timestamp,
}

impl ScheduleObject {
    /// As it stands at an instant.
    pub(crate) fn new(schedule: Schedule, now: Timestamp) -> Self {
        Self { schedule, now }
    }
}

#[Object(name = "Schedule")]
impl ScheduleObject {
    /// Its name.
    async fn name(&self) -> &str {
        &self.schedule.name
    }

    /// From one run to the next, in milliseconds.
    async fn period_ms(&self) -> u64 {
        u64::try_from(self.schedule.period.as_millis()).unwrap_or(u64::MAX)
    }

    /// When it is due next.
    async fn next_at(&self) -> String {
        instant(self.schedule.next_at)
    }

    /// Since when a runner has been at it, in seconds; none between two runs.
    async fn running_age_s(&self) -> Option<u64> {
        self.schedule.claimed_at.map(|at| age(at, self.now))
    }

    /// How long ago a run last ended well, in seconds; none before the first.
    async fn success_age_s(&self) -> Option<u64> {
        self.schedule.succeeded_at.map(|at| age(at, self.now))
    }

    /// Runs that ended, well or not, as far as they were noted.
    async fn runs(&self) -> u64 {
        self.schedule.runs
    }

    /// Runs that failed.
    async fn failures(&self) -> u64 {
        self.schedule.failures
    }

    /// What the last run that failed said; none where none ever did. It may be long ago.
    async fn last_error(&self) -> Option<&str> {
        self.schedule.last_error.as_deref()
    }
}
