//! The runner: its parts, its start and its stop.

use crate::chore::{self, CHORES, Chore, Chores};
use crate::jobs::{Handler, Jobs, Post};
use crate::meters::Meters;
use crate::prune::Prune;
use crate::sweep::Sweep;
use crate::timetable::{OUTCOMES_MAX, Timetable};
use almoner_domain::entropy::Entropy;
use almoner_domain::fault::Fault;
use almoner_domain::id::{Id, NodeId};
use almoner_domain::ports::{Ledger, Pruning, Queues, Retention, Schedules};
use almoner_domain::time::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How often the meters look at queues and schedules.
const LOOK: Duration = Duration::from_secs(1);
/// How long a queue whose worker failed is left alone: the database is away, most likely.
const AWAY: Duration = Duration::from_secs(1);

/// A queue of its own: what has many tasks.
pub struct Line {
    /// Its name.
    pub queue: &'static str,
    /// Tasks at once.
    pub concurrency: usize,
    /// What is done.
    pub handler: Arc<dyn Handler>,
}

/// What a runner is made of.
pub struct RunnerParts {
    /// The ledger that it sweeps.
    pub ledger: Arc<dyn Ledger>,
    /// The store that it prunes.
    pub pruning: Arc<dyn Pruning>,
    /// Whose turn it is.
    pub schedules: Arc<dyn Schedules>,
    /// What is to be done.
    pub jobs: Jobs,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Chores at once.
    pub concurrency: usize,
    /// How often the ledger is swept.
    pub sweep_interval: Duration,
    /// How much is kept.
    pub keep: Retention,
    /// How long a task that has ended is kept.
    pub tasks_kept: Duration,
    /// More chores, beside the sweep and the pruning that every runner does.
    pub chores: Vec<Arc<dyn Chore>>,
    /// Queues beside that of the chores.
    pub lines: Vec<Line>,
}

/// The background work of one process.
pub struct Runner {
    jobs: Jobs,
    meters: Arc<Meters>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Option<Tasks>>,
    /// Workers outlive the timetable: they end once what it has put into the queue is done.
    stop_workers: watch::Sender<bool>,
}

struct Tasks {
    timetable: JoinHandle<()>,
    observer: JoinHandle<()>,
    workers: Vec<JoinHandle<()>>,
}

impl Runner {
    /// Starts a runner. Any number may run beside it.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn start(parts: RunnerParts) -> Result<Self, Fault> {
        let RunnerParts { ledger, pruning, schedules, jobs, clock, entropy, .. } = parts;
        let meters = Arc::new(Meters::default());
        let mut chores = parts.chores;
        chores.push(Arc::new(Sweep::new(ledger, parts.sweep_interval, Arc::clone(&meters))));
        chores.push(Arc::new(Prune::new(pruning, jobs.clone(), Arc::clone(&clock), parts.keep, parts.tasks_kept)));
        let all: Vec<_> = chores.iter().map(|chore| chore::schedule(&**chore)).collect();
        schedules.register(&all).await?;

        let (outcomes, heard) = mpsc::channel(OUTCOMES_MAX);
        let chores = Chores { chores, clock: Arc::clone(&clock), outcomes };
        let mut lines = parts.lines;
        lines.push(Line { queue: CHORES, concurrency: parts.concurrency, handler: Arc::new(chores) });
        let (stop, stopped) = watch::channel(false);
        let (stop_workers, workers_stopped) = watch::channel(false);
        let workers = lines.into_iter().map(|line| {
            let life = Life { jobs: jobs.clone(), clock: Arc::clone(&clock), entropy: Arc::clone(&entropy) };
            tokio::spawn(life.keep_working(line, workers_stopped.clone()))
        });
        let workers = workers.collect();
        let timetable = Timetable {
            schedules: Arc::clone(&schedules),
            jobs: jobs.clone(),
            clock: Arc::clone(&clock),
            heard,
            waiting: Vec::new(),
            open: Vec::new(),
        };
        let timetable = tokio::spawn(timetable.run(stopped));
        let observer = tokio::spawn(observe(jobs.clone(), schedules, clock, Arc::clone(&meters)));
        tracing::info!(chores = all.len(), "a runner begins");
        let tasks = Mutex::new(Some(Tasks { timetable, observer, workers }));
        Ok(Self { jobs, meters, stop, tasks, stop_workers })
    }

    /// Stops: no slot is claimed any more, and what is being done comes to its end, within `limit`. What is not done then is
    /// done by others, or the next time.
    pub async fn stop(&self, limit: Duration) {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Tasks { timetable, observer, workers }) = tasks else { return };
        observer.abort();
        let aborts: Vec<_> = workers.iter().chain([&timetable]).map(JoinHandle::abort_handle).collect();
        let all = async {
            self.stop.send_replace(true);
            let _ = timetable.await;
            self.stop_workers.send_replace(true);
            for worker in workers {
                let _ = worker.await;
            }
            self.jobs.close().await;
        };
        if timeout(limit, all).await.is_err() {
            tracing::warn!("work was still being done; it is done again");
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
        tracing::info!("the runner has stopped");
    }

    /// Does it work?
    pub fn is_ready(&self) -> bool {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.as_ref().is_some_and(|tasks| !tasks.timetable.is_finished())
    }

    /// Registers the runner's metrics.
    pub fn metrics(&self, registry: &mut prometheus_client::registry::Registry) {
        self.meters.register(registry);
    }
}

/// What each worker of a queue needs to begin anew.
struct Life {
    jobs: Jobs,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Life {
    /// The library's worker ends at the first trouble with its database. This begins another.
    async fn keep_working(self, line: Line, mut stop: watch::Receiver<bool>) {
        let Line { queue, concurrency, handler } = line;
        while !*stop.borrow() {
            let name: NodeId = Id::new(self.clock.now(), &*self.entropy);
            let worker = format!("{queue}-{name}");
            let post = Post { queue, worker, concurrency, handler: Arc::clone(&handler) };
            match self.jobs.engine().work(post, stop.clone()).await {
                Ok(()) => tracing::debug!(queue, "a worker has ended"),
                Err(error) => tracing::warn!(queue, %error, "a worker failed; another begins"),
            }
            let _ = timeout(AWAY, stop.wait_for(|stop| *stop)).await;
        }
    }
}

async fn observe(jobs: Jobs, schedules: Arc<dyn Schedules>, clock: Arc<dyn Clock>, meters: Arc<Meters>) {
    loop {
        match (jobs.queues().await, schedules.list().await) {
            (Ok(queues), Ok(schedules)) => meters.observe(&queues, &schedules, clock.now()),
            (Err(fault), _) | (_, Err(fault)) => {
                tracing::debug!(error = &fault as &dyn std::error::Error, "queues cannot be looked at");
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
