//! The end of a gate's life and the beginning of the next: what the journal says is settled, never served.

use super::climate::Climate;
use super::disk::{Found, Record};
use super::gate::{Gate, Settling};
use super::rules::Rules;
use super::truth::Truth;
use almoner_domain::hold::Hold;
use almoner_domain::id::{HoldId, LeaseId, NodeId};
use almoner_domain::lease::Lease;
use almoner_domain::principal::Principals;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use almoner_gate::lease::Tally;
use almoner_testkit::Dice;
use almoner_testkit::memory::Core;
use std::collections::BTreeSet;

/// How a gate died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// `kill -9`: the page cache lives on.
    Killed,
    /// The power failed: what was not synced may be gone.
    Power,
    /// The disk is gone with it.
    Disk,
}

impl Gate {
    /// Ends this life at once: all that was in memory is gone.
    pub(crate) fn die(&mut self, climate: &Climate, dice: &mut Dice) -> Death {
        self.up = false;
        self.handles.clear();
        self.purses.clear();
        self.settling.clear();
        self.answers.clear();
        self.attempts.clear();
        self.position = None;
        if dice.chance(climate.disk) {
            self.disk.lose();
            Death::Disk
        } else if dice.chance(climate.power) {
            self.disk.cut_power(dice);
            Death::Power
        } else {
            Death::Killed
        }
    }

    /// Begins the next life, if the ledger can be reached: enlists, reads the journal, and settles what it says.
    /// `node` is who it is; after a lost disk somebody else. Answers leases whose journal is gone.
    pub(crate) fn boot<R: Rules>(
        &mut self,
        core: &mut Core,
        now: Timestamp,
        node: NodeId,
        principals: Principals,
        truth: &mut Truth,
    ) -> Vec<LeaseId> {
        self.life = core.enlist(now, node);
        self.up = true;
        let fold = self.disk.fold();
        self.disk.append(Record::Begin(self.life));
        self.disk.sync();
        let mut lost = Vec::new();
        for (realm, lease) in core.unsettled(self.life) {
            let known = match fold.leases.get(&lease.id) {
                Some(found) => Some(found.clone()),
                // The record of a lease comes before any use of it.
                None if fold.lives.contains(&lease.holder) => Some(Found::default()),
                None => None,
            };
            let Some(found) = known else {
                lost.push(lease.id);
                continue;
            };
            let used = settled_use::<R>(&found, &lease);
            let written = found.used.max(lease.used);
            truth.unattributed += used.saturating_sub(written).get();
            let tally = Tally::recovered(lease.id, lease.account, used, found.held(), lease.seq);
            let holds: Vec<(HoldId, Units)> = found.holds.iter().map(|(id, (amount, _))| (*id, *amount)).collect();
            let facts = found.holds.iter().map(|(id, (_, until))| fact(*id, *until, principals)).collect();
            self.settling.insert(lease.id, Settling { realm, tally, holds, facts });
        }
        lost
    }
}

/// Units to settle a lease at: what decisions say, or more where a mark ran ahead of records that a power cut took.
fn settled_use<R: Rules>(found: &Found, lease: &Lease) -> Units {
    let ahead = found.mark.saturating_sub(found.held());
    // Units that were given back since the mark was written are not this lease's any more.
    let most = if R::FORGETS_OLD_MARKS { lease.n.saturating_sub(found.held()) } else { Units::MAX };
    found.used.max(ahead.min(most)).max(lease.used)
}

fn fact(id: HoldId, expires_at: Timestamp, principals: Principals) -> Hold {
    Hold { id, allocation: None, principals, expires_at, open: true, parts: Vec::new() }
}

/// Leases that no journal can speak for.
pub(crate) type Lost = BTreeSet<LeaseId>;
