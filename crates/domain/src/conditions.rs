//! Conditions of an allocation beside its units, its window and its scope: in which hours, how fast, and how long it may lie idle.
//!
//! What was carved from an allocation keeps its conditions beside its own: a call has to meet all of them.

use crate::hours::BusinessHours;
use std::num::NonZeroU16;
use std::time::Duration;
use thiserror::Error;

/// The most calls of a pace: a gate remembers when each was, and what is faster is no pace but a flood.
pub const PACE_CALLS_MAX: u16 = 1_000;
/// The longest span of a pace: what is counted over more is a quota.
pub const PACE_SPAN_MAX: Duration = Duration::from_secs(24 * 3_600);
/// The shortest time that an allocation may lie idle: shorter than the time after which gates tell of its use, it would end in use.
pub const IDLE_MIN: Duration = Duration::from_secs(60);
/// The longest: after a month nobody remembers it.
pub const IDLE_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);

/// Gates have told the ledger of what they allowed by then, so that use which it has not heard of yet counts as well.
pub const IDLE_TOLD_WITHIN: Duration = Duration::from_secs(15);
/// What is not to be ended yet, because a call may be under way in it, is looked at again after this time.
pub const IDLE_AGAIN: Duration = Duration::from_secs(60);

/// What a call has to meet beside there being units.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// Only in these hours; none for any.
    pub hours: Option<BusinessHours>,
    /// Only so fast; none for any pace.
    pub pace: Option<Pace>,
    /// It ends when nothing was used for so long, in whole seconds between [`IDLE_MIN`] and [`IDLE_MAX`]; none for never.
    pub idle_timeout: Option<IdleTimeout>,
}

/// At most so many calls in any span of time. It counts calls that are allowed, `consume` and `reserve` alike; each gate counts those
/// that it allows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pace {
    calls: NonZeroU16,
    per: Duration,
}

/// How long an allocation may lie idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdleTimeout(Duration);

/// Why a condition cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConditionError {
    /// No calls, or too many.
    #[error("must be between 1 and {PACE_CALLS_MAX} calls; what is faster is said by the amounts")]
    Calls,
    /// No time, or too much.
    #[error("must be between 1 second and {} seconds (a day)", PACE_SPAN_MAX.as_secs())]
    Span,
    /// Too short, or too long.
    #[error("must be between {} and {} seconds", IDLE_MIN.as_secs(), IDLE_MAX.as_secs())]
    Idle,
}

impl Conditions {
    /// Are there none?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Pace {
    /// At most `calls` in any `per_s` seconds.
    ///
    /// # Errors
    /// [`ConditionError::Calls`] and [`ConditionError::Span`] beyond the bounds.
    pub fn new(calls: u32, per_s: u64) -> Result<Self, ConditionError> {
        let count = u16::try_from(calls).ok().filter(|calls| *calls <= PACE_CALLS_MAX).and_then(NonZeroU16::new);
        let per = Duration::from_secs(per_s);
        if per.is_zero() || per > PACE_SPAN_MAX {
            return Err(ConditionError::Span);
        }
        Ok(Self { calls: count.ok_or(ConditionError::Calls)?, per })
    }

    /// How many calls.
    pub fn calls(self) -> usize {
        usize::from(self.calls.get())
    }

    /// In how long, in whole seconds.
    pub fn per(self) -> Duration {
        self.per
    }
}

impl IdleTimeout {
    /// So many seconds.
    ///
    /// # Errors
    /// [`ConditionError::Idle`] beyond the bounds.
    pub fn new(seconds: u64) -> Result<Self, ConditionError> {
        let span = Duration::from_secs(seconds);
        if (IDLE_MIN..=IDLE_MAX).contains(&span) { Ok(Self(span)) } else { Err(ConditionError::Idle) }
    }

    /// How long.
    pub fn span(self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_said() {
        assert_eq!(Pace::new(0, 60), Err(ConditionError::Calls));
        assert_eq!(Pace::new(1_001, 60), Err(ConditionError::Calls));
        assert_eq!(Pace::new(70_000, 60), Err(ConditionError::Calls));
        assert_eq!(Pace::new(1, 0), Err(ConditionError::Span));
        assert_eq!(Pace::new(1, 86_401), Err(ConditionError::Span));
        assert_eq!(Pace::new(1_000, 86_400).map(Pace::calls), Ok(1_000));
        assert_eq!(IdleTimeout::new(59), Err(ConditionError::Idle));
        assert_eq!(IdleTimeout::new(31 * 86_400 + 1), Err(ConditionError::Idle));
        assert_eq!(IdleTimeout::new(60).map(IdleTimeout::span), Ok(IDLE_MIN));
    }
}
