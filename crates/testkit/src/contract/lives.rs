//! Lives of a gate: each start is a new one; the lives before are settled, never served.

use super::hand::{leased, raise, settle};
use super::world::stands;
use super::{LeaseHand, World};
use crate::image_shop::units;
use almoner_domain::account::Pocket;
use almoner_domain::id::HoldId;
use almoner_domain::lease::{LeaseReply, LeaseReport, Wish};
use almoner_domain::ports::HoldStanding;

/// Each start of a gate is a new life, and another gate's lives are its own.
pub async fn each_start_is_a_new_life(w: &World) {
    let gate = w.gate().await;
    assert_eq!(gate.life.number, 1);
    assert_eq!(gate.restart(w).await.life.number, 2);
    assert_eq!(gate.restart(w).await.life.number, 3);
    assert_eq!(w.gate().await.life.number, 1);
}

/// What an earlier life says counts as use, and as nothing else: no units, no return, no new lease.
pub async fn an_earlier_life_only_raises_use(w: &World) {
    let gate = w.gate().await;
    let account = w.quota(w.shop.generate.id).await.account;
    let mut lease = gate.lease(w, account, 50).await;
    lease.used = 10;
    gate.say(w, &mut lease, Wish::Keep).await;
    gate.restart(w).await;
    for (used, wish) in [(20, raise(5)), (25, Wish::GiveBack), (25, settle()), (15, Wish::Keep)] {
        lease.used = used;
        assert_eq!(gate.tell(w, lease.report(wish)).await, LeaseReply::Fenced);
    }
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, 950), (Pocket::Leased, 25), (Pocket::Used, 25)]);
    let fresh = LeaseHand::new(w.id(), account);
    assert_eq!(gate.tell(w, fresh.report(raise(1))).await, LeaseReply::Fenced);
    assert_eq!(w.free().await, 950);
}

/// A fenced gate hears the same again however often it asks: one lost answer does not let it serve on.
pub async fn a_fenced_report_stays_fenced(w: &World) {
    let gate = w.gate().await;
    let lease = gate.lease(w, w.quota(w.shop.generate.id).await.account, 50).await;
    gate.restart(w).await;
    for _ in 0..3 {
        assert_eq!(gate.tell(w, lease.report(raise(5))).await, LeaseReply::Fenced);
    }
}

/// A new life finds what the lives before have not settled, each as the ledger knows it, and nothing of others.
pub async fn a_new_life_finds_what_is_not_settled(w: &World) {
    let gate = w.gate().await;
    let account = w.quota(w.shop.generate.id).await.account;
    let mut open = gate.lease(w, account, 50).await;
    open.used = 7;
    gate.say(w, &mut open, Wish::Keep).await;
    let mut over = gate.lease(w, account, 20).await;
    gate.say(w, &mut over, settle()).await;
    w.gate().await.lease(w, account, 30).await;
    assert_eq!(w.ledger.unsettled(gate.life).await.unwrap(), [], "its own leases are not of an earlier life");

    let next = gate.restart(w).await;
    let found = w.ledger.unsettled(next.life).await.unwrap();
    let [(realm, lease)] = found.as_slice() else { panic!("expected one lease, got {found:?}") };
    assert_eq!((*realm, lease.id, lease.account, lease.holder), (w.shop.realm, open.lease, account, gate.life));
    assert_eq!((lease.n, lease.used, lease.seq), (units(50), units(7), 2));
}

/// A recovered lease is settled by the next life at what its journal says, and its holds stand in the ledger.
pub async fn a_recovered_lease_is_settled_with_its_holds(w: &World) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.quota(w.shop.generate.id).await.account, 50).await;
    let next = gate.restart(w).await;
    lease.used = 12;
    let hold: HoldId = w.id();
    assert!(leased(next.settle(w, &mut lease, &[(hold, 8)], 60).await).is_some());
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, 980), (Pocket::Held, 8), (Pocket::Used, 12)]);
    assert!(matches!(w.lookup.hold(w.shop.realm, hold).await.unwrap(), HoldStanding::Open(..)));
    assert_eq!(w.ledger.unsettled(next.life).await.unwrap(), []);
}

/// A recovered lease gets no more units: it is settled, never served.
pub async fn a_recovered_lease_is_never_raised(w: &World) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.quota(w.shop.generate.id).await.account, 50).await;
    let next = gate.restart(w).await;
    assert_eq!(leased(next.say(w, &mut lease, raise(10)).await), Some(units(50)));
    assert_eq!(w.free().await, 950);
}

/// What the network still holds of the life before does not keep the next from settling by the number it was told.
pub async fn late_reports_do_not_keep_the_next_life_from_settling(w: &World) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.quota(w.shop.generate.id).await.account, 50).await;
    let next = gate.restart(w).await;
    let due = w.ledger.unsettled(next.life).await.unwrap()[0].1.seq + 1;
    lease.used = 9;
    assert_eq!(gate.tell(w, lease.report(Wish::Keep)).await, LeaseReply::Fenced);
    let last = LeaseReport { seq: due, used: units(10), ..lease.report(settle()) };
    assert!(leased(next.tell(w, last).await).is_some());
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, 990), (Pocket::Leased, 0), (Pocket::Used, 10)]);
}

/// A life that the ledger never enlisted opens nothing.
pub async fn a_gate_that_never_enlisted_opens_nothing(w: &World) {
    let account = w.quota(w.shop.generate.id).await.account;
    let mut stranger = w.gate().await;
    stranger.life.node = w.id();
    let reply = stranger.tell(w, LeaseHand::new(w.id(), account).report(raise(10))).await;
    assert_eq!(reply, LeaseReply::Fenced);
    assert_eq!(w.free().await, 1_000);
}
