//! Usage: what was spent, summed up over time by whoever spent it and whatever callers said of it.
//!
//! What counts is what the ledger charged: calls that consumed, and holds once they are settled. A second answer to one call
//! (an idempotency key that two gates met) counts once, a hold that ran out of time not at all.

use crate::id::{AgentId, AllocationId, CustomerId, FeatureId, SessionId, UserId};
use crate::text::{DimensionName, DimensionValue};
use crate::time::{DAY, HOUR, Timestamp};
use crate::units::Units;
use jiff::ToSpan;
use jiff::tz::TimeZone;
use thiserror::Error;

/// Different sets of dimensions that are told apart within an hour, for one customer and feature. Callers may send anything,
/// ids of requests too: what comes after these is summed up as "other", so that an hour stays small.
pub const DIMENSION_SETS_MAX: usize = 100;
/// The longest set of dimensions that is told apart, in bytes as it is stored. A longer one is "other".
pub const DIMENSIONS_BYTES_MAX: usize = 2_000;
/// The most that usage is grouped by: more is a table that nobody reads.
pub const KEYS_MAX: usize = 3;
/// The most dimensions that are looked for at once.
pub const WANTED_MAX: usize = 5;
/// The most groups that are answered.
pub const TOP_MAX: u16 = 100;
/// The most rows that are answered: groups times stretches of time.
pub const ROWS_MAX: i64 = 1_000;

/// The shortest month in microseconds.
const MONTH_MIN: i64 = 28 * DAY;

/// How long the stretches of a series are, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A calendar month.
    Month,
}

impl Bucket {
    /// The end of the stretch that begins at `start`, at most the last instant there is.
    pub fn end_of(self, start: Timestamp) -> Timestamp {
        let micros = start.as_micros();
        match self {
            Self::Hour => Timestamp::from_micros(micros.saturating_add(HOUR)),
            Self::Day => Timestamp::from_micros(micros.saturating_add(DAY)),
            Self::Month => {
                let begin = jiff::Timestamp::from_microsecond(micros).map(|at| at.to_zoned(TimeZone::UTC));
                let end = begin.and_then(|at| at.checked_add(1.month()));
                Timestamp::from_micros(end.map_or(i64::MAX, |at| at.timestamp().as_microsecond()))
            }
        }
    }
}

/// What usage is grouped by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageKey {
    /// On behalf of which customer.
    Customer,
    /// On behalf of which user.
    User,
    /// By which agent.
    Agent,
    /// In which session.
    Session,
    /// From which allocation.
    Allocation,
    /// Of which feature.
    Feature,
    /// By what the caller said under this name.
    Dimension(DimensionName),
}

/// What groups are ordered by, the largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Units spent.
    Units,
    /// Calls that were allowed.
    Calls,
}

/// Which usage: what fulfils all that is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// On behalf of which customer.
    pub customer: Option<CustomerId>,
    /// On behalf of which user.
    pub user: Option<UserId>,
    /// By which agent.
    pub agent: Option<AgentId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// From which allocation.
    pub allocation: Option<AllocationId>,
    /// Of which feature.
    pub feature: Option<FeatureId>,
    /// Of calls of which this was said.
    pub dimensions: Vec<(DimensionName, DimensionValue)>,
}

/// A stretch of time on the boundaries of hours, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    since: Timestamp,
    until: Timestamp,
}

/// A question about usage that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageQuery {
    /// Which usage.
    pub filter: UsageFilter,
    span: Span,
    keys: Vec<UsageKey>,
    bucket: Option<Bucket>,
    measure: Measure,
    top: u16,
}

/// Why a question about usage cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UsageError {
    /// Not on the boundary of an hour, or nothing lies between.
    #[error("must be on whole hours, the end after the beginning: 2026-11-01T00:00:00Z to 2026-11-02T00:00:00Z")]
    Span,
    /// Too many keys.
    #[error("names more than {KEYS_MAX} keys; group by fewer")]
    Keys,
    /// One key twice.
    #[error("names one key twice; name it once")]
    Repeated,
    /// Too many dimensions.
    #[error("names more than {WANTED_MAX} dimensions; look for fewer")]
    Wanted,
    /// No groups, or too many.
    #[error("must be between 1 and {TOP_MAX}")]
    Top,
    /// Units of several features.
    #[error("units of different features do not add up: name a feature in the filter, or group by FEATURE")]
    Feature,
    /// Units of several features side by side.
    #[error("units of different features do not compare: name a feature in the filter, or order by CALLS")]
    Measure,
    /// Too many rows.
    #[error("would be more than {ROWS_MAX} rows; ask for fewer groups, longer stretches, or less time")]
    Rows,
}

impl Span {
    /// From `since` to just before `until`.
    pub fn new(since: Timestamp, until: Timestamp) -> Result<Self, UsageError> {
        let whole = |at: Timestamp| at.as_micros() % HOUR == 0;
        if whole(since) && whole(until) && since < until { Ok(Self { since, until }) } else { Err(UsageError::Span) }
    }

    /// The days up to the end of the hour that `now` falls into.
    pub fn days_before(now: Timestamp, days: i64) -> Self {
        let until = (now.as_micros().div_euclid(HOUR) + 1) * HOUR;
        let since = until.div_euclid(DAY) * DAY - days * DAY;
        Self { since: Timestamp::from_micros(since), until: Timestamp::from_micros(until) }
    }

    /// Its first instant.
    pub fn since(self) -> Timestamp {
        self.since
    }

    /// The first instant after it.
    pub fn until(self) -> Timestamp {
        self.until
    }

    fn micros(self) -> i64 {
        self.until.as_micros().saturating_sub(self.since.as_micros())
    }
}

impl UsageQuery {
    /// The sum of all that fulfils `filter` in `span`.
    pub fn new(filter: UsageFilter, span: Span) -> Result<Self, UsageError> {
        if filter.dimensions.len() > WANTED_MAX {
            return Err(UsageError::Wanted);
        }
        let measure = if filter.feature.is_some() { Measure::Units } else { Measure::Calls };
        Ok(Self { filter, span, keys: Vec::new(), bucket: None, measure, top: 1 })
    }

    /// Group by group, the largest `top` of them.
    pub fn grouped(mut self, keys: Vec<UsageKey>, measure: Option<Measure>, top: u16) -> Result<Self, UsageError> {
        if keys.len() > KEYS_MAX {
            return Err(UsageError::Keys);
        }
        if keys.iter().enumerate().any(|(at, key)| keys[..at].contains(key)) {
            return Err(UsageError::Repeated);
        }
        if top == 0 || top > TOP_MAX {
            return Err(UsageError::Top);
        }
        self.keys = keys;
        self.top = if self.keys.is_empty() { 1 } else { top };
        self.measure = measure.unwrap_or(self.measure);
        Ok(self)
    }

    /// Stretch by stretch, where one is named.
    pub fn series(mut self, bucket: Option<Bucket>) -> Self {
        self.bucket = bucket;
        self
    }

    /// The same without a word about what callers said: each group of this one comes to no more than the one of that which it is in.
    pub fn whatever_was_said(&self) -> Self {
        let mut whole = self.clone();
        whole.filter.dimensions.clear();
        whole.keys.retain(|key| !matches!(key, UsageKey::Dimension(_)));
        whole
    }

    /// Whether it can be answered in units that add up, and in how many rows.
    pub fn checked(self) -> Result<Self, UsageError> {
        let of_one = self.filter.feature.is_some();
        if !of_one && !self.keys.contains(&UsageKey::Feature) {
            return Err(UsageError::Feature);
        }
        if !of_one && self.measure == Measure::Units {
            return Err(UsageError::Measure);
        }
        let length = match self.bucket {
            None => self.span.micros(),
            Some(Bucket::Hour) => HOUR,
            Some(Bucket::Day) => DAY,
            Some(Bucket::Month) => MONTH_MIN,
        };
        let stretches = self.span.micros().saturating_add(length - 1) / length;
        if stretches.saturating_mul(i64::from(self.top)) > ROWS_MAX {
            return Err(UsageError::Rows);
        }
        Ok(self)
    }

    /// When.
    pub fn span(&self) -> Span {
        self.span
    }

    /// What it is grouped by.
    pub fn keys(&self) -> &[UsageKey] {
        &self.keys
    }

    /// How long the stretches of its series are; none where it is one sum.
    pub fn bucket(&self) -> Option<Bucket> {
        self.bucket
    }

    /// What groups are ordered by.
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// How many groups, 1 to [`TOP_MAX`].
    pub fn top(&self) -> u16 {
        self.top
    }
}

/// What one group spent in one stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct UsageRow {
    /// The first instant of the stretch; none where the whole span is one.
    pub start: Option<Timestamp>,
    /// The customer, where it is grouped by it.
    pub customer: Option<CustomerId>,
    /// The user, where it is grouped by it and one is named.
    pub user: Option<UserId>,
    /// The agent, likewise.
    pub agent: Option<AgentId>,
    /// The session, likewise.
    pub session: Option<SessionId>,
    /// The allocation, likewise.
    pub allocation: Option<AllocationId>,
    /// The feature, where it is grouped by it.
    pub feature: Option<FeatureId>,
    /// What was said under the names that it is grouped by, in their order.
    pub dimensions: Vec<UsageDimension>,
    /// Calls that were allowed and spent.
    pub calls: i64,
    /// Calls that were denied.
    pub denied: i64,
    /// Units spent.
    pub units: Units,
}

/// What was said under one name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UsageDimension {
    /// The name.
    pub name: DimensionName,
    /// What was said; none where nothing was, or it is not told apart.
    pub value: Option<String>,
    /// Is it what is not told apart any more, see [`DIMENSION_SETS_MAX`]?
    pub is_other: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(since: &str, until: &str) -> Result<Span, UsageError> {
        Span::new(Timestamp::parse(since).unwrap(), Timestamp::parse(until).unwrap())
    }

    #[test]
    fn units_of_several_features_are_never_summed_or_compared() {
        let day = span("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z").unwrap();
        let whole = || UsageQuery::new(UsageFilter::default(), day).unwrap();
        assert_eq!(whole().checked(), Err(UsageError::Feature));
        let grouped = |measure| whole().grouped(vec![UsageKey::Feature], measure, 10).unwrap().checked();
        assert!(grouped(None).is_ok());
        assert_eq!(grouped(Some(Measure::Units)), Err(UsageError::Measure));
    }

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let at = |text| Timestamp::parse(text).unwrap();
        assert_eq!(Bucket::Month.end_of(at("2027-02-01T00:00:00Z")), at("2027-03-01T00:00:00Z"));
        assert_eq!(Bucket::Month.end_of(at("2026-12-01T00:00:00Z")), at("2027-01-01T00:00:00Z"));
    }

    #[test]
    fn a_question_is_bounded() {
        assert_eq!(span("2026-11-01T00:30:00Z", "2026-11-02T00:00:00Z"), Err(UsageError::Span));
        assert_eq!(span("2026-11-02T00:00:00Z", "2026-11-02T00:00:00Z"), Err(UsageError::Span));
        let year = span("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z").unwrap();
        let by = |top, bucket| {
            let query = UsageQuery::new(UsageFilter::default(), year).unwrap();
            query.grouped(vec![UsageKey::Feature], None, top).unwrap().series(bucket).checked()
        };
        assert!(by(2, Some(Bucket::Day)).is_ok());
        assert_eq!(by(3, Some(Bucket::Day)), Err(UsageError::Rows));
        assert_eq!(by(1, Some(Bucket::Hour)), Err(UsageError::Rows));
        assert!(by(70, Some(Bucket::Month)).is_ok());
    }
}
