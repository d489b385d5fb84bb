//! Carving out of an allocation: down the chain everything only narrows.

use super::World;
use super::world::stands;
use crate::image_shop::{GENERATIONS, tools, units};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::DEPTH_MAX;
use almoner_domain::ledger::CarveRefusal;
use almoner_domain::ports::{CarveAnswer, CarveRequest, Source};
use almoner_domain::text::Named;

async fn refusal(w: &World, request: &CarveRequest) -> CarveRefusal {
    match w.carve(request).await {
        CarveAnswer::Refused(refusal) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// A sub-allocation takes from its parent, and from nobody else.
pub async fn a_sub_allocation_takes_from_its_parent_alone(w: &World) {
    let parent = w.carved(&w.shop.task(w.id())).await.allocation.id;
    let child = w.below(parent, &[(w.shop.generate.id, 4)]).await;
    stands(&w.line(parent, w.shop.generate.id).await, &[(Pocket::Free, 6), (Pocket::Carved, 4)]);
    stands(&child.lines[0], &[(Pocket::Free, 4)]);
    assert_eq!(w.free().await, GENERATIONS - 10);
    assert_eq!(child.chain.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [parent]);
    assert_eq!(child.allocation.depth, 2);
}

/// It may serve another agent, but always the customer and user of its parent.
pub async fn a_sub_allocation_is_used_on_behalf_of_the_same_person(w: &World) {
    let parent = w.carved(&w.shop.task(w.id())).await.allocation;
    let request = w.shop.carve(w.id(), Source::Allocation(parent.id), &[(w.shop.generate.id, 1)]);
    let child = w.carved(&CarveRequest { agent: Named::Id(w.shop.support.id), ..request }).await.allocation;
    assert_eq!(child.agent, w.shop.support.id);
    assert_eq!((child.principals.customer, child.principals.user), (w.shop.acme.id, Some(w.shop.ada.id)));
}

/// More units than the parent has free, or of a feature that it does not have, are refused.
pub async fn a_sub_allocation_has_at_most_its_parents_units(w: &World) {
    let parent = w.carved(&w.shop.task(w.id())).await.allocation.id;
    w.below(parent, &[(w.shop.generate.id, 4)]).await;
    let more = w.shop.carve(w.id(), Source::Allocation(parent), &[(w.shop.generate.id, 7)]);
    let CarveRefusal::Short { free, resets_at, .. } = refusal(w, &more).await else { panic!("expected to come short") };
    assert_eq!(free, units(6));
    assert!(resets_at.is_some(), "it ends, so it says when");
    let feature = w.id();
    let other = w.shop.carve(w.id(), Source::Allocation(parent), &[(feature, 1)]);
    assert_eq!(refusal(w, &other).await, CarveRefusal::NotEntitled { feature });
}

/// A wider scope is refused; what the child leaves open is its parent's.
pub async fn a_sub_allocations_scope_only_narrows(w: &World) {
    let scope = tools(&["render", "upload"]);
    let parent = w.carved(&CarveRequest { scope: scope.clone(), ..w.shop.task(w.id()) }).await.allocation.id;
    let child = w.shop.carve(w.id(), Source::Allocation(parent), &[(w.shop.generate.id, 1)]);
    let wider = CarveRequest { scope: tools(&["render", "delete"]), ..child.clone() };
    assert_eq!(refusal(w, &wider).await, CarveRefusal::ScopeWider);
    assert_eq!(w.carved(&child).await.allocation.scope, scope);
    let narrower = CarveRequest { id: w.id(), scope: tools(&["render"]), ..child };
    assert_eq!(w.carved(&narrower).await.allocation.scope, tools(&["render"]));
}

/// An earlier start or a later end is refused; what the child leaves open is its parent's.
pub async fn a_sub_allocations_window_only_narrows(w: &World) {
    let (start, end) = (w.in_seconds(60), w.in_seconds(3_600));
    let task = CarveRequest { not_before: Some(start), expires_at: Some(end), ..w.shop.task(w.id()) };
    let parent = w.carved(&task).await.allocation.id;
    let child = w.shop.carve(w.id(), Source::Allocation(parent), &[(w.shop.generate.id, 1)]);
    let wider = CarveRefusal::WindowWider { not_before: Some(start), expires_at: end };
    let earlier = CarveRequest { not_before: Some(w.in_seconds(59)), ..child.clone() };
    let later = CarveRequest { expires_at: Some(w.in_seconds(3_601)), ..child.clone() };
    assert_eq!(refusal(w, &earlier).await, wider);
    assert_eq!(refusal(w, &later).await, wider);
    let carved = w.carved(&child).await.allocation;
    assert_eq!((carved.not_before, carved.expires_at), (Some(start), end));
}

/// A chain goes as deep as permitted and no deeper.
pub async fn allocations_nest_so_deep_and_no_deeper(w: &World) {
    let mut parent = w.allocation(&[(w.shop.generate.id, 20)]).await.allocation.id;
    for left in (1..DEPTH_MAX).rev() {
        parent = w.below(parent, &[(w.shop.generate.id, i64::from(left))]).await.allocation.id;
    }
    let deeper = w.shop.carve(w.id(), Source::Allocation(parent), &[(w.shop.generate.id, 1)]);
    assert_eq!(refusal(w, &deeper).await, CarveRefusal::TooDeep);
}

/// Nothing is carved out of what has ended, whether somebody ended it or its time is over.
pub async fn nothing_is_carved_out_of_what_has_ended(w: &World) {
    let closed = w.carved(&w.shop.task(w.id())).await.allocation.id;
    w.close(closed).await;
    let over = CarveRequest { expires_at: Some(w.in_seconds(10)), ..w.shop.task(w.id()) };
    let over = w.carved(&over).await.allocation.id;
    w.pass(10);
    for parent in [closed, over] {
        let child = w.shop.carve(w.id(), Source::Allocation(parent), &[(w.shop.generate.id, 1)]);
        assert_eq!(refusal(w, &child).await, CarveRefusal::ParentEnded);
    }
}

/// A window that is over, empty or longer than a year is refused.
pub async fn a_window_must_be_ahead_and_end(w: &World) {
    let task = w.shop.task(w.id());
    let past = CarveRequest { expires_at: Some(w.clock_now()), ..task.clone() };
    let empty = CarveRequest { not_before: Some(w.in_seconds(60)), expires_at: Some(w.in_seconds(60)), ..task.clone() };
    let endless = CarveRequest { expires_at: Some(w.in_seconds(367 * 24 * 3_600)), ..task };
    for request in [past, empty, endless] {
        assert_eq!(refusal(w, &request).await, CarveRefusal::Window);
    }
    assert_eq!(w.free().await, GENERATIONS);
}
