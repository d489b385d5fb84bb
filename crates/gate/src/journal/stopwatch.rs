//! The journal's only look at a clock: how long a sync took. For the figures; nothing is decided by it.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Measures from its start.
pub(super) struct Stopwatch(Duration);

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self(monotonic())
    }

    pub(super) fn elapsed(&self) -> Duration {
        monotonic().saturating_sub(self.0)
    }
}

fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}
