//! Usage periods: how long a quota lasts before it renews, and what its windows are counted from.

use std::fmt;
use thiserror::Error;

/// The longest period, in units of it: a thousand years are as good as never.
pub const COUNT_MAX: u16 = 1_000;
/// The longest period of hours that is counted from the calendar: hours begin anew each day.
pub const ALIGNED_HOURS_MAX: u16 = 24;

/// What periods are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeriodUnit {
    /// Sixty minutes of real time, whatever clocks do.
    Hour,
    /// A day of the calendar: 23 or 25 hours where clocks change.
    Day,
    /// Seven days.
    Week,
    /// A month of the calendar.
    Month,
    /// Three months.
    Quarter,
    /// Twelve months.
    Year,
}

impl PeriodUnit {
    /// All of them, shortest first.
    pub const ALL: [Self; 6] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// The word on the wire and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// Reads the word, one or many: `day` or `days`.
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.strip_suffix('s').unwrap_or(text);
        Self::ALL.into_iter().find(|unit| unit.as_str() == word)
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weekday {
    /// The first by ISO 8601.
    Monday,
    /// The second.
    Tuesday,
    /// The third.
    Wednesday,
    /// The fourth.
    Thursday,
    /// The fifth.
    Friday,
    /// The sixth.
    Saturday,
    /// The seventh.
    Sunday,
}

impl Weekday {
    /// All of them, in the order of ISO 8601.
    pub const ALL: [Self; 7] =
        [Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday, Self::Sunday];

    /// The word on the wire and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|day| day.as_str() == text)
    }

    /// The day that a calendar calls so.
    pub(crate) fn of(day: jiff::civil::Weekday) -> Self {
        Self::ALL[usize::from(day.to_monday_zero_offset().unsigned_abs()) % 7]
    }

    /// Days after Monday.
    pub const fn days_after_monday(self) -> i64 {
        self as i64
    }
}

/// What a period's windows are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alignment {
    /// The subscription's anchor: a month from the 15th to the 15th.
    Anchor,
    /// The calendar of the subscription's zone: a month from the 1st to the 1st, hours and days from midnight.
    Calendar {
        /// Where weeks begin. Periods of another unit have no use for it.
        week_start: Weekday,
    },
}

/// A length of time after which a quota renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recurrence {
    count: u16,
    unit: PeriodUnit,
    alignment: Alignment,
}

/// How long a quota lasts before it renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UsagePeriod {
    /// So long, again and again.
    Every(Recurrence),
    /// It never renews.
    Never,
}

/// Why a period cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PeriodError {
    /// Not a period.
    #[error("must be hour, day, week, month, quarter, year, a number of them such as \"2 weeks\", or never")]
    Unknown,
    /// None, or too many.
    #[error("must be between 1 and {COUNT_MAX} of its unit")]
    Count,
    /// More hours than a day has.
    #[error("must be at most {ALIGNED_HOURS_MAX} hours where it is aligned to the calendar: hours begin anew each day")]
    Hours,
}

impl Recurrence {
    /// So many units, counted from there.
    ///
    /// # Errors
    /// [`PeriodError::Count`] for none or more than [`COUNT_MAX`], [`PeriodError::Hours`] for more than
    /// [`ALIGNED_HOURS_MAX`] hours of the calendar.
    pub fn new(count: u16, unit: PeriodUnit, alignment: Alignment) -> Result<Self, PeriodError> {
        if count == 0 || count > COUNT_MAX {
            return Err(PeriodError::Count);
        }
        if unit == PeriodUnit::Hour && alignment != Alignment::Anchor && count > ALIGNED_HOURS_MAX {
            return Err(PeriodError::Hours);
        }
        Ok(Self { count, unit, alignment })
    }

    /// How many units.
    pub const fn count(self) -> u16 {
        self.count
    }

    /// Of what.
    pub const fn unit(self) -> PeriodUnit {
        self.unit
    }

    /// Counted from where.
    pub const fn alignment(self) -> Alignment {
        self.alignment
    }
}

impl UsagePeriod {
    /// A month from the subscription's anchor.
    pub const MONTH: Self = Self::every(PeriodUnit::Month);

    /// One unit from the subscription's anchor.
    pub const fn every(unit: PeriodUnit) -> Self {
        Self::Every(Recurrence { count: 1, unit, alignment: Alignment::Anchor })
    }

    /// Reads what [`Display`](fmt::Display) writes: `never`, or `[count ]unit[ aligned[ weekday]]`, such as `month`, `2 weeks`,
    /// `day aligned` and `week aligned sunday`.
    ///
    /// # Errors
    /// Those of [`Recurrence::new`], and [`PeriodError::Unknown`] for any other text.
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let mut words = text.split(' ').peekable();
        let count = match words.peek().map(|word| word.parse::<u16>()) {
            Some(Ok(count)) => {
                words.next();
                count
            }
            _ => 1,
        };
        let unit = words.next().and_then(PeriodUnit::parse).ok_or(PeriodError::Unknown)?;
        let alignment = match (words.next(), words.next()) {
            (None, _) => Alignment::Anchor,
            (Some("aligned"), None) => Alignment::Calendar { week_start: Weekday::Monday },
            (Some("aligned"), Some(day)) => {
                Alignment::Calendar { week_start: Weekday::parse(day).ok_or(PeriodError::Unknown)? }
            }
            _ => return Err(PeriodError::Unknown),
        };
        if words.next().is_some() {
            return Err(PeriodError::Unknown);
        }
        Recurrence::new(count, unit, alignment).map(Self::Every)
    }
}

impl fmt::Display for UsagePeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Every(Recurrence { count, unit, alignment }) = self else { return f.write_str("never") };
        match count {
            1 => f.write_str(unit.as_str())?,
            count => write!(f, "{count} {}s", unit.as_str())?,
        }
        match alignment {
            Alignment::Anchor => Ok(()),
            Alignment::Calendar { week_start: Weekday::Monday } => f.write_str(" aligned"),
            Alignment::Calendar { week_start } => write!(f, " aligned {}", week_start.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_reads_back_as_it_was_written() {
        for text in ["never", "month", "2 weeks", "day aligned", "week aligned sunday", "12 hours", "1000 years"] {
            assert_eq!(UsagePeriod::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(UsagePeriod::parse("1 months"), Ok(UsagePeriod::MONTH));
        assert_eq!(UsagePeriod::parse("month"), Ok(UsagePeriod::MONTH));
    }

    #[test]
    fn what_is_no_period_is_refused_with_what_to_do() {
        for text in ["", "fortnight", "-1 days", "month ", "month aligned sunday x", "month sunday", "2", "monthss"] {
            assert_eq!(UsagePeriod::parse(text), Err(PeriodError::Unknown), "{text:?}");
        }
        assert_eq!(UsagePeriod::parse("0 days"), Err(PeriodError::Count));
        assert_eq!(UsagePeriod::parse("1001 days"), Err(PeriodError::Count));
        assert_eq!(UsagePeriod::parse("25 hours aligned"), Err(PeriodError::Hours));
        assert!(UsagePeriod::parse("25 hours").is_ok());
    }
}
