//! What the journal says: the records, and how they are written.
//!
//! Recovery is a fold over them: each decision carries what it changed in each lease, so nothing has to be decided again.

mod decision;

use almoner_domain::decision::Decision;
use almoner_domain::hold::{Hold, HoldPart};
use almoner_domain::id::{AccountId, HoldId, Id, LeaseId, NodeId, TenantId};
use almoner_domain::lease::Incarnation;
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::units::Units;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use decision::{StoredDecision, StoredPrincipals};

/// One record of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A life of the gate begins. Written at the head of each segment, so that recovery knows whose leases a journal
    /// can speak for.
    Begin(Incarnation),
    /// A lease was opened.
    Opened {
        /// Whose.
        realm: Realm,
        /// Which.
        lease: LeaseId,
        /// Out of which account.
        account: AccountId,
    },
    /// All that earlier segments say of a lease, so that they can be deleted.
    Carried {
        /// Whose.
        realm: Realm,
        /// Which.
        lease: LeaseId,
        /// Out of which account.
        account: AccountId,
        /// Units used.
        used: Units,
        /// Units held.
        held: Units,
        /// The mark of `fast` mode.
        mark: Units,
        /// The lease's part in each open hold.
        holds: Vec<(HoldId, Units)>,
    },
    /// All that earlier segments say of a hold. Its parts are in the records of its leases.
    HoldCarried {
        /// Whose.
        realm: Realm,
        /// The hold.
        hold: Hold,
    },
    /// In `fast` mode: so many units of the lease may have been used and held.
    Marked {
        /// Which lease.
        lease: LeaseId,
        /// How many.
        mark: Units,
    },
    /// A decision, and what it changed.
    Decided {
        /// Whose.
        realm: Realm,
        /// What was answered.
        decision: Box<Decision>,
        /// What changed in each lease.
        parts: Vec<Part>,
    },
    /// Every decision written at or before this position is in the ledger.
    Stored {
        /// The segment of the position.
        segment: u64,
        /// The offset of the position.
        offset: u64,
    },
    /// The ledger has settled the lease.
    Closed {
        /// Which.
        lease: LeaseId,
    },
}

/// What a decision changed in one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which lease.
    pub lease: LeaseId,
    /// Units used, more than before.
    pub used: Units,
    /// Units held, more than before.
    pub held: Units,
    /// Units held, fewer than before.
    pub unheld: Units,
}

/// A record that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal holds a record that this version cannot read")]
pub struct Unreadable;

impl Record {
    /// The record as it is written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Unreadable> {
        postcard::to_stdvec(&Stored::from(self)).map_err(|_| Unreadable)
    }

    /// Reads a record.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (stored, rest): (Stored, &[u8]) = postcard::take_from_bytes(bytes).map_err(|_| Unreadable)?;
        if rest.is_empty() { stored.try_into() } else { Err(Unreadable) }
    }
}

/// A decision's record as it is written, without taking the decision.
pub(crate) fn decided(realm: Realm, decision: &Decision, parts: &[Part]) -> Result<Vec<u8>, Unreadable> {
    let stored = Stored::Decided(realm.into(), decision.into(), parts.iter().map(Into::into).collect());
    postcard::to_stdvec(&stored).map_err(|_| Unreadable)
}

/// The records as they are laid out. Variants are appended at the end and never changed: a journal outlives an upgrade.
#[expect(clippy::large_enum_variant, reason = "it lives for one record, most of which are the largest")]
#[expect(clippy::enum_variant_names, reason = "named as the records are")]
#[derive(Serialize, Deserialize)]
enum Stored {
    Begin(Uuid16, u64),
    Opened(StoredRealm, Uuid16, Uuid16),
    Carried(StoredRealm, Uuid16, Uuid16, i64, i64, i64, Vec<(Uuid16, i64)>),
    HoldCarried(StoredRealm, StoredHold),
    Marked(Uuid16, i64),
    Decided(StoredRealm, StoredDecision, Vec<StoredPart>),
    Stored(u64, u64),
    Closed(Uuid16),
}

type Uuid16 = [u8; 16];

fn raw<I: Id>(id: I) -> Uuid16 {
    id.uuid().into_bytes()
}

fn id<I: Id>(raw: Uuid16) -> I {
    I::from_uuid(Uuid::from_bytes(raw))
}

fn units(count: i64) -> Result<Units, Unreadable> {
    Units::new(count).map_err(|_| Unreadable)
}

#[derive(Serialize, Deserialize)]
struct StoredRealm(Uuid16, bool);

impl From<Realm> for StoredRealm {
    fn from(realm: Realm) -> Self {
        Self(raw(realm.tenant), realm.environment == Environment::Live)
    }
}

impl From<StoredRealm> for Realm {
    fn from(stored: StoredRealm) -> Self {
        let environment = if stored.1 { Environment::Live } else { Environment::Test };
        Self { tenant: id::<TenantId>(stored.0), environment }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredPart(Uuid16, i64, i64, i64);

impl From<&Part> for StoredPart {
    fn from(part: &Part) -> Self {
        Self(raw(part.lease), part.used.get(), part.held.get(), part.unheld.get())
    }
}

impl TryFrom<StoredPart> for Part {
    type Error = Unreadable;
    fn try_from(stored: StoredPart) -> Result<Self, Unreadable> {
        let StoredPart(lease, used, held, unheld) = stored;
        Ok(Self { lease: id(lease), used: units(used)?, held: units(held)?, unheld: units(unheld)? })
    }
}

#[derive(Serialize, Deserialize)]
struct StoredHold(Uuid16, Option<Uuid16>, StoredPrincipals, i64, bool, Vec<(Uuid16, Uuid16, i64)>);

impl From<&Hold> for StoredHold {
    fn from(hold: &Hold) -> Self {
        let parts = hold.parts.iter().map(|p| (raw(p.feature), raw(p.account), p.amount.get())).collect();
        let allocation = hold.allocation.map(raw);
        Self(raw(hold.id), allocation, (&hold.principals).into(), hold.expires_at.as_micros(), hold.open, parts)
    }
}

impl TryFrom<StoredHold> for Hold {
    type Error = Unreadable;
    fn try_from(stored: StoredHold) -> Result<Self, Unreadable> {
        let StoredHold(hold, allocation, principals, expires_at, open, parts) = stored;
        let part = |(feature, account, amount)| {
            Ok(HoldPart { feature: id(feature), account: id(account), amount: units(amount)? })
        };
        Ok(Self {
            id: id(hold),
            allocation: allocation.map(id),
            principals: principals.into(),
            expires_at: almoner_domain::time::Timestamp::from_micros(expires_at),
            open,
            parts: parts.into_iter().map(part).collect::<Result<_, Unreadable>>()?,
        })
    }
}

impl From<&Record> for Stored {
    fn from(record: &Record) -> Self {
        match record {
            Record::Begin(life) => Self::Begin(raw(life.node), life.number),
            Record::Opened { realm, lease, account } => Self::Opened((*realm).into(), raw(*lease), raw(*account)),
            Record::Carried { realm, lease, account, used, held, mark, holds } => Self::Carried(
                (*realm).into(),
                raw(*lease),
                raw(*account),
                used.get(),
                held.get(),
                mark.get(),
                holds.iter().map(|(hold, amount)| (raw(*hold), amount.get())).collect(),
            ),
            Record::HoldCarried { realm, hold } => Self::HoldCarried((*realm).into(), hold.into()),
            Record::Marked { lease, mark } => Self::Marked(raw(*lease), mark.get()),
            Record::Decided { realm, decision, parts } => {
                Self::Decided((*realm).into(), decision.as_ref().into(), parts.iter().map(Into::into).collect())
            }
            Record::Stored { segment, offset } => Self::Stored(*segment, *offset),
            Record::Closed { lease } => Self::Closed(raw(*lease)),
        }
    }
}

impl TryFrom<Stored> for Record {
    type Error = Unreadable;
    fn try_from(stored: Stored) -> Result<Self, Unreadable> {
        Ok(match stored {
            Stored::Begin(node, number) => Self::Begin(Incarnation { node: id::<NodeId>(node), number }),
            Stored::Opened(realm, lease, account) => {
                Self::Opened { realm: realm.into(), lease: id(lease), account: id(account) }
            }
            Stored::Carried(realm, lease, account, used, held, mark, holds) => Self::Carried {
                realm: realm.into(),
                lease: id(lease),
                account: id(account),
                used: units(used)?,
                held: units(held)?,
                mark: units(mark)?,
                holds: holds
                    .into_iter()
                    .map(|(hold, amount)| Ok((id(hold), units(amount)?)))
                    .collect::<Result<_, Unreadable>>()?,
            },
            Stored::HoldCarried(realm, hold) => Self::HoldCarried { realm: realm.into(), hold: hold.try_into()? },
            Stored::Marked(lease, mark) => Self::Marked { lease: id(lease), mark: units(mark)? },
            Stored::Decided(realm, decision, parts) => Self::Decided {
                realm: realm.into(),
                decision: Box::new(decision.try_into()?),
                parts: parts.into_iter().map(TryInto::try_into).collect::<Result<_, Unreadable>>()?,
            },
            Stored::Stored(segment, offset) => Self::Stored { segment, offset },
            Stored::Closed(lease) => Self::Closed { lease: id(lease) },
        })
    }
}
