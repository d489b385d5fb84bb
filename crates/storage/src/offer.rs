//! What a customer gets of a feature, as plan lines and entitlements keep it: five columns.

use crate::stored::{parsed, units};
use crate::trouble::Trouble;
use almoner_domain::feature::StaticValue;
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::Offer;
use almoner_domain::text::Name;

/// The five columns.
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
}

/// Writes an offer.
pub(crate) fn columns(offer: &Offer) -> OfferColumns {
    let mut columns =
        OfferColumns { offer: String::new(), value_integer: None, value_text: None, amount: None, period: None };
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
        Offer::Quota { amount, period } => {
            columns.amount = Some(amount.get());
            columns.period = Some(period.to_string());
            "quota"
        }
    }
    .to_owned();
    columns
}

/// Reads an offer.
pub(crate) fn read(columns: &OfferColumns) -> Result<Offer, Trouble> {
    let noun = "offer";
    let OfferColumns { offer, value_integer, value_text, amount, period } = columns;
    match (offer.as_str(), value_integer, value_text, amount, period) {
        ("included", ..) => Ok(Offer::Included),
        ("value", Some(value), None, ..) => Ok(Offer::Value(StaticValue::Integer(*value))),
        ("value", None, Some(value), ..) => Ok(Offer::Value(StaticValue::Text(parsed(noun, Name::parse(value))?))),
        ("quota", _, _, Some(amount), Some(period)) => {
            Ok(Offer::Quota { amount: units(noun, *amount)?, period: parsed(noun, UsagePeriod::parse(period))? })
        }
        (kind, ..) => Err(Trouble::row(noun, format!("the kind {kind:?}"))),
    }
}
