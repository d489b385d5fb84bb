//! Movements: the lines of the ledger, append-only.

use crate::account::Pocket;
use crate::id::{AccountId, AllocationId, DecisionId, GrantId, HoldId, LeaseId, MovementId};
use crate::principal::Principals;
use crate::time::Timestamp;
use crate::units::Units;

/// Units that moved, once, for a cause. An account's balance is the sum of its movements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Our id.
    pub id: MovementId,
    /// When.
    pub at: Timestamp,
    /// In which account.
    pub account: AccountId,
    /// Out of which pocket; none when units enter the account.
    pub from: Option<Pocket>,
    /// Into which pocket; none when units leave the account.
    pub to: Option<Pocket>,
    /// How many.
    pub amount: Units,
    /// Why.
    pub cause: Cause,
    /// On whose behalf.
    pub principals: Principals,
}

/// Why units moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A grant was issued.
    Grant(GrantId),
    /// A user's share was set aside from the customer's quota.
    Share(AccountId),
    /// An allocation was carved.
    Carve(AllocationId),
    /// An allocation ended and what was left went back.
    Return(AllocationId),
    /// A gate took units into its memory, gave them back, or reported their use.
    Lease(LeaseId),
    /// Units were set aside for a call, committed or released.
    Hold(HoldId),
    /// One idempotency key was debited twice at different gates; the second debit came back.
    Duplicate(DecisionId),
    /// A window closed over units that nobody used.
    Lapse(AccountId),
    /// An operator declared a lost gate's units as spent.
    Forfeit(LeaseId),
    /// A change of plan took back units that this account had.
    Change(AccountId),
}

impl Cause {
    /// All words.
    pub const WORDS: [&str; 10] =
        ["grant", "share", "carve", "return", "lease", "hold", "duplicate", "lapse", "forfeit", "change"];

    /// A word that is one of them.
    pub fn known(word: &str) -> Option<&'static str> {
        Self::WORDS.into_iter().find(|known| *known == word)
    }

    /// The word in tables, and the id it goes with.
    pub fn parts(self) -> (&'static str, uuid::Uuid) {
        use crate::id::Id;
        match self {
            Self::Grant(id) => ("grant", id.uuid()),
            Self::Share(id) => ("share", id.uuid()),
            Self::Carve(id) => ("carve", id.uuid()),
            Self::Return(id) => ("return", id.uuid()),
            Self::Lease(id) => ("lease", id.uuid()),
            Self::Hold(id) => ("hold", id.uuid()),
            Self::Duplicate(id) => ("duplicate", id.uuid()),
            Self::Lapse(id) => ("lapse", id.uuid()),
            Self::Forfeit(id) => ("forfeit", id.uuid()),
            Self::Change(id) => ("change", id.uuid()),
        }
    }

    /// Reads back the two parts.
    pub fn from_parts(word: &str, id: uuid::Uuid) -> Option<Self> {
        use crate::id::Id;
        Some(match word {
            "grant" => Self::Grant(Id::from_uuid(id)),
            "share" => Self::Share(Id::from_uuid(id)),
            "carve" => Self::Carve(Id::from_uuid(id)),
            "return" => Self::Return(Id::from_uuid(id)),
            "lease" => Self::Lease(Id::from_uuid(id)),
            "hold" => Self::Hold(Id::from_uuid(id)),
            "duplicate" => Self::Duplicate(Id::from_uuid(id)),
            "lapse" => Self::Lapse(Id::from_uuid(id)),
            "forfeit" => Self::Forfeit(Id::from_uuid(id)),
            "change" => Self::Change(Id::from_uuid(id)),
            _ => return None,
        })
    }
}

/// The id of what it was, of its own kind.
impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Grant(id) => id.fmt(f),
            Self::Share(id) => id.fmt(f),
            Self::Carve(id) => id.fmt(f),
            Self::Return(id) => id.fmt(f),
            Self::Lease(id) => id.fmt(f),
            Self::Hold(id) => id.fmt(f),
            Self::Duplicate(id) => id.fmt(f),
            Self::Lapse(id) => id.fmt(f),
            Self::Forfeit(id) => id.fmt(f),
            Self::Change(id) => id.fmt(f),
        }
    }
}
