//! Leases: units in one gate's memory, and the messages by which a gate and the ledger agree on them.
//!
//! A lease is one number line: `0 <= used + held <= n`. The gate moves `used` and `held`; only the ledger raises `n`, and
//! the ledger lowers it only to what the gate itself has given up before. So truth at the gate never exceeds what
//! the ledger has charged, whatever is lost, doubled, delayed or restarted in between.

use crate::id::{AccountId, HoldId, LeaseId, NodeId};
use crate::time::Timestamp;
use crate::units::Units;
use std::time::Duration;

/// How long a gate may serve from a lease without word from the ledger. Minutes, so that a database may be away for a while.
pub const LEASE_TTL: Duration = Duration::from_secs(600);
/// The gate stops this early (0.85 of the term) and the ledger waits this much longer (1.25), so that clocks that run
/// ten percent apart still agree on which comes first.
pub const GATE_TERM: Duration = Duration::from_secs(510);
/// When the ledger calls a silent lease in doubt.
pub const LEDGER_TERM: Duration = Duration::from_secs(750);

/// Which life of which gate speaks. Each process start is a new incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation {
    /// The gate: the same over restarts on the same folder.
    pub node: NodeId,
    /// 1, 2, 3, ...
    pub number: u64,
}

/// Where a lease stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaseState {
    /// Its gate serves from it.
    Active,
    /// Another gate needs what it does not use.
    Recalling,
    /// Its gate has been silent past its term. Still charged in full: silence is spent.
    InDoubt,
    /// Its gate has told all and holds nothing of it.
    Settled,
    /// An operator declared it spent.
    Forfeited,
}

impl LeaseState {
    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Recalling => "recalling",
            Self::InDoubt => "in_doubt",
            Self::Settled => "settled",
            Self::Forfeited => "forfeited",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Recalling, Self::InDoubt, Self::Settled, Self::Forfeited]
            .into_iter()
            .find(|s| s.as_str() == text)
    }

    /// Is it over for good?
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::Forfeited)
    }
}

/// A lease as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Chosen by the gate, so that a repeated first report opens nothing twice.
    pub id: LeaseId,
    /// Out of which account.
    pub account: AccountId,
    /// In which life of which gate it was opened.
    pub holder: Incarnation,
    /// Units charged to the account for it, used ones included.
    pub n: Units,
    /// Units the gate has reported as used.
    pub used: Units,
    /// Units the gate has reported as held, for display alone.
    pub held: Units,
    /// The last report applied.
    pub seq: u64,
    /// Digest of that report, to tell a repetition from a contradiction.
    pub digest: [u8; 16],
    /// Where it stands.
    pub state: LeaseState,
    /// When silence makes it in doubt.
    pub deadline: Timestamp,
}

/// What a gate says about one of its leases: sequenced and cumulative, so that it is applied once and in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseReport {
    /// Which.
    pub lease: LeaseId,
    /// Out of which account.
    pub account: AccountId,
    /// 1 for the report that opens it, then one more each time.
    pub seq: u64,
    /// All units used under it so far, committed holds included.
    pub used: Units,
    /// Units held under it now.
    pub held: Units,
    /// What the gate would have.
    pub wish: Wish,
}

/// What a gate would have of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// As it is; the term starts anew.
    Keep,
    /// At least `need` more, for a call that waits; better `want`.
    Raise {
        /// Below this the call cannot be allowed.
        need: Units,
        /// What its rate suggests.
        want: Units,
    },
    /// Everything idle goes back; the lease stays open.
    GiveBack,
    /// Everything idle goes back and the lease ends; what is held stands in the ledger from now on.
    Settle {
        /// Units of this lease in each open hold.
        holds: Vec<(HoldId, Units)>,
    },
}

/// What the ledger answers to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseReply {
    /// Applied, now or before.
    Applied {
        /// Units of the lease from now on.
        n: Units,
        /// Units still free in the account.
        free: Units,
        /// Units other gates hold idle in the account, which a recall may bring.
        elsewhere: Units,
        /// Another gate needs what is idle here.
        recalled: bool,
        /// No more units come out of this account: it is closed or its window is over.
        closed: bool,
    },
    /// Not applied: another report is due.
    OutOfSequence {
        /// Its number.
        expected: u64,
    },
    /// Not applied beyond use: a later life of this gate has taken over.
    Fenced,
    /// Not applied: the lease is over, or the ledger never heard of it.
    Unknown,
    /// Not applied: the report claims more than was leased, or less use than before. The one thing that the protocol
    /// exists to prevent: the gate stops serving from the lease and raises an alarm.
    Overdrawn {
        /// Units of the lease.
        n: Units,
    },
}
