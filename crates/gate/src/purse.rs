//! Purses: the units of one account that this gate may give out, and the lock that guards them.
//!
//! All handles that draw on an account share its purse, so no unit is idle in one while another denies. A purse's lock is
//! held for the debit and the append to the journal, never across an await. Several purses are locked in the order of
//! their accounts.

use crate::journal::Position;
use crate::lease::Tally;
use almoner_domain::id::{AccountId, AllocationId, HoldId};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Uptime;
use almoner_domain::units::Units;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// The units of one account at this gate.
pub(crate) struct Purse {
    pub(crate) realm: Realm,
    pub(crate) account: AccountId,
    /// The allocation whose line the account is, then those it was carved from: the end of any is the end of the purse.
    lineage: Vec<AllocationId>,
    state: Mutex<PurseState>,
}

/// What a purse's lock guards.
#[derive(Default)]
pub(crate) struct PurseState {
    /// The lease that is served from.
    pub(crate) tally: Option<Tally>,
    /// Nothing more comes out: the allocation ended or the window is over.
    pub(crate) closed: bool,
    /// Units free in the ledger, by its last word.
    pub(crate) free: Units,
    /// Units idle at other gates, by the ledger's last word.
    pub(crate) elsewhere: Units,
    /// Holds taken under the lease that are open here.
    pub(crate) holds: HashMap<HoldId, Units>,
    /// Since when the ledger has not heard of what was used or held.
    pub(crate) dirty_since: Option<Uptime>,
    /// Units given out since the lease was last raised: what the next raise is sized by.
    pub(crate) given_since_raise: Units,
    /// In `fast` mode: a mark that has been written and takes effect when its record is durable.
    pub(crate) mark_on_its_way: Option<(Units, Position)>,
    /// The oldest journal segment that recovery needs for the lease.
    pub(crate) segment: u64,
}

impl PurseState {
    /// Units that may be given out now.
    pub(crate) fn idle(&self, now: Uptime) -> Units {
        match &self.tally {
            Some(tally) if !self.closed && tally.live(now) => tally.idle(),
            _ => Units::ZERO,
        }
    }

    /// Is there a lease whose term is over and of which nothing is on its way?
    pub(crate) fn is_spent(&self, now: Uptime) -> bool {
        self.tally.as_ref().is_some_and(|tally| !tally.is_new() && !tally.is_reporting() && !tally.live(now))
    }

    /// Units left in the account as far as this gate knows: what is idle here and free in the ledger.
    pub(crate) fn remaining(&self, now: Uptime) -> Units {
        self.idle(now).saturating_add(if self.closed { Units::ZERO } else { self.free })
    }
}

impl Purse {
    fn new(realm: Realm, account: AccountId, lineage: Vec<AllocationId>) -> Self {
        Self { realm, account, lineage, state: Mutex::new(PurseState::default()) }
    }

    /// One that no register knows: it has what is free in an account that is not there yet, and no lease is ever asked for.
    pub(crate) fn alone(realm: Realm, account: AccountId) -> Self {
        Self::new(realm, account, Vec::new())
    }

    /// The allocation whose line the account is; none for a quota.
    pub(crate) fn allocation(&self) -> Option<AllocationId> {
        self.lineage.first().copied()
    }

    /// Does it give nothing out any more?
    pub(crate) fn is_closed(&self) -> bool {
        self.open().is_none_or(|state| state.closed)
    }

    /// Locks the purse. None when a panic left it in an unknown state: whoever asks denies.
    pub(crate) fn open(&self) -> Option<MutexGuard<'_, PurseState>> {
        self.state.lock().ok()
    }
}

/// How many parts the register is cut into, so that first calls of many accounts do not wait for each other.
const SHARDS: usize = 64;

/// All purses of a gate. One is never dropped while a lease is open in it.
pub(crate) struct Purses {
    shards: Vec<RwLock<HashMap<AccountId, Arc<Purse>>>>,
    by_allocation: RwLock<HashMap<AllocationId, Vec<AccountId>>>,
}

impl Purses {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::new(HashMap::new())).collect();
        Self { shards, by_allocation: RwLock::new(HashMap::new()) }
    }

    fn shard(&self, account: AccountId) -> &RwLock<HashMap<AccountId, Arc<Purse>>> {
        use almoner_domain::id::Id;
        // The last byte of a UUIDv7 is chance.
        &self.shards[usize::from(account.uuid().as_bytes()[15]) % SHARDS]
    }

    /// The purse of an account, made when there is none.
    pub(crate) fn of(&self, realm: Realm, account: AccountId, lineage: Vec<AllocationId>) -> Arc<Purse> {
        if let Some(purse) = self.find(account) {
            return purse;
        }
        // The index is written under the lock of the shard, here and where a purse is forgotten, so that the two agree.
        let mut shard = write(self.shard(account));
        let make = || {
            let purse = Purse::new(realm, account, lineage);
            let mut index = self.by_allocation.write().unwrap_or_else(PoisonError::into_inner);
            purse.lineage.iter().for_each(|id| index.entry(*id).or_default().push(account));
            Arc::new(purse)
        };
        shard.entry(account).or_insert_with(make).clone()
    }

    /// The purse of an account, if there is one.
    pub(crate) fn find(&self, account: AccountId) -> Option<Arc<Purse>> {
        let shard = self.shard(account).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(&account).cloned()
    }

    /// The purses of an allocation's lines, and of all that was carved from it.
    pub(crate) fn below(&self, id: AllocationId) -> Vec<Arc<Purse>> {
        let index = self.by_allocation.read().unwrap_or_else(PoisonError::into_inner);
        let accounts = index.get(&id).cloned().unwrap_or_default();
        drop(index);
        accounts.into_iter().filter_map(|account| self.find(account)).collect()
    }

    /// The purses of an allocation's own lines.
    pub(crate) fn of_allocation(&self, id: AllocationId) -> Vec<Arc<Purse>> {
        let mut purses = self.below(id);
        purses.retain(|purse| purse.lineage.first() == Some(&id));
        purses
    }

    /// All purses.
    pub(crate) fn all(&self) -> Vec<Arc<Purse>> {
        let read = |shard: &RwLock<HashMap<_, Arc<Purse>>>| {
            shard.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(read).collect()
    }

    /// Forgets a purse that nobody else holds and that has no lease.
    pub(crate) fn forget_if_empty(&self, account: AccountId) {
        let mut shard = write(self.shard(account));
        let unused = shard.get(&account).is_some_and(|purse| {
            Arc::strong_count(purse) == 1 && purse.open().is_some_and(|state| state.tally.is_none())
        });
        if !unused {
            return;
        }
        let Some(purse) = shard.remove(&account) else { return };
        let mut index = self.by_allocation.write().unwrap_or_else(PoisonError::into_inner);
        for id in &purse.lineage {
            if let Some(accounts) = index.get_mut(id) {
                accounts.retain(|other| *other != account);
                if accounts.is_empty() {
                    index.remove(id);
                }
            }
        }
    }
}

/// The register holds pointers alone, so a panic elsewhere cannot have left it half written.
fn write(
    shard: &RwLock<HashMap<AccountId, Arc<Purse>>>,
) -> std::sync::RwLockWriteGuard<'_, HashMap<AccountId, Arc<Purse>>> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}
