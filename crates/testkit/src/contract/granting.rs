//! Grants: units on top of a quota, issued once, voided without touching what is used or handed out.

use super::World;
use crate::author;
use crate::image_shop::{GENERATIONS, units};
use almoner_domain::grant::{Grant, GrantKind};
use almoner_domain::id::{FeatureId, GrantId};
use almoner_domain::ports::{GrantAnswer, GrantRequest, VoidAnswer};
use almoner_domain::text::{ExternalId, Named};
use almoner_domain::units::Units;

/// Units on top of a quota of Acme's.
pub(super) fn request(w: &World, feature: FeatureId, amount: i64) -> GrantRequest {
    GrantRequest {
        id: w.id(),
        external_id: None,
        customer: Named::External(ExternalId::parse("acme-shop").expect("an id")),
        feature,
        kind: GrantKind::TopUp,
        amount: units(amount),
        priority: 0,
        effective_at: None,
        expires_at: None,
        by: author(),
    }
}

async fn issue(w: &World, request: &GrantRequest) -> GrantAnswer {
    w.treasury.issue(w.shop.realm, request).await.expect("the ledger answers")
}

/// The same, issued.
pub(super) async fn issued(w: &World, amount: i64) -> Grant {
    // Later than the quota, which comes into being when it is first looked at: of two that are alike the earlier burns first.
    w.free().await;
    w.pass(1);
    match issue(w, &request(w, w.shop.generate.id, amount)).await {
        GrantAnswer::Issued(grant) => grant,
        refused => panic!("{refused:?}"),
    }
}

async fn void(w: &World, id: GrantId) -> VoidAnswer {
    w.treasury.void(w.shop.realm, id, &author()).await.expect("the ledger answers")
}

async fn taken_back(w: &World, id: GrantId) -> Units {
    match void(w, id).await {
        VoidAnswer::Voided(grant) => grant.taken_back,
        refused => panic!("{refused:?}"),
    }
}

/// What is issued is free in the current window, and ends with it.
pub async fn a_grant_adds_to_the_quota(w: &World) {
    let before = w.free().await;
    let grant = issued(w, 50).await;
    assert_eq!(w.free().await, before + 50);
    assert_eq!(grant.expires_at, Some(crate::image_shop::at(crate::image_shop::MONTH_END)));
}

/// One order is granted once, whoever tells of it again.
pub async fn a_grant_is_issued_once_under_its_external_id(w: &World) {
    let order = ExternalId::parse("order-7").ok();
    let first = GrantRequest { external_id: order.clone(), ..request(w, w.shop.generate.id, 5) };
    assert!(matches!(issue(w, &first).await, GrantAnswer::Issued(_)));
    let again = GrantRequest { external_id: order, ..request(w, w.shop.generate.id, 5) };
    assert_eq!(issue(w, &again).await, GrantAnswer::Taken);
    assert_eq!(w.free().await, GENERATIONS + 5);
}

/// What nobody is entitled to cannot be granted, nor can more than is countable.
pub async fn a_grant_that_cannot_be_leaves_nothing(w: &World) {
    let nobody = Named::External(ExternalId::parse("nobody").expect("an id"));
    let stranger = GrantRequest { customer: nobody, ..request(w, w.shop.generate.id, 1) };
    assert_eq!(issue(w, &stranger).await, GrantAnswer::UnknownCustomer);
    assert_eq!(issue(w, &request(w, w.id(), 1)).await, GrantAnswer::NotEntitled);
    assert_eq!(issue(w, &request(w, w.shop.generate.id, i64::MAX)).await, GrantAnswer::TooMany);
    assert_eq!(w.free().await, GENERATIONS);
}

/// Voiding takes back what is neither used nor handed out, once, and nothing else.
pub async fn a_void_takes_back_what_is_free_of_it(w: &World) {
    let grant = issued(w, 50).await;
    // The quota itself burns first: it was issued before.
    w.allocation(&[(w.shop.generate.id, GENERATIONS + 20)]).await;
    assert_eq!(taken_back(w, grant.id).await, units(30));
    assert_eq!(w.free().await, 0);
    assert!(matches!(void(w, grant.id).await, VoidAnswer::Ended(_)), "once");
    assert_eq!(void(w, w.id()).await, VoidAnswer::Unknown);
}

/// What burns first is what has the lower priority; so that is what is left of the other.
pub async fn a_void_follows_the_burn_order(w: &World) {
    let early = GrantRequest { priority: -1, ..request(w, w.shop.generate.id, 50) };
    let GrantAnswer::Issued(early) = issue(w, &early).await else { panic!("it can be issued") };
    w.allocation(&[(w.shop.generate.id, 40)]).await;
    assert_eq!(taken_back(w, early.id).await, units(10), "its own 40 were handed out");
    assert_eq!(w.free().await, GENERATIONS);
}

/// No other realm reaches a grant.
pub async fn a_grant_is_its_realms_alone(w: &World) {
    let grant = issued(w, 50).await;
    let other = w.other_shop().await;
    let answer = w.treasury.void(other.realm, grant.id, &author()).await.expect("the ledger answers");
    assert_eq!(answer, VoidAnswer::Unknown);
    assert_eq!(w.free().await, GENERATIONS + 50);
}
