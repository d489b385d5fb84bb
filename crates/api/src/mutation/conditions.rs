//! What is said of the conditions of an allocation, read and refused member by member.

use crate::object::WeekdayName;
use crate::refusal::Checks;
use almoner_domain::conditions::{Conditions, IdleTimeout, Pace};
use almoner_domain::hours::{BusinessHours, HOLIDAYS_MAX, Holiday, HoursError, OPENINGS_MAX, Opening, TimeOfDay};
use almoner_domain::zone::Zone;
use async_graphql::InputObject;

/// When in a week something may be used, by the clocks of a zone.
#[derive(InputObject)]
pub(crate) struct BusinessHoursInput {
    /// An IANA time zone such as `Europe/Paris`.
    zone: String,
    /// 1 to 168 times of a week.
    openings: Vec<OpeningInput>,
    /// At most 400 dates on which nothing is open, such as `2026-12-25`.
    holidays: Option<Vec<String>>,
}

/// From one time of day to a later one, on some days of the week.
#[derive(InputObject)]
pub(crate) struct OpeningInput {
    /// At least one.
    days: Vec<WeekdayName>,
    /// Such as `09:00`.
    from: String,
    /// Such as `17:30`; `24:00` where a day ends.
    until: String,
}

/// At most so many allowed calls in any span of time. Each gate counts those that it allows itself.
#[derive(InputObject)]
pub(crate) struct PaceInput {
    /// 1 to 1,000 calls.
    calls: i64,
    /// In so many seconds, 1 to 86,400.
    per_seconds: i64,
}

/// Reads conditions. Whatever is below zero is refused as nothing is.
pub(super) fn read(
    hours: Option<&BusinessHoursInput>,
    pace: Option<&PaceInput>,
    idle_timeout_seconds: Option<i64>,
    checks: &mut Checks,
) -> Conditions {
    let hours = hours.and_then(|hours| read_hours(hours, checks));
    let pace = pace.and_then(|pace| {
        let calls = u32::try_from(pace.calls).unwrap_or_default();
        checks.keep(&["pace"], Pace::new(calls, u64::try_from(pace.per_seconds).unwrap_or_default()))
    });
    let idle_timeout = idle_timeout_seconds.and_then(|seconds| {
        let seconds = u64::try_from(seconds).unwrap_or_default();
        checks.keep(&["idleTimeoutSeconds"], IdleTimeout::new(seconds))
    });
    Conditions { hours, pace, idle_timeout }
}

fn read_hours(input: &BusinessHoursInput, checks: &mut Checks) -> Option<BusinessHours> {
    let holidays = input.holidays.as_deref().unwrap_or_default();
    if input.openings.len() > OPENINGS_MAX || holidays.len() > HOLIDAYS_MAX {
        checks.add(&["hours"], format!("has more than {OPENINGS_MAX} openings or {HOLIDAYS_MAX} holidays"));
        return None;
    }
    let zone = checks.keep(&["hours", "zone"], Zone::parse(&input.zone));
    let openings: Vec<Option<Opening>> =
        input.openings.iter().enumerate().map(|(at, opening)| read_opening(at, opening, checks)).collect();
    let holiday =
        |(at, text): (usize, &String)| checks.keep(&["hours", "holidays", &at.to_string()], Holiday::parse(text));
    let holidays: Vec<Option<Holiday>> = holidays.iter().enumerate().map(holiday).collect();
    let openings = openings.into_iter().collect::<Option<Vec<_>>>()?;
    let holidays = holidays.into_iter().collect::<Option<_>>()?;
    let hours = BusinessHours::new(zone?, openings, holidays);
    hours.map_err(|why| refuse(why, checks)).ok()
}

fn refuse(why: HoursError, checks: &mut Checks) {
    match why {
        HoursError::Openings => checks.add(&["hours", "openings"], why),
        HoursError::Days(at) => checks.add(&["hours", "openings", &at.to_string(), "days"], why),
        HoursError::Order(at) => checks.add(&["hours", "openings", &at.to_string(), "until"], why),
        HoursError::Holidays => checks.add(&["hours", "holidays"], why),
    }
}

fn read_opening(at: usize, input: &OpeningInput, checks: &mut Checks) -> Option<Opening> {
    let at = at.to_string();
    let mut time = |member: &str, text: &str| checks.keep(&["hours", "openings", &at, member], TimeOfDay::parse(text));
    let (from, until) = (time("from", &input.from), time("until", &input.until));
    Some(Opening { days: input.days.iter().map(|day| (*day).into()).collect(), from: from?, until: until? })
}
