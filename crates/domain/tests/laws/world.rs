//! A small ledger: rows in maps, one law at a time, and the equations that hold between the rows.

use crate::units;
use almoner_domain::account::{Account, Pocket};
use almoner_domain::allocation::Allocation;
use almoner_domain::calendar::{Calendar, Window};
use almoner_domain::entropy::Entropy;
use almoner_domain::grant::Grant;
use almoner_domain::hold::Hold;
use almoner_domain::id::{
    AccountId, AgentId, AllocationId, CustomerId, EntitlementId, FeatureId, GrantId, HoldId, Id, LeaseId, NodeId,
    SessionId, SubscriptionId, UserId,
};
use almoner_domain::lease::{Incarnation, Lease};
use almoner_domain::ledger::{Books, CarveOrder, LedgerError, open_share, open_window};
use almoner_domain::movement::Movement;
use almoner_domain::notice::Notice;
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::Offer;
use almoner_domain::principal::Principals;
use almoner_domain::scope::Scope;
use almoner_domain::subscription::Entitlement;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Chance that counts: each id differs from all before it.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Entropy for Count {
    fn fill(&self, bytes: &mut [u8]) {
        let next = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        bytes.fill(0);
        let tail = bytes.len() - next.len();
        bytes[tail..].copy_from_slice(&next);
    }
}

/// The id of a kind by number.
pub(crate) fn id<I: Id>(number: u128) -> I {
    I::from_uuid(Uuid::from_u128(number))
}

pub(crate) const NODE: u128 = 7;

/// A life of the one gate there is.
pub(crate) fn life(number: u64) -> Incarnation {
    Incarnation { node: id::<NodeId>(NODE), number }
}

/// The one feature, so that a test can name it.
pub(crate) fn feature() -> FeatureId {
    id(1)
}

/// Rows as they are committed.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) entropy: Count,
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) leases: BTreeMap<LeaseId, Lease>,
    pub(crate) allocations: BTreeMap<AllocationId, Allocation>,
    pub(crate) holds: BTreeMap<HoldId, Hold>,
    pub(crate) movements: Vec<Movement>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) grants: BTreeMap<GrantId, Grant>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: Timestamp::from_micros(1_800_000_000_000_000),
            entropy: Count::default(),
            accounts: BTreeMap::new(),
            leases: BTreeMap::new(),
            allocations: BTreeMap::new(),
            holds: BTreeMap::new(),
            movements: Vec::new(),
            notices: Vec::new(),
            grants: BTreeMap::new(),
        }
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.now = self.now.saturating_add(Duration::from_secs(seconds));
    }

    /// Applies a law and commits what it did when `keep` says so; a fault commits nothing.
    pub(crate) fn act_if<T>(
        &mut self,
        keep: impl Fn(&T) -> bool,
        law: impl FnOnce(&mut Books<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut books = Books::new(self.now, &self.entropy);
        self.accounts.values().for_each(|row| books.accounts.load(row.id, row.clone()));
        self.leases.values().for_each(|row| books.leases.load(row.id, row.clone()));
        self.allocations.values().for_each(|row| books.allocations.load(row.id, row.clone()));
        self.holds.values().for_each(|row| books.holds.load(row.id, row.clone()));
        let result = law(&mut books)?;
        if keep(&result) {
            self.accounts.extend(books.accounts.iter().map(|row| (row.id, row.clone())));
            self.leases.extend(books.leases.iter().map(|row| (row.id, row.clone())));
            self.allocations.extend(books.allocations.iter().map(|row| (row.id, row.clone())));
            self.holds.extend(books.holds.iter().map(|row| (row.id, row.clone())));
            self.movements.append(&mut books.movements);
            self.notices.append(&mut books.notices);
            self.grants.extend(books.grants.drain(..).map(|grant| (grant.id, grant)));
        }
        Ok(result)
    }

    /// Applies a law and commits what it did.
    pub(crate) fn act<T>(
        &mut self,
        law: impl FnOnce(&mut Books<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        self.act_if(|_| true, law)
    }

    /// Opens the customer's window with its quota.
    pub(crate) fn open_root(&mut self, quota: Units, lasts: Option<Duration>) -> AccountId {
        let window = Window { start: self.now, end: lasts.map(|span| self.now.saturating_add(span)) };
        let entitlement = entitlement(1, None, quota);
        self.act(|books| open_window(books, &entitlement, window)).unwrap()
    }

    /// Opens a user's share of it.
    pub(crate) fn open_share(&mut self, user: UserId, share: Units, root: AccountId) -> AccountId {
        let entitlement = entitlement(2, Some(user), share);
        self.act(|books| open_share(books, &entitlement, root)).unwrap()
    }

    /// An order for one line, out of an entitlement's account or of an allocation.
    pub(crate) fn order(&self, from: AccountId, parent: Option<AllocationId>, amount: Units) -> CarveOrder {
        CarveOrder {
            id: AllocationId::new(self.now, &self.entropy),
            parent,
            principals: principals(),
            agent: id(3),
            lines: vec![(feature(), Some(from), amount)],
            scope: Scope::default(),
            not_before: None,
            expires_at: Some(self.now.saturating_add(Duration::from_secs(3_600))),
            durability: None,
            conditions: Default::default(),
        }
    }

    pub(crate) fn pocket(&self, account: AccountId, pocket: Pocket) -> Units {
        self.accounts[&account].balance.get(pocket)
    }

    /// The equations between rows that hold in each committed state.
    pub(crate) fn check(&self) -> Result<(), String> {
        for account in self.accounts.values() {
            self.check_account(account).map_err(|what| format!("{}: {what}: {:?}", account.id, account.balance))?;
        }
        for lease in self.leases.values() {
            let within = lease.used.checked_add(lease.held).is_some_and(|claimed| claimed <= lease.n);
            if !within {
                return Err(format!("used and held are more than was leased: {lease:?}"));
            }
        }
        Ok(())
    }

    fn check_account(&self, account: &Account) -> Result<(), String> {
        let expect = |what: &str, pocket, sum: Units| {
            let there = account.balance.get(pocket);
            if there == sum { Ok(()) } else { Err(format!("{what} is {}, expected {}", there.get(), sum.get())) }
        };
        if !account.balance.holds() {
            return Err("the equation does not hold".into());
        }
        let below = self.accounts.values().filter(|child| child.parent == Some(account.id));
        expect("carved", Pocket::Carved, below.map(|child| child.balance.granted()).sum())?;
        let leases = self.leases.values().filter(|lease| lease.account == account.id && !lease.state.is_final());
        expect("leased", Pocket::Leased, leases.map(|lease| lease.n.saturating_sub(lease.used)).sum())?;
        let parts = self.holds.values().filter(|hold| hold.open).flat_map(|hold| &hold.parts);
        expect("held", Pocket::Held, parts.filter(|part| part.account == account.id).map(|part| part.amount).sum())?;
        if account.depth == 0 {
            let into = self.grants.values().filter(|grant| grant.account == account.id);
            let granted: Units = into.clone().map(|grant| grant.amount.saturating_sub(grant.taken_back)).sum();
            // Of a quota that was lowered more may be out, or used, than there is due.
            let is_lowered = into.clone().any(|grant| grant.voided_at.is_none() && !grant.taken_back.is_zero());
            let more = is_lowered && granted < account.balance.granted();
            if granted != account.balance.granted() && !more {
                return Err(format!("its grants come to {}", granted.get()));
            }
        }
        for pocket in [Pocket::Free, Pocket::Carved, Pocket::Leased, Pocket::Held, Pocket::Used, Pocket::Lapsed] {
            expect(pocket.as_str(), pocket, self.moved(account.id, pocket))?;
        }
        if account.closed && !account.balance.get(Pocket::Free).is_zero() {
            return Err("units are free behind a closed door".into());
        }
        Ok(())
    }

    /// What the lines of the ledger say is in a pocket.
    fn moved(&self, account: AccountId, pocket: Pocket) -> Units {
        let lines = self.movements.iter().filter(|line| line.account == account);
        let sum = lines.fold(0, |sum, line| {
            let into = if line.to == Some(pocket) { line.amount.get() } else { 0 };
            let out = if line.from == Some(pocket) { line.amount.get() } else { 0 };
            sum + into - out
        });
        units(sum)
    }
}

/// The chain that everything here is used on behalf of.
pub(crate) fn principals() -> Principals {
    Principals {
        customer: id::<CustomerId>(2),
        user: None,
        agent: Some(id::<AgentId>(3)),
        session: Some(id::<SessionId>(4)),
    }
}

pub(crate) fn entitlement(number: u128, user: Option<UserId>, quota: Units) -> Entitlement {
    Entitlement {
        id: id::<EntitlementId>(number),
        customer: principals().customer,
        user,
        feature: feature(),
        subscription: id::<SubscriptionId>(5),
        offer: Offer::Quota { amount: quota, period: UsagePeriod::MONTH, beyond: Default::default() },
        calendar: Calendar::new(Timestamp::from_micros(0), "UTC").unwrap(),
    }
}
