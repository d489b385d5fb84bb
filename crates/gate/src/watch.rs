//! What a gate watches beside its calls: holds in its own memory that are past their time, the change feed, and recalls.

use crate::courier::Want;
use crate::gate::Gate;
use crate::handle::Target;
use crate::purse::Purse;
use almoner_domain::allocation::AllocationState;
use almoner_domain::fault::Fault;
use almoner_domain::guard::Guarded;
use almoner_domain::id::AllocationId;
use almoner_domain::notice::Change;
use almoner_domain::tenant::Realm;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Entries of the change feed read at once.
const CHANGES_MAX: u64 = 1_000;
/// How often the ledger is asked for recalls, which is also the gate's sign of life.
const RECALL_INTERVAL: Duration = Duration::from_millis(500);

/// Runs until the gate is dropped or the task is ended.
pub(crate) async fn run(gate: Weak<Gate>) {
    let mut position = None;
    let mut recalled = Instant::now();
    loop {
        let Some(gate) = gate.upgrade() else { return };
        gate.expire_holds();
        gate.tell_steps().await;
        if let Err(fault) = gate.follow(&mut position).await {
            tracing::debug!(error = &fault as &dyn std::error::Error, "the change feed could not be read");
        }
        if recalled.elapsed() >= RECALL_INTERVAL {
            recalled = Instant::now();
            if let Err(fault) = gate.answer_recalls().await {
                tracing::debug!(error = &fault as &dyn std::error::Error, "recalls could not be read");
            }
        }
        let pause = gate.config.feed_interval;
        drop(gate);
        sleep(pause).await;
    }
}

impl Gate {
    /// Reads what changed since the last time and forgets what rests on it.
    async fn follow(&self, position: &mut Option<i64>) -> Result<(), Fault> {
        let Some(after) = *position else {
            let latest = self.lookup.changes(None, 1).await?;
            *position = Some(latest.last().map_or(0, |(at, _, _)| *at));
            // What changed before the first look may be in memory already.
            self.handles.forget_all();
            return Ok(());
        };
        for (at, realm, change) in self.lookup.changes(Some(after), CHANGES_MAX).await? {
            match change {
                Change::Allocation(id) => self.allocation_changed(realm, id).await?,
                // Its rules, or how far the guard has gone with it: any handle may be its.
                Change::Agent(id) => drop(self.guard_forgotten(realm, Guarded::Agent(id))),
                Change::Catalogue => {
                    self.catalogue.forget(realm);
                    self.handles.forget_all();
                }
                Change::Keys => self.credentials.forget_all(),
            }
            *position = Some(at);
        }
        Ok(())
    }

    async fn allocation_changed(&self, realm: Realm, id: AllocationId) -> Result<(), Fault> {
        let purses = self.guard_forgotten(realm, Guarded::Allocation(id));
        if purses.is_empty() {
            return Ok(());
        }
        let standing = self.lookup.allocation(realm, id).await?;
        if standing.is_some_and(|standing| standing.state == AllocationState::Active) {
            return Ok(());
        }
        for purse in purses {
            if let Some(mut state) = purse.open() {
                state.closed = true;
            }
            drop(self.courier.ask(purse, Want::Settle));
        }
        Ok(())
    }

    /// From now on what is decided on an allocation and all below it, or on all of an agent's, goes by what the store says. Answers
    /// the purses of the allocation and of those below it.
    pub(crate) fn guard_forgotten(&self, realm: Realm, guarded: Guarded) -> Vec<Arc<Purse>> {
        let Guarded::Allocation(id) = guarded else {
            self.handles.forget_all();
            return Vec::new();
        };
        let purses = self.purses.below(id);
        let below = purses.iter().filter_map(|purse| purse.allocation());
        for id in below.chain([id]) {
            self.handles.forget(realm, &Target::Allocation(id));
        }
        purses
    }

    async fn answer_recalls(&self) -> Result<(), Fault> {
        for (_, lease) in self.ledger.recalled(self.life).await? {
            let held = self.purses.all().into_iter().find(|purse| {
                purse.open().is_some_and(|state| state.tally.as_ref().is_some_and(|tally| tally.id() == lease))
            });
            if let Some(purse) = held {
                drop(self.courier.ask(purse, Want::GiveBack));
            }
        }
        Ok(())
    }
}
