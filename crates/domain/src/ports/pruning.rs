//! Pruning: what has served its purpose goes, so that the store does not grow for ever.

use crate::fault::Fault;
use async_trait::async_trait;
use std::time::Duration;

/// The least that decisions may be kept: their idempotency keys are known for 30 days.
pub const DECISIONS_KEPT_MIN: Duration = Duration::from_secs(31 * 24 * 3_600);

/// How much is kept. The books themselves (accounts, grants, movements) are history and always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The latest entries of the change feed.
    pub changes: u64,
    /// Entries of the outbox, once they are sent.
    pub notices: Duration,
    /// Decisions; none keeps them for ever. Never less than [`DECISIONS_KEPT_MIN`].
    pub decisions: Option<Duration>,
}

/// What went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Entries of the change feed.
    pub changes: u64,
    /// Entries of the outbox.
    pub notices: u64,
    /// Webhook deliveries that ended; they are kept as long as entries of the outbox.
    pub deliveries: u64,
    /// Decisions.
    pub decisions: u64,
}

/// A store that can be pruned.
#[async_trait]
pub trait Pruning: Send + Sync {
    /// Deletes what is kept no longer, at most `limit` of each kind. Any number may prune at once.
    async fn prune(&self, keep: Retention, limit: u64) -> Result<Pruned, Fault>;
}
