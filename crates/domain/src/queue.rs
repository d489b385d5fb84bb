//! Queues: work that waits for a runner, as people look at it.

use crate::time::Timestamp;

/// How a queue stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueState {
    /// Its name.
    pub name: String,
    /// Tasks that nobody has taken yet.
    pub waiting: u64,
    /// Tasks that a runner has taken.
    pub running: u64,
    /// Tasks that failed and are still kept.
    pub failed: u64,
    /// Tasks that are done and still kept.
    pub done: u64,
    /// Since when the oldest waiting task waits, to the second.
    pub oldest: Option<Timestamp>,
}

impl QueueState {
    /// A queue in which there is nothing.
    pub fn empty(name: &str) -> Self {
        Self { name: name.to_owned(), waiting: 0, running: 0, failed: 0, done: 0, oldest: None }
    }
}
