//! The runner's queues, to look at.

use crate::fault::Fault;
use crate::queue::QueueState;
use async_trait::async_trait;

/// Work that waits for a runner.
#[async_trait]
pub trait Queues: Send + Sync {
    /// How each queue stands, by name.
    async fn queues(&self) -> Result<Vec<QueueState>, Fault>;
}
