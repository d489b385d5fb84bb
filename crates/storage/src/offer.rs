//! What a customer gets of a feature, as plan lines and entitlements keep it: six columns.

use crate::stored::{parsed, units};
use crate::trouble::Trouble;
use almoner_domain::feature::StaticValue;
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::{Beyond, Offer, Rollover};
use almoner_domain::text::Name;
use serde::{Deserialize, Serialize};

/// The six columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferColumns {
    /// Which kind.
    pub(crate) offer: String,
    /// A value that is a number.
    pub(crate) value_integer: Option<i64>,
    /// A value that is a text.
    pub(crate) value_text: Option<String>,
    /// Units a period.
    pub(crate) amount: Option<i64>,
    /// How long a period is.
    pub(crate) period: Option<String>,
    /// What goes beyond, as JSON.
    pub(crate) beyond: Option<String>,
}

/// Writes an offer.
pub(crate) fn columns(offer: &Offer) -> Result<OfferColumns, Trouble> {
    let mut columns = OfferColumns {
        offer: String::new(),
        value_integer: None,
        value_text: None,
        amount: None,
        period: None,
        beyond: None,
    };
    columns.offer = match offer {
        Offer::Included => "included",
        Offer::Value(StaticValue::Integer(value)) => {
            columns.value_integer = Some(*value);
            "value"
        }
        Offer::Value(StaticValue::Text(value)) => {
            columns.value_text = Some(value.as_str().to_owned());
            "value"
        }
        Offer::Quota { amount, period, beyond } => {
            columns.beyond = beyond_text(*beyond)?;
            columns.amount = Some(amount.get());
            columns.period = Some(period.to_string());
            "quota"
        }
    }
    .to_owned();
    Ok(columns)
}

/// Reads an offer.
pub(crate) fn read(columns: &OfferColumns) -> Result<Offer, Trouble> {
    let noun = "offer";
    let OfferColumns { offer, value_integer, value_text, amount, period, beyond } = columns;
    match (offer.as_str(), value_integer, value_text, amount, period) {
        ("included", ..) => Ok(Offer::Included),
        ("value", Some(value), None, ..) => Ok(Offer::Value(StaticValue::Integer(*value))),
        ("value", None, Some(value), ..) => Ok(Offer::Value(StaticValue::Text(parsed(noun, Name::parse(value))?))),
        ("quota", _, _, Some(amount), Some(period)) => {
            let (amount, period) = (units(noun, *amount)?, parsed(noun, UsagePeriod::parse(period))?);
            Ok(Offer::Quota { amount, period, beyond: read_beyond(beyond.as_deref())? })
        }
        (kind, ..) => Err(Trouble::row(noun, format!("the kind {kind:?}"))),
    }
}

/// What goes beyond a quota, as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredBeyond {
    #[serde(default)]
    overage: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rollover: Option<StoredRollover>,
}

#[derive(Serialize, Deserialize)]
struct StoredRollover {
    minimum: i64,
    maximum: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
}

fn beyond_text(beyond: Beyond) -> Result<Option<String>, Trouble> {
    if beyond == Beyond::default() {
        return Ok(None);
    }
    let rollover = beyond.rollover.map(|rollover| StoredRollover {
        minimum: rollover.minimum().get(),
        maximum: rollover.maximum().get(),
        days: rollover.days(),
    });
    let stored = StoredBeyond { overage: beyond.overage.get(), rollover };
    parsed("offer", serde_json::to_string(&stored)).map(Some)
}

fn read_beyond(text: Option<&str>) -> Result<Beyond, Trouble> {
    let Some(text) = text else { return Ok(Beyond::default()) };
    let noun = "offer";
    let stored: StoredBeyond = parsed(noun, serde_json::from_str(text))?;
    let rollover = match stored.rollover {
        None => None,
        Some(StoredRollover { minimum, maximum, days }) => {
            Some(parsed(noun, Rollover::new(units(noun, minimum)?, units(noun, maximum)?, days))?)
        }
    };
    Ok(Beyond { rollover, overage: units(noun, stored.overage)? })
}
