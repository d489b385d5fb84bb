//! The control plane's units of work.

use crate::support::{ADA, BOTH, CUSTOMER, GENERATE, Shop, external, id, name, subscription};
use almoner_domain::fault::FaultKind;
use almoner_domain::feature::{Feature, FeatureKind};
use almoner_domain::plan::{Plan, PlanVersion};
use almoner_domain::ports::{Lookup, Store};
use almoner_domain::tenant::Tenant;
use almoner_domain::text::FeatureKey;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_in_comes_out() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let mut work = shop.store.begin(shop.realm).await.unwrap();
        let features = work.features().all().await.unwrap();
        assert_eq!(features.len(), 4);
        assert!(features.is_sorted_by_key(|feature| feature.key.clone()), "by key");
        assert_eq!(features, shop.store.features(shop.realm).await.unwrap());
        let key = FeatureKey::parse("image.generate").unwrap();
        assert_eq!(work.features().by_key(&key).await.unwrap(), work.features().by_id(id(GENERATE)).await.unwrap());

        let plan = work.plans().by_external_id(&external("pro")).await.unwrap().unwrap();
        let version = work.plans().latest(plan.id).await.unwrap().unwrap();
        assert_eq!((version.number, version.lines.len()), (1, 4));
        let next = PlanVersion { id: shop.new_id(), number: 2, ..version.clone() };
        work.plans().publish(&next).await.unwrap();
        let again = PlanVersion { id: shop.new_id(), ..next.clone() };
        assert_eq!(work.plans().publish(&again).await.unwrap_err().kind, FaultKind::Exists);
        assert_eq!(work.plans().latest(plan.id).await.unwrap(), Some(next));

        let users = work.customers().users(id(CUSTOMER)).await.unwrap();
        assert_eq!(users.iter().map(|user| user.external_id.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
        assert_eq!(
            work.customers().user(id(CUSTOMER), &external("ada")).await.unwrap(),
            work.customers().user_by_id(id(ADA)).await.unwrap()
        );
        assert_eq!(work.customers().user(id(5), &external("ada")).await.unwrap(), None);
        assert_eq!(work.subscriptions().running(id(CUSTOMER)).await.unwrap(), Some(subscription()));
        assert_eq!(work.subscriptions().entitlements(id(CUSTOMER)).await.unwrap().len(), 4);
        assert!(work.agents().by_external_id(&external("catalogue")).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_of_work_that_is_dropped_never_was() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let plan = Plan { id: shop.new_id(), external_id: external("draft"), name: name("Draft") };
        let mut work = shop.store.begin(shop.realm).await.unwrap();
        work.plans().add(&plan).await.unwrap();
        assert!(work.plans().by_external_id(&plan.external_id).await.unwrap().is_some());
        drop(work);
        let mut work = shop.store.begin(shop.realm).await.unwrap();
        assert_eq!(work.plans().by_external_id(&plan.external_id).await.unwrap(), None);
        let feature = Feature {
            id: shop.new_id(),
            key: FeatureKey::parse("image.generate").unwrap(),
            name: name("Twice"),
            kind: FeatureKind::Boolean,
        };
        assert_eq!(work.features().add(&feature).await.unwrap_err().kind, FaultKind::Exists);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_are_registered_once() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let mut register = shop.store.installation().await.unwrap();
        let first = register.tenants().await.unwrap().remove(0);
        let again = Tenant { id: shop.new_id(), ..first.clone() };
        assert_eq!(register.add_tenant(&again).await.unwrap_err().kind, FaultKind::Exists);
        assert_eq!(register.tenant(&first.external_id).await.unwrap(), Some(first));
        assert_eq!(register.tenant(&external("nobody")).await.unwrap(), None);
        register.commit().await.unwrap();
        shop.store.ping().await.unwrap();
    }
}
