//! Silence is spent: what a silent gate may have used stays charged until it is known.

use super::World;
use super::hand::{leased, raise, settle};
use super::world::stands;
use crate::author;
use crate::image_shop::units;
use almoner_domain::account::Pocket;
use almoner_domain::lease::{LEDGER_TERM, LeaseReply, Wish};

async fn doubted(w: &World) -> (super::GateHand, super::LeaseHand) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.quota(w.shop.generate.id).await.account, 50).await;
    lease.used = 10;
    gate.say(w, &mut lease, Wish::Keep).await;
    w.clock.advance(LEDGER_TERM);
    assert_eq!(w.sweep().await.leases, 1);
    (gate, lease)
}

/// Only after the whole term without a word is a lease in doubt; each word begins the term anew.
pub async fn a_lease_is_doubted_only_after_its_term(w: &World) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.quota(w.shop.generate.id).await.account, 50).await;
    let term = LEDGER_TERM.as_secs();
    w.pass(term - 1);
    assert_eq!(w.sweep().await.leases, 0);
    gate.say(w, &mut lease, Wish::Keep).await;
    w.pass(term - 1);
    assert_eq!(w.sweep().await.leases, 0);
    w.pass(1);
    assert_eq!(w.sweep().await.leases, 1);
    assert_eq!(w.sweep().await.leases, 0, "it is doubted once");
    assert_eq!(w.quota(w.shop.generate.id).await.in_doubt, units(50));
}

/// Doubt frees nothing, however long it lasts.
pub async fn what_is_in_doubt_stays_charged(w: &World) {
    doubted(w).await;
    w.pass(10 * LEDGER_TERM.as_secs());
    w.sweep().await;
    let quota = w.quota(w.shop.generate.id).await;
    stands(&quota, &[(Pocket::Free, 950), (Pocket::Leased, 40), (Pocket::Used, 10)]);
    assert_eq!(quota.in_doubt, units(40));
}

/// The gate's own settlement ends the doubt and returns what was not used, in this life or by the next.
pub async fn what_is_in_doubt_returns_by_its_gates_settlement(w: &World) {
    let (gate, mut lease) = doubted(w).await;
    let next = gate.restart(w).await;
    lease.used = 30;
    assert!(leased(next.say(w, &mut lease, settle()).await).is_some());
    let quota = w.quota(w.shop.generate.id).await;
    stands(&quota, &[(Pocket::Free, 970), (Pocket::Leased, 0), (Pocket::Used, 30)]);
    assert_eq!(quota.in_doubt, units(0));
}

/// A gate that was cut off and comes back goes on with its lease.
pub async fn a_word_from_its_gate_ends_the_doubt(w: &World) {
    let (gate, mut lease) = doubted(w).await;
    assert_eq!(leased(gate.say(w, &mut lease, raise(5)).await), Some(units(55)));
    assert_eq!(w.quota(w.shop.generate.id).await.in_doubt, units(0));
    assert!(!w.ledger.forfeit(w.shop.realm, lease.lease, &author()).await.unwrap());
}

/// Only what is in doubt can be forfeited; then it is spent, and no later word brings it back.
pub async fn what_is_forfeited_is_spent_for_good(w: &World) {
    let live = w.gate().await.lease(w, w.quota(w.shop.upload.id).await.account, 5).await;
    assert!(!w.ledger.forfeit(w.shop.realm, live.lease, &author()).await.unwrap(), "its gate serves from it");
    assert!(!w.ledger.forfeit(w.shop.realm, w.id(), &author()).await.unwrap(), "there is none by that id");

    let (gate, mut lease) = {
        let gate = w.gate().await;
        let lease = gate.lease(w, w.quota(w.shop.generate.id).await.account, 50).await;
        w.clock.advance(LEDGER_TERM);
        w.sweep().await;
        (gate, lease)
    };
    assert!(w.ledger.forfeit(w.shop.realm, lease.lease, &author()).await.unwrap());
    assert!(!w.ledger.forfeit(w.shop.realm, lease.lease, &author()).await.unwrap(), "it is forfeited once");
    lease.used = 1;
    assert_eq!(gate.say(w, &mut lease, settle()).await, LeaseReply::Unknown);
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, 950), (Pocket::Leased, 0), (Pocket::Used, 50)]);
}
