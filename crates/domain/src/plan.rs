//! Plans: versioned terms that customers subscribe to.

use crate::feature::StaticValue;
use crate::id::{FeatureId, PlanId, PlanVersionId};
use crate::period::UsagePeriod;
use crate::text::{ExternalId, Name};
use crate::time::Timestamp;
use crate::units::Units;
use thiserror::Error;

/// A plan, whatever its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Our id.
    pub id: PlanId,
    /// The provider's own id, unique in the realm.
    pub external_id: ExternalId,
    /// What people call it.
    pub name: Name,
}

/// The terms of a plan at one time. Never changed once published: a change is a new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanVersion {
    /// Our id.
    pub id: PlanVersionId,
    /// Of which plan.
    pub plan: PlanId,
    /// 1, 2, 3, ...
    pub number: u32,
    /// New subscriptions take it from then on, until a later version's turn.
    pub effective_from: Timestamp,
    /// What a customer pays for each month, where the provider says so. Almoner charges nobody; it is told with the terms.
    pub price: Option<Price>,
    /// What becomes of live allocations when a customer leaves these terms.
    pub live_rule: LiveRule,
    /// What it grants: at most one line a feature.
    pub lines: Vec<PlanLine>,
}

/// What becomes of allocations that live when their customer's plan takes units away, or ends. Whatever it says, units that nobody
/// has been given go first, and what is used stays used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum LiveRule {
    /// They live to their own end. What they return then is taken back.
    #[default]
    Keep,
    /// What is free in them is taken back, of the newest first. What gates hold of them is theirs until they return it.
    Shrink,
    /// They are ended, the newest first, as many as it takes.
    End,
}

impl LiveRule {
    /// All of them, the mildest first.
    pub const ALL: [Self; 3] = [Self::Keep, Self::Shrink, Self::End];

    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Shrink => "shrink",
            Self::End => "end",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == text)
    }
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// In ten-thousandths of the currency's unit.
    pub amount: Units,
    /// Of which currency.
    pub currency: Currency,
}

impl Price {
    /// Decimal places of amounts.
    pub const PLACES: u8 = 4;
}

/// A currency by its code of ISO 4217, such as `EUR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency([u8; 3]);

/// Why a text is no currency.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be three capital letters (ISO 4217) such as EUR")]
pub struct CurrencyError;

impl Currency {
    /// Reads a code. That it is in use is left to whoever charges.
    pub fn parse(text: &str) -> Result<Self, CurrencyError> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| CurrencyError)?;
        if code.iter().all(u8::is_ascii_uppercase) { Ok(Self(code)) } else { Err(CurrencyError) }
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

/// What a plan grants of one feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanLine {
    /// Of which feature.
    pub feature: FeatureId,
    /// What of it.
    pub offer: Offer,
}

/// What a customer gets of a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// It is there.
    Included,
    /// It has this value.
    Value(StaticValue),
    /// So many units in each usage period.
    Quota {
        /// Units a period.
        amount: Units,
        /// How long a period is.
        period: UsagePeriod,
    },
}
