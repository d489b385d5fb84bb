//! Grants: units issued into an entitlement, and the order in which they burn.
//!
//! A grant that is not effective yet has no units in its account: they enter it when it begins. When it expires before its window
//! does, what nobody has used or been handed lapses; what comes back later lapses then. One that lasts longer than its window is
//! carried into the next.

use crate::account::Account;
use crate::id::{AccountId, EntitlementId, GrantId};
use crate::text::ExternalId;
use crate::time::Timestamp;
use crate::units::Units;
use std::time::Duration;

/// How long before its end a grant is announced to be expiring, at the most.
pub const EXPIRING_BEFORE_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// And of its life so much at the most: what lives for an hour is not announced when it begins.
pub const EXPIRING_PART: u32 = 10;
/// How often units of an expired grant that are out are looked for.
pub const RETURNED_AGAIN: Duration = Duration::from_secs(5);

/// Units issued into an entitlement's window. Voided, never edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Our id.
    pub id: GrantId,
    /// Into which entitlement.
    pub entitlement: EntitlementId,
    /// Into which window's account.
    pub account: AccountId,
    /// Why it was issued.
    pub kind: GrantKind,
    /// How many.
    pub amount: Units,
    /// Lower burns first.
    pub priority: i16,
    /// Usable from.
    pub effective_at: Timestamp,
    /// Usable until; none when it never ends.
    pub expires_at: Option<Timestamp>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was voided.
    pub voided_at: Option<Timestamp>,
    /// How many of its units were taken back then; the others were used or handed out before.
    pub taken_back: Units,
    /// How many of its units lapsed when it expired.
    pub lapsed: Units,
    /// How far it has come.
    pub stage: GrantStage,
    /// The grant of an earlier window that it continues.
    pub carried_from: Option<GrantId>,
    /// The provider's own id of it, such as an order's number.
    pub external_id: Option<ExternalId>,
}

/// Why units were issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantKind {
    /// The plan's quota for a window.
    Renewal,
    /// Bought or given on top.
    TopUp,
    /// A promotion.
    Promotion,
    /// Left over from the window before.
    Rollover,
    /// What may be used beyond the quota, by the plan. It burns last.
    Overage,
}

impl GrantKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Renewal, Self::TopUp, Self::Promotion, Self::Rollover, Self::Overage];

    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Renewal => "renewal",
            Self::TopUp => "top_up",
            Self::Promotion => "promotion",
            Self::Rollover => "rollover",
            Self::Overage => "overage",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == text)
    }

    /// The priority of what a plan grants: its quota burns as most things do, what goes beyond it last.
    pub const fn plan_priority(self) -> i16 {
        if matches!(self, Self::Overage) { i16::MAX } else { 0 }
    }
}

/// How far a grant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantStage {
    /// Not effective yet: its units are nowhere.
    Pending,
    /// Its units are in the account.
    Live,
    /// The same, and it was announced that it expires soon.
    Expiring,
    /// Its time is over. What was out then lapses when it comes back.
    Expired,
    /// Its window is over, and what was out then is carried over when it comes back.
    Rolling,
}

impl GrantStage {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Live, Self::Expiring, Self::Expired, Self::Rolling];

    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Live => "live",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
            Self::Rolling => "rolling",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }
}

impl Grant {
    /// What a plan grants into a window of an entitlement: it lasts as long as that, and burns as its kind does.
    pub fn of_plan(
        id: GrantId,
        entitlement: EntitlementId,
        account: &Account,
        kind: GrantKind,
        amount: Units,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            entitlement,
            account: account.id,
            kind,
            amount,
            priority: kind.plan_priority(),
            effective_at: account.window.start,
            expires_at: account.window.end,
            created_at: now,
            voided_at: None,
            taken_back: Units::ZERO,
            lapsed: Units::ZERO,
            stage: GrantStage::Live,
            carried_from: None,
            external_id: None,
        }
    }

    /// Units that it has in its account, used or not.
    pub fn there(&self) -> Units {
        match self.stage {
            GrantStage::Pending => Units::ZERO,
            GrantStage::Live | GrantStage::Expiring | GrantStage::Expired | GrantStage::Rolling => {
                self.amount.saturating_sub(self.taken_back).saturating_sub(self.lapsed)
            }
        }
    }

    /// When it is announced to be expiring; none when it never ends.
    pub fn expiring_at(&self) -> Option<Timestamp> {
        let end = self.expires_at?;
        let before = (end.saturating_since(self.effective_at) / EXPIRING_PART).min(EXPIRING_BEFORE_MAX);
        Some(end.saturating_sub(before))
    }

    /// When something is to be done about it, in a window that ends at `window_end`; none where the window's own end does it. Units of it
    /// that are out after its time are looked for again and again.
    pub fn due_at(&self, window_end: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let again = Some(now.saturating_add(RETURNED_AGAIN));
        if self.stage == GrantStage::Rolling {
            return again;
        }
        if self.voided_at.is_some() || window_end.is_some_and(|end| end <= now) {
            return None;
        }
        let within = |at: &Timestamp| window_end.is_none_or(|end| *at < end);
        match self.stage {
            GrantStage::Pending => Some(self.effective_at).filter(within),
            // What ends with the window is no news: the window's turn is.
            GrantStage::Live => self.expires_at.filter(within).and_then(|_| self.expiring_at()),
            GrantStage::Expiring => self.expires_at.filter(within),
            GrantStage::Expired => again.filter(|_| !self.there().is_zero()),
            GrantStage::Rolling => None,
        }
    }
}

/// Sorts grants into burn order: priority, then earlier expiry (never is last), then earlier creation.
pub fn burn_order(grants: &mut [Grant]) {
    grants.sort_by_key(|g| (g.priority, g.expires_at.is_none(), g.expires_at, g.created_at, g.id));
}

/// How much of each grant, given in burn order, `spent` units have burnt. The rest of `spent` that no grant covers is zero
/// as long as the ledger holds.
pub fn burn(grants_in_order: &[Grant], spent: Units) -> Vec<(GrantId, Units)> {
    let mut rest = spent;
    grants_in_order
        .iter()
        .map(|grant| {
            let burnt = grant.there().min(rest);
            rest = rest.saturating_sub(burnt);
            (grant.id, burnt)
        })
        .collect()
}
