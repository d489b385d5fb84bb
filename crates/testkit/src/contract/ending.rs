//! Ending an allocation: what is left goes back, once; what is still out follows when it comes back.

use super::World;
use super::hand::{leased, raise, settle};
use super::world::{pocket, stands};
use crate::author;
use crate::image_shop::{GENERATIONS, units};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::AllocationState;
use almoner_domain::feature::ExcessRule;
use almoner_domain::id::HoldId;
use almoner_domain::lease::{LeaseReply, Wish};
use almoner_domain::notice::Change;

/// What is free goes back at once, and the answer says how much.
pub async fn ending_returns_what_is_free(w: &World) {
    let carved = w.carved(&w.shop.task(w.id())).await;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.generations(&carved), 4).await;
    lease.used = 4;
    gate.say(w, &mut lease, settle()).await;
    let ended = w.close(carved.allocation.id).await;
    assert_eq!(ended.allocation.state, AllocationState::Closed);
    assert_eq!(ended.allocation.lines.iter().map(|line| line.returned).collect::<Vec<_>>(), [6, 20, 10].map(units));
    stands(&ended.lines[0], &[(Pocket::Used, 4), (Pocket::Free, 0)]);
    assert_eq!(ended.lines[0].balance.granted(), units(4), "what went back is not its own any more");
    assert_eq!(w.free().await, GENERATIONS - 4);
}

/// Ending again changes nothing and answers the same, in whatever way it is asked.
pub async fn ending_again_answers_the_same(w: &World) {
    let id = w.carved(&w.shop.task(w.id())).await.allocation.id;
    let ended = w.close(id).await;
    for state in [AllocationState::Closed, AllocationState::Expired, AllocationState::Revoked] {
        let again = w.ledger.end(w.shop.realm, id, state, &author()).await.unwrap();
        assert_eq!(again.as_ref(), Some(&ended));
    }
    assert_eq!(w.free().await, GENERATIONS);
    assert_eq!(w.ledger.end(w.shop.realm, w.id(), AllocationState::Closed, &author()).await.unwrap(), None);
}

/// With an allocation ends all that was carved out of it, and everything is back where it came from.
pub async fn ending_ends_everything_below(w: &World) {
    let top = w.carved(&w.shop.task(w.id())).await.allocation.id;
    let middle = w.below(top, &[(w.shop.generate.id, 6)]).await.allocation.id;
    let bottom = w.below(middle, &[(w.shop.generate.id, 3)]).await.allocation.id;
    let apart = w.carved(&w.shop.task(w.id())).await.allocation.id;
    let ended = w.ledger.end(w.shop.realm, top, AllocationState::Revoked, &author()).await.unwrap().unwrap();
    assert_eq!(ended.allocation.lines[0].returned, units(10));
    for id in [top, middle, bottom] {
        assert_eq!(w.statement(id).await.allocation.state, AllocationState::Revoked);
    }
    assert_eq!(w.statement(apart).await.allocation.state, AllocationState::Active);
    assert_eq!(w.free().await, GENERATIONS - 10);
}

/// A child that ends gives back to its parent, which goes on.
pub async fn a_child_that_ends_gives_back_to_its_parent(w: &World) {
    let parent = w.carved(&w.shop.task(w.id())).await.allocation.id;
    let child = w.below(parent, &[(w.shop.generate.id, 6)]).await.allocation.id;
    w.close(child).await;
    stands(&w.line(parent, w.shop.generate.id).await, &[(Pocket::Free, 10), (Pocket::Carved, 0)]);
    assert_eq!(w.statement(parent).await.allocation.state, AllocationState::Active);
    assert_eq!(w.free().await, GENERATIONS - 10);
}

/// What a gate has leased of an ended allocation goes back when the gate settles, used units aside.
pub async fn what_is_leased_goes_back_when_it_settles(w: &World) {
    let carved = w.carved(&w.shop.task(w.id())).await;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.generations(&carved), 8).await;
    let ended = w.close(carved.allocation.id).await;
    assert_eq!(ended.allocation.lines[0].returned, units(2));
    assert_eq!(pocket(&ended.lines[0], Pocket::Leased), 8);
    assert_eq!(w.free().await, GENERATIONS - 8);

    w.pass(3_600);
    lease.used = 3;
    assert!(leased(gate.say(w, &mut lease, settle()).await).is_some());
    assert_eq!(w.free().await, GENERATIONS - 3);
    assert_eq!(w.close(carved.allocation.id).await.allocation.lines[0].returned, units(2), "it says what it said");
}

/// What a call holds of an ended allocation goes back when the call is settled, or when its time is over.
pub async fn what_is_held_goes_back_when_it_is_settled(w: &World) {
    let carved = w.carved(&w.shop.task(w.id())).await;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.generations(&carved), 8).await;
    let (one, other): (HoldId, HoldId) = (w.id(), w.id());
    gate.settle(w, &mut lease, &[(one, 5), (other, 3)], 600).await;
    let ended = w.close(carved.allocation.id).await;
    stands(&ended.lines[0], &[(Pocket::Held, 8), (Pocket::Free, 0)]);
    assert_eq!(w.free().await, GENERATIONS - 8);

    let request = super::holding::commit(w, one, &[(w.shop.generate.id, 2, ExcessRule::DenyExcess)]);
    w.ledger.settle_hold(w.shop.realm, &request).await.unwrap();
    assert_eq!(w.free().await, GENERATIONS - 5);
    w.pass(600);
    w.sweep().await;
    assert_eq!(w.free().await, GENERATIONS - 2);
}

/// Through a chain of closed allocations units find their way up to the first that is open.
pub async fn units_pass_up_through_closed_parents(w: &World) {
    let top = w.carved(&w.shop.task(w.id())).await.allocation.id;
    let middle = w.below(top, &[(w.shop.generate.id, 9)]).await.allocation.id;
    let bottom = w.below(middle, &[(w.shop.generate.id, 8)]).await;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.generations(&bottom), 7).await;
    w.close(middle).await;
    stands(&w.line(top, w.shop.generate.id).await, &[(Pocket::Free, 3), (Pocket::Carved, 7)]);
    lease.used = 1;
    gate.say(w, &mut lease, Wish::GiveBack).await;
    stands(&w.line(top, w.shop.generate.id).await, &[(Pocket::Free, 9), (Pocket::Carved, 1)]);
    stands(&w.line(middle, w.shop.generate.id).await, &[(Pocket::Free, 0), (Pocket::Carved, 1)]);
    stands(&w.line(bottom.allocation.id, w.shop.generate.id).await, &[(Pocket::Used, 1), (Pocket::Free, 0)]);
}

/// No gate gets units of what has ended, and one that asks hears that it has.
pub async fn what_has_ended_is_not_leased_any_more(w: &World) {
    let carved = w.carved(&w.shop.task(w.id())).await;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.generations(&carved), 2).await;
    w.close(carved.allocation.id).await;
    for mut lease in [lease.clone(), super::LeaseHand::new(w.id(), w.generations(&carved))] {
        let n = units(if lease.seq == 0 { 0 } else { 2 });
        let reply = gate.say(w, &mut lease, raise(1)).await;
        assert!(matches!(reply, LeaseReply::Applied { n: had, closed: true, .. } if had == n), "{reply:?}");
    }
    lease.seq += 1;
    assert!(leased(gate.say(w, &mut lease, settle()).await).is_some());
    assert_eq!(w.free().await, GENERATIONS);
}

/// Gates hear in the feed of every allocation that ended, the ones below included.
pub async fn gates_hear_of_every_end(w: &World) {
    let top = w.carved(&w.shop.task(w.id())).await.allocation.id;
    let below = w.below(top, &[(w.shop.generate.id, 6)]).await.allocation.id;
    let before = w.lookup.changes(None, 1).await.unwrap().last().map_or(0, |(at, _, _)| *at);
    w.close(top).await;
    w.close(top).await;
    let told = w.lookup.changes(Some(before), 10).await.unwrap();
    let mut ended: Vec<_> = told.iter().map(|(_, realm, change)| (*realm, *change)).collect();
    ended.sort_by_key(|(_, change)| *change != Change::Allocation(top));
    assert_eq!(ended, [top, below].map(|id| (w.shop.realm, Change::Allocation(id))));
    let standing = w.lookup.allocation(w.shop.realm, below).await.unwrap().expect("a standing");
    assert_eq!(standing.state, AllocationState::Closed);
}
