//! Limits of the store, and what of it a configuration may choose.

use std::time::Duration;

/// How long a caller waits for a free connection.
pub const POOL_WAIT: Duration = Duration::from_secs(5);
/// How long a writer waits for its turn on SQLite: as many short transactions as fit before a caller would give up.
pub const TURN_WAIT: Duration = Duration::from_secs(5);
/// How long SQLite waits for another process to finish writing.
pub const BUSY_WAIT: Duration = Duration::from_secs(2);
/// How long one statement may take on PostgreSQL. A flush of 10,000 reports takes a fraction of it.
pub const STATEMENT_TIME: Duration = Duration::from_secs(10);
/// How long PostgreSQL keeps a transaction in which nothing happens: a unit of work that somebody forgot holds locks.
pub const IDLE_TIME: Duration = Duration::from_secs(30);
/// How long a caller waits for a transaction in all, retries included. The transaction itself is not cut short: past this
/// its outcome is unknown to the caller, and a repetition by the same ids finds out.
pub const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// How often a transaction that another one undid is tried in all.
pub const ATTEMPTS_MAX: u32 = 8;
/// The first pause between attempts; it doubles each time, and up to as much again is added by chance.
pub const PAUSE_FIRST: Duration = Duration::from_millis(2);

/// What of the store a configuration may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// The most connections to PostgreSQL.
    pub connections_max: u32,
    /// The most reading connections to SQLite, beside its one writer.
    pub readers_max: u32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { connections_max: 16, readers_max: 4 }
    }
}
