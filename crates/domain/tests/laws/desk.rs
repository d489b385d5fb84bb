//! A gate at its plainest, and a network that keeps every message: it may deliver any of them at any time, again and again.

use crate::units;
use crate::world::{World, feature, id, life, principals};
use almoner_domain::hold::Hold;
use almoner_domain::id::{AccountId, HoldId, LeaseId};
use almoner_domain::lease::{Incarnation, LeaseReply, LeaseReport, Wish};
use almoner_domain::ledger::{LedgerError, settle};
use almoner_domain::units::Units;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a hold stands.
pub(crate) const HOLD_S: u64 = 60;

/// A lease as its gate keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Purse {
    pub(crate) account: AccountId,
    pub(crate) n: Units,
    pub(crate) used: Units,
    pub(crate) holds: BTreeMap<HoldId, Units>,
    seq: u64,
    outstanding: Option<LeaseReport>,
    /// Settling, or of an earlier life: nothing is given out any more.
    pub(crate) shut: bool,
}

/// A report on its way, with whose it is.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) by: Incarnation,
    pub(crate) report: LeaseReport,
}

/// The gate and all messages it ever sent.
pub(crate) struct Desk {
    pub(crate) life: u64,
    pub(crate) purses: BTreeMap<LeaseId, Purse>,
    pub(crate) sent: Vec<Message>,
    facts: BTreeMap<HoldId, Hold>,
    next: u128,
}

impl Purse {
    pub(crate) fn held(&self) -> Units {
        self.holds.values().copied().sum()
    }

    pub(crate) fn idle(&self) -> Units {
        if self.shut { Units::ZERO } else { self.n.saturating_sub(self.used).saturating_sub(self.held()) }
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { life: 1, purses: BTreeMap::new(), sent: Vec::new(), facts: BTreeMap::new(), next: 1_000 }
    }

    pub(crate) fn open(&mut self, account: AccountId) -> LeaseId {
        self.next += 1;
        let purse = Purse {
            account,
            n: Units::ZERO,
            used: Units::ZERO,
            holds: BTreeMap::new(),
            seq: 0,
            outstanding: None,
            shut: false,
        };
        self.purses.insert(id(self.next), purse);
        id(self.next)
    }

    pub(crate) fn take(&mut self, lease: LeaseId, amount: i64) -> bool {
        let Some(purse) = self.purses.get_mut(&lease) else { return false };
        let enough = units(amount) <= purse.idle();
        if enough {
            purse.used = purse.used.saturating_add(units(amount));
        }
        enough
    }

    pub(crate) fn hold(&mut self, lease: LeaseId, amount: i64, world: &World) -> Option<HoldId> {
        let purse = self.purses.get_mut(&lease).filter(|purse| amount > 0 && units(amount) <= purse.idle())?;
        self.next += 1;
        let hold = id(self.next);
        purse.holds.insert(hold, units(amount));
        let expires_at = world.now.saturating_add(Duration::from_secs(HOLD_S));
        let facts =
            Hold { id: hold, allocation: None, principals: principals(), expires_at, open: true, parts: Vec::new() };
        self.facts.insert(hold, facts);
        Some(hold)
    }

    /// Settles the oldest hold of a lease at most at what it holds.
    pub(crate) fn commit(&mut self, lease: LeaseId, actual: i64) -> Units {
        let Some((purse, (hold, amount))) = self.purses.get_mut(&lease).and_then(|purse| {
            let first = purse.holds.iter().next().map(|(hold, amount)| (*hold, *amount))?;
            (!purse.shut).then_some((purse, first))
        }) else {
            return Units::ZERO;
        };
        purse.holds.remove(&hold);
        let spent = units(actual).min(amount);
        purse.used = purse.used.saturating_add(spent);
        spent
    }

    /// Sends the report on its way again, or a new one.
    pub(crate) fn send(&mut self, lease: LeaseId, wish: Wish) -> usize {
        let by = life(self.life);
        let purse = self.purses.get_mut(&lease).unwrap();
        if purse.outstanding.is_none() {
            let wish = match wish {
                // Giver first: what goes back is given up here before the ledger hears of it.
                Wish::Settle { .. } => {
                    purse.shut = true;
                    Wish::Settle { holds: purse.holds.iter().map(|(hold, amount)| (*hold, *amount)).collect() }
                }
                other => other,
            };
            if wish == Wish::GiveBack {
                purse.n = purse.used.saturating_add(purse.held());
            }
            let (used, held) = (purse.used, purse.held());
            let seq = purse.seq + 1;
            purse.outstanding = Some(LeaseReport { lease, account: purse.account, seq, used, held, wish });
        }
        let report = purse.outstanding.clone().unwrap();
        self.sent.push(Message { by, report });
        self.sent.len() - 1
    }

    /// Delivers a message, perhaps not for the first time, and the reply when the gate still waits for one.
    pub(crate) fn deliver(&mut self, message: usize, world: &mut World) -> Result<LeaseReply, LedgerError> {
        let Message { by, report } = self.sent[message].clone();
        let (current, facts) = (self.life, self.facts.clone());
        let reply = world.act(|books| settle(books, by, current, 1, &report, &|hold| facts.get(&hold).cloned()))?;
        if by.number == self.life {
            self.hear(&report, reply);
        }
        Ok(reply)
    }

    fn hear(&mut self, report: &LeaseReport, reply: LeaseReply) {
        let Some(purse) = self.purses.get_mut(&report.lease) else { return };
        if purse.outstanding.as_ref() != Some(report) {
            return;
        }
        purse.outstanding = None;
        match reply {
            LeaseReply::Applied { .. } if matches!(report.wish, Wish::Settle { .. }) => {
                self.purses.remove(&report.lease);
            }
            LeaseReply::Applied { n, .. } => {
                purse.seq = report.seq;
                purse.n = n;
            }
            _ => purse.shut = true,
        }
    }

    /// Starts a new life. The journal was kept well: all that was used and held is known, and nothing is served.
    pub(crate) fn restart(&mut self, world: &World) {
        self.life += 1;
        self.purses.retain(|lease, _| world.leases.get(lease).is_some_and(|row| !row.state.is_final()));
        for (lease, purse) in &mut self.purses {
            purse.outstanding = None;
            purse.shut = true;
            purse.seq = world.leases[lease].seq;
        }
    }

    /// Brings every lease to its end, the gate's side first.
    pub(crate) fn settle_all(&mut self, world: &mut World) -> Result<(), String> {
        for lease in self.purses.keys().copied().collect::<Vec<_>>() {
            // The report on its way first, then the one that ends the lease.
            for _ in 0..2 {
                if !self.purses.contains_key(&lease) {
                    continue;
                }
                let message = self.send(lease, Wish::Settle { holds: Vec::new() });
                let reply = self.deliver(message, world).map_err(|why| why.to_string())?;
                if !matches!(reply, LeaseReply::Applied { .. }) {
                    return Err(format!("a lease could not be settled: {reply:?} to {:?}", self.sent[message]));
                }
            }
        }
        debug_assert_eq!(feature(), id(1));
        Ok(())
    }
}
