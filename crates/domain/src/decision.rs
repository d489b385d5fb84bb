//! Decisions: what a gate answered, to whom, for what, and why.

use crate::feature::StaticValue;
use crate::id::{AccountId, AllocationId, DecisionId, FeatureId, HoldId, KeyId, UserId};
use crate::price::{Rate, share_out};
use crate::principal::Principals;
use crate::time::Timestamp;
use crate::units::Units;

/// The most features in one call.
pub const USES_MAX: usize = 64;
/// The most dimensions of one call.
pub const DIMENSIONS_MAX: usize = 32;

/// One answer of a gate, as it is kept. Everything that the answer said can be said again from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Our id.
    pub id: DecisionId,
    /// When.
    pub at: Timestamp,
    /// What was asked.
    pub operation: Operation,
    /// What was answered.
    pub verdict: Verdict,
    /// On whose behalf; none when the subject is unknown.
    pub on_behalf_of: Option<Principals>,
    /// From which allocation, where there is one.
    pub allocation: Option<AllocationId>,
    /// Feature by feature, in the order asked; after them what priced ones drew.
    pub uses: Vec<Use>,
    /// The hold that it opened or settled.
    pub hold: Option<HoldId>,
    /// When that hold releases itself.
    pub hold_expires_at: Option<Timestamp>,
    /// The caller's idempotency key, hashed, where one was given.
    pub key: Option<KeyMark>,
    /// What the caller said about the call, sorted by name.
    pub dimensions: Vec<(String, String)>,
}

/// What was asked of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Units spent at once.
    Consume,
    /// Units set aside.
    Reserve,
    /// A hold settled at its actual cost.
    Commit,
    /// A hold given back, down to its floor.
    Release,
    /// A hold given more time.
    Extend,
    /// A hold that ran out of time.
    Expire,
    /// Usage that was told afterwards, without gating.
    Meter,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 7] =
        [Self::Consume, Self::Reserve, Self::Commit, Self::Release, Self::Extend, Self::Expire, Self::Meter];

    /// The word in tables and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consume => "consume",
            Self::Reserve => "reserve",
            Self::Commit => "commit",
            Self::Release => "release",
            Self::Extend => "extend",
            Self::Expire => "expire",
            Self::Meter => "meter",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == text)
    }
}

/// Allow, or deny with everything that a caller needs to understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go ahead.
    Allow,
    /// Not now, or not ever.
    Deny(Denial),
}

/// Why not, who says so, until when, and who can change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// A stable code.
    pub reason: Reason,
    /// The level that said no.
    pub level: Level,
    /// One sentence for people and models.
    pub message: String,
    /// When it opens or renews by itself.
    pub resets_at: Option<Timestamp>,
    /// Seconds after which a retry can succeed without anybody doing anything.
    pub retry_after_s: Option<u32>,
    /// Who can raise it.
    pub raise: Vec<UserId>,
}

/// Why a call is denied. The codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Fewer units are free than the call costs.
    Exhausted,
    /// The plan or allocation does not have the feature.
    NotEntitled,
    /// Another tool, resource, agent or session than it was made for.
    OutOfScope,
    /// Its window has not begun.
    NotStarted,
    /// Its window is over, or it was closed.
    Expired,
    /// Outside the hours it is for.
    OutsideSchedule,
    /// Somebody took it back.
    Revoked,
    /// The runaway guard stopped it.
    Suspended,
    /// Too many calls for now.
    RateLimited,
    /// No such customer, user or agent.
    UnknownSubject,
    /// The token does not verify.
    InvalidToken,
    /// The proof of possession does not fit.
    InvalidProof,
    /// The gate cannot know. Nothing was spent.
    Unavailable,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 13] = [
        Self::Exhausted,
        Self::NotEntitled,
        Self::OutOfScope,
        Self::NotStarted,
        Self::Expired,
        Self::OutsideSchedule,
        Self::Revoked,
        Self::Suspended,
        Self::RateLimited,
        Self::UnknownSubject,
        Self::InvalidToken,
        Self::InvalidProof,
        Self::Unavailable,
    ];

    /// The code on the wire and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::NotEntitled => "not_entitled",
            Self::OutOfScope => "out_of_scope",
            Self::NotStarted => "not_started",
            Self::Expired => "expired",
            Self::OutsideSchedule => "outside_schedule",
            Self::Revoked => "revoked",
            Self::Suspended => "suspended",
            Self::RateLimited => "rate_limited",
            Self::UnknownSubject => "unknown_subject",
            Self::InvalidToken => "invalid_token",
            Self::InvalidProof => "invalid_proof",
            Self::Unavailable => "unavailable",
        }
    }

    /// Reads the code.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == text)
    }
}

/// Which level said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The allocation itself.
    Allocation,
    /// The allocation it was carved from.
    ParentAllocation,
    /// The user's share.
    User,
    /// The customer's quota.
    Customer,
    /// The customer's plan.
    Plan,
    /// The tool provider, or this installation.
    Tenant,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 6] =
        [Self::Allocation, Self::ParentAllocation, Self::User, Self::Customer, Self::Plan, Self::Tenant];

    /// The word on the wire and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allocation => "allocation",
            Self::ParentAllocation => "parent_allocation",
            Self::User => "user",
            Self::Customer => "customer",
            Self::Plan => "plan",
            Self::Tenant => "tenant",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.as_str() == text)
    }
}

/// One feature of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Which.
    pub feature: FeatureId,
    /// What it came to.
    pub kind: UseKind,
}

/// What a use of a feature came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UseKind {
    /// Units of a metered feature.
    Metered {
        /// Where they stand; none when nothing of it is entitled.
        account: Option<AccountId>,
        /// Asked for.
        requested: Units,
        /// Spent or set aside.
        granted: Units,
        /// Left afterwards where they came from.
        remaining: Units,
        /// Did this feature stop the call?
        blocked: bool,
    },
    /// Units of a metered feature that are paid for with another one, by a price list.
    Priced {
        /// The feature that pays. What it paid stands in [`UseKind::Drawn`], after all uses that were asked for.
        currency: FeatureId,
        /// At which price.
        rate: Rate,
        /// Asked for.
        requested: Units,
        /// Spent or set aside.
        granted: Units,
        /// The most that what is left of the currency pays for.
        remaining: Units,
        /// Was there too little to pay for it?
        blocked: bool,
    },
    /// Units of a currency that the priced uses of a call drew, together.
    Drawn {
        /// Where they stand.
        account: AccountId,
        /// What the uses cost.
        requested: Units,
        /// Spent or set aside.
        granted: Units,
        /// Left afterwards where they came from.
        remaining: Units,
    },
    /// A boolean feature.
    Boolean {
        /// Is it there?
        included: bool,
    },
    /// A static feature.
    Static {
        /// Its value; none when it is not entitled.
        value: Option<StaticValue>,
    },
}

impl UseKind {
    /// Units of the feature that were spent or set aside; none of one that is not counted.
    pub fn granted(&self) -> Units {
        match self {
            Self::Metered { granted, .. } | Self::Priced { granted, .. } | Self::Drawn { granted, .. } => *granted,
            Self::Boolean { .. } | Self::Static { .. } => Units::ZERO,
        }
    }

    /// Units of the feature that were asked for; none of one that is not counted.
    pub fn requested(&self) -> Option<Units> {
        match self {
            Self::Metered { requested, .. } | Self::Priced { requested, .. } | Self::Drawn { requested, .. } => {
                Some(*requested)
            }
            Self::Boolean { .. } | Self::Static { .. } => None,
        }
    }

    /// Where units came from, and how many: what a decision and the ledger must agree on.
    pub fn charged(&self) -> Option<(AccountId, Units)> {
        match self {
            Self::Metered { account: Some(account), granted, .. } | Self::Drawn { account, granted, .. } => {
                Some((*account, *granted))
            }
            Self::Metered { .. } | Self::Priced { .. } | Self::Boolean { .. } | Self::Static { .. } => None,
        }
    }
}

/// Says of each priced use what it came to, by what was drawn for it: in their order as far as that was enough.
pub fn share_out_drawn(uses: &mut [Use]) {
    for at in 0..uses.len() {
        let UseKind::Drawn { granted: drawn, remaining: left, .. } = uses[at].kind else { continue };
        let paying = uses[at].feature;
        let paid = |used: &Use| match used.kind {
            UseKind::Priced { currency, rate, requested, .. } if currency == paying => Some((rate, requested)),
            _ => None,
        };
        let asked: Vec<_> = uses.iter().filter_map(paid).collect();
        let mut shares = share_out(drawn, &asked).into_iter();
        for used in uses.iter_mut().filter(|used| paid(used).is_some()) {
            if let UseKind::Priced { rate, granted, remaining, .. } = &mut used.kind {
                *granted = shares.next().unwrap_or(Units::ZERO);
                *remaining = rate.affords(left);
            }
        }
    }
}

/// A caller's idempotency key as it is kept: hashes alone, because keys may carry what callers would not want stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyMark {
    /// Whose key: keys of two callers never meet.
    pub principal: KeyId,
    /// Hash of realm, principal and key.
    pub key: [u8; 16],
    /// Hash of the body, to tell a retry from a contradiction.
    pub body: [u8; 16],
}
