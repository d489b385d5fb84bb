//! Queues of the background runner.

use super::age;
use almoner_domain::queue::QueueState;
use almoner_domain::time::Timestamp;
use async_graphql::Object;

/// Work that waits for a runner, over the whole installation.
pub(crate) struct QueueObject {
    state: QueueState,
    now: Timestamp,
}

impl QueueObject {
    /// As it stands at an instant.
    pub(crate) fn new(state: QueueState, now: Timestamp) -> Self {
        Self { state, now }
    }
}

#[Object(name = "Queue")]
impl QueueObject {
    /// Its name.
    async fn name(&self) -> &str {
        &self.state.name
    }

    /// Tasks that nobody has taken yet.
    async fn waiting(&self) -> u64 {
        self.state.waiting
    }

    /// Tasks that a runner has taken.
    async fn running(&self) -> u64 {
        self.state.running
    }

    /// Tasks that failed, of those still kept.
    async fn failed(&self) -> u64 {
        self.state.failed
    }

    /// Tasks that are done, of those still kept: by default for ten minutes.
    async fn done(&self) -> u64 {
        self.state.done
    }

    /// How long the oldest waiting task has waited, in seconds; none where nothing waits.
    async fn oldest_age_s(&self) -> Option<u64> {
        self.state.oldest.map(|at| age(at, self.now))
    }
}
