//! Pruning: what has served its purpose goes.

use crate::chore::Chore;
use crate::jobs::{Failure, Jobs, PRUNE_MAX};
use almoner_domain::ports::{Pruned, Pruning, Retention};
use almoner_domain::time::{Clock, Timestamp};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// From one run to the next. Often, so that each finds little: a large deletion is felt by everybody.
const PERIOD: Duration = Duration::from_secs(60);
/// How long a run may take: on a store that was never pruned there is much to do.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Rounds in one run, so that it ends within its patience.
const ROUNDS_MAX: u32 = 100;

/// What is pruned, and how much is kept.
pub struct Prune {
    store: Arc<dyn Pruning>,
    jobs: Jobs,
    clock: Arc<dyn Clock>,
    keep: Retention,
    tasks_kept: Duration,
}

impl Prune {
    /// Of a store and its queues. `tasks_kept` is how long a task that has ended is shown.
    pub(crate) fn new(
        store: Arc<dyn Pruning>,
        jobs: Jobs,
        clock: Arc<dyn Clock>,
        keep: Retention,
        tasks_kept: Duration,
    ) -> Self {
        Self { store, jobs, clock, keep, tasks_kept }
    }
}

#[async_trait]
impl Chore for Prune {
    fn name(&self) -> &'static str {
        "prune"
    }

    fn period(&self) -> Duration {
        PERIOD
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    async fn run(&self) -> Result<(), Failure> {
        for _ in 0..ROUNDS_MAX {
            let gone = self.store.prune(self.keep, PRUNE_MAX).await?;
            let Pruned { changes, notices, deliveries, decisions } = gone;
            let kept = i64::try_from(self.tasks_kept.as_micros()).unwrap_or(i64::MAX);
            let before = Timestamp::from_micros(self.clock.now().as_micros().saturating_sub(kept));
            let tasks = self.jobs.prune(before).await?;
            if [changes, notices, deliveries, decisions, tasks].iter().any(|count| *count > 0) {
                tracing::debug!(?gone, tasks, "pruned");
            }
            if [changes, notices, deliveries, decisions, tasks].iter().all(|count| *count < PRUNE_MAX) {
                break;
            }
        }
        Ok(())
    }
}
