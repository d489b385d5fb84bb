//! Holds that are open at this gate: what each call has set aside, until it says what it cost or its time is over.
//!
//! Whether a hold is open here is written in the purses, under their locks: it is there that units stand. This table
//! keeps the facts, what became of a hold, and when each runs out.

use crate::handle::Handle;
use crate::journal::Position;
use crate::judge::Draw;
use crate::purse::Purse;
use almoner_domain::decision::Decision;
use almoner_domain::hold::Hold;
use almoner_domain::id::HoldId;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A hold that was opened at this gate in this life.
pub(crate) struct OpenHold {
    pub(crate) id: HoldId,
    pub(crate) handle: Arc<Handle>,
    /// What it set aside: line and units, in the order of locks.
    pub(crate) parts: Vec<(usize, Units)>,
    /// The decision that opened it.
    pub(crate) reserved: Arc<Decision>,
    fate: Mutex<Fate>,
}

/// What becomes of a hold.
#[derive(Clone)]
pub(crate) struct Fate {
    pub(crate) expires_at: Timestamp,
    /// The decision that settled it, and where its record is.
    pub(crate) settled: Option<(Arc<Decision>, Position)>,
    /// It stands in the ledger now.
    pub(crate) moved: bool,
    /// The oldest segment that recovery needs for it.
    segment: u64,
}

impl OpenHold {
    pub(crate) fn new(
        id: HoldId,
        expires_at: Timestamp,
        handle: Arc<Handle>,
        draws: &[Draw],
        reserved: &Arc<Decision>,
        position: Position,
    ) -> Self {
        let parts = draws.iter().map(|draw| (draw.line, draw.amount)).collect();
        let fate = Fate { expires_at, settled: None, moved: false, segment: position.segment };
        Self { id, handle, parts, reserved: reserved.clone(), fate: Mutex::new(fate) }
    }

    /// What has become of it. Locked after the purses, never before.
    pub(crate) fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn facts(&self) -> Hold {
        Hold {
            id: self.id,
            allocation: self.handle.standing.allocation,
            principals: self.handle.standing.principals,
            expires_at: self.fate().expires_at,
            open: true,
            parts: Vec::new(),
        }
    }
}

#[derive(Default)]
struct Table {
    holds: HashMap<HoldId, Arc<OpenHold>>,
    /// When to look at each again.
    due: BTreeSet<(Timestamp, HoldId)>,
    /// A segment that must be kept for a record that no store could take.
    pinned: Option<u64>,
}

/// The holds of a gate.
#[derive(Default)]
pub(crate) struct Holds {
    table: Mutex<Table>,
}

impl Holds {
    pub(crate) fn open(&self, hold: OpenHold) {
        let due = (hold.fate().expires_at, hold.id);
        let mut table = self.table();
        table.due.insert(due);
        table.holds.insert(hold.id, Arc::new(hold));
    }

    /// A hold of a realm.
    pub(crate) fn find(&self, realm: Realm, id: HoldId) -> Option<Arc<OpenHold>> {
        self.table().holds.get(&id).filter(|hold| hold.handle.realm == realm).cloned()
    }

    /// The facts of a hold that is about to stand in the ledger.
    pub(crate) fn facts(&self, id: HoldId) -> Option<Hold> {
        let hold = self.table().holds.get(&id).cloned();
        hold.map(|hold| hold.facts())
    }

    /// The purses that a hold draws on.
    pub(crate) fn purses_of(&self, id: HoldId) -> Vec<Arc<Purse>> {
        let hold = self.table().holds.get(&id).cloned();
        hold.map_or(Vec::new(), |hold| {
            hold.parts.iter().map(|(line, _)| hold.handle.lines[*line].purse.clone()).collect()
        })
    }

    /// These stand in the ledger now.
    pub(crate) fn moved(&self, ids: impl Iterator<Item = HoldId>) {
        for id in ids {
            let hold = self.table().holds.get(&id).cloned();
            if let Some(hold) = hold {
                hold.fate().moved = true;
            }
        }
    }

    /// Holds whose time may be over. Each is handed out once, unless it was given more time.
    pub(crate) fn take_due(&self, now: Timestamp) -> Vec<Arc<OpenHold>> {
        let mut table = self.table();
        let later = table.due.split_off(&(now.saturating_add(std::time::Duration::from_micros(1)), first_id()));
        let due = std::mem::replace(&mut table.due, later);
        let mut over = Vec::new();
        for (_, id) in due {
            let Some(hold) = table.holds.get(&id).cloned() else { continue };
            let until = hold.fate().expires_at;
            if until > now {
                table.due.insert((until, id));
            } else {
                over.push(hold);
            }
        }
        over
    }

    /// Forgets a hold: the ledger tells the rest of its story.
    pub(crate) fn forget(&self, id: HoldId) {
        self.table().holds.remove(&id);
    }

    /// Looks at a hold again soon.
    pub(crate) fn look_again(&self, id: HoldId, at: Timestamp) {
        self.table().due.insert((at, id));
    }

    /// Writes the facts of every open hold into a new segment.
    pub(crate) fn carry(&self, segment: u64, write: impl Fn(Realm, Hold) -> bool) {
        let holds: Vec<_> = self.table().holds.values().cloned().collect();
        for hold in holds {
            let open = hold.fate().settled.is_none();
            if open && write(hold.handle.realm, hold.facts()) {
                hold.fate().segment = segment;
            }
        }
    }

    /// Keeps a segment for good.
    pub(crate) fn pin(&self, segment: u64) {
        let mut table = self.table();
        table.pinned = Some(table.pinned.map_or(segment, |pinned| pinned.min(segment)));
    }

    /// The oldest segment that recovery needs for an open hold.
    pub(crate) fn oldest_segment(&self) -> Option<u64> {
        let (holds, pinned) = {
            let table = self.table();
            (table.holds.values().cloned().collect::<Vec<_>>(), table.pinned)
        };
        let open = |hold: Arc<OpenHold>| {
            let fate = hold.fate();
            (fate.settled.is_none() && !fate.moved).then_some(fate.segment)
        };
        holds.into_iter().filter_map(open).chain(pinned).min()
    }

    /// How many are in memory.
    pub(crate) fn len(&self) -> usize {
        self.table().holds.len()
    }

    /// The table is whole after each step, so a panic elsewhere cannot have broken it.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn first_id() -> HoldId {
    use almoner_domain::id::Id;
    HoldId::from_uuid(uuid::Uuid::nil())
}
