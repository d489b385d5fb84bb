//! What a library of queues must be able to do, and what the two that there are have in common.

use super::{Failure, Handler};
use almoner_domain::queue::QueueState;
use almoner_domain::time::Timestamp;
use apalis::prelude::{Event, WorkerContext, WorkerError};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;

/// A runner's sign of life.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);
/// Signs of life that may be missing before a runner's tasks are given to others.
pub(crate) const HEARTBEATS_MISSED_MAX: usize = 3;
/// How often a task is tried by the queue: what failed is found again in the store.
pub(crate) const ATTEMPTS_MAX: usize = 1;
/// Runners that have given no sign of life for so long are forgotten, in seconds.
pub(crate) const GONE_S: i64 = 24 * 3_600;

/// Somebody who works on a queue until told to stop.
#[derive(Clone)]
pub(crate) struct Post {
    /// On which.
    pub(crate) queue: &'static str,
    /// Who: a name that nobody has or had. An acknowledgement counts by its name alone, so a late one under a name that is
    /// used again would end a task that is still being worked on.
    pub(crate) worker: String,
    /// Tasks at once.
    pub(crate) concurrency: usize,
    /// What is done.
    pub(crate) handler: Arc<dyn Handler>,
}

/// A worker's life.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Queues in one kind of database.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// Makes or updates the tables. Several processes may do so at once.
    async fn prepare(&self) -> Result<(), Failure>;
    /// Puts a task into a queue, unless one with its key is there.
    async fn push(&self, queue: &'static str, task: String, key: Option<String>) -> Result<bool, Failure>;
    /// Works until told to stop. What is being worked on then comes to its end first.
    fn work(&self, post: Post, stop: watch::Receiver<bool>) -> Work;
    /// How the queues stand in which there is something.
    async fn states(&self) -> Result<Vec<QueueState>, Failure>;
    /// Deletes at most `limit` tasks that ended before an instant, and answers how many.
    async fn prune(&self, ended_before: Timestamp, limit: u64) -> Result<u64, Failure>;
    /// Closes all connections.
    async fn close(&self);
}

/// A worker of the library over a storage. The same words for both storages, which have no type in common.
macro_rules! work {
    ($storage:expr, $interval:expr, $post:expr, $stop:expr) => {{
        let post: Post = $post;
        let handler = ::std::sync::Arc::clone(&post.handler);
        let context = ::apalis::prelude::WorkerContext::new(&post.worker);
        let worker = ::apalis::prelude::WorkerBuilder::new(&context)
            .backend($storage.poll_with_interval($interval))
            .concurrency(post.concurrency)
            .build(move |task: String| $crate::jobs::engine::handle(::std::sync::Arc::clone(&handler), task));
        // Boxed before any await: only here can the compiler see that it may be sent.
        $crate::jobs::engine::drive(::std::boxed::Box::pin(worker.stream()), context, $stop)
    }};
}
pub(crate) use work;

/// Why a task is not done, as the library keeps it.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct NotDone(String);

/// Does a task, in a task of the runtime's own: a panic is a failure like any other.
pub(crate) fn handle(
    handler: Arc<dyn Handler>,
    task: String,
) -> Pin<Box<dyn Future<Output = Result<(), NotDone>> + Send>> {
    Box::pin(async move {
        match tokio::spawn(async move { handler.handle(&task).await }).await {
            Ok(done) => done.map_err(|failure| NotDone(failure.to_string())),
            Err(_) => Err(NotDone("it panicked; the log says where".to_owned())),
        }
    })
}

/// Lives through a worker's events, and tells it when to stop.
pub(crate) fn drive(
    mut events: BoxStream<'static, Result<Event, WorkerError>>,
    worker: WorkerContext,
    mut stop: watch::Receiver<bool>,
) -> Work {
    Box::pin(async move {
        let mut told = false;
        // The first tells that it has begun: before that it cannot be told to stop.
        let mut next = Some(events.next().await);
        loop {
            match next {
                Some(None) => return Ok(()),
                Some(Some(Err(error))) => return Err(error.into()),
                Some(Some(Ok(_))) => {}
                None => {
                    worker.stop()?;
                    told = true;
                }
            }
            next = tokio::select! {
                event = events.next() => Some(event),
                // Whoever would tell it is gone: that means the same.
                _ = stop.wait_for(|stop| *stop), if !told => None,
            };
        }
    })
}

/// A row of counts, as both databases tell it.
pub(crate) type CountRow = (String, i64, i64, i64, i64, Option<i64>);

/// Reads it.
pub(crate) fn state((name, waiting, running, failed, done, oldest): CountRow) -> QueueState {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    QueueState {
        name,
        waiting: count(waiting),
        running: count(running),
        failed: count(failed),
        done: count(done),
        oldest: oldest.map(|seconds| Timestamp::from_micros(seconds.saturating_mul(1_000_000))),
    }
}
