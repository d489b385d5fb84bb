//! Recovery: what the lives before have left in the journal is told to the ledger and settled, never served.

use crate::answered::Answered;
use crate::journal::{Position, Recovered};
use crate::lease::{Heard, Tally};
use crate::record::{Part, Record, Unreadable};
use almoner_domain::decision::{Decision, Operation};
use almoner_domain::fault::Fault;
use almoner_domain::hold::Hold;
use almoner_domain::id::{HoldId, LeaseId};
use almoner_domain::lease::{Incarnation, Lease, Wish};
use almoner_domain::ports::{LeaseBatch, Ledger};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Uptime;
use almoner_domain::units::Units;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use thiserror::Error;

/// Decisions told in one transaction.
const DECISIONS_MAX: usize = 2_000;
/// Leases settled in one transaction.
const LEASES_MAX: usize = 1_000;

/// Why what a journal says cannot be followed.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// A segment that could be read when the journal was opened cannot be read again.
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
    /// A record of another version.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The store could not be told.
    #[error("the ledger could not be told what the journal says")]
    Store(#[from] Fault),
}

/// What a journal says, folded.
#[derive(Default)]
pub(crate) struct Found {
    lives: HashSet<Incarnation>,
    leases: HashMap<LeaseId, FoundLease>,
    holds: HashMap<HoldId, Hold>,
    decisions: Vec<(Position, Realm, Arc<Decision>)>,
    stored: Option<Position>,
    /// The first segment that must be kept, where something of it could not be settled.
    pub(crate) unresolved_from: Option<u64>,
}

#[derive(Clone)]
struct FoundLease {
    used: Units,
    held: Units,
    mark: Units,
    holds: BTreeMap<HoldId, Units>,
}

/// Folds the records of a journal.
pub(crate) fn read(recovered: Recovered) -> Result<Found, RecoveryError> {
    let mut found = Found::default();
    for record in recovered.records {
        let (position, bytes) = record?;
        found.take(position, Record::read(&bytes)?);
    }
    let stored = found.stored;
    found.decisions.retain(|(position, _, _)| stored.is_none_or(|stored| *position > stored));
    Ok(found)
}

impl Found {
    fn take(&mut self, position: Position, record: Record) {
        match record {
            Record::Begin(life) => drop(self.lives.insert(life)),
            Record::Opened { lease, .. } => drop(self.leases.entry(lease).or_insert_with(FoundLease::new)),
            Record::Carried { lease, used, held, mark, holds, .. } => {
                let carried = FoundLease { used, held, mark, holds: holds.into_iter().collect() };
                self.leases.insert(lease, carried);
            }
            Record::HoldCarried { hold, .. } => drop(self.holds.insert(hold.id, hold)),
            Record::Marked { lease, mark } => {
                let lease = self.leases.entry(lease).or_insert_with(FoundLease::new);
                lease.mark = lease.mark.max(mark);
            }
            Record::Decided { realm, decision, parts } => {
                for part in &parts {
                    self.take_part(&decision, part);
                }
                self.take_hold(&decision);
                self.decisions.push((position, realm, Arc::from(decision)));
            }
            Record::Stored { segment, offset } => self.stored = Some(Position { segment, offset }),
            Record::Closed { lease } => drop(self.leases.remove(&lease)),
        }
    }

    fn take_part(&mut self, decision: &Decision, part: &Part) {
        let lease = self.leases.entry(part.lease).or_insert_with(FoundLease::new);
        lease.used = lease.used.saturating_add(part.used);
        lease.held = lease.held.saturating_add(part.held).saturating_sub(part.unheld);
        let Some(hold) = decision.hold else { return };
        match decision.operation {
            Operation::Reserve => drop(lease.holds.insert(hold, part.held)),
            Operation::Commit | Operation::Release | Operation::Expire => drop(lease.holds.remove(&hold)),
            Operation::Extend | Operation::Consume | Operation::Meter => {}
        }
    }

    fn take_hold(&mut self, decision: &Decision) {
        let (Some(id), Some(principals)) = (decision.hold, decision.on_behalf_of) else { return };
        match (decision.operation, decision.hold_expires_at) {
            (Operation::Reserve, Some(expires_at)) => {
                let allocation = decision.allocation;
                let hold = Hold { id, allocation, principals, expires_at, open: true, parts: Vec::new() };
                self.holds.insert(id, hold);
            }
            (Operation::Extend, Some(expires_at)) => {
                if let Some(hold) = self.holds.get_mut(&id) {
                    hold.expires_at = expires_at;
                }
            }
            _ => {}
        }
    }
}

impl FoundLease {
    fn new() -> Self {
        Self { used: Units::ZERO, held: Units::ZERO, mark: Units::ZERO, holds: BTreeMap::new() }
    }

    /// Units to settle at: what decisions say, or more where a mark ran ahead of records that a power cut took.
    fn settled_use(&self) -> Units {
        self.used.max(self.mark.saturating_sub(self.held))
    }
}

/// Tells the ledger of every decision that it may not have, and settles the leases of earlier lives. Answers the records
/// to write so that it need not be done again.
pub(crate) async fn settle(
    ledger: &dyn Ledger,
    life: Incarnation,
    found: &Found,
    answered: &Arc<Answered>,
) -> Result<Vec<Record>, RecoveryError> {
    let mut by_realm: BTreeMap<Realm, Vec<Decision>> = BTreeMap::new();
    for (_, realm, decision) in &found.decisions {
        by_realm.entry(*realm).or_default().push(decision.as_ref().clone());
        answered.recall(decision.clone());
    }
    for (realm, decisions) in by_realm {
        for some in decisions.chunks(DECISIONS_MAX) {
            let batch = LeaseBatch { decisions: some.to_vec(), ..LeaseBatch::default() };
            ledger.settle(realm, life, &batch).await?;
        }
    }
    let mut records = Vec::new();
    if let Some((position, _, _)) = found.decisions.last() {
        records.push(Record::Stored { segment: position.segment, offset: position.offset });
    }
    let mut leases: BTreeMap<Realm, Vec<Lease>> = BTreeMap::new();
    for (realm, lease) in ledger.unsettled(life).await? {
        leases.entry(realm).or_default().push(lease);
    }
    for (realm, leases) in leases {
        for some in leases.chunks(LEASES_MAX) {
            records.extend(settle_leases(ledger, life, found, realm, some).await?);
        }
    }
    Ok(records)
}

async fn settle_leases(
    ledger: &dyn Ledger,
    life: Incarnation,
    found: &Found,
    realm: Realm,
    leases: &[Lease],
) -> Result<Vec<Record>, RecoveryError> {
    let mut tallies = Vec::new();
    let mut batch = LeaseBatch::default();
    for lease in leases {
        let Some((used, held, holds)) = account_for(found, lease) else {
            tracing::error!(lease = %lease.id, life = lease.holder.number, "the journal of this lease is lost: it stays charged in full until an operator forfeits it");
            continue;
        };
        batch.holds.extend(holds.iter().filter_map(|(id, _)| found.holds.get(id).cloned()));
        let mut tally = Tally::recovered(lease.id, lease.account, used, held, lease.seq);
        batch.reports.push(tally.report(Wish::Settle { holds }, Uptime::from_micros(0)));
        tallies.push(tally);
    }
    let replies = ledger.settle(realm, life, &batch).await?;
    let mut records = Vec::new();
    for (mut tally, reply) in tallies.into_iter().zip(replies) {
        let lease = tally.id();
        if matches!(tally.applied(reply), Heard::Settled { .. }) {
            records.push(Record::Closed { lease });
        } else {
            tracing::error!(%lease, ?reply, "a lease of an earlier life could not be settled; it stays charged");
        }
    }
    Ok(records)
}

/// What a lease of an earlier life comes to, or none where its journal is lost. A life that this journal has heard of and
/// that wrote nothing of the lease has not used it: the record of a lease comes before any use.
#[expect(clippy::type_complexity, reason = "used, held and the holds they are in, taken apart at once")]
fn account_for(found: &Found, lease: &Lease) -> Option<(Units, Units, Vec<(HoldId, Units)>)> {
    match found.leases.get(&lease.id) {
        Some(known) => {
            let holds: Vec<_> = known.holds.iter().map(|(id, amount)| (*id, *amount)).collect();
            Some((known.settled_use().max(lease.used), known.held, holds))
        }
        None if found.lives.contains(&lease.holder) => Some((lease.used, Units::ZERO, Vec::new())),
        None => None,
    }
}
