//! A clock that stands still until a test moves it.

use almoner_domain::time::{Clock, Timestamp, Uptime};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The instant at which tests begin when they do not care: in the middle of a month, so that no window is about to end.
pub const BEGIN: &str = "2026-11-10T09:00:00Z";

/// A clock for tests. Clones show the same time.
#[derive(Debug, Clone)]
pub struct MockClock {
    hands: Arc<Mutex<Hands>>,
}

#[derive(Debug, Clone, Copy)]
struct Hands {
    now: Timestamp,
    uptime: Uptime,
}

impl MockClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        // Not zero: an hour into the life of the machine, so that "an hour ago" exists.
        let hands = Hands { now, uptime: Uptime::from_micros(3_600_000_000) };
        Self { hands: Arc::new(Mutex::new(hands)) }
    }

    /// Lets time pass on both hands.
    pub fn advance(&self, span: Duration) {
        let mut hands = self.hands.lock().unwrap_or_else(PoisonError::into_inner);
        hands.now = hands.now.saturating_add(span);
        hands.uptime = hands.uptime.saturating_add(span);
    }

    /// Steps civil time alone, as operators and time servers do.
    pub fn set(&self, now: Timestamp) {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner).now = now;
    }

    fn read(&self) -> Hands {
        *self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MockClock {
    fn default() -> Self {
        Self::at(Timestamp::parse(BEGIN).expect("BEGIN is a time"))
    }
}

impl Clock for MockClock {
    fn now(&self) -> Timestamp {
        self.read().now
    }

    fn uptime(&self) -> Uptime {
        self.read().uptime
    }
}
