//! What a decision used, said and refused, as it is stored: JSON, short enough to write thousands a second and plain enough
//! for SQL to sum up.

use crate::stored::{parsed, units};
use crate::trouble::Trouble;
use almoner_domain::decision::{Denial, Level, Reason, Use, UseKind};
use almoner_domain::feature::StaticValue;
use almoner_domain::id::Id;
use almoner_domain::price::Rate;
use almoner_domain::text::Name;
use almoner_domain::time::Timestamp;
use sea_orm::entity::prelude::Uuid;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

const NOUN: &str = "decision";

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredUse {
    Priced {
        feature: Uuid,
        currency: Uuid,
        cost: i64,
        per: i64,
        requested: i64,
        granted: i64,
        remaining: i64,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        blocked: bool,
    },
    Drawn {
        feature: Uuid,
        account: Uuid,
        drawn: bool,
        requested: i64,
        granted: i64,
        remaining: i64,
    },
    Metered {
        feature: Uuid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<Uuid>,
        requested: i64,
        granted: i64,
        remaining: i64,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        blocked: bool,
    },
    Boolean {
        feature: Uuid,
        included: bool,
    },
    Static {
        feature: Uuid,
        value: Option<StoredValue>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredValue {
    Integer(i64),
    Text(String),
}

#[derive(Serialize, Deserialize)]
struct StoredDenial {
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resets_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    raise: Vec<Uuid>,
}

/// Writes what was used.
pub(crate) fn uses_text(uses: &[Use]) -> Result<String, Trouble> {
    let stored: Vec<StoredUse> = uses.iter().map(store_use).collect();
    parsed(NOUN, serde_json::to_string(&stored))
}

fn store_use(used: &Use) -> StoredUse {
    let feature = used.feature.uuid();
    match &used.kind {
        UseKind::Metered { account, requested, granted, remaining, blocked } => StoredUse::Metered {
            feature,
            account: account.map(Id::uuid),
            requested: requested.get(),
            granted: granted.get(),
            remaining: remaining.get(),
            blocked: *blocked,
        },
        UseKind::Priced { currency, rate, requested, granted, remaining, blocked } => StoredUse::Priced {
            feature,
            currency: currency.uuid(),
            cost: rate.cost().get(),
            per: rate.per().get(),
            requested: requested.get(),
            granted: granted.get(),
            remaining: remaining.get(),
            blocked: *blocked,
        },
        UseKind::Drawn { account, requested, granted, remaining } => StoredUse::Drawn {
            feature,
            account: account.uuid(),
            drawn: true,
            requested: requested.get(),
            granted: granted.get(),
            remaining: remaining.get(),
        },
        UseKind::Boolean { included } => StoredUse::Boolean { feature, included: *included },
        UseKind::Static { value } => {
            let value = value.as_ref().map(|value| match value {
                StaticValue::Integer(number) => StoredValue::Integer(*number),
                StaticValue::Text(text) => StoredValue::Text(text.as_str().to_owned()),
            });
            StoredUse::Static { feature, value }
        }
    }
}

/// Reads what was used.
pub(crate) fn read_uses(text: &str) -> Result<Vec<Use>, Trouble> {
    let stored: Vec<StoredUse> = parsed(NOUN, serde_json::from_str(text))?;
    stored.into_iter().map(read_use).collect()
}

fn read_use(stored: StoredUse) -> Result<Use, Trouble> {
    let (feature, kind) = match stored {
        StoredUse::Metered { feature, account, requested, granted, remaining, blocked } => {
            let kind = UseKind::Metered {
                account: account.map(Id::from_uuid),
                requested: units(NOUN, requested)?,
                granted: units(NOUN, granted)?,
                remaining: units(NOUN, remaining)?,
                blocked,
            };
            (feature, kind)
        }
        StoredUse::Priced { feature, currency, cost, per, requested, granted, remaining, blocked } => {
            let rate = Rate::of(units(NOUN, cost)?, units(NOUN, per)?);
            let kind = UseKind::Priced {
                currency: Id::from_uuid(currency),
                rate: rate.ok_or_else(|| Trouble::row(NOUN, "a price is for nothing"))?,
                requested: units(NOUN, requested)?,
                granted: units(NOUN, granted)?,
                remaining: units(NOUN, remaining)?,
                blocked,
            };
            (feature, kind)
        }
        StoredUse::Drawn { feature, account, requested, granted, remaining, .. } => {
            let kind = UseKind::Drawn {
                account: Id::from_uuid(account),
                requested: units(NOUN, requested)?,
                granted: units(NOUN, granted)?,
                remaining: units(NOUN, remaining)?,
            };
            (feature, kind)
        }
        StoredUse::Boolean { feature, included } => (feature, UseKind::Boolean { included }),
        StoredUse::Static { feature, value } => {
            let value = match value {
                None => None,
                Some(StoredValue::Integer(number)) => Some(StaticValue::Integer(number)),
                Some(StoredValue::Text(text)) => Some(StaticValue::Text(parsed(NOUN, Name::parse(&text))?)),
            };
            (feature, UseKind::Static { value })
        }
    };
    Ok(Use { feature: Id::from_uuid(feature), kind })
}

/// Writes a denial, but for its reason and level, which have columns.
pub(crate) fn denial_text(denial: &Denial) -> Result<String, Trouble> {
    let stored = StoredDenial {
        message: denial.message.clone(),
        resets_at: denial.resets_at.map(Timestamp::as_micros),
        retry_after_s: denial.retry_after_s,
        raise: denial.raise.iter().map(|user| user.uuid()).collect(),
    };
    parsed(NOUN, serde_json::to_string(&stored))
}

/// Reads a denial.
pub(crate) fn read_denial(reason: Reason, level: Level, text: &str) -> Result<Denial, Trouble> {
    let stored: StoredDenial = parsed(NOUN, serde_json::from_str(text))?;
    Ok(Denial {
        reason,
        level,
        message: stored.message,
        resets_at: stored.resets_at.map(Timestamp::from_micros),
        retry_after_s: stored.retry_after_s,
        raise: stored.raise.into_iter().map(Id::from_uuid).collect(),
    })
}

struct Pairs<'p>(&'p [(String, String)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Writes what a caller said about the call; nothing where it said nothing.
pub(crate) fn dimensions_text(dimensions: &[(String, String)]) -> Result<Option<String>, Trouble> {
    if dimensions.is_empty() {
        return Ok(None);
    }
    parsed(NOUN, serde_json::to_string(&Pairs(dimensions))).map(Some)
}

/// Reads what a caller said, sorted by name.
pub(crate) fn read_dimensions(text: Option<&str>) -> Result<Vec<(String, String)>, Trouble> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let pairs: BTreeMap<String, String> = parsed(NOUN, serde_json::from_str(text))?;
    Ok(pairs.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use almoner_domain::units::Units;

    #[test]
    fn what_was_used_reads_back_as_it_was() {
        let id = Uuid::from_u128;
        let uses = vec![
            Use {
                feature: Id::from_uuid(id(1)),
                kind: UseKind::Metered {
                    account: Some(Id::from_uuid(id(2))),
                    requested: Units::MAX,
                    granted: Units::ZERO,
                    remaining: Units::ZERO,
                    blocked: true,
                },
            },
            Use {
                feature: Id::from_uuid(id(6)),
                kind: UseKind::Priced {
                    currency: Id::from_uuid(id(7)),
                    rate: Rate::of(Units::MAX, Units::new(1).unwrap()).unwrap(),
                    requested: Units::MAX,
                    granted: Units::ZERO,
                    remaining: Units::ZERO,
                    blocked: true,
                },
            },
            Use {
                feature: Id::from_uuid(id(7)),
                kind: UseKind::Drawn {
                    account: Id::from_uuid(id(8)),
                    requested: Units::MAX,
                    granted: Units::ZERO,
                    remaining: Units::MAX,
                },
            },
            Use { feature: Id::from_uuid(id(3)), kind: UseKind::Boolean { included: false } },
            Use { feature: Id::from_uuid(id(4)), kind: UseKind::Static { value: None } },
            Use { feature: Id::from_uuid(id(5)), kind: UseKind::Static { value: Some(StaticValue::Integer(-1)) } },
        ];
        let text = uses_text(&uses).unwrap();
        assert_eq!(read_uses(&text).unwrap(), uses, "{text}");
    }
}
