//! Usage as people look at it, read from one committed state.

use crate::fault::Fault;
use crate::tenant::Realm;
use crate::usage::{UsageQuery, UsageRow};
use async_trait::async_trait;

/// What was spent. What gates have not told the ledger yet is not in it.
#[async_trait]
pub trait Usage: Send + Sync {
    /// Rows of the largest groups: by time, and within a stretch of it the largest first. A group without use has none.
    async fn usage(&self, realm: Realm, query: UsageQuery) -> Result<Vec<UsageRow>, Fault>;
}
