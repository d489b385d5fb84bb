//! A gate by hand: a test says what the gate tells the ledger, report by report.

use super::world::World;
use crate::image_shop::units;
use almoner_domain::hold::Hold;
use almoner_domain::id::{AccountId, HoldId, LeaseId, NodeId};
use almoner_domain::lease::{Incarnation, LeaseReply, LeaseReport, Wish};
use almoner_domain::ports::LeaseBatch;
use almoner_domain::tenant::Realm;
use almoner_domain::units::Units;
use std::time::Duration;

/// A gate in one life.
#[derive(Debug, Clone)]
pub struct GateHand {
    /// Which life of which gate.
    pub life: Incarnation,
    realm: Realm,
}

/// One lease as that gate knows it.
#[derive(Debug, Clone)]
pub struct LeaseHand {
    /// Its id.
    pub lease: LeaseId,
    /// Out of which account.
    pub account: AccountId,
    /// The last report that was applied.
    pub seq: u64,
    /// Units used.
    pub used: i64,
    /// Units held.
    pub held: i64,
}

impl LeaseHand {
    /// A lease that is about to be opened.
    pub fn new(lease: LeaseId, account: AccountId) -> Self {
        Self { lease, account, seq: 0, used: 0, held: 0 }
    }

    /// The next report.
    pub fn report(&self, wish: Wish) -> LeaseReport {
        LeaseReport {
            lease: self.lease,
            account: self.account,
            seq: self.seq + 1,
            used: units(self.used),
            held: units(self.held),
            wish,
        }
    }
}

impl GateHand {
    /// Starts a new life of a gate.
    pub async fn enlist(world: &World, node: NodeId) -> Self {
        let life = world.ledger.enlist(node).await.expect("the ledger enlists");
        Self { life, realm: world.shop.realm }
    }

    /// The next life of the same gate.
    pub async fn restart(&self, world: &World) -> Self {
        Self::enlist(world, self.life.node).await
    }

    /// Tells a whole batch.
    pub async fn tell_all(&self, world: &World, batch: &LeaseBatch) -> Vec<LeaseReply> {
        world.ledger.settle(self.realm, self.life, batch).await.expect("the ledger settles")
    }

    /// Tells one report.
    pub async fn tell(&self, world: &World, report: LeaseReport) -> LeaseReply {
        let batch = LeaseBatch { reports: vec![report], ..LeaseBatch::default() };
        self.tell_all(world, &batch).await[0]
    }

    /// Tells the next report of a lease; it counts as applied when the ledger says so.
    pub async fn say(&self, world: &World, lease: &mut LeaseHand, wish: Wish) -> LeaseReply {
        let reply = self.tell(world, lease.report(wish)).await;
        if matches!(reply, LeaseReply::Applied { .. }) {
            lease.seq += 1;
        }
        reply
    }

    /// Leases exactly so many units of an account.
    pub async fn lease(&self, world: &World, account: AccountId, n: i64) -> LeaseHand {
        let mut lease = LeaseHand::new(world.id(), account);
        let reply = self.say(world, &mut lease, raise(n)).await;
        assert_eq!(leased(reply), Some(units(n)), "{reply:?}");
        lease
    }

    /// Settles a lease with these units of it in holds that stand in the ledger from then on, for `ttl_s` seconds.
    pub async fn settle(
        &self,
        world: &World,
        lease: &mut LeaseHand,
        holds: &[(HoldId, i64)],
        ttl_s: u64,
    ) -> LeaseReply {
        lease.held = holds.iter().map(|(_, amount)| amount).sum();
        let facts = holds.iter().map(|(id, _)| facts(world, *id, ttl_s)).collect();
        let wish = Wish::Settle { holds: holds.iter().map(|(id, amount)| (*id, units(*amount))).collect() };
        let batch = LeaseBatch { reports: vec![lease.report(wish)], holds: facts, decisions: Vec::new() };
        let reply = self.tell_all(world, &batch).await[0];
        lease.seq += u64::from(matches!(reply, LeaseReply::Applied { .. }));
        reply
    }
}

/// The facts of a hold that stands from now on for so many seconds.
pub(super) fn facts(world: &World, id: HoldId, ttl_s: u64) -> Hold {
    let principals = almoner_domain::principal::Principals {
        customer: world.shop.acme.id,
        user: Some(world.shop.ada.id),
        agent: Some(world.shop.catalogue.id),
        session: None,
    };
    let expires_at = almoner_domain::time::Clock::now(&world.clock).saturating_add(Duration::from_secs(ttl_s));
    Hold { id, allocation: None, principals, expires_at, open: true, parts: Vec::new() }
}

/// At least so many units more, and no more than that.
pub(super) fn raise(need: i64) -> Wish {
    Wish::Raise { need: units(need), want: Units::ZERO }
}

/// Ends a lease that holds nothing.
pub(super) fn settle() -> Wish {
    Wish::Settle { holds: Vec::new() }
}

/// Units of the lease by an answer.
pub(super) fn leased(reply: LeaseReply) -> Option<Units> {
    match reply {
        LeaseReply::Applied { n, .. } => Some(n),
        _ => None,
    }
}
