//! Usage periods.

use almoner_domain::period::{PeriodUnit, UsagePeriod, Weekday};
use async_graphql::Enum;

/// How long a quota lasts before it renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "UsagePeriod")]
pub(crate) enum UsagePeriodName {
    /// Sixty minutes of real time, whatever clocks do.
    Hour,
    /// A day of the subscription's zone: 23 or 25 hours where clocks change.
    Day,
    /// Seven days.
    Week,
    /// A month of the subscription's calendar.
    Month,
    /// Three months.
    Quarter,
    /// Twelve months.
    Year,
    /// It never renews.
    Never,
}

impl UsagePeriodName {
    /// Its unit; none where it never renews.
    pub(crate) fn unit(self) -> Option<PeriodUnit> {
        Some(match self {
            Self::Hour => PeriodUnit::Hour,
            Self::Day => PeriodUnit::Day,
            Self::Week => PeriodUnit::Week,
            Self::Month => PeriodUnit::Month,
            Self::Quarter => PeriodUnit::Quarter,
            Self::Year => PeriodUnit::Year,
            Self::Never => return None,
        })
    }
}

impl From<UsagePeriod> for UsagePeriodName {
    fn from(period: UsagePeriod) -> Self {
        let UsagePeriod::Every(every) = period else { return Self::Never };
        match every.unit() {
            PeriodUnit::Hour => Self::Hour,
            PeriodUnit::Day => Self::Day,
            PeriodUnit::Week => Self::Week,
            PeriodUnit::Month => Self::Month,
            PeriodUnit::Quarter => Self::Quarter,
            PeriodUnit::Year => Self::Year,
        }
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "Weekday", remote = "Weekday")]
pub(crate) enum WeekdayName {
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
