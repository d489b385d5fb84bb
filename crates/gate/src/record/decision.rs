//! Decisions as the journal lays them out.

use super::{Unreadable, Uuid16, id, raw, units};
use almoner_domain::decision::{Decision, Denial, KeyMark, Level, Operation, Reason, Use, UseKind, Verdict};
use almoner_domain::feature::StaticValue;
use almoner_domain::price::Rate;
use almoner_domain::principal::Principals;
use almoner_domain::text::Name;
use almoner_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Members are appended at the end of a new record variant, never changed here.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredDecision {
    id: Uuid16,
    at: i64,
    operation: u8,
    denial: Option<StoredDenial>,
    on_behalf_of: Option<StoredPrincipals>,
    allocation: Option<Uuid16>,
    uses: Vec<StoredUse>,
    hold: Option<Uuid16>,
    hold_expires_at: Option<i64>,
    key: Option<(Uuid16, Uuid16, Uuid16)>,
    dimensions: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct StoredDenial {
    reason: u8,
    level: u8,
    message: String,
    resets_at: Option<i64>,
    retry_after_s: Option<u32>,
    raise: Vec<Uuid16>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredPrincipals(Uuid16, Option<Uuid16>, Option<Uuid16>, Option<Uuid16>);

#[derive(Serialize, Deserialize)]
enum StoredUse {
    Metered(Uuid16, Option<Uuid16>, i64, i64, i64, bool),
    Boolean(Uuid16, bool),
    Static(Uuid16, Option<StoredValue>),
    /// Feature, currency, cost, for how many, requested, granted, remaining, blocked.
    Priced(Uuid16, Uuid16, i64, i64, i64, i64, i64, bool),
    /// Feature, account, requested, granted, remaining.
    Drawn(Uuid16, Uuid16, i64, i64, i64),
}

#[derive(Serialize, Deserialize)]
enum StoredValue {
    Integer(i64),
    Text(String),
}

/// A word's place in its list of all words. The lists only ever grow at the end.
fn place<T: PartialEq>(all: &[T], word: T) -> u8 {
    all.iter().position(|w| *w == word).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

fn word<T: Copy>(all: &[T], place: u8) -> Result<T, Unreadable> {
    all.get(usize::from(place)).copied().ok_or(Unreadable)
}

impl From<&Principals> for StoredPrincipals {
    fn from(p: &Principals) -> Self {
        Self(raw(p.customer), p.user.map(raw), p.agent.map(raw), p.session.map(raw))
    }
}

impl From<StoredPrincipals> for Principals {
    fn from(s: StoredPrincipals) -> Self {
        Self { customer: id(s.0), user: s.1.map(id), agent: s.2.map(id), session: s.3.map(id) }
    }
}

impl From<&Decision> for StoredDecision {
    fn from(d: &Decision) -> Self {
        Self {
            id: raw(d.id),
            at: d.at.as_micros(),
            operation: place(&Operation::ALL, d.operation),
            denial: match &d.verdict {
                Verdict::Allow => None,
                Verdict::Deny(denial) => Some(denial.into()),
            },
            on_behalf_of: d.on_behalf_of.as_ref().map(Into::into),
            allocation: d.allocation.map(raw),
            uses: d.uses.iter().map(Into::into).collect(),
            hold: d.hold.map(raw),
            hold_expires_at: d.hold_expires_at.map(Timestamp::as_micros),
            key: d.key.map(|k| (raw(k.principal), k.key, k.body)),
            dimensions: d.dimensions.clone(),
        }
    }
}

impl TryFrom<StoredDecision> for Decision {
    type Error = Unreadable;
    fn try_from(s: StoredDecision) -> Result<Self, Unreadable> {
        Ok(Self {
            id: id(s.id),
            at: Timestamp::from_micros(s.at),
            operation: word(&Operation::ALL, s.operation)?,
            verdict: s.denial.map_or(Ok(Verdict::Allow), |denial| denial.try_into().map(Verdict::Deny))?,
            on_behalf_of: s.on_behalf_of.map(Into::into),
            allocation: s.allocation.map(id),
            uses: s.uses.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            hold: s.hold.map(id),
            hold_expires_at: s.hold_expires_at.map(Timestamp::from_micros),
            key: s.key.map(|(principal, key, body)| KeyMark { principal: id(principal), key, body }),
            dimensions: s.dimensions,
        })
    }
}

impl From<&Denial> for StoredDenial {
    fn from(d: &Denial) -> Self {
        Self {
            reason: place(&Reason::ALL, d.reason),
            level: place(&Level::ALL, d.level),
            message: d.message.clone(),
            resets_at: d.resets_at.map(Timestamp::as_micros),
            retry_after_s: d.retry_after_s,
            raise: d.raise.iter().copied().map(raw).collect(),
        }
    }
}

impl TryFrom<StoredDenial> for Denial {
    type Error = Unreadable;
    fn try_from(s: StoredDenial) -> Result<Self, Unreadable> {
        Ok(Self {
            reason: word(&Reason::ALL, s.reason)?,
            level: word(&Level::ALL, s.level)?,
            message: s.message,
            resets_at: s.resets_at.map(Timestamp::from_micros),
            retry_after_s: s.retry_after_s,
            raise: s.raise.into_iter().map(id).collect(),
        })
    }
}

impl From<&Use> for StoredUse {
    fn from(u: &Use) -> Self {
        match &u.kind {
            UseKind::Metered { account, requested, granted, remaining, blocked } => Self::Metered(
                raw(u.feature),
                account.map(raw),
                requested.get(),
                granted.get(),
                remaining.get(),
                *blocked,
            ),
            UseKind::Priced { currency, rate, requested, granted, remaining, blocked } => Self::Priced(
                raw(u.feature),
                raw(*currency),
                rate.cost().get(),
                rate.per().get(),
                requested.get(),
                granted.get(),
                remaining.get(),
                *blocked,
            ),
            UseKind::Drawn { account, requested, granted, remaining } => {
                Self::Drawn(raw(u.feature), raw(*account), requested.get(), granted.get(), remaining.get())
            }
            UseKind::Boolean { included } => Self::Boolean(raw(u.feature), *included),
            UseKind::Static { value } => Self::Static(
                raw(u.feature),
                value.as_ref().map(|value| match value {
                    StaticValue::Integer(number) => StoredValue::Integer(*number),
                    StaticValue::Text(text) => StoredValue::Text(text.to_string()),
                }),
            ),
        }
    }
}

impl TryFrom<StoredUse> for Use {
    type Error = Unreadable;
    fn try_from(s: StoredUse) -> Result<Self, Unreadable> {
        Ok(match s {
            StoredUse::Metered(feature, account, requested, granted, remaining, blocked) => Self {
                feature: id(feature),
                kind: UseKind::Metered {
                    account: account.map(id),
                    requested: units(requested)?,
                    granted: units(granted)?,
                    remaining: units(remaining)?,
                    blocked,
                },
            },
            StoredUse::Priced(feature, currency, cost, per, requested, granted, remaining, blocked) => Self {
                feature: id(feature),
                kind: UseKind::Priced {
                    currency: id(currency),
                    rate: Rate::of(units(cost)?, units(per)?).ok_or(Unreadable)?,
                    requested: units(requested)?,
                    granted: units(granted)?,
                    remaining: units(remaining)?,
                    blocked,
                },
            },
            StoredUse::Drawn(feature, account, requested, granted, remaining) => Self {
                feature: id(feature),
                kind: UseKind::Drawn {
                    account: id(account),
                    requested: units(requested)?,
                    granted: units(granted)?,
                    remaining: units(remaining)?,
                },
            },
            StoredUse::Boolean(feature, included) => Self { feature: id(feature), kind: UseKind::Boolean { included } },
            StoredUse::Static(feature, value) => Self {
                feature: id(feature),
                kind: UseKind::Static { value: value.map(StaticValue::try_from).transpose()? },
            },
        })
    }
}

impl TryFrom<StoredValue> for StaticValue {
    type Error = Unreadable;
    fn try_from(s: StoredValue) -> Result<Self, Unreadable> {
        match s {
            StoredValue::Integer(number) => Ok(Self::Integer(number)),
            StoredValue::Text(text) => Name::parse(&text).map(Self::Text).map_err(|_| Unreadable),
        }
    }
}
