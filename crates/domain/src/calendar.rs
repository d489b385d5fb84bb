//! Calendars: where a subscription's periods start, in whose civil time, and the windows that this cuts time into.
//!
//! Windows tile time: the end of one is the start of the next, so no instant has two quotas or none. Each start is computed from
//! the anchor or the calendar, never from the start before it: 31 January is followed by 28 February and then by 31 March again,
//! and a day that began an hour late because clocks went forward is followed by one that begins on time.
//!
//! A local time that a change of clocks leaves out is moved forward by what was left out; one that comes twice is the earlier one.
//! Leap seconds do not count, as in Unix time.

use crate::period::{Alignment, PeriodUnit, Recurrence, UsagePeriod, Weekday};
use crate::time::Timestamp;
use jiff::civil::{self, Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};
use thiserror::Error;

/// An hour in microseconds.
const HOUR: i64 = 3_600_000_000;
/// Windows that a look may be off by: changes of clocks move a start by a day at most.
const SLACK: i64 = 3;

/// Where a subscription's periods start, and in whose civil time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// As clocks there show it, so that a time that one change of clocks leaves out is there again on other days.
    anchor: DateTime,
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
    /// Not a time without a zone.
    #[error("must be a local time such as 2026-01-31T09:00")]
    Anchor,
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
    ///
    /// # Errors
    /// [`CalendarError::Zone`] for a zone that is not known by name, [`CalendarError::OutOfRange`] for years that have no dates.
    pub fn new(anchor: Timestamp, zone: &str) -> Result<Self, CalendarError> {
        let zone = named(zone)?;
        let anchor = instant(anchor)?.to_zoned(zone.clone()).datetime();
        Ok(Self { anchor, zone })
    }

    /// A calendar whose periods start when clocks in `zone` show `anchor`, such as `2026-01-31T09:00`.
    ///
    /// # Errors
    /// As of [`Self::new`], and [`CalendarError::Anchor`] for a text that is no local time.
    pub fn local(anchor: &str, zone: &str) -> Result<Self, CalendarError> {
        let zone = named(zone)?;
        // Read as a text with an offset too, which would be passed over here and lost.
        if anchor.parse::<jiff::Timestamp>().is_ok() {
            return Err(CalendarError::Anchor);
        }
        let anchor: DateTime = anchor.parse().map_err(|_| CalendarError::Anchor)?;
        let calendar = Self { anchor, zone };
        calendar.instant_of(anchor)?;
        Ok(calendar)
    }

    /// The first instant of the first period.
    pub fn anchor(&self) -> Timestamp {
        // It was computed once when the calendar was made.
        self.instant_of(self.anchor).unwrap_or(Timestamp::from_micros(0))
    }

    /// The anchor as clocks show it in the zone, in ISO 8601 without an offset.
    pub fn local_anchor(&self) -> String {
        self.anchor.to_string()
    }

    /// The IANA name of the zone.
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The window of `period` that `at` falls into.
    ///
    /// # Errors
    /// [`CalendarError::OutOfRange`] for an instant before the anchor, where windows are counted from it, and beyond the years
    /// that have dates.
    pub fn window_at(&self, period: UsagePeriod, at: Timestamp) -> Result<Window, CalendarError> {
        let UsagePeriod::Every(every) = period else {
            let start = self.anchor();
            return if at < start { Err(CalendarError::OutOfRange) } else { Ok(Window { start, end: None }) };
        };
        if every.alignment() == Alignment::Anchor && at < self.anchor() {
            return Err(CalendarError::OutOfRange);
        }
        let mut index = self.guess(every, at)?;
        // The guess looks at dates alone, so it may be one too many (the time of day is still to come) or, where clocks went back
        // over a start, one too few.
        for _ in 0..SLACK {
            if at < self.start(every, index)? {
                index -= 1;
            }
        }
        let mut end = self.start(every, index + 1)?;
        for _ in 0..SLACK {
            if end <= at {
                index += 1;
                end = self.start(every, index + 1)?;
            }
        }
        let window = Window { start: self.start(every, index)?, end: Some(end) };
        if window.contains(at) { Ok(window) } else { Err(CalendarError::OutOfRange) }
    }

    /// Windows of `period`, from the one that `from` falls into.
    pub fn windows(&self, period: UsagePeriod, from: Timestamp) -> impl Iterator<Item = Result<Window, CalendarError>> {
        let mut next = Some(from);
        std::iter::from_fn(move || {
            let window = self.window_at(period, next.take()?);
            next = window.as_ref().ok().and_then(|window| window.end);
            Some(window)
        })
    }

    /// The window to open at `at`, where `previous` was opened last. Windows that nobody has opened in between are left out.
    ///
    /// That is the one that `at` falls into, unless the rules of the zone have changed since the previous one was opened and the two
    /// overlap: then it begins where the previous one ended, and where hardly anything would be left of it, ends with the next.
    ///
    /// # Errors
    /// As of [`Self::window_at`].
    pub fn window_after(
        &self,
        previous: Option<Window>,
        period: UsagePeriod,
        at: Timestamp,
    ) -> Result<Window, CalendarError> {
        let window = self.window_at(period, at)?;
        let (Some(start), Some(end)) = (previous.and_then(|window| window.end), window.end) else { return Ok(window) };
        if start <= window.start || at < start {
            return Ok(window);
        }
        let (over, left) = (start.saturating_since(window.start), end.saturating_since(start));
        let end = if left < over { self.window_at(period, end)?.end } else { Some(end) };
        Ok(Window { start, end })
    }

    /// Which window `at` may be in, by its date.
    fn guess(&self, every: Recurrence, at: Timestamp) -> Result<i64, CalendarError> {
        let here = instant(at)?.to_zoned(self.zone.clone()).date();
        let count = i64::from(every.count());
        let units = match (every.alignment(), every.unit()) {
            (Alignment::Anchor, PeriodUnit::Hour) => (at.as_micros() - self.anchor().as_micros()).div_euclid(HOUR),
            (Alignment::Anchor, PeriodUnit::Day) => days(here) - days(self.anchor.date()),
            (Alignment::Anchor, PeriodUnit::Week) => (days(here) - days(self.anchor.date())).div_euclid(7),
            (Alignment::Anchor, PeriodUnit::Month) => months(here) - months(self.anchor.date()),
            (Alignment::Anchor, PeriodUnit::Quarter) => (months(here) - months(self.anchor.date())).div_euclid(3),
            (Alignment::Anchor, PeriodUnit::Year) => (months(here) - months(self.anchor.date())).div_euclid(12),
            (Alignment::Calendar { .. }, PeriodUnit::Hour) => return self.guess_hour(every, here, at),
            (Alignment::Calendar { .. }, PeriodUnit::Day) => days(here),
            (Alignment::Calendar { week_start }, PeriodUnit::Week) => {
                (days(here) - week_zero(week_start)).div_euclid(7)
            }
            (Alignment::Calendar { .. }, PeriodUnit::Month) => months(here),
            (Alignment::Calendar { .. }, PeriodUnit::Quarter) => months(here).div_euclid(3),
            (Alignment::Calendar { .. }, PeriodUnit::Year) => months(here).div_euclid(12),
        };
        Ok(units.div_euclid(count))
    }

    /// Hours of the calendar begin anew each day, so their windows are numbered by the day and within it.
    fn guess_hour(&self, every: Recurrence, here: Date, at: Timestamp) -> Result<i64, CalendarError> {
        let mut day = days(here);
        // Where clocks go back over midnight a day has begun, and its date shows only an hour later.
        if self.midnight(day + 1)? <= at {
            day += 1;
        }
        let since = at.as_micros() - self.midnight(day)?.as_micros();
        let of_day = since.div_euclid(HOUR * i64::from(every.count()));
        Ok(day * HOURS_OF_DAY_MAX + of_day.clamp(0, HOURS_OF_DAY_MAX - 1))
    }

    /// When a window starts. Starts never go back as the index goes on; where a change of clocks leaves out a whole window, its
    /// start is the next one's.
    fn start(&self, every: Recurrence, index: i64) -> Result<Timestamp, CalendarError> {
        let units = index.checked_mul(i64::from(every.count())).ok_or(CalendarError::OutOfRange)?;
        let midnight = civil::Time::midnight();
        let local = match (every.alignment(), every.unit()) {
            (Alignment::Anchor, PeriodUnit::Hour) => {
                let micros = units.checked_mul(HOUR).and_then(|span| self.anchor().as_micros().checked_add(span));
                return micros.map(Timestamp::from_micros).ok_or(CalendarError::OutOfRange);
            }
            (Alignment::Anchor, unit) => after(self.anchor, unit, units)?,
            (Alignment::Calendar { .. }, PeriodUnit::Hour) => return self.hour_start(every, index),
            (Alignment::Calendar { .. }, PeriodUnit::Day) => return self.midnight(units),
            (Alignment::Calendar { week_start }, PeriodUnit::Week) => {
                return self.midnight(week_zero(week_start) + 7 * units);
            }
            // Counted from the year 0, so that two months begin in January and ten years with a decade.
            (Alignment::Calendar { .. }, unit) => after(Date::constant(0, 1, 1).to_datetime(midnight), unit, units)?,
        };
        self.instant_of(local)
    }

    fn hour_start(&self, every: Recurrence, index: i64) -> Result<Timestamp, CalendarError> {
        let (day, of_day) = (index.div_euclid(HOURS_OF_DAY_MAX), index.rem_euclid(HOURS_OF_DAY_MAX));
        let (midnight, next) = (self.midnight(day)?, self.midnight(day + 1)?);
        let micros = midnight.as_micros() + of_day * HOUR * i64::from(every.count());
        Ok(Timestamp::from_micros(micros).min(next))
    }

    /// The first instant of a day, by its number.
    fn midnight(&self, day: i64) -> Result<Timestamp, CalendarError> {
        let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
        self.instant_of(after(epoch, PeriodUnit::Day, day)?)
    }

    fn instant_of(&self, local: DateTime) -> Result<Timestamp, CalendarError> {
        let at = self.zone.to_ambiguous_timestamp(local).compatible().map_err(|_| CalendarError::OutOfRange)?;
        Ok(Timestamp::from_micros(at.as_microsecond()))
    }
}

/// More windows of an hour than any day has: clocks have gone back by a day at most.
const HOURS_OF_DAY_MAX: i64 = 64;

fn named(zone: &str) -> Result<TimeZone, CalendarError> {
    let zone = TimeZone::get(zone).map_err(|_| CalendarError::Zone)?;
    // A name is kept and stored: a zone without one (a POSIX rule, say) could not be read back.
    if zone.iana_name().is_none() { Err(CalendarError::Zone) } else { Ok(zone) }
}

fn instant(at: Timestamp) -> Result<jiff::Timestamp, CalendarError> {
    jiff::Timestamp::from_microsecond(at.as_micros()).map_err(|_| CalendarError::OutOfRange)
}

/// Days since 1 January 1970.
fn days(date: Date) -> i64 {
    date.since(Date::constant(1970, 1, 1)).map_or(0, |span| i64::from(span.get_days()))
}

/// The first day of a week, the one around 1 January 1970, which was a Thursday.
fn week_zero(week_start: Weekday) -> i64 {
    week_start.days_after_monday() - 3
}

/// Months since the year 0.
fn months(date: Date) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}

fn after(from: DateTime, unit: PeriodUnit, units: i64) -> Result<DateTime, CalendarError> {
    let span: Result<Span, jiff::Error> = match unit {
        PeriodUnit::Hour => 0.hours().try_hours(units),
        PeriodUnit::Day => Span::new().try_days(units),
        PeriodUnit::Week => Span::new().try_weeks(units),
        PeriodUnit::Month => Span::new().try_months(units),
        PeriodUnit::Quarter => Span::new().try_months(units.saturating_mul(3)),
        PeriodUnit::Year => Span::new().try_years(units),
    };
    span.and_then(|span| from.checked_add(span)).map_err(|_| CalendarError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn window(start: &str, end: &str) -> Window {
        Window { start: at(start), end: Some(at(end)) }
    }

    #[test]
    fn a_month_that_starts_on_the_31st_comes_back_to_it() {
        let calendar = Calendar::new(at("2026-01-31T00:00:00Z"), "UTC").unwrap();
        let found = |t| calendar.window_at(UsagePeriod::MONTH, at(t)).unwrap();
        assert_eq!(found("2026-02-10T00:00:00Z").end, Some(at("2026-02-28T00:00:00Z")));
        assert_eq!(found("2026-03-01T00:00:00Z"), window("2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"));
    }

    #[test]
    fn a_year_that_starts_on_29_february_comes_back_to_it() {
        let calendar = Calendar::local("2024-02-29", "UTC").unwrap();
        let starts: Vec<_> = calendar
            .windows(UsagePeriod::every(PeriodUnit::Year), calendar.anchor())
            .map(|window| window.unwrap().start.to_string())
            .take(5)
            .collect();
        let days = ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"];
        assert_eq!(starts, days.map(|day| format!("{day}T00:00:00Z")));
    }

    #[test]
    fn nothing_comes_before_the_anchor() {
        let calendar = Calendar::new(at("2026-01-01T00:00:00Z"), "UTC").unwrap();
        assert!(calendar.window_at(UsagePeriod::MONTH, at("2025-12-31T23:59:59Z")).is_err());
        assert!(calendar.window_at(UsagePeriod::Never, at("2025-12-31T23:59:59Z")).is_err());
    }

    #[test]
    fn what_is_no_calendar_is_refused() {
        assert_eq!(Calendar::new(at("2026-01-01T00:00:00Z"), "Mars/Olympus"), Err(CalendarError::Zone));
        for anchor in ["2026-01-31T09:00Z", "2026-01-31T09:00+01:00", "2026-02-30", "09:00", ""] {
            assert_eq!(Calendar::local(anchor, "UTC"), Err(CalendarError::Anchor), "{anchor:?}");
        }
    }

    #[test]
    fn a_window_follows_what_was_opened_though_the_rules_of_the_zone_have_changed() {
        let calendar = Calendar::local("2026-01-01", "UTC").unwrap();
        let after = |previous, t| calendar.window_after(previous, UsagePeriod::MONTH, at(t)).unwrap();
        let february = window("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z");
        assert_eq!(after(None, "2026-02-10T00:00:00Z"), february);
        assert_eq!(
            after(Some(window("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")), "2026-02-10T00:00:00Z"),
            february
        );
        assert_eq!(
            after(Some(window("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z")), "2026-02-10T00:00:00Z"),
            february
        );
        // It ended an hour into what is February now.
        let late = window("2026-01-01T01:00:00Z", "2026-02-01T01:00:00Z");
        let rest = window("2026-02-01T01:00:00Z", "2026-03-01T00:00:00Z");
        assert_eq!(after(Some(late), "2026-02-01T01:00:00Z"), rest);
        // It ended an hour before what is February now: that hour is no month with a quota of its own.
        let early = window("2025-12-31T23:00:00Z", "2026-01-31T23:00:00Z");
        let longer = window("2026-01-31T23:00:00Z", "2026-03-01T00:00:00Z");
        assert_eq!(after(Some(early), "2026-01-31T23:30:00Z"), longer);
        assert_eq!(after(Some(early), "2026-02-01T12:00:00Z"), february, "nobody asked in that hour");
    }
}
