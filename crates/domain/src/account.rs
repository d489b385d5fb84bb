//! Accounts: where units stand. The one equation that everything else rests on lives here.
//!
//! In each committed state, for each account: `granted = free + carved + leased + held + used + lapsed`, each at least zero.
//! [`Balance::post`] is the only way to change a balance, and it cannot break the equation.

use crate::calendar::Window;
use crate::id::{AccountId, AllocationId, EntitlementId, FeatureId};
use crate::principal::Principals;
use crate::units::Units;
use thiserror::Error;

/// Where within an account units stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pocket {
    /// Nobody's yet.
    Free,
    /// In accounts below this one.
    Carved,
    /// In a gate's memory, used or not; what the gate has reported as used is in `Used`.
    Leased,
    /// Set aside for a call that began under a lease which has since been settled.
    Held,
    /// Spent.
    Used,
    /// Expired before anybody used them.
    Lapsed,
}

impl Pocket {
    /// The word in tables and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Carved => "carved",
            Self::Leased => "leased",
            Self::Held => "held",
            Self::Used => "used",
            Self::Lapsed => "lapsed",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Free, Self::Carved, Self::Leased, Self::Held, Self::Used, Self::Lapsed]
            .into_iter()
            .find(|p| p.as_str() == text)
    }
}

/// How an account's units are spread over its pockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    granted: Units,
    free: Units,
    carved: Units,
    leased: Units,
    held: Units,
    used: Units,
    lapsed: Units,
}

/// Why units cannot be moved.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BalanceError {
    /// The pocket has fewer than asked for.
    #[error("{pocket} has {there} units, {asked} are asked for", pocket = pocket.as_str(), there = there.get(), asked = asked.get())]
    Short {
        /// Which pocket.
        pocket: Pocket,
        /// What is in it.
        there: Units,
        /// What was asked for.
        asked: Units,
    },
    /// The account would hold more than the ledger can count.
    #[error("the account would hold more than 9223372036854775807 units")]
    Overflow,
    /// Stored pockets that do not add up.
    #[error("granted units differ from the sum of the pockets")]
    Unequal,
}

impl Balance {
    /// Reads back a stored balance; refused unless the equation holds.
    pub fn restore(granted: Units, pockets: impl Fn(Pocket) -> Units) -> Result<Self, BalanceError> {
        let balance = Self {
            granted,
            free: pockets(Pocket::Free),
            carved: pockets(Pocket::Carved),
            leased: pockets(Pocket::Leased),
            held: pockets(Pocket::Held),
            used: pockets(Pocket::Used),
            lapsed: pockets(Pocket::Lapsed),
        };
        if balance.holds() { Ok(balance) } else { Err(BalanceError::Unequal) }
    }

    /// All units of the account.
    pub const fn granted(&self) -> Units {
        self.granted
    }

    /// Units in one pocket.
    pub const fn get(&self, pocket: Pocket) -> Units {
        match pocket {
            Pocket::Free => self.free,
            Pocket::Carved => self.carved,
            Pocket::Leased => self.leased,
            Pocket::Held => self.held,
            Pocket::Used => self.used,
            Pocket::Lapsed => self.lapsed,
        }
    }

    fn slot(&mut self, pocket: Pocket) -> &mut Units {
        match pocket {
            Pocket::Free => &mut self.free,
            Pocket::Carved => &mut self.carved,
            Pocket::Leased => &mut self.leased,
            Pocket::Held => &mut self.held,
            Pocket::Used => &mut self.used,
            Pocket::Lapsed => &mut self.lapsed,
        }
    }

    /// Moves `amount` from one pocket to another. No `from`: units enter the account. No `to`: they leave it.
    /// A refused posting changes nothing.
    pub fn post(&mut self, from: Option<Pocket>, to: Option<Pocket>, amount: Units) -> Result<(), BalanceError> {
        let mut next = *self;
        match from {
            Some(pocket) => {
                let there = next.get(pocket);
                *next.slot(pocket) =
                    there.checked_sub(amount).ok_or(BalanceError::Short { pocket, there, asked: amount })?;
            }
            None => next.granted = next.granted.checked_add(amount).ok_or(BalanceError::Overflow)?,
        }
        match to {
            Some(pocket) => {
                *next.slot(pocket) = next.get(pocket).checked_add(amount).ok_or(BalanceError::Overflow)?;
            }
            None => {
                next.granted = next.granted.checked_sub(amount).ok_or(BalanceError::Unequal)?;
            }
        }
        if !next.holds() {
            return Err(BalanceError::Unequal);
        }
        *self = next;
        Ok(())
    }

    /// Does the equation hold?
    pub fn holds(&self) -> bool {
        [self.free, self.carved, self.leased, self.held, self.used, self.lapsed]
            .into_iter()
            .try_fold(Units::ZERO, Units::checked_add)
            == Some(self.granted)
    }
}

/// Whose units an account holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountOwner {
    /// An entitlement's in one window.
    Entitlement(EntitlementId),
    /// An allocation's line for one feature.
    Allocation(AllocationId),
}

/// A node of the tree that units stand in: entitlement window, then a user's share, allocation lines, sub-allocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Our id.
    pub id: AccountId,
    /// Whose units.
    pub owner: AccountOwner,
    /// Of which feature.
    pub feature: FeatureId,
    /// Where they were carved from; none for a customer's entitlement.
    pub parent: Option<AccountId>,
    /// Steps from the root, 0 at it. Locks are taken in its order.
    pub depth: u8,
    /// On whose behalf units are used here.
    pub principals: Principals,
    /// When they may be used.
    pub window: Window,
    /// Closed: what comes free passes on to the parent at once, or lapses at a root.
    pub closed: bool,
    /// Of the units so many are beyond the quota: an entitlement's, where its plan allows that.
    pub overage: Units,
    /// Of a quota that was lowered: how many of the units that are out (in gates' memories, shares and allocations) a change of
    /// plan takes back when they return.
    pub owed: Units,
    /// How many more are out, and may be used. Counted while something is owed.
    pub spare: Units,
    /// The units.
    pub balance: Balance,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_posting_changes_nothing() {
        let mut balance = Balance::default();
        balance.post(None, Some(Pocket::Free), Units::new(10).unwrap()).unwrap();
        let before = balance;
        let eleven = Units::new(11).unwrap();
        assert!(matches!(
            balance.post(Some(Pocket::Free), Some(Pocket::Leased), eleven),
            Err(BalanceError::Short { pocket: Pocket::Free, .. })
        ));
        assert_eq!(balance.post(None, Some(Pocket::Free), Units::MAX), Err(BalanceError::Overflow));
        assert_eq!(balance, before);
    }
}
