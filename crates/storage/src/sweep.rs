//! What time alone asks for. Work is found over all realms, then done realm by realm in transactions that hold the rows and
//! look again: of any number of sweepers one does it, and none can do it for a realm from outside that realm.

use crate::store::{Deed, Outcome, SqlStore};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{
    account, allocation, books, change_plan, end, grant, hold, hold_end, idle, lease, maturing, subscription, window,
};
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::id::{AccountId, AllocationId, CustomerId, HoldId, LeaseId};
use almoner_domain::ledger;
use almoner_domain::ports::Swept;
use almoner_domain::tenant::Realm;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;
use std::sync::Arc;

/// Windows turned in one transaction: each customer that they are of costs a handful of statements, and gates wait meanwhile.
const TURN_MAX: usize = 64;
/// Changes of plan made in one transaction: each holds a customer's allocations before its accounts, so two could wait for each
/// other.
const CHANGE_MAX: usize = 1;
/// Other things done in one transaction: as many as are found.
const STROKE_MAX: usize = usize::MAX;

/// What there is to do.
struct Due {
    allocations: Vec<(Realm, AllocationId)>,
    perhaps_idle: Vec<(Realm, AllocationId)>,
    holds: Vec<(Realm, HoldId)>,
    leases: Vec<(Realm, LeaseId)>,
    grants: Vec<(Realm, AccountId)>,
    changes: Vec<(Realm, CustomerId)>,
    windows: Vec<(Realm, AccountId)>,
}

/// What became of windows that are over.
#[derive(Debug, Clone, Copy, Default)]
struct Turned {
    closed: u64,
    opened: u64,
}

impl AddAssign for Turned {
    fn add_assign(&mut self, other: Self) {
        self.closed += other.closed;
        self.opened += other.opened;
    }
}

/// What became of customers whose plan was due to change.
#[derive(Debug, Clone, Copy, Default)]
struct Changed {
    made: u64,
    opened: u64,
}

impl AddAssign for Changed {
    fn add_assign(&mut self, other: Self) {
        self.made += other.made;
        self.opened += other.opened;
    }
}

/// Does it for some items of one realm and answers how many there were to do.
type Stroke<I, T> = for<'t> fn(&'t Tx, Arc<[I]>) -> Deed<'t, Outcome<T>>;

impl SqlStore {
    /// Does what time alone asks for, at most `limit` of each kind.
    pub(crate) async fn sweep_due(&self, limit: u64) -> Result<Swept, Fault> {
        let due = self.read_everywhere("sweep", move |tx| {
            Box::pin(async move {
                Ok(Due {
                    allocations: allocation::due(tx, limit).await?,
                    perhaps_idle: allocation::perhaps_idle(tx, limit).await?,
                    holds: hold::due(tx, limit).await?,
                    leases: lease::silent(tx, limit).await?,
                    grants: grant::due(tx, limit).await?,
                    changes: subscription::due(tx, limit).await?,
                    windows: account::over(tx, limit).await?,
                })
            })
        });
        let due = due.await?;
        // Allocations first: what they give back is there when the window closes. Windows come deepest first already.
        let allocations: u64 = self
            .stroke(due.allocations, STROKE_MAX, |tx, ids| Box::pin(async move { end::expire(tx, &ids).await }))
            .await?;
        let idle: u64 = self
            .stroke(due.perhaps_idle, STROKE_MAX, |tx, ids| Box::pin(async move { idle::end_idle(tx, &ids).await }))
            .await?;
        let holds: u64 = self
            .stroke(due.holds, STROKE_MAX, |tx, ids| Box::pin(async move { hold_end::expire(tx, &ids).await }))
            .await?;
        let leases: u64 =
            self.stroke(due.leases, STROKE_MAX, |tx, ids| Box::pin(async move { doubt(tx, &ids).await })).await?;
        let _: u64 = self
            .stroke(due.grants, TURN_MAX, |tx, ids| Box::pin(async move { maturing::mature(tx, &ids).await }))
            .await?;
        // Before windows: one that begins with a change has the quota that the change brings.
        let changed: Changed =
            self.stroke(due.changes, CHANGE_MAX, |tx, ids| Box::pin(async move { change(tx, &ids).await })).await?;
        let turned: Turned =
            self.stroke(due.windows, TURN_MAX, |tx, ids| Box::pin(async move { turn(tx, &ids).await })).await?;
        let resets = turned.opened + changed.opened;
        Ok(Swept {
            allocations: allocations + idle,
            holds,
            leases,
            windows: turned.closed,
            resets,
            changes: changed.made,
        })
    }

    async fn stroke<I, T>(&self, found: Vec<(Realm, I)>, at_once: usize, stroke: Stroke<I, T>) -> Result<T, Fault>
    where
        I: Copy + Send + Sync + std::fmt::Display + 'static,
        T: Default + AddAssign + Send + 'static,
    {
        let mut by_realm: BTreeMap<Realm, Vec<I>> = BTreeMap::new();
        for (realm, id) in found {
            by_realm.entry(realm).or_default().push(id);
        }
        let mut done = T::default();
        let mut parts: Vec<(Realm, Arc<[I]>)> = Vec::new();
        for (realm, ids) in by_realm {
            parts.extend(ids.chunks(at_once).map(|part| (realm, part.into())));
        }
        for (realm, ids) in parts {
            match self.stroke_realm(realm, Arc::clone(&ids), stroke).await {
                Ok(count) => done += count,
                Err(fault) if fault.kind == FaultKind::Unavailable => return Err(fault),
                // Others are at it: what they leave is found by the next sweep.
                Err(fault) if fault.kind == FaultKind::Conflict => tracing::debug!(%fault, %realm, "a sweep gave way"),
                // One wrong item must not keep all others of the realm waiting for ever.
                Err(_) => done += self.stroke_singly(realm, &ids, stroke).await?,
            }
        }
        Ok(done)
    }

    async fn stroke_singly<I, T>(&self, realm: Realm, ids: &[I], stroke: Stroke<I, T>) -> Result<T, Fault>
    where
        I: Copy + Send + Sync + std::fmt::Display + 'static,
        T: Default + AddAssign + Send + 'static,
    {
        let mut done = T::default();
        for id in ids {
            match self.stroke_realm(realm, Arc::new([*id]), stroke).await {
                Ok(count) => done += count,
                Err(fault) if fault.kind == FaultKind::Unavailable => return Err(fault),
                Err(fault) => tracing::error!(%fault, cause = ?fault.source, %realm, %id, "a sweep cannot do this"),
            }
        }
        Ok(done)
    }

    async fn stroke_realm<I, T>(&self, realm: Realm, ids: Arc<[I]>, stroke: Stroke<I, T>) -> Result<T, Fault>
    where
        I: Copy + Send + Sync + 'static,
        T: Send + 'static,
    {
        self.write("sweep", realm, move |tx| stroke(tx, Arc::clone(&ids))).await
    }
}

async fn doubt(tx: &Tx, ids: &[LeaseId]) -> Result<Outcome<u64>, Trouble> {
    let mut books = tx.books();
    let silent = lease::hold_silent(tx, ids).await?;
    let ids: Vec<LeaseId> = silent.iter().map(|lease| lease.id).collect();
    for lease in silent {
        books.leases.load(lease.id, lease);
    }
    for id in ids {
        ledger::doubt(&mut books, id)?;
    }
    let doubted = books.notices.len() as u64;
    books::write_back(tx, &books, None).await?;
    Ok(Outcome::Keep(doubted))
}

/// Makes changes that are due, and opens the windows that begin with them.
async fn change(tx: &Tx, ids: &[CustomerId]) -> Result<Outcome<Changed>, Trouble> {
    let mut changed = Changed::default();
    for customer in ids {
        changed.made += u64::from(change_plan::make_due(tx, *customer).await?);
        for running in window::hold_running(tx, &BTreeSet::from([*customer])).await? {
            changed.opened += window::open_missing(tx, &running).await?;
        }
    }
    Ok(Outcome::Keep(changed))
}

/// Closes windows that are over and opens those that follow, in one transaction: a window that is closed is not found again, so
/// nothing would remind a later sweep of the next one.
async fn turn(tx: &Tx, ids: &[AccountId]) -> Result<Outcome<Turned>, Trouble> {
    let customers: BTreeSet<_> = account::by_ids(tx, ids).await?.iter().map(|a| a.principals.customer).collect();
    // Before any account, as whoever opens a window holds them.
    let running = window::hold_running(tx, &customers).await?;
    let closed = close(tx, ids).await?;
    let mut opened = 0;
    for subscription in &running {
        opened += window::open_missing(tx, subscription).await?;
    }
    Ok(Outcome::Keep(Turned { closed, opened }))
}

async fn close(tx: &Tx, ids: &[AccountId]) -> Result<u64, Trouble> {
    let mut books = tx.books();
    let accounts = account::hold_with_ancestors(tx, ids).await?;
    let over = |a: &&almoner_domain::account::Account| {
        !a.closed && a.window.end.is_some_and(|end| end <= tx.now()) && ids.contains(&a.id)
    };
    let mut due: Vec<(u8, AccountId)> = accounts.iter().filter(over).map(|a| (a.depth, a.id)).collect();
    due.sort_unstable_by(|a, b| b.cmp(a));
    for account in accounts {
        books.accounts.load(account.id, account);
    }
    for (_, id) in &due {
        ledger::close_window(&mut books, *id)?;
    }
    books::write_back(tx, &books, None).await?;
    Ok(due.len() as u64)
}
