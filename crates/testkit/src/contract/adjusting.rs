//! Allocations made larger and smaller, and what a carve would take.

use super::World;
use crate::author;
use crate::image_shop::{GENERATIONS, units};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::AllocationState;
use almoner_domain::id::{AllocationId, FeatureId};
use almoner_domain::ledger::{Adjustment, CarveRefusal};
use almoner_domain::ports::{AdjustAnswer, AdjustRequest, CarveAnswer};
use almoner_domain::statement::AllocationStatement;

async fn adjust(w: &World, id: AllocationId, adjustment: Adjustment, lines: &[(FeatureId, i64)]) -> AdjustAnswer {
    let lines = lines.iter().map(|(feature, amount)| (*feature, units(*amount))).collect();
    let request = AdjustRequest { allocation: id, adjustment, lines, by: author() };
    w.treasury.adjust(w.shop.realm, &request).await.expect("the ledger answers")
}

fn adjusted(answer: AdjustAnswer) -> AllocationStatement {
    match answer {
        AdjustAnswer::Adjusted(statement) => *statement,
        refused => panic!("{refused:?}"),
    }
}

/// More comes out of what it was carved from: the quota, or the parent.
pub async fn a_top_up_takes_from_where_it_was_carved(w: &World) {
    let feature = w.shop.generate.id;
    let top = w.allocation(&[(feature, 10)]).await.allocation.id;
    let below = w.below(top, &[(feature, 4)]).await.allocation.id;
    let larger = adjusted(adjust(w, below, Adjustment::TopUp, &[(feature, 6)]).await);
    assert_eq!(larger.allocation.lines[0].carved, units(10));
    assert_eq!(w.statement(top).await.lines[0].balance.get(Pocket::Free), units(0));
    let refused = adjust(w, below, Adjustment::TopUp, &[(feature, 1)]).await;
    assert!(matches!(refused, AdjustAnswer::Refused(CarveRefusal::Short { free, .. }) if free == units(0)));
    adjusted(adjust(w, top, Adjustment::TopUp, &[(feature, 1)]).await);
    adjusted(adjust(w, below, Adjustment::TopUp, &[(feature, 1)]).await);
    assert_eq!(w.free().await, GENERATIONS - 11);
}

/// Fewer go back to where they came from; what is used or handed on does not.
pub async fn a_shrink_gives_back_what_is_free(w: &World) {
    let feature = w.shop.generate.id;
    let id = w.allocation(&[(feature, 10)]).await.allocation.id;
    w.below(id, &[(feature, 4)]).await;
    let smaller = adjusted(adjust(w, id, Adjustment::Shrink, &[(feature, 5)]).await);
    assert_eq!(smaller.allocation.lines[0].carved, units(5));
    assert_eq!(w.free().await, GENERATIONS - 5);
    let refused = adjust(w, id, Adjustment::Shrink, &[(feature, 2)]).await;
    assert!(matches!(refused, AdjustAnswer::Refused(CarveRefusal::Short { free, .. }) if free == units(1)));
}

/// All lines or none; and an allocation is not shrunk to nothing, topped up by nothing, or adjusted once it has ended.
pub async fn an_adjustment_that_cannot_be_changes_nothing(w: &World) {
    let (generate, describe) = (w.shop.generate.id, w.shop.describe.id);
    let id = w.allocation(&[(generate, 10), (describe, 10)]).await.allocation.id;
    let short = adjust(w, id, Adjustment::TopUp, &[(generate, 1), (describe, 1_000_000)]).await;
    assert!(matches!(short, AdjustAnswer::Refused(CarveRefusal::Short { .. })));
    let cases = [
        (Adjustment::Shrink, vec![(generate, 10)]),
        (Adjustment::TopUp, vec![(generate, 0)]),
        (Adjustment::TopUp, vec![(generate, 1), (generate, 1)]),
        (Adjustment::TopUp, vec![]),
    ];
    for (adjustment, lines) in cases {
        let refused = adjust(w, id, adjustment, &lines).await;
        assert_eq!(refused, AdjustAnswer::Refused(CarveRefusal::Lines), "{adjustment:?} {lines:?}");
    }
    let other = w.shop.upload.id;
    assert_eq!(adjust(w, id, Adjustment::TopUp, &[(other, 1)]).await, AdjustAnswer::NoLine(other));
    assert_eq!(adjust(w, w.id(), Adjustment::TopUp, &[(generate, 1)]).await, AdjustAnswer::Unknown);
    assert_eq!(w.free().await, GENERATIONS - 10);
    w.close(id).await;
    let ended = adjust(w, id, Adjustment::TopUp, &[(generate, 1)]).await;
    assert_eq!(ended, AdjustAnswer::Ended(AllocationState::Closed));
}

/// A preview says what carving would, from where, and leaves no trace.
pub async fn a_preview_tells_and_takes_nothing(w: &World) {
    let request = w.shop.task(w.id());
    let preview = w.treasury.preview(w.shop.realm, &request).await.unwrap().expect("it can be carved");
    assert_eq!(preview.lines[0].amount, units(10));
    assert_eq!(preview.lines[0].from.balance.get(Pocket::Free), units(GENERATIONS - 10));
    assert_eq!(w.free().await, GENERATIONS);
    assert_eq!(w.lookup.statement(w.shop.realm, request.id).await.unwrap(), None);
    let much = w.shop.carve(w.id(), request.source.clone(), &[(w.shop.generate.id, GENERATIONS + 1)]);
    let refused = w.treasury.preview(w.shop.realm, &much).await.unwrap();
    assert!(matches!(refused, Err(CarveAnswer::Refused(CarveRefusal::Short { .. }))), "{refused:?}");
    let carved = w.carved(&request).await;
    assert_eq!(carved.allocation.expires_at, preview.expires_at);
}

/// No other realm adjusts it.
pub async fn an_adjustment_is_its_realms_alone(w: &World) {
    let feature = w.shop.generate.id;
    let id = w.allocation(&[(feature, 10)]).await.allocation.id;
    let other = w.other_shop().await;
    let request =
        AdjustRequest { allocation: id, adjustment: Adjustment::TopUp, lines: vec![(feature, units(1))], by: author() };
    assert_eq!(w.treasury.adjust(other.realm, &request).await.unwrap(), AdjustAnswer::Unknown);
}
