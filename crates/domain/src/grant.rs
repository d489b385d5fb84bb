//! Grants: units issued into an entitlement, and the order in which they burn.

use crate::id::{AccountId, EntitlementId, GrantId};
use crate::text::ExternalId;
use crate::time::Timestamp;
use crate::units::Units;

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
    /// Usable until; none when only the window ends it.
    pub expires_at: Option<Timestamp>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was voided.
    pub voided_at: Option<Timestamp>,
    /// How many of its units were taken back then; the others were used or handed out before.
    pub taken_back: Units,
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
}

impl GrantKind {
    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Renewal => "renewal",
            Self::TopUp => "top_up",
            Self::Promotion => "promotion",
            Self::Rollover => "rollover",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Renewal, Self::TopUp, Self::Promotion, Self::Rollover].into_iter().find(|k| k.as_str() == text)
    }
}

impl Grant {
    /// Usable at this instant?
    pub fn is_live(&self, at: Timestamp) -> bool {
        self.voided_at.is_none() && self.effective_at <= at && self.expires_at.is_none_or(|end| at < end)
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
            let burnt = grant.amount.saturating_sub(grant.taken_back).min(rest);
            rest = rest.saturating_sub(burnt);
            (grant.id, burnt)
        })
        .collect()
}
