//! Conditions of an allocation: in which hours, and how fast.

use super::WeekdayName;
use almoner_domain::conditions::Pace;
use almoner_domain::hours::{BusinessHours, Holiday, Opening};
use async_graphql::{Object, SimpleObject};

/// When in a week something may be used, by the clocks of a zone.
pub(crate) struct BusinessHoursObject(pub(crate) BusinessHours);

#[Object(name = "BusinessHours")]
impl BusinessHoursObject {
    /// The IANA time zone by whose clocks it goes.
    async fn zone(&self) -> &str {
        self.0.zone().name()
    }

    /// The times of a week.
    async fn openings(&self) -> Vec<OpeningObject> {
        self.0.openings().iter().map(shown).collect()
    }

    /// Dates on which nothing is open.
    async fn holidays(&self) -> Vec<String> {
        self.0.holidays().iter().map(Holiday::to_string).collect()
    }
}

/// From one time of day to a later one, on some days of the week.
#[derive(SimpleObject)]
#[graphql(name = "Opening")]
pub(crate) struct OpeningObject {
    /// On which days.
    days: Vec<WeekdayName>,
    /// From when, such as `09:00`.
    from: String,
    /// Until when; `24:00` where a day ends.
    until: String,
}

fn shown(opening: &Opening) -> OpeningObject {
    let days = opening.days.iter().map(|day| WeekdayName::from(*day)).collect();
    OpeningObject { days, from: opening.from.to_string(), until: opening.until.to_string() }
}

/// At most so many allowed calls in any span of time. Each gate counts those that it allows itself.
#[derive(SimpleObject)]
#[graphql(name = "Pace")]
pub(crate) struct PaceObject {
    /// How many calls.
    calls: i64,
    /// In how many seconds.
    per_seconds: i64,
}

impl From<Pace> for PaceObject {
    fn from(pace: Pace) -> Self {
        let wide = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Self { calls: i64::try_from(pace.calls()).unwrap_or(i64::MAX), per_seconds: wide(pace.per().as_secs()) }
    }
}
