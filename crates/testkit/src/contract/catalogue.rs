//! The catalogue: units of work, names that are taken, keys.

use super::World;
use crate::image_shop::{external, name, units};
use almoner_domain::customer::Customer;
use almoner_domain::fault::FaultKind;
use almoner_domain::feature::{Feature, FeatureKind};
use almoner_domain::key::KeyHash;
use almoner_domain::notice::Change;
use almoner_domain::plan::{Offer, PlanLine, PlanVersion};
use almoner_domain::subscription::Subscription;
use almoner_domain::tenant::Tenant;
use almoner_domain::text::FeatureKey;
use almoner_domain::time::Clock;

/// What is added is found again, by our id and by the provider's name, as it was.
pub async fn what_is_added_is_found_by_id_and_by_name(w: &World) {
    let shop = &w.shop;
    let mut work = w.store.begin(shop.realm).await.unwrap();
    assert_eq!(work.features().by_id(shop.generate.id).await.unwrap().as_ref(), Some(&shop.generate));
    assert_eq!(work.features().by_key(&shop.upload.key).await.unwrap().as_ref(), Some(&shop.upload));
    assert_eq!(work.features().all().await.unwrap().len(), 5);
    assert_eq!(work.plans().by_external_id(&external("pro")).await.unwrap().as_ref(), Some(&shop.plan));
    assert_eq!(work.customers().by_external_id(&external("acme-shop")).await.unwrap().as_ref(), Some(&shop.acme));
    assert_eq!(work.customers().by_id(shop.bolt.id).await.unwrap().as_ref(), Some(&shop.bolt));
    assert_eq!(work.customers().user(shop.acme.id, &external("ada")).await.unwrap().as_ref(), Some(&shop.ada));
    assert_eq!(work.customers().user(shop.bolt.id, &external("ada")).await.unwrap(), None, "ada is acme's");
    assert_eq!(work.customers().user_by_id(shop.cy.id).await.unwrap().as_ref(), Some(&shop.cy));
    assert_eq!(work.customers().users(shop.acme.id).await.unwrap(), [shop.ada.clone(), shop.ben.clone()]);
    assert_eq!(work.agents().by_external_id(&external("catalogue")).await.unwrap().as_ref(), Some(&shop.catalogue));
    assert_eq!(work.agents().by_id(shop.support.id).await.unwrap().as_ref(), Some(&shop.support));
    let running = work.subscriptions().running(shop.acme.id).await.unwrap();
    assert_eq!(running.as_ref(), Some(&shop.acme_subscription));
    let mut given = work.subscriptions().entitlements(shop.acme.id).await.unwrap();
    let mut expected = shop.acme_entitlements.clone();
    given.sort_by_key(|entitlement| entitlement.id);
    expected.sort_by_key(|entitlement| entitlement.id);
    assert_eq!(given, expected);
}

/// A name that is taken is refused as such, and the work can go on.
pub async fn a_name_that_is_taken_is_refused(w: &World) {
    let shop = &w.shop;
    let mut work = w.store.begin(shop.realm).await.unwrap();
    let again = Customer { id: w.id(), external_id: external("acme-shop"), name: name("Another") };
    let taken = work.customers().add(&again).await.expect_err("the name is taken");
    assert_eq!(taken.kind, FaultKind::Exists);
    let other = Customer { external_id: external("zeta"), ..again };
    work.customers().add(&other).await.expect("another name is free");
    let kept = work.customers().by_external_id(&external("acme-shop")).await.unwrap();
    assert_eq!(kept.as_ref(), Some(&shop.acme));
    work.commit().await.unwrap();
    let mut work = w.store.begin(shop.realm).await.unwrap();
    assert_eq!(work.customers().by_id(other.id).await.unwrap(), Some(other));
}

/// What was not committed did not happen.
pub async fn work_that_is_dropped_did_not_happen(w: &World) {
    let lost =
        Feature { id: w.id(), key: FeatureKey::parse("lost").unwrap(), name: name("Lost"), kind: FeatureKind::Boolean };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.features().add(&lost).await.unwrap();
    assert_eq!(work.features().by_id(lost.id).await.unwrap().as_ref(), Some(&lost), "the work sees itself");
    drop(work);
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert_eq!(work.features().by_id(lost.id).await.unwrap(), None);
    assert_eq!(w.lookup.features(w.shop.realm).await.unwrap().len(), 5);
}

/// The newest version of a plan counts, and a number is given once.
pub async fn the_newest_version_of_a_plan_counts(w: &World) {
    let line = PlanLine { feature: w.shop.remove_background.id, offer: Offer::Included };
    let second = PlanVersion { id: w.id(), number: 2, lines: vec![line], ..w.shop.terms.clone() };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert_eq!(work.plans().latest(w.shop.plan.id).await.unwrap().as_ref(), Some(&w.shop.terms));
    work.plans().publish(&second).await.unwrap();
    assert_eq!(work.plans().latest(w.shop.plan.id).await.unwrap().as_ref(), Some(&second));
    let again = PlanVersion { id: w.id(), ..second };
    assert_eq!(work.plans().publish(&again).await.expect_err("number 2 is taken").kind, FaultKind::Exists);
    assert_eq!(work.plans().latest(w.id()).await.unwrap(), None);
}

/// A customer has one subscription that runs.
pub async fn a_customer_has_one_running_subscription(w: &World) {
    let second = Subscription { id: w.id(), started_at: w.clock.now(), ..w.shop.acme_subscription.clone() };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    let taken = work.subscriptions().add(&second, &[]).await.expect_err("one runs");
    assert_eq!(taken.kind, FaultKind::Exists);
}

/// A user has one share of a feature.
pub async fn a_user_has_one_share_of_a_feature(w: &World) {
    let whole = w.shop.acme_entitlements.iter().find(|e| e.feature == w.shop.generate.id).unwrap();
    let mut share = whole.clone();
    (share.id, share.user) = (w.id(), Some(w.shop.ada.id));
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.subscriptions().add_share(&share).await.unwrap();
    share.id = w.id();
    let taken = work.subscriptions().add_share(&share).await.expect_err("ada has one");
    assert_eq!(taken.kind, FaultKind::Exists);
    assert!(matches!(whole.offer, Offer::Quota { amount, .. } if amount == units(1_000)));
}

/// A key is known by its hash until it is revoked, and gates hear of that.
pub async fn a_key_works_until_it_is_revoked(w: &World) {
    let (shown, kept) = &w.shop.gate_key;
    assert_eq!(w.lookup.credential(KeyHash::of(shown)).await.unwrap().as_ref(), Some(kept));
    assert_eq!(w.lookup.credential(KeyHash::of("alm_live_gate_guessed")).await.unwrap(), None);
    let before = w.lookup.changes(None, 1).await.unwrap().last().map_or(0, |(at, _, _)| *at);

    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert!(work.keys().revoke(kept.id, w.clock.now()).await.unwrap());
    assert!(!work.keys().revoke(kept.id, w.clock.now()).await.unwrap(), "it is revoked once");
    work.commit().await.unwrap();

    assert_eq!(w.lookup.credential(KeyHash::of(shown)).await.unwrap(), None);
    let told = w.lookup.changes(Some(before), 10).await.unwrap();
    assert!(told.iter().any(|(_, realm, change)| (*realm, *change) == (w.shop.realm, Change::Keys)), "{told:?}");
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    let all = work.keys().all().await.unwrap();
    assert_eq!(all.len(), 2, "a revoked key is still listed");
    assert!(all.iter().any(|key| key.id == kept.id && key.revoked_at == Some(w.clock.now())));
}

/// Tenants are told apart by the operator's name for them.
pub async fn tenants_are_told_apart_by_name(w: &World) {
    let mut installation = w.store.installation().await.unwrap();
    let again = Tenant { id: w.id(), external_id: external("image-shop"), name: name("Again") };
    assert_eq!(installation.add_tenant(&again).await.expect_err("taken").kind, FaultKind::Exists);
    let other = Tenant { id: w.id(), external_id: external("a-shop"), name: name("Another") };
    installation.add_tenant(&other).await.unwrap();
    installation.commit().await.unwrap();
    let mut installation = w.store.installation().await.unwrap();
    let names: Vec<_> = installation.tenants().await.unwrap().into_iter().map(|t| t.external_id).collect();
    assert_eq!(names, [external("a-shop"), external("image-shop")]);
    assert_eq!(installation.tenant(&external("a-shop")).await.unwrap(), Some(other));
    assert_eq!(installation.tenant(&external("nobody")).await.unwrap(), None);
}
