//! A gate's disk: records in order, of which a power cut keeps what was synced and perhaps some of what came after.

use almoner_domain::id::{HoldId, LeaseId};
use almoner_domain::lease::Incarnation;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use almoner_testkit::Dice;
use std::collections::{BTreeMap, BTreeSet};

/// One record of the journal, as far as leases are concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Record {
    /// A life begins.
    Begin(Incarnation),
    /// A lease is about to be opened.
    Opened(LeaseId),
    /// So many units may be used and held.
    Marked(LeaseId, Units),
    /// A decision spent units.
    Used(LeaseId, Units),
    /// A decision set units aside.
    Held(LeaseId, HoldId, Units, Timestamp),
    /// A hold was settled: units spent of it.
    Unheld(LeaseId, HoldId, Units),
    /// The ledger has settled the lease.
    Closed(LeaseId),
}

/// A journal on a disk. A position is the number of records up to and with the one meant.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    records: Vec<Record>,
    synced: usize,
}

/// What a journal says of one lease.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) used: Units,
    pub(crate) mark: Units,
    pub(crate) holds: BTreeMap<HoldId, (Units, Timestamp)>,
}

impl Found {
    pub(crate) fn held(&self) -> Units {
        self.holds.values().map(|(amount, _)| *amount).sum()
    }
}

/// What a journal says.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    pub(crate) lives: BTreeSet<Incarnation>,
    pub(crate) leases: BTreeMap<LeaseId, Found>,
}

impl Disk {
    /// Writes a record into the page cache and answers its position.
    pub(crate) fn append(&mut self, record: Record) -> usize {
        self.records.push(record);
        self.records.len()
    }

    /// Makes everything written durable.
    pub(crate) fn sync(&mut self) {
        self.synced = self.records.len();
    }

    /// Is what was written up to this position durable?
    pub(crate) fn is_synced(&self, position: usize) -> bool {
        position <= self.synced
    }

    /// The power fails: of what was not synced some first part may have reached the platter.
    pub(crate) fn cut_power(&mut self, dice: &mut Dice) {
        let loose = (self.records.len() - self.synced) as u64;
        let kept = usize::try_from(dice.between(0, loose)).unwrap_or(0);
        self.records.truncate(self.synced + kept);
    }

    /// The disk is gone, and an empty one in its place.
    pub(crate) fn lose(&mut self) {
        *self = Self::default();
    }

    /// Folds the records, as recovery does. What was in the page cache has been written by now.
    pub(crate) fn fold(&mut self) -> Fold {
        self.sync();
        let mut fold = Fold::default();
        for record in &self.records {
            fold.take(*record);
        }
        fold
    }
}

impl Fold {
    fn take(&mut self, record: Record) {
        match record {
            Record::Begin(life) => drop(self.lives.insert(life)),
            Record::Opened(lease) => drop(self.leases.entry(lease).or_default()),
            Record::Marked(lease, mark) => {
                let lease = self.leases.entry(lease).or_default();
                lease.mark = lease.mark.max(mark);
            }
            Record::Used(lease, amount) => {
                let lease = self.leases.entry(lease).or_default();
                lease.used = lease.used.saturating_add(amount);
            }
            Record::Held(lease, hold, amount, until) => {
                self.leases.entry(lease).or_default().holds.insert(hold, (amount, until));
            }
            Record::Unheld(lease, hold, spent) => {
                let lease = self.leases.entry(lease).or_default();
                lease.holds.remove(&hold);
                lease.used = lease.used.saturating_add(spent);
            }
            Record::Closed(lease) => drop(self.leases.remove(&lease)),
        }
    }
}
