//! Holds that stand in the ledger: settled once, at what the call cost; freed when their time is over.

use super::World;
use super::deciding::decision;
use super::world::stands;
use crate::image_shop::{DESCRIPTIONS, GENERATIONS, units};
use almoner_domain::account::Pocket;
use almoner_domain::decision::{Decision, Operation, UseKind};
use almoner_domain::feature::ExcessRule;
use almoner_domain::id::{FeatureId, HoldId};
use almoner_domain::ledger::HoldOrder;
use almoner_domain::ports::{ExtendRequest, HoldAnswer, HoldRequest, HoldStanding, LeaseBatch};
use almoner_domain::units::Units;

/// A hold of generations that stands in the ledger for a minute.
pub(super) async fn hold(w: &World, amount: i64) -> HoldId {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.quota(w.shop.generate.id).await.account, amount).await;
    let hold = w.id();
    gate.settle(w, &mut lease, &[(hold, amount)], 60).await;
    hold
}

/// A commit at these units; what it does not name is spent as held.
pub(super) fn commit(w: &World, hold: HoldId, actual: &[(FeatureId, i64, ExcessRule)]) -> HoldRequest {
    let actual = actual.iter().map(|(feature, amount, rule)| (*feature, units(*amount), *rule)).collect();
    let order = HoldOrder { hold, actual, spend_unnamed: true };
    let decision = Decision { hold: Some(hold), ..decision(w, Operation::Commit) };
    HoldRequest { order, decision, excess: Vec::new() }
}

pub(super) async fn answer(w: &World, request: &HoldRequest) -> HoldAnswer {
    w.ledger.settle_hold(w.shop.realm, request).await.expect("the ledger answers")
}

/// What the ledger says it spent of a feature.
fn granted(answer: &HoldAnswer, feature: FeatureId) -> Option<Units> {
    let HoldAnswer::Done(decision) = answer else { return None };
    decision.uses.iter().find(|used| used.feature == feature).and_then(|used| match used.kind {
        UseKind::Metered { granted, .. } => Some(granted),
        _ => None,
    })
}

/// A call that cost less than was held returns the rest at once; one that cost just that returns nothing.
pub async fn a_commit_spends_what_the_call_cost(w: &World) {
    let generate = w.shop.generate.id;
    let one = hold(w, 8).await;
    stands(&w.quota(generate).await, &[(Pocket::Free, 992), (Pocket::Held, 8), (Pocket::Used, 0)]);
    let less = answer(w, &commit(w, one, &[(generate, 3, ExcessRule::DenyExcess)])).await;
    assert_eq!(granted(&less, generate), Some(units(3)));
    stands(&w.quota(generate).await, &[(Pocket::Free, 997), (Pocket::Held, 0), (Pocket::Used, 3)]);
    let other = hold(w, 8).await;
    let unnamed = answer(w, &commit(w, other, &[])).await;
    assert_eq!(granted(&unnamed, generate), Some(units(8)));
    stands(&w.quota(generate).await, &[(Pocket::Free, 989), (Pocket::Held, 0), (Pocket::Used, 11)]);
}

/// A call that cost more than was held is cut to it, or takes the excess from what is free: as the feature's rule says.
pub async fn a_commit_above_its_hold_follows_the_rule(w: &World) {
    let generate = w.shop.generate.id;
    let cut = hold(w, 8).await;
    let answered = answer(w, &commit(w, cut, &[(generate, 20, ExcessRule::DenyExcess)])).await;
    assert_eq!(granted(&answered, generate), Some(units(8)));
    let over = hold(w, 8).await;
    let answered = answer(w, &commit(w, over, &[(generate, 20, ExcessRule::Overage)])).await;
    assert_eq!(granted(&answered, generate), Some(units(20)));
    let all = hold(w, 8).await;
    let answered = answer(w, &commit(w, all, &[(generate, 5_000, ExcessRule::Overage)])).await;
    assert_eq!(granted(&answered, generate), Some(units(972)), "no more than there is");
    stands(&w.quota(generate).await, &[(Pocket::Free, 0), (Pocket::Held, 0), (Pocket::Used, GENERATIONS)]);
}

/// A call that is called off returns everything but what it had cost by then.
pub async fn a_release_returns_all_but_its_floor(w: &World) {
    let generate = w.shop.generate.id;
    for (floor, used) in [(None, 0), (Some(2), 2)] {
        let id = hold(w, 8).await;
        let floor: Vec<_> = floor.map(|units| (generate, units, ExcessRule::DenyExcess)).into_iter().collect();
        let mut request = commit(w, id, &floor);
        (request.order.spend_unnamed, request.decision.operation) = (false, Operation::Release);
        assert_eq!(granted(&answer(w, &request).await, generate), Some(units(used)));
    }
    stands(&w.quota(generate).await, &[(Pocket::Free, 998), (Pocket::Held, 0), (Pocket::Used, 2)]);
}

/// A hold is settled once; whoever tries again hears how.
pub async fn a_hold_is_settled_once(w: &World) {
    let generate = w.shop.generate.id;
    let id = hold(w, 8).await;
    let first = commit(w, id, &[(generate, 3, ExcessRule::DenyExcess)]);
    let HoldAnswer::Done(done) = answer(w, &first).await else { panic!("it is open") };
    let second = answer(w, &commit(w, id, &[(generate, 5, ExcessRule::DenyExcess)])).await;
    assert_eq!(second, HoldAnswer::Settled(Some(done.clone())));
    assert_eq!(answer(w, &first).await, HoldAnswer::Done(done.clone()), "the same request again is answered the same");
    assert_eq!(w.lookup.hold(w.shop.realm, id).await.unwrap(), HoldStanding::Settled(done));
    stands(&w.quota(generate).await, &[(Pocket::Used, 3), (Pocket::Held, 0)]);
}

/// Past its time a hold can be neither settled nor given more time, swept or not; then it is free, once.
pub async fn a_hold_past_its_time_is_over(w: &World) {
    let id = hold(w, 8).await;
    w.pass(59);
    assert_eq!(w.sweep().await.holds, 0, "an uncertain outcome is not refunded before its time");
    w.pass(1);
    for swept in [false, true] {
        if swept {
            assert_eq!(w.sweep().await.holds, 1);
            assert_eq!(w.sweep().await.holds, 0);
        }
        assert_eq!(answer(w, &commit(w, id, &[])).await, HoldAnswer::Expired);
        assert_eq!(extend(w, id, 60).await, HoldAnswer::Expired);
        assert_eq!(w.lookup.hold(w.shop.realm, id).await.unwrap(), HoldStanding::Expired);
    }
    assert_eq!(w.free().await, GENERATIONS);
}

async fn extend(w: &World, hold: HoldId, seconds: u64) -> HoldAnswer {
    let decision = Decision { hold: Some(hold), ..decision(w, Operation::Extend) };
    let request = ExtendRequest { hold, until: w.in_seconds(seconds), decision };
    w.ledger.extend_hold(w.shop.realm, &request).await.expect("the ledger answers")
}

/// A hold that is given more time stands longer, and never shorter than before.
pub async fn an_extended_hold_stands_longer(w: &World) {
    let id = hold(w, 8).await;
    let stood_until = w.in_seconds(60);
    let shorter = extend(w, id, 10).await;
    assert!(matches!(&shorter, HoldAnswer::Done(d) if d.hold_expires_at == Some(stood_until)), "{shorter:?}");
    let until = w.in_seconds(120);
    let longer = extend(w, id, 120).await;
    assert!(matches!(&longer, HoldAnswer::Done(d) if d.hold_expires_at == Some(until)), "{longer:?}");
    w.pass(119);
    assert_eq!(w.sweep().await.holds, 0);
    assert!(matches!(answer(w, &commit(w, id, &[])).await, HoldAnswer::Done(_)));
    let over = extend(w, id, 120).await;
    assert!(matches!(over, HoldAnswer::Settled(Some(_))), "{over:?}");
}

/// A call that holds two features is settled as a whole, each at its own cost and rule.
pub async fn a_hold_on_two_features_is_settled_as_a_whole(w: &World) {
    let (generate, describe) = (w.shop.generate.id, w.shop.describe.id);
    let gate = w.gate().await;
    let id: HoldId = w.id();
    let mut reports = Vec::new();
    for (feature, amount) in [(generate, 8), (describe, 5)] {
        let mut lease = gate.lease(w, w.quota(feature).await.account, amount).await;
        lease.held = amount;
        reports.push(lease.report(almoner_domain::lease::Wish::Settle { holds: vec![(id, units(amount))] }));
    }
    let batch = LeaseBatch { reports, holds: vec![super::hand::facts(w, id, 60)], decisions: Vec::new() };
    gate.tell_all(w, &batch).await;
    let HoldStanding::Open(standing, _) = w.lookup.hold(w.shop.realm, id).await.unwrap() else { panic!("it is open") };
    let mut parts: Vec<_> = standing.parts.iter().map(|part| (part.feature, part.amount)).collect();
    parts.sort();
    let mut expected = vec![(generate, units(8)), (describe, units(5))];
    expected.sort();
    assert_eq!(parts, expected);

    let actual = [(generate, 2, ExcessRule::DenyExcess), (describe, 9, ExcessRule::Overage)];
    let done = answer(w, &commit(w, id, &actual)).await;
    assert_eq!((granted(&done, generate), granted(&done, describe)), (Some(units(2)), Some(units(9))));
    stands(&w.quota(generate).await, &[(Pocket::Free, GENERATIONS - 2), (Pocket::Held, 0)]);
    stands(&w.quota(describe).await, &[(Pocket::Free, DESCRIPTIONS - 9), (Pocket::Held, 0)]);
}

/// One that nobody opened is unknown; one of which only its opening is known stands elsewhere.
pub async fn it_is_told_where_a_hold_is(w: &World) {
    let unknown: HoldId = w.id();
    assert_eq!(w.lookup.hold(w.shop.realm, unknown).await.unwrap(), HoldStanding::Unknown);
    assert_eq!(answer(w, &commit(w, unknown, &[])).await, HoldAnswer::Unknown);
    assert_eq!(extend(w, unknown, 60).await, HoldAnswer::Unknown);

    let at_gate: HoldId = w.id();
    let reserved =
        Decision { hold: Some(at_gate), hold_expires_at: Some(w.in_seconds(60)), ..decision(w, Operation::Reserve) };
    let batch = LeaseBatch { decisions: vec![reserved.clone()], ..LeaseBatch::default() };
    w.gate().await.tell_all(w, &batch).await;
    assert_eq!(w.lookup.hold(w.shop.realm, at_gate).await.unwrap(), HoldStanding::Elsewhere(reserved));
    let settled = Decision { hold: Some(at_gate), ..decision(w, Operation::Commit) };
    let batch = LeaseBatch { decisions: vec![settled.clone()], ..LeaseBatch::default() };
    w.gate().await.tell_all(w, &batch).await;
    assert_eq!(w.lookup.hold(w.shop.realm, at_gate).await.unwrap(), HoldStanding::Settled(settled));
}

/// A part that comes after its hold was settled is not held for a call that is over.
pub async fn a_late_part_of_a_settled_hold_is_free_again(w: &World) {
    let (generate, describe) = (w.shop.generate.id, w.shop.describe.id);
    let id = hold(w, 8).await;
    answer(w, &commit(w, id, &[(generate, 8, ExcessRule::DenyExcess)])).await;
    let gate = w.gate().await;
    let mut late = gate.lease(w, w.quota(describe).await.account, 5).await;
    gate.settle(w, &mut late, &[(id, 5)], 60).await;
    stands(&w.quota(describe).await, &[(Pocket::Free, DESCRIPTIONS), (Pocket::Held, 0), (Pocket::Leased, 0)]);
}
