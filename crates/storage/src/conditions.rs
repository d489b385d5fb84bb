//! Conditions as they are stored: JSON, since they are read and written whole.

use crate::stored::{parsed, word};
use crate::trouble::Trouble;
use almoner_domain::conditions::{Conditions, IdleTimeout, Pace};
use almoner_domain::hours::{BusinessHours, Holiday, Opening, TimeOfDay};
use almoner_domain::period::Weekday;
use almoner_domain::zone::Zone;
use serde::{Deserialize, Serialize};

const NOUN: &str = "conditions";

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hours: Option<StoredHours>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pace: Option<StoredPace>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idle_timeout_s: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct StoredHours {
    zone: String,
    openings: Vec<StoredOpening>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    holidays: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredOpening {
    days: Vec<String>,
    from: String,
    until: String,
}

#[derive(Serialize, Deserialize)]
struct StoredPace {
    calls: u32,
    per_s: u64,
}

/// Writes conditions; none where there are none.
pub(crate) fn text(conditions: &Conditions) -> Result<Option<String>, Trouble> {
    if conditions.is_empty() {
        return Ok(None);
    }
    let stored = Stored {
        hours: conditions.hours.as_ref().map(stored_hours),
        pace: conditions.pace.map(|pace| StoredPace {
            // As many as fit 16 bits.
            calls: u32::try_from(pace.calls()).unwrap_or(u32::MAX),
            per_s: pace.per().as_secs(),
        }),
        idle_timeout_s: conditions.idle_timeout.map(|timeout| timeout.span().as_secs()),
    };
    parsed(NOUN, serde_json::to_string(&stored)).map(Some)
}

fn stored_hours(hours: &BusinessHours) -> StoredHours {
    let opening = |opening: &Opening| StoredOpening {
        days: opening.days.iter().map(|day| day.as_str().to_owned()).collect(),
        from: opening.from.to_string(),
        until: opening.until.to_string(),
    };
    StoredHours {
        zone: hours.zone().name().to_owned(),
        openings: hours.openings().iter().map(opening).collect(),
        holidays: hours.holidays().iter().map(Holiday::to_string).collect(),
    }
}

/// Reads conditions.
pub(crate) fn read(text: Option<&str>) -> Result<Conditions, Trouble> {
    let Some(text) = text else { return Ok(Conditions::default()) };
    let stored: Stored = parsed(NOUN, serde_json::from_str(text))?;
    Ok(Conditions {
        hours: stored.hours.map(|hours| read_hours(&hours)).transpose()?,
        pace: stored.pace.map(|pace| parsed(NOUN, Pace::new(pace.calls, pace.per_s))).transpose()?,
        idle_timeout: stored.idle_timeout_s.map(|seconds| parsed(NOUN, IdleTimeout::new(seconds))).transpose()?,
    })
}

fn read_hours(stored: &StoredHours) -> Result<BusinessHours, Trouble> {
    let openings = stored.openings.iter().map(read_opening).collect::<Result<_, _>>()?;
    let holidays = stored.holidays.iter().map(|text| parsed(NOUN, Holiday::parse(text))).collect::<Result<_, _>>()?;
    parsed(NOUN, BusinessHours::new(parsed(NOUN, Zone::parse(&stored.zone))?, openings, holidays))
}

fn read_opening(stored: &StoredOpening) -> Result<Opening, Trouble> {
    Ok(Opening {
        days: stored.days.iter().map(|text| word(NOUN, text, Weekday::parse)).collect::<Result<_, _>>()?,
        from: parsed(NOUN, TimeOfDay::parse(&stored.from))?,
        until: parsed(NOUN, TimeOfDay::parse(&stored.until))?,
    })
}
