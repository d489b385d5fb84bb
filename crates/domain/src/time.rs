//! Time as an argument: instants, spans and the clock that gives them.

use std::time::Duration;
use thiserror::Error;

/// An hour in microseconds.
pub const HOUR: i64 = 3_600_000_000;
/// A day in microseconds.
pub const DAY: i64 = 24 * HOUR;

/// An instant of civil time: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Both databases keep it as a 64-bit integer, because their own time types differ in precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected an RFC 3339 time such as 2026-11-30T18:00:00Z")]
pub struct TimeError;

impl Timestamp {
    /// The instant this many microseconds after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 time, in any offset.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let instant: jiff::Timestamp = text.parse().map_err(|_| TimeError)?;
        Ok(Self(instant.as_microsecond()))
    }

    /// This instant later by `span`, at most the last instant there is.
    pub fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This instant earlier by `span`, at least the first instant there is.
    pub fn saturating_sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// RFC 3339 in UTC, with as many fractional digits as are needed.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => write!(f, "{instant}"),
            Err(_) => write!(f, "9999-12-31T23:59:59Z"),
        }
    }
}

/// A reading of a clock that never goes back and counts suspend (CLOCK_BOOTTIME), in microseconds.
/// Lease deadlines are taken from it, never from civil time, which operators step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uptime(u64);

impl Uptime {
    /// The reading of this many microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since an arbitrary start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This reading later by `span`.
    pub fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Where the time comes from. The server reads the system's; a simulation steps its own.
pub trait Clock: Send + Sync {
    /// Civil time now.
    fn now(&self) -> Timestamp;
    /// The steady clock now.
    fn uptime(&self) -> Uptime;
}
