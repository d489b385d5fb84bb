//! Plans: versioned terms that customers subscribe to.

use crate::feature::StaticValue;
use crate::id::{FeatureId, PlanId, PlanVersionId};
use crate::period::UsagePeriod;
use crate::text::{ExternalId, Name};
use crate::time::Timestamp;
use crate::units::Units;
use std::time::Duration;
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
        /// What goes beyond the period and beyond the amount.
        beyond: Beyond,
    },
}

/// What of a quota goes beyond its period, and beyond its amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Beyond {
    /// What of a period's units goes on in the next; none where all that is left lapses.
    pub rollover: Option<Rollover>,
    /// Units of a period that may be used beyond the amount. They burn last, and that they are begun upon is told.
    pub overage: Units,
}

/// What of a period's units goes on in the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollover {
    minimum: Units,
    maximum: Units,
    /// How long what goes on lasts from the start of the next period; none where it ends with that, and what is left then goes on again.
    pub expires_after: Option<Duration>,
}

/// Why a rollover cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RolloverError {
    /// Nothing would go on.
    #[error("must be above zero; leave the rollover out where nothing goes on")]
    Maximum,
    /// More would go on than may.
    #[error("must be at most the maximum")]
    Minimum,
    /// No time, or more than anybody plans for.
    #[error("must be between 1 and {ROLLOVER_DAYS_MAX} days")]
    Days,
}

/// The longest that what rolls over may last, in days.
pub const ROLLOVER_DAYS_MAX: u32 = 3_660;

impl Rollover {
    /// Of what is left at most `maximum` goes on, and at least `minimum`, even where less is left; for so many days.
    ///
    /// # Errors
    /// Each of [`RolloverError`].
    pub fn new(minimum: Units, maximum: Units, days: Option<u32>) -> Result<Self, RolloverError> {
        if maximum.is_zero() {
            return Err(RolloverError::Maximum);
        }
        if minimum > maximum {
            return Err(RolloverError::Minimum);
        }
        if days.is_some_and(|days| days == 0 || days > ROLLOVER_DAYS_MAX) {
            return Err(RolloverError::Days);
        }
        let span = |days| Duration::from_secs(24 * 3_600) * days;
        Ok(Self { minimum, maximum, expires_after: days.map(span) })
    }

    /// At least so many.
    pub fn minimum(self) -> Units {
        self.minimum
    }

    /// At most so many.
    pub fn maximum(self) -> Units {
        self.maximum
    }

    /// For so many days; none where it ends with the next period.
    pub fn days(self) -> Option<u32> {
        self.expires_after.map(|span| u32::try_from(span.as_secs() / (24 * 3_600)).unwrap_or(ROLLOVER_DAYS_MAX))
    }

    /// What goes on of so many that are left.
    pub fn of(self, left: Units) -> Units {
        left.max(self.minimum).min(self.maximum)
    }
}
