//! Conditions of an allocation as the wire has them, in bodies and in answers.

use super::object;
use super::parse::Errors;
use almoner_domain::conditions::{Conditions, IdleTimeout, Pace};
use almoner_domain::hours::{BusinessHours, HOLIDAYS_MAX, Holiday, HoursError, OPENINGS_MAX, Opening, TimeOfDay};
use almoner_domain::period::Weekday;
use almoner_domain::zone::Zone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// When in a week something may be used, by the clocks of a zone.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoursBody {
    /// An IANA time zone such as `Europe/Paris`.
    pub zone: String,
    /// 1 to 168 times of a week.
    #[serde(deserialize_with = "object::many")]
    pub openings: Vec<OpeningBody>,
    /// At most 400 dates on which nothing is open, such as `2026-12-25`.
    #[serde(default)]
    pub holidays: Vec<String>,
}

/// From one time of day to a later one, on some days of the week.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpeningBody {
    /// `monday` to `sunday`, at least one.
    pub days: Vec<String>,
    /// Such as `09:00`.
    pub from: String,
    /// Such as `17:30`; `24:00` where a day ends.
    pub until: String,
}

/// At most so many allowed calls in any span of time. Each gate counts those that it allows itself.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PaceBody {
    /// 1 to 1,000 calls.
    pub calls: u32,
    /// In so many seconds, 1 to 86,400.
    pub per_s: u64,
}

/// What a body says of conditions.
pub(super) struct Said<'b> {
    pub(super) hours: Option<&'b HoursBody>,
    pub(super) pace: Option<PaceBody>,
    pub(super) idle_timeout_s: Option<u64>,
}

/// Reads conditions.
pub(super) fn read(said: Said<'_>, errors: &mut Errors) -> Conditions {
    let pace = said.pace.and_then(|pace| errors.keep("/pace", Pace::new(pace.calls, pace.per_s)));
    let idle_timeout =
        said.idle_timeout_s.and_then(|seconds| errors.keep("/idle_timeout_s", IdleTimeout::new(seconds)));
    Conditions { hours: said.hours.and_then(|hours| read_hours(hours, errors)), pace, idle_timeout }
}

fn read_hours(body: &HoursBody, errors: &mut Errors) -> Option<BusinessHours> {
    if body.openings.len() > OPENINGS_MAX || body.holidays.len() > HOLIDAYS_MAX {
        errors.add("/hours", format!("has more than {OPENINGS_MAX} openings or {HOLIDAYS_MAX} holidays"));
        return None;
    }
    let zone = errors.keep("/hours/zone", Zone::parse(&body.zone));
    let openings: Vec<Option<Opening>> =
        body.openings.iter().enumerate().map(|(at, opening)| read_opening(at, opening, errors)).collect();
    let holidays: Vec<Option<Holiday>> = body
        .holidays
        .iter()
        .enumerate()
        .map(|(at, text)| errors.keep(&format!("/hours/holidays/{at}"), Holiday::parse(text)))
        .collect();
    let openings = openings.into_iter().collect::<Option<Vec<_>>>()?;
    let holidays = holidays.into_iter().collect::<Option<_>>()?;
    BusinessHours::new(zone?, openings, holidays).map_err(|why| errors.add(pointer(why), why)).ok()
}

fn pointer(why: HoursError) -> String {
    match why {
        HoursError::Openings => "/hours/openings".to_owned(),
        HoursError::Days(at) => format!("/hours/openings/{at}/days"),
        HoursError::Order(at) => format!("/hours/openings/{at}/until"),
        HoursError::Holidays => "/hours/holidays".to_owned(),
    }
}

fn read_opening(at: usize, body: &OpeningBody, errors: &mut Errors) -> Option<Opening> {
    let day = |(place, text): (usize, &String)| {
        let day = Weekday::parse(text).ok_or("must be a day of the week such as monday");
        errors.keep(&format!("/hours/openings/{at}/days/{place}"), day)
    };
    let days: Vec<Option<Weekday>> = body.days.iter().enumerate().map(day).collect();
    let mut time =
        |member: &str, text: &str| errors.keep(&format!("/hours/openings/{at}/{member}"), TimeOfDay::parse(text));
    let (from, until) = (time("from", &body.from), time("until", &body.until));
    Some(Opening { days: days.into_iter().collect::<Option<_>>()?, from: from?, until: until? })
}

impl From<&BusinessHours> for HoursBody {
    fn from(hours: &BusinessHours) -> Self {
        let opening = |opening: &Opening| OpeningBody {
            days: opening.days.iter().map(|day| day.as_str().to_owned()).collect(),
            from: opening.from.to_string(),
            until: opening.until.to_string(),
        };
        Self {
            zone: hours.zone().name().to_owned(),
            openings: hours.openings().iter().map(opening).collect(),
            holidays: hours.holidays().iter().map(Holiday::to_string).collect(),
        }
    }
}

impl From<Pace> for PaceBody {
    fn from(pace: Pace) -> Self {
        // As many as fit 16 bits.
        Self { calls: u32::try_from(pace.calls()).unwrap_or(u32::MAX), per_s: pace.per().as_secs() }
    }
}
