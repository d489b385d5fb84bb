//! The journal's only look at a clock: how long a sync took. For the figures; nothing is decided by it.

use std::time::{Duration, Instant};

/// Measures from its start.
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self(now())
    }

    pub(super) fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.0)
    }
}

#[expect(clippy::disallowed_methods, reason = "a figure for operators; a simulation's course does not depend on it")]
fn now() -> Instant {
    Instant::now()
}
