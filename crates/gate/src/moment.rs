//! Moments: when a call is decided, read from the clock once for all that depends on it.

use almoner_domain::time::{Clock, Timestamp, Uptime};

/// Both times of one moment.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Civil time: windows, instants of decisions.
    pub now: Timestamp,
    /// Steady time: terms of leases.
    pub uptime: Uptime,
}

impl Moment {
    /// This moment.
    pub fn read(clock: &dyn Clock) -> Self {
        Self { now: clock.now(), uptime: clock.uptime() }
    }
}
