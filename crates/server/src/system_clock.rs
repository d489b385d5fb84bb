//! The machine's clocks: the one place of the program that reads them.

use almoner_domain::time::{Clock, Timestamp, Uptime};
use rustix::time::{ClockId, Timespec};

/// Civil time from CLOCK_REALTIME; steady time from CLOCK_BOOTTIME, which counts suspend: a laptop that slept an hour must
/// not serve from leases that ran out meanwhile. Both are read without a system call.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(micros(ClockId::Realtime))
    }

    fn uptime(&self) -> Uptime {
        Uptime::from_micros(u64::try_from(micros(ClockId::Boottime)).unwrap_or(0))
    }
}

#[expect(clippy::disallowed_methods, reason = "the adapter of the `Clock` port: everybody else asks it")]
fn micros(clock: ClockId) -> i64 {
    let Timespec { tv_sec, tv_nsec } = rustix::time::clock_gettime(clock);
    tv_sec.saturating_mul(1_000_000).saturating_add(tv_nsec / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_on() {
        let (now, uptime) = (SystemClock.now(), SystemClock.uptime());
        assert!(now > Timestamp::parse("2026-01-01T00:00:00Z").unwrap());
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(SystemClock.uptime() > uptime);
        assert!(SystemClock.now() > now);
    }
}
