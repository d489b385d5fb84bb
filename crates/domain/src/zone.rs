//! Zones: in whose civil time a day is one, and what clocks there show.

use crate::calendar::{Calendar, CalendarError, Window};
use crate::period::{Alignment, PeriodUnit, Recurrence, UsagePeriod, Weekday};
use crate::time::Timestamp;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};

/// An IANA time zone by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(Calendar);

impl Zone {
    /// Reads the name of a zone.
    pub fn parse(name: &str) -> Result<Self, CalendarError> {
        Calendar::new(Timestamp::from_micros(0), name).map(Self)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.zone()
    }

    /// The day there that an instant falls into.
    pub fn day(&self, at: Timestamp) -> Result<Window, CalendarError> {
        let calendar = Alignment::Calendar { week_start: Weekday::Monday };
        let day = Recurrence::new(1, PeriodUnit::Day, calendar).map_err(|_| CalendarError::OutOfRange)?;
        self.0.window_at(UsagePeriod::Every(day), at)
    }

    /// What clocks there show at an instant.
    pub(crate) fn shows(&self, at: Timestamp) -> Result<DateTime, CalendarError> {
        self.0.shows(at)
    }

    /// The first instant at which clocks there show so many minutes after the midnight that begins a date; 1440 are the midnight
    /// that ends it.
    pub(crate) fn at(&self, date: Date, minutes: u16) -> Result<Timestamp, CalendarError> {
        let local = date.to_datetime(Time::midnight()).checked_add(i64::from(minutes).minutes());
        self.0.first_at(local.map_err(|_| CalendarError::OutOfRange)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_by_the_clocks_there() {
        let at = |text| Timestamp::parse(text).unwrap();
        let day = Zone::parse("Europe/Berlin").unwrap().day(at("2026-10-25T10:00:00Z")).unwrap();
        assert_eq!((day.start, day.end), (at("2026-10-24T22:00:00Z"), Some(at("2026-10-25T23:00:00Z"))));
    }
}
