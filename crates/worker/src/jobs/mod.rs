//! Jobs: tasks in queues, wherever those are kept. The library behind it is known to `engine` files alone.

mod engine;
mod postgres;
mod sqlite;

pub(crate) use engine::{Engine, Post};

use crate::chore::CHORES;
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::ports::Queues;
use almoner_domain::queue::QueueState;
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::runtime::Handle;

/// The queue of what is delivered to other systems.
pub const DELIVER: &str = "deliver";

/// Queues that are shown though nothing was ever put into them.
const KNOWN: [&str; 2] = [CHORES, DELIVER];
/// Tasks that are deleted in one statement.
pub(crate) const PRUNE_MAX: u64 = 5_000;

/// Why work failed. What it displays is kept and shown to operators, so it holds no secrets.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Does the tasks of one queue.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Does a task. It may come twice: a runner that dies leaves its tasks to others.
    async fn handle(&self, task: &str) -> Result<(), Failure>;
}

/// The queues cannot do what they were asked.
#[derive(Debug, Error)]
#[error("the queues cannot {operation}")]
pub struct JobsError {
    operation: &'static str,
    source: Failure,
}

/// How queues are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobsConfig {
    /// The most connections to their database.
    pub connections_max: u32,
    /// How often a runner looks for tasks.
    pub poll_interval: Duration,
    /// Makes or updates their tables first.
    pub prepare: bool,
}

/// Queues in a database. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    engine: Arc<dyn Engine>,
    /// The runtime that all connections belong to: one that a worker of the HTTP door had made would die with that worker.
    home: Handle,
}

impl Jobs {
    /// Opens the queues that go with a store at this address: in the same database on PostgreSQL, in a file beside it on
    /// SQLite, so that looking for tasks never waits for the ledger's writer.
    ///
    /// # Errors
    /// When they cannot be reached, or their tables are not there and may not be made.
    pub async fn open(store_url: &str, config: JobsConfig) -> Result<Self, JobsError> {
        let failed = |source| JobsError { operation: "be opened", source };
        let engine: Arc<dyn Engine> = if store_url.starts_with("sqlite:") {
            Arc::new(sqlite::SqliteEngine::open(store_url, config).map_err(failed)?)
        } else {
            Arc::new(postgres::PostgresEngine::open(store_url, config).map_err(failed)?)
        };
        if config.prepare {
            engine.prepare().await.map_err(failed)?;
        }
        Ok(Self { engine, home: Handle::current() })
    }

    /// Puts a task into a queue. False where one with this key is there already; keys are forgotten with the task, some time
    /// after it is done.
    ///
    /// # Errors
    /// When the queues cannot be reached. The task may be there all the same.
    pub async fn push(&self, queue: &'static str, task: &str, key: Option<&str>) -> Result<bool, JobsError> {
        let (task, key) = (task.to_owned(), key.map(str::to_owned));
        self.at_home("take a task", |engine| async move { engine.push(queue, task, key).await }).await
    }

    /// Deletes tasks that ended before an instant, and runners that are long gone.
    pub(crate) async fn prune(&self, ended_before: Timestamp) -> Result<u64, JobsError> {
        self.at_home("be pruned", move |engine| async move { engine.prune(ended_before, PRUNE_MAX).await }).await
    }

    /// What does the work.
    pub(crate) fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Closes all connections. Clones are closed with it.
    pub async fn close(&self) {
        self.engine.close().await;
    }

    async fn at_home<T, F>(
        &self,
        operation: &'static str,
        work: impl FnOnce(Arc<dyn Engine>) -> F,
    ) -> Result<T, JobsError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let result = self.home.spawn(work(Arc::clone(&self.engine))).await;
        result.map_err(Failure::from).flatten().map_err(|source| JobsError { operation, source })
    }
}

#[async_trait]
impl Queues for Jobs {
    async fn queues(&self) -> Result<Vec<QueueState>, Fault> {
        let found = self.at_home("be looked at", |engine| async move { engine.states().await }).await;
        let found = found.map_err(|error| Fault::new("queues", FaultKind::Unavailable, error))?;
        let mut all: BTreeMap<String, QueueState> = KNOWN.map(|name| (name.to_owned(), QueueState::empty(name))).into();
        all.extend(found.into_iter().map(|state| (state.name.clone(), state)));
        Ok(all.into_values().collect())
    }
}
