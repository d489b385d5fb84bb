//! Queues in the store's own PostgreSQL database, in the schema `apalis`, over a few connections of their own.

use super::engine::{
    ATTEMPTS_MAX, CountRow, Engine, GONE_S, HEARTBEAT, HEARTBEATS_MISSED_MAX, Post, Work, state, work,
};
use super::{Failure, JobsConfig};
use almoner_domain::queue::QueueState;
use almoner_domain::time::Timestamp;
use apalis::prelude::{BackendExt, TaskBuilder, TaskSink, TaskSinkError, WorkerBuilderExt};
use apalis_postgres::{Config, PostgresStorage};
use async_trait::async_trait;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::str::FromStr;
use std::time::Duration;
use tokio::sync::watch;

/// How long somebody waits for a free connection.
const POOL_WAIT: Duration = Duration::from_secs(5);

const STATES: &str = "SELECT job_type, \
    count(*) FILTER (WHERE status = 'Pending'), count(*) FILTER (WHERE status IN ('Queued', 'Running')), \
    count(*) FILTER (WHERE status IN ('Failed', 'Killed')), count(*) FILTER (WHERE status = 'Done'), \
    (extract(epoch FROM min(run_at) FILTER (WHERE status = 'Pending')))::bigint FROM apalis.jobs GROUP BY job_type";
const PRUNE: &str = "DELETE FROM apalis.jobs WHERE id IN (SELECT id FROM apalis.jobs \
    WHERE status IN ('Done', 'Failed', 'Killed') AND done_at < to_timestamp($1) LIMIT $2 FOR UPDATE SKIP LOCKED)";
const FORGET: &str = "DELETE FROM apalis.workers WHERE last_seen < to_timestamp($1) \
    AND NOT EXISTS (SELECT 1 FROM apalis.jobs WHERE jobs.lock_by = workers.id)";

pub(super) struct PostgresEngine {
    pool: PgPool,
    config: JobsConfig,
}

impl PostgresEngine {
    /// In the store's database.
    pub(super) fn open(store_url: &str, config: JobsConfig) -> Result<Self, Failure> {
        let options = PgConnectOptions::from_str(store_url)?
            .application_name("almoner-jobs")
            // A crash of the database may take the latest tasks and nothing else; what they were for is in the store.
            .options([("synchronous_commit", "off")])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(config.connections_max)
            .acquire_timeout(POOL_WAIT)
            .connect_lazy_with(options);
        Ok(Self { pool, config })
    }

    fn storage(&self, queue: &str, batch: usize) -> PostgresStorage<String> {
        let config = Config::default()
            .queue(queue)
            .batch_size(batch)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(HEARTBEATS_MISSED_MAX);
        PostgresStorage::new(&self.pool).with_config(config)
    }
}

#[async_trait]
impl Engine for PostgresEngine {
    async fn prepare(&self) -> Result<(), Failure> {
        Ok(PostgresStorage::setup(&self.pool).await?)
    }

    async fn push(&self, queue: &'static str, task: String, key: Option<String>) -> Result<bool, Failure> {
        let mut new = TaskBuilder::new(task).max_attempts(ATTEMPTS_MAX);
        if let Some(key) = &key {
            new = new.idempotency_key(key.as_str());
        }
        match self.storage(queue, 1).push_task(new.build()).await {
            Ok(()) => Ok(true),
            Err(TaskSinkError::PushError(apalis_postgres::Error::Database(sqlx::Error::Database(refusal))))
                if refusal.is_unique_violation() =>
            {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
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
