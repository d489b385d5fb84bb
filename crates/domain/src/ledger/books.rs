//! The working set of one transaction: rows read, rows changed, lines added.

use crate::account::{Account, AccountOwner, BalanceError, Pocket};
use crate::allocation::Allocation;
use crate::entropy::Entropy;
use crate::grant::Grant;
use crate::hold::Hold;
use crate::id::{AccountId, AllocationId, HoldId, Id, LeaseId, MovementId, NoticeId};
use crate::lease::Lease;
use crate::movement::{Cause, Movement};
use crate::notice::{Change, Event, Notice, THRESHOLD_PERCENT};
use crate::time::Timestamp;
use crate::units::Units;
use std::collections::BTreeMap;
use thiserror::Error;

/// Why a command cannot be applied to the books. Each is a fault of the caller or of the store, never a customer's refusal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// A row that the command needs was not loaded, or does not exist.
    #[error("{0} is not in the books")]
    Missing(String),
    /// A balance would break.
    #[error("account {account}: {source}")]
    Balance {
        /// Whose.
        account: AccountId,
        /// How.
        source: BalanceError,
    },
}

/// Rows of one kind, with what became of each.
#[derive(Debug)]
pub struct Shelf<K, V> {
    rows: BTreeMap<K, Row<V>>,
}

#[derive(Debug)]
struct Row<V> {
    value: V,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Read,
    Changed,
    New,
}

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new() }
    }
}

impl<K: Ord + Copy + std::fmt::Display, V> Shelf<K, V> {
    /// Puts a row there as the store has it.
    pub fn load(&mut self, key: K, value: V) {
        self.rows.entry(key).or_insert(Row { value, fate: Fate::Read });
    }

    /// Puts a row there that the store does not have yet.
    pub fn add(&mut self, key: K, value: V) {
        self.rows.insert(key, Row { value, fate: Fate::New });
    }

    /// Looks a row up.
    pub fn find(&self, key: K) -> Option<&V> {
        self.rows.get(&key).map(|row| &row.value)
    }

    /// Looks a row up that must be there.
    pub fn get(&self, key: K) -> Result<&V, LedgerError> {
        self.find(key).ok_or_else(|| LedgerError::Missing(key.to_string()))
    }

    /// A row to be changed.
    pub fn change(&mut self, key: K) -> Result<&mut V, LedgerError> {
        let row = self.rows.get_mut(&key).ok_or_else(|| LedgerError::Missing(key.to_string()))?;
        if row.fate == Fate::Read {
            row.fate = Fate::Changed;
        }
        Ok(&mut row.value)
    }

    /// All rows, in key order.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        self.rows.values().map(|row| &row.value)
    }

    /// Rows that the store does not have yet.
    pub fn added(&self) -> impl Iterator<Item = &V> {
        self.rows.values().filter(|row| row.fate == Fate::New).map(|row| &row.value)
    }

    /// Rows that differ from what the store has.
    pub fn changed(&self) -> impl Iterator<Item = &V> {
        self.rows.values().filter(|row| row.fate == Fate::Changed).map(|row| &row.value)
    }
}

/// The books as one transaction sees them.
pub struct Books<'e> {
    /// The instant that everything in this transaction happens at.
    pub now: Timestamp,
    entropy: &'e dyn Entropy,
    /// Accounts.
    pub accounts: Shelf<AccountId, Account>,
    /// Leases.
    pub leases: Shelf<LeaseId, Lease>,
    /// Allocations.
    pub allocations: Shelf<AllocationId, Allocation>,
    /// Holds that stand in the ledger.
    pub holds: Shelf<HoldId, Hold>,
    /// Grants issued.
    pub grants: Vec<Grant>,
    /// Lines added.
    pub movements: Vec<Movement>,
    /// Entries for the outbox.
    pub notices: Vec<Notice>,
    /// Entries for the change feed.
    pub changes: Vec<Change>,
}

impl<'e> Books<'e> {
    /// Empty books at an instant.
    pub fn new(now: Timestamp, entropy: &'e dyn Entropy) -> Self {
        Self {
            now,
            entropy,
            accounts: Shelf::default(),
            leases: Shelf::default(),
            allocations: Shelf::default(),
            holds: Shelf::default(),
            grants: Vec::new(),
            movements: Vec::new(),
            notices: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// A new id at this transaction's instant.
    pub fn new_id<I: Id>(&self) -> I {
        I::new(self.now, self.entropy)
    }

    /// Moves units within an account, into it (`from` none) or out of it (`to` none), and writes the line. Units that return to a
    /// quota which a change of plan has lowered pay what it owes.
    pub fn post(
        &mut self,
        account: AccountId,
        from: Option<Pocket>,
        to: Option<Pocket>,
        amount: Units,
        cause: Cause,
    ) -> Result<(), LedgerError> {
        if amount.is_zero() {
            return Ok(());
        }
        let row = self.accounts.change(account)?;
        row.balance.post(from, to, amount).map_err(|source| LedgerError::Balance { account, source })?;
        let principals = row.principals;
        let id = self.new_id::<MovementId>();
        self.movements.push(Movement { id, at: self.now, account, from, to, amount, cause, principals });
        self.settle_owed(account, from, to, amount)
    }

    /// Moves free units of an account into an account below it.
    pub fn post_down(
        &mut self,
        parent: AccountId,
        child: AccountId,
        amount: Units,
        cause: Cause,
    ) -> Result<(), LedgerError> {
        self.post(parent, Some(Pocket::Free), Some(Pocket::Carved), amount, cause)?;
        self.post(child, None, Some(Pocket::Free), amount, cause)
    }

    /// Passes on what is free in a closed account: up to the next open one, or into `lapsed` at a closed root.
    /// Called after anything that may have freed units, so that nothing is stranded behind a closed door.
    pub fn surrender(&mut self, account: AccountId) -> Result<(), LedgerError> {
        let mut here = account;
        loop {
            let row = self.accounts.get(here)?;
            let free = row.balance.get(Pocket::Free);
            if !row.closed || free.is_zero() {
                return Ok(());
            }
            let cause = match row.owner {
                AccountOwner::Allocation(id) => Cause::Return(id),
                AccountOwner::Entitlement(_) => Cause::Lapse(here),
            };
            let Some(parent) = row.parent else {
                return self.post(here, Some(Pocket::Free), Some(Pocket::Lapsed), free, cause);
            };
            self.post(here, Some(Pocket::Free), None, free, cause)?;
            self.post(parent, Some(Pocket::Carved), Some(Pocket::Free), free, cause)?;
            here = parent;
        }
    }

    /// Writes an entry to the outbox.
    pub fn announce(&mut self, event: Event) {
        let id = self.new_id::<NoticeId>();
        let allocation = match event {
            Event::AllocationCreated(id) | Event::AllocationEnded(id, _) => Some(id),
            Event::ThresholdReached(account) | Event::Exhausted(account) | Event::OverageBegun(account) => {
                match self.accounts.find(account).map(|account| account.owner) {
                    Some(AccountOwner::Allocation(id)) => Some(id),
                    Some(AccountOwner::Entitlement(_)) | None => None,
                }
            }
            Event::LeaseInDoubt(_)
            | Event::EntitlementReset(_)
            | Event::GrantExpiring(_)
            | Event::GrantExpired(_)
            | Event::SubscriptionChanged(..)
            | Event::Guarded(..)
            | Event::EndpointDisabled(_)
            | Event::Test(_) => None,
        };
        self.notices.push(Notice { id, at: self.now, event, allocation });
    }

    /// Announces that an account's use has crossed a mark since it stood at `used_before`.
    pub(super) fn announce_marks(&mut self, account: AccountId, used_before: Units) -> Result<(), LedgerError> {
        let Account { balance, overage, .. } = *self.accounts.get(account)?;
        let (used, granted) = (balance.get(Pocket::Used), balance.granted());
        let quota = granted.saturating_sub(overage);
        // In 128 bits: a percentage of a large quota does not fit 64.
        let reached =
            |units: Units| i128::from(units.get()) * 100 >= i128::from(quota.get()) * i128::from(THRESHOLD_PERCENT);
        if granted.is_zero() || used == used_before {
            return Ok(());
        }
        if reached(used) && !reached(used_before) {
            self.announce(Event::ThresholdReached(account));
        }
        if !overage.is_zero() && used > quota && used_before <= quota {
            self.announce(Event::OverageBegun(account));
        }
        if used == granted && used_before != granted {
            self.announce(Event::Exhausted(account));
        }
        Ok(())
    }
}
