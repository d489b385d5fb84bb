//! Queues in a SQLite file of their own beside the store's.

use super::engine::{
    ATTEMPTS_MAX, CountRow, Engine, GONE_S, HEARTBEAT, HEARTBEATS_MISSED_MAX, Post, Work, state, work,
};
use super::{Failure, JobsConfig};
use almoner_domain::queue::QueueState;
use almoner_domain::time::Timestamp;
use apalis::prelude::{BackendExt, TaskBuilder, TaskSink, WorkerBuilderExt};
use apalis_sqlite::{Config, SqliteStorage};
use async_trait::async_trait;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use tokio::sync::watch;

/// How long a writer waits for others: all are short.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// How often the tables are tried to be made: the library does not keep several processes from doing so at once, and who comes
/// second fails and then finds them made.
const PREPARE_ATTEMPTS: u32 = 20;
const PREPARE_PAUSE: Duration = Duration::from_millis(100);

/// Ended for good, by the library's own words.
const STATES: &str = "SELECT job_type, \
    sum(status = 'Pending'), sum(status IN ('Queued', 'Running')), sum(status IN ('Failed', 'Killed')), \
    sum(status = 'Done'), min(CASE WHEN status = 'Pending' THEN run_at END) FROM Jobs GROUP BY job_type";
const PRUNE: &str = "DELETE FROM Jobs WHERE id IN (SELECT id FROM Jobs \
    WHERE status IN ('Done', 'Failed', 'Killed') AND done_at < ? LIMIT ?)";
const FORGET: &str = "DELETE FROM Workers WHERE last_seen < ? \
    AND NOT EXISTS (SELECT 1 FROM Jobs WHERE Jobs.lock_by = Workers.id)";
const HAS_KEY: &str = "SELECT 1 FROM Jobs WHERE job_type = ? AND idempotency_key = ?";

pub(super) struct SqliteEngine {
    pool: SqlitePool,
    config: JobsConfig,
}

impl SqliteEngine {
    /// On the file that goes with a store's.
    pub(super) fn open(store_url: &str, config: JobsConfig) -> Result<Self, Failure> {
        let store = SqliteConnectOptions::from_str(store_url)?;
        let options = SqliteConnectOptions::new()
            .filename(beside(store.get_filename()))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may take the latest tasks and nothing else; what they were for is in the store.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_WAIT)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(config.connections_max)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options);
        Ok(Self { pool, config })
    }

    fn storage(&self, queue: &str, batch: usize) -> SqliteStorage<String> {
        let config = Config::default()
            .queue(queue)
            .batch_size(batch)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(HEARTBEATS_MISSED_MAX);
        SqliteStorage::new(&self.pool).with_config(config)
    }
}

/// `jobs.db` beside the embedded store, `x.jobs.db` beside `x.db`.
fn beside(store: &Path) -> PathBuf {
    match store.file_stem().and_then(|stem| stem.to_str()) {
        None | Some("almoner") => store.with_file_name("jobs.db"),
        Some(stem) => store.with_file_name(format!("{stem}.jobs.db")),
    }
}

#[async_trait]
impl Engine for SqliteEngine {
    async fn prepare(&self) -> Result<(), Failure> {
        let migrations = SqliteStorage::migrations();
        for _ in 1..PREPARE_ATTEMPTS {
            match migrations.run(&self.pool).await {
                Ok(()) => return Ok(()),
                Err(error) => tracing::debug!(%error, "the queues' tables are being made"),
            }
            tokio::time::sleep(PREPARE_PAUSE).await;
        }
        Ok(migrations.run(&self.pool).await?)
    }

    async fn push(&self, queue: &'static str, task: String, key: Option<String>) -> Result<bool, Failure> {
        let mut new = TaskBuilder::new(task).max_attempts(ATTEMPTS_MAX);
        if let Some(key) = &key {
            // Asked first: the library leaves a second one out without a word.
            let found: Option<i64> =
                sqlx::query_scalar(HAS_KEY).bind(queue).bind(key).fetch_optional(&self.pool).await?;
            if found.is_some() {
                return Ok(false);
            }
            new = new.idempotency_key(key.as_str());
        }
        self.storage(queue, 1).push_task(new.build()).await?;
        Ok(true)
    }

    fn work(&self, post: Post, stop: watch::Receiver<bool>) -> Work {
        let storage = self.storage(post.queue, post.concurrency);
        work!(storage, self.config.poll_interval, post, stop)
    }

    async fn states(&self) -> Result<Vec<QueueState>, Failure> {
        let rows: Vec<CountRow> = sqlx::query_as(STATES).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(state).collect())
    }

    async fn prune(&self, ended_before: Timestamp, limit: u64) -> Result<u64, Failure> {
        let before = ended_before.as_micros() / 1_000_000;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let gone = sqlx::query(PRUNE).bind(before).bind(limit).execute(&self.pool).await?.rows_affected();
        sqlx::query(FORGET).bind(before - GONE_S).execute(&self.pool).await?;
        Ok(gone)
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_beside_the_stores() {
        assert_eq!(beside(Path::new("/a/almoner.db")), Path::new("/a/jobs.db"));
        assert_eq!(beside(Path::new("/a/x.db")), Path::new("/a/x.jobs.db"));
    }
}
