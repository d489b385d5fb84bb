//! Usage periods and the windows they cut time into.
//!
//! Windows tile time: the end of one is the start of the next, so no instant has two quotas or none.
//! Each start is computed from the anchor, never from the start before it: 31 January is followed by
//! 28 February and then by 31 March again.

use crate::time::Timestamp;
use jiff::tz::TimeZone;
use jiff::{Span, Zoned};
use thiserror::Error;

/// How long a quota lasts before it renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UsagePeriod {
    /// A month of the subscription's calendar.
    Month,
    /// It never renews.
    Never,
}

impl UsagePeriod {
    /// The word on the wire and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Never => "never",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Month, Self::Never].into_iter().find(|p| p.as_str() == text)
    }
}

/// Where a subscription's periods start, and in whose civil time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    anchor: Timestamp,
    zone: TimeZone,
}

/// One usage period: from `start`, to just before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it; none when it never ends.
    pub end: Option<Timestamp>,
}

/// Why a calendar or its windows cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CalendarError {
    /// Not in the IANA time zone database.
    #[error("must be an IANA time zone such as Europe/Paris")]
    Zone,
    /// Outside the years that civil time is known for, or before the anchor.
    #[error("lies outside the calendar")]
    OutOfRange,
}

impl Window {
    /// Does `at` fall into it?
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }
}

impl Calendar {
    /// A calendar whose periods start at `anchor` in the IANA time zone `zone`.
    pub fn new(anchor: Timestamp, zone: &str) -> Result<Self, CalendarError> {
        let zone = TimeZone::get(zone).map_err(|_| CalendarError::Zone)?;
        // A name is kept and stored: a zone without one (a POSIX rule, say) could not be read back.
        if zone.iana_name().is_none() {
            return Err(CalendarError::Zone);
        }
        Ok(Self { anchor, zone })
    }

    /// The first instant of the first period.
    pub fn anchor(&self) -> Timestamp {
        self.anchor
    }

    /// The IANA name of the zone.
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The window of `period` that `at` falls into. An instant before the anchor has none.
    pub fn window_at(&self, period: UsagePeriod, at: Timestamp) -> Result<Window, CalendarError> {
        if at < self.anchor {
            return Err(CalendarError::OutOfRange);
        }
        match period {
            UsagePeriod::Never => Ok(Window { start: self.anchor, end: None }),
            UsagePeriod::Month => self.month_at(at),
        }
    }

    fn month_at(&self, at: Timestamp) -> Result<Window, CalendarError> {
        let anchor = self.civil(self.anchor)?;
        let here = self.civil(at)?;
        let months = |z: &Zoned| i32::from(z.year()) * 12 + i32::from(z.month());
        // The calendar months between the two are the answer, or one too many (the anchor's day is still to come), or one too
        // few (the clocks went back over the turn of a month, after it had begun).
        let mut index = months(&here) - months(&anchor);
        if at < self.month_start(&anchor, index)? {
            index -= 1;
        } else if self.month_start(&anchor, index + 1)? <= at {
            index += 1;
        }
        Ok(Window { start: self.month_start(&anchor, index)?, end: Some(self.month_start(&anchor, index + 1)?) })
    }

    fn month_start(&self, anchor: &Zoned, index: i32) -> Result<Timestamp, CalendarError> {
        let span = Span::new().try_months(index).map_err(|_| CalendarError::OutOfRange)?;
        let start = anchor.checked_add(span).map_err(|_| CalendarError::OutOfRange)?;
        Ok(Timestamp::from_micros(start.timestamp().as_microsecond()))
    }

    fn civil(&self, at: Timestamp) -> Result<Zoned, CalendarError> {
        let instant = jiff::Timestamp::from_microsecond(at.as_micros()).map_err(|_| CalendarError::OutOfRange)?;
        Ok(instant.to_zoned(self.zone.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_month_that_starts_on_the_31st_comes_back_to_it() {
        let calendar = Calendar::new(at("2026-01-31T00:00:00Z"), "UTC").unwrap();
        let window = |t| calendar.window_at(UsagePeriod::Month, at(t)).unwrap();
        assert_eq!(window("2026-02-10T00:00:00Z").end, Some(at("2026-02-28T00:00:00Z")));
        assert_eq!(window("2026-03-01T00:00:00Z").start, at("2026-02-28T00:00:00Z"));
        assert_eq!(window("2026-03-01T00:00:00Z").end, Some(at("2026-03-31T00:00:00Z")));
    }

    #[test]
    fn a_month_starts_at_midnight_where_the_customer_lives() {
        let calendar = Calendar::new(at("2026-02-28T23:00:00Z"), "Europe/Paris").unwrap();
        let window = calendar.window_at(UsagePeriod::Month, at("2026-04-15T00:00:00Z")).unwrap();
        assert_eq!(window.start, at("2026-03-31T22:00:00Z"), "summer time came in between");
    }

    #[test]
    fn nothing_comes_before_the_anchor() {
        let calendar = Calendar::new(at("2026-01-01T00:00:00Z"), "UTC").unwrap();
        assert!(calendar.window_at(UsagePeriod::Month, at("2025-12-31T23:59:59Z")).is_err());
        assert_eq!(Calendar::new(at("2026-01-01T00:00:00Z"), "Mars/Olympus"), Err(CalendarError::Zone));
    }
}
