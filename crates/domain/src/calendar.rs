//! Calendars: where a subscription's periods start, in whose civil time, and the windows that this cuts time into.
//!
//! Windows tile time: the end of one is the start of the next, so no instant has two quotas or none. Each start is computed from
//! the anchor or the calendar, never from the start before it: 31 January is followed by 28 February and then by 31 March again,
//! and a day that began an hour late because clocks went forward is followed by one that begins on time.
//!
//! A local time that a change of clocks leaves out is moved forward by what was left out; one that comes twice is the earlier one.
//! Leap seconds do not count, as in Unix time.

use crate::period::{Alignment, PeriodUnit, Recurrence, UsagePeriod};
use crate::time::{HOUR, Timestamp};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};
use thiserror::Error;

/// Where days of the calendar are counted from.
const DAY_ZERO: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// Where weeks are, which begin so many days later: the Monday of the week around it.
const WEEK_ZERO: DateTime = DateTime::constant(1969, 12, 29, 0, 0, 0, 0);
/// Where months, quarters and years are, so that two months begin in January and ten years with a decade.
const YEAR_ZERO: DateTime = DateTime::constant(0, 1, 1, 0, 0, 0, 0);

/// Where a subscription's periods start, and in whose civil time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    anchor: Timestamp,
    /// The anchor as clocks there show it, so that a time that one change of clocks leaves out is there again on other days.
    local_anchor: DateTime,
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
        let local_anchor = instant(anchor)?.to_zoned(zone.clone()).datetime();
        Ok(Self { anchor: first(&zone, local_anchor)?, local_anchor, zone })
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
        let local_anchor = anchor.parse().map_err(|_| CalendarError::Anchor)?;
        Ok(Self { anchor: first(&zone, local_anchor)?, local_anchor, zone })
    }

    /// The first instant of the first period.
    pub fn anchor(&self) -> Timestamp {
        self.anchor
    }

    /// The anchor as clocks show it in the zone, in ISO 8601 without an offset.
    pub fn local_anchor(&self) -> String {
        self.local_anchor.to_string()
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
        let is_anchored = !matches!(period, UsagePeriod::Every(every) if every.alignment() != Alignment::Anchor);
        if is_anchored && at < self.anchor {
            return Err(CalendarError::OutOfRange);
        }
        match period {
            UsagePeriod::Never => Ok(Window { start: self.anchor, end: None }),
            UsagePeriod::Every(every) => match Step::of(every) {
                Some(step) => self.dates_at(self.origin(every), step, at),
                None => self.hours_at(every, at),
            },
        }
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

    /// The window to open at `at`, where the one that was opened last ended at `last_end`. Windows that nobody has opened in between
    /// are left out.
    ///
    /// That is the one that `at` falls into, unless the rules of the zone have changed since the last one was opened and the two
    /// overlap: then it begins where the last one ended, and where hardly anything would be left of it, ends with the next.
    ///
    /// # Errors
    /// As of [`Self::window_at`].
    pub fn window_after(
        &self,
        last_end: Option<Timestamp>,
        period: UsagePeriod,
        at: Timestamp,
    ) -> Result<Window, CalendarError> {
        let window = self.window_at(period, at)?;
        let (Some(start), Some(end)) = (last_end, window.end) else { return Ok(window) };
        if start <= window.start || at < start {
            return Ok(window);
        }
        let (over, left) = (start.saturating_since(window.start), end.saturating_since(start));
        let end = if left < over { self.window_at(period, end)?.end } else { Some(end) };
        Ok(Window { start, end })
    }

    /// What clocks in the zone show at an instant.
    pub(crate) fn shows(&self, at: Timestamp) -> Result<DateTime, CalendarError> {
        Ok(instant(at)?.to_zoned(self.zone.clone()).datetime())
    }

    /// The first instant at which clocks in the zone show a time, or would had they not changed.
    pub(crate) fn first_at(&self, local: DateTime) -> Result<Timestamp, CalendarError> {
        first(&self.zone, local)
    }

    /// Where windows that start on dates are counted from.
    fn origin(&self, every: Recurrence) -> DateTime {
        match (every.alignment(), every.unit()) {
            (Alignment::Anchor, _) => self.local_anchor,
            (Alignment::Calendar { week_start }, PeriodUnit::Week) => {
                WEEK_ZERO.saturating_add(week_start.days_after_monday().days())
            }
            (Alignment::Calendar { .. }, PeriodUnit::Hour | PeriodUnit::Day) => DAY_ZERO,
            (Alignment::Calendar { .. }, PeriodUnit::Month | PeriodUnit::Quarter | PeriodUnit::Year) => YEAR_ZERO,
        }
    }

    /// Of windows that start on dates, so far apart, the one that `at` falls into. Starts never go back from one to the next; where
    /// a change of clocks leaves out a whole window, its start is the next one's, and nothing falls into it.
    fn dates_at(&self, origin: DateTime, step: Step, at: Timestamp) -> Result<Window, CalendarError> {
        let start = |index| first(&self.zone, step.after(origin, index)?);
        let here = instant(at)?.to_zoned(self.zone.clone()).date();
        // Dates alone may say one too many (the time of day is still to come) or, where clocks went back over a start, one too few.
        let mut index = step.between(origin.date(), here)?;
        while at < start(index)? {
            index -= 1;
        }
        let mut end = start(index + 1)?;
        while end <= at {
            index += 1;
            end = start(index + 1)?;
        }
        Ok(Window { start: start(index)?, end: Some(end) })
    }

    /// The window of hours that `at` falls into. Those of the calendar begin anew each day, and the day's last ends with it.
    fn hours_at(&self, every: Recurrence, at: Timestamp) -> Result<Window, CalendarError> {
        instant(at)?;
        let (from, until) = match every.alignment() {
            Alignment::Anchor => (self.anchor, None),
            Alignment::Calendar { .. } => {
                let day = self.dates_at(self.origin(every), Step::Days(1), at)?;
                (day.start, day.end)
            }
        };
        let length = HOUR * i64::from(every.count());
        let since = at.as_micros() - from.as_micros();
        let start = at.as_micros() - since.rem_euclid(length);
        let end = Timestamp::from_micros(start + length);
        Ok(Window { start: Timestamp::from_micros(start), end: Some(until.map_or(end, |until| end.min(until))) })
    }
}

/// How far apart windows start that start on dates.
#[derive(Clone, Copy)]
enum Step {
    Days(i64),
    Months(i64),
}

impl Step {
    /// None where they do not: hours pass whatever the date.
    fn of(every: Recurrence) -> Option<Self> {
        let count = i64::from(every.count());
        Some(match every.unit() {
            PeriodUnit::Hour => return None,
            PeriodUnit::Day => Self::Days(count),
            PeriodUnit::Week => Self::Days(7 * count),
            PeriodUnit::Month => Self::Months(count),
            PeriodUnit::Quarter => Self::Months(3 * count),
            PeriodUnit::Year => Self::Months(12 * count),
        })
    }

    /// So many steps later.
    fn after(self, origin: DateTime, steps: i64) -> Result<DateTime, CalendarError> {
        let span = match self {
            Self::Days(days) => Span::new().try_days(steps * days),
            Self::Months(months) => Span::new().try_months(steps * months),
        };
        span.and_then(|span| origin.checked_add(span)).map_err(|_| CalendarError::OutOfRange)
    }

    /// Steps from one date to another, by their days or their months alone.
    fn between(self, from: Date, to: Date) -> Result<i64, CalendarError> {
        let months = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month());
        Ok(match self {
            Self::Days(days) => {
                let passed = from.until(to).map_err(|_| CalendarError::OutOfRange)?;
                i64::from(passed.get_days()).div_euclid(days)
            }
            Self::Months(step) => (months(to) - months(from)).div_euclid(step),
        })
    }
}

/// The first instant at which clocks show a time, or would had they not changed.
fn first(zone: &TimeZone, local: DateTime) -> Result<Timestamp, CalendarError> {
    let at = zone.to_ambiguous_timestamp(local).compatible().map_err(|_| CalendarError::OutOfRange)?;
    Ok(Timestamp::from_micros(at.as_microsecond()))
}

fn named(zone: &str) -> Result<TimeZone, CalendarError> {
    let zone = TimeZone::get(zone).map_err(|_| CalendarError::Zone)?;
    // A name is kept and stored: a zone without one (a POSIX rule, say) could not be read back.
    if zone.iana_name().is_none() { Err(CalendarError::Zone) } else { Ok(zone) }
}

fn instant(at: Timestamp) -> Result<jiff::Timestamp, CalendarError> {
    jiff::Timestamp::from_microsecond(at.as_micros()).map_err(|_| CalendarError::OutOfRange)
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
        let after = |previous: Option<Window>, t| {
            calendar.window_after(previous.and_then(|window| window.end), UsagePeriod::MONTH, at(t)).unwrap()
        };
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
