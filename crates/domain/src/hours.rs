//! Business hours: when in a week something may be used, by the clocks of a zone, and on which days it may not at all.
//!
//! Hours go by what clocks show: 09:00 to 17:00 is eight hours on nearly every day, and where clocks change within them seven or
//! nine. An hour that comes twice is open both times.

use crate::calendar::CalendarError;
use crate::period::Weekday;
use crate::time::Timestamp;
use crate::zone::Zone;
use jiff::ToSpan;
use jiff::civil::Date;
use std::collections::BTreeSet;
use std::fmt;
use thiserror::Error;

/// The most times of a week: more than one for each hour of it is no plan that a person has made.
pub const OPENINGS_MAX: usize = 168;
/// The most days that are named one by one: more than a year has.
pub const HOLIDAYS_MAX: usize = 400;
/// Minutes of a day by its clock.
const DAY_MINUTES: u16 = 24 * 60;

/// When something may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessHours {
    zone: Zone,
    openings: Vec<Opening>,
    holidays: BTreeSet<Holiday>,
}

/// From one time of day to another, on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// On which days: at least one.
    pub days: BTreeSet<Weekday>,
    /// From when.
    pub from: TimeOfDay,
    /// Until when, later on the same day.
    pub until: TimeOfDay,
}

/// A time of day by its clock, to the minute. Where a day ends is 24:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u16);

/// A date on which nothing is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holiday(Date);

/// Why hours cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HoursError {
    /// Never open, or too many times to look over.
    #[error("must have 1 to {OPENINGS_MAX} openings; leave the hours out where it is always open")]
    Openings,
    /// An opening on no day.
    #[error("must name at least one day of the week")]
    Days(usize),
    /// It ends before it begins.
    #[error("must be later than `from` on the same day; a night is two openings, until 24:00 and from 00:00")]
    Order(usize),
    /// Too many days.
    #[error("must be at most {HOLIDAYS_MAX} dates")]
    Holidays,
}

/// Why a text is no time of day, or no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClockError {
    /// Not a time.
    #[error("must be a time of day such as 09:00, or 24:00 where a day ends")]
    Time,
    /// Not a date.
    #[error("must be a date such as 2026-12-25")]
    Date,
}

impl TimeOfDay {
    /// Reads `HH:MM`.
    pub fn parse(text: &str) -> Result<Self, ClockError> {
        let two = |digits: &str| {
            let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse::<u16>().ok()).flatten().ok_or(ClockError::Time)
        };
        let (hours, minutes) = text.split_once(':').ok_or(ClockError::Time)?;
        let (hours, minutes) = (two(hours)?, two(minutes)?);
        let total = hours * 60 + minutes;
        if minutes < 60 && total <= DAY_MINUTES { Ok(Self(total)) } else { Err(ClockError::Time) }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Holiday {
    /// Reads a date by ISO 8601.
    pub fn parse(text: &str) -> Result<Self, ClockError> {
        text.parse::<Date>().map(Self).map_err(|_| ClockError::Date)
    }
}

impl fmt::Display for Holiday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl BusinessHours {
    /// Hours by the clocks of `zone`.
    ///
    /// # Errors
    /// Each of [`HoursError`]; the number is the place of the opening.
    pub fn new(zone: Zone, openings: Vec<Opening>, holidays: BTreeSet<Holiday>) -> Result<Self, HoursError> {
        if openings.is_empty() || openings.len() > OPENINGS_MAX {
            return Err(HoursError::Openings);
        }
        if let Some(place) = openings.iter().position(|opening| opening.days.is_empty()) {
            return Err(HoursError::Days(place));
        }
        if let Some(place) = openings.iter().position(|opening| opening.until <= opening.from) {
            return Err(HoursError::Order(place));
        }
        if holidays.len() > HOLIDAYS_MAX {
            return Err(HoursError::Holidays);
        }
        Ok(Self { zone, openings, holidays })
    }

    /// By whose clocks.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The times of a week, as they were given.
    pub fn openings(&self) -> &[Opening] {
        &self.openings
    }

    /// The days on which nothing is open.
    pub fn holidays(&self) -> &BTreeSet<Holiday> {
        &self.holidays
    }

    /// May it be used at this instant? Not where the calendar has no dates.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.zone.shows(at).is_ok_and(|clock| {
            let minute = u16::from(clock.hour().unsigned_abs()) * 60 + u16::from(clock.minute().unsigned_abs());
            self.of_date(clock.date()).any(|opening| opening.from.0 <= minute && minute < opening.until.0)
        })
    }

    /// When it opens next: at the earliest at `at`, where it is open then. None where it never does.
    pub fn opens_at(&self, at: Timestamp) -> Option<Timestamp> {
        if self.is_open(at) {
            return Some(at);
        }
        let mut date = self.zone.shows(at).ok()?.date();
        // Holidays in a row, one week in which some day is open, and the days that a change of clocks may take an opening from.
        for _ in 0..HOLIDAYS_MAX + 14 {
            let starts = self.of_date(date).filter_map(|opening| self.start(date, opening).ok());
            if let Some(first) = starts.filter(|start| *start > at && self.is_open(*start)).min() {
                return Some(first);
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn start(&self, date: Date, opening: &Opening) -> Result<Timestamp, CalendarError> {
        self.zone.at(date, opening.from.0)
    }

    /// The openings of one date.
    fn of_date(&self, date: Date) -> impl Iterator<Item = &Opening> {
        let weekday = Weekday::of(date.weekday());
        let is_holiday = self.holidays.contains(&Holiday(date));
        self.openings.iter().filter(move |opening| !is_holiday && opening.days.contains(&weekday))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn opening(days: &[Weekday], from: &str, until: &str) -> Opening {
        let days = days.iter().copied().collect();
        Opening { days, from: TimeOfDay::parse(from).unwrap(), until: TimeOfDay::parse(until).unwrap() }
    }

    fn hours(zone: &str, openings: Vec<Opening>, holidays: &[&str]) -> Result<BusinessHours, HoursError> {
        let holidays = holidays.iter().map(|date| Holiday::parse(date).unwrap()).collect();
        BusinessHours::new(Zone::parse(zone).unwrap(), openings, holidays)
    }

    fn office() -> BusinessHours {
        hours("Europe/Berlin", vec![opening(&Weekday::ALL[..5], "09:00", "17:30")], &["2026-12-25"]).unwrap()
    }

    #[test]
    fn an_office_is_open_on_working_days_by_its_own_clocks() {
        let office = office();
        for (instant, open) in [
            ("2026-11-25T07:59:59Z", false),
            ("2026-11-25T08:00:00Z", true),
            ("2026-11-25T16:29:59.999999Z", true),
            ("2026-11-25T16:30:00Z", false),
            ("2026-11-28T10:00:00Z", false),
            ("2026-12-25T10:00:00Z", false),
            ("2026-07-01T07:00:00Z", true),
        ] {
            assert_eq!(office.is_open(at(instant)), open, "{instant}");
        }
    }

    #[test]
    fn it_says_when_it_opens_next() {
        let office = office();
        for (instant, opens) in [
            ("2026-11-25T07:00:00Z", "2026-11-25T08:00:00Z"),
            ("2026-11-25T10:00:00Z", "2026-11-25T10:00:00Z"),
            ("2026-11-27T16:30:00Z", "2026-11-30T08:00:00Z"),
            ("2026-12-24T18:00:00Z", "2026-12-28T08:00:00Z"),
        ] {
            assert_eq!(office.opens_at(at(instant)), Some(at(opens)), "{instant}");
        }
    }

    #[test]
    fn a_change_of_clocks_moves_or_doubles_an_hour() {
        let sunday = [Weekday::Sunday];
        let night = hours("Europe/Berlin", vec![opening(&sunday, "02:00", "03:00")], &[]).unwrap();
        // On 29 March 2026 there is no such hour; the next is a week later.
        assert_eq!(night.opens_at(at("2026-03-28T12:00:00Z")), Some(at("2026-04-05T00:00:00Z")));
        // On 25 October 2026 it comes twice.
        assert!(night.is_open(at("2026-10-25T00:30:00Z")) && night.is_open(at("2026-10-25T01:30:00Z")));
        assert!(!night.is_open(at("2026-10-25T02:00:00Z")));
        let day = hours("Europe/Berlin", vec![opening(&sunday, "00:00", "24:00")], &[]).unwrap();
        assert!(day.is_open(at("2026-10-25T22:59:59Z")) && !day.is_open(at("2026-10-25T23:00:00Z")));
    }

    #[test]
    fn hours_that_cannot_be_say_why() {
        let monday = [Weekday::Monday];
        assert_eq!(hours("UTC", vec![], &[]), Err(HoursError::Openings));
        assert_eq!(hours("UTC", vec![opening(&[], "09:00", "10:00")], &[]), Err(HoursError::Days(0)));
        let night = vec![opening(&monday, "09:00", "10:00"), opening(&monday, "22:00", "06:00")];
        assert_eq!(hours("UTC", night, &[]), Err(HoursError::Order(1)));
        for text in ["9:00", "09:60", "24:01", "25:00", "0900", "09:0a", "+9:00", ""] {
            assert_eq!(TimeOfDay::parse(text), Err(ClockError::Time), "{text:?}");
        }
        for text in ["2026-02-30", "25.12.2026", ""] {
            assert_eq!(Holiday::parse(text), Err(ClockError::Date), "{text:?}");
        }
        assert_eq!(TimeOfDay::parse("24:00").unwrap().to_string(), "24:00");
    }

    #[test]
    fn a_week_of_holidays_after_another_is_waited_for() {
        let mut date = "2026-01-01".parse::<Date>().unwrap();
        let mut holidays = BTreeSet::new();
        while holidays.len() < HOLIDAYS_MAX {
            holidays.insert(Holiday(date));
            date = date.tomorrow().unwrap();
        }
        let openings = vec![opening(&Weekday::ALL, "09:00", "10:00")];
        let hours = BusinessHours::new(Zone::parse("UTC").unwrap(), openings, holidays).unwrap();
        assert_eq!(hours.opens_at(at("2025-12-31T10:00:00Z")), Some(at("2027-02-05T09:00:00Z")));
    }
}
