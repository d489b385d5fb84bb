//! Removing: what nothing points to goes, and what is in use stays whole.

use super::World;
use almoner_domain::agent::Agent;
use almoner_domain::customer::{Customer, Role, User};
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::feature::{Feature, FeatureKind};
use almoner_domain::plan::Plan;
use almoner_domain::text::{ExternalId, FeatureKey, Name};
use std::collections::BTreeSet;

fn name() -> Name {
    Name::parse("x").expect("a name")
}

fn external(text: &str) -> ExternalId {
    ExternalId::parse(text).expect("an id")
}

fn in_use(removed: Result<bool, Fault>) {
    assert_eq!(removed.map_err(|fault| fault.kind), Err(FaultKind::InUse));
}

/// What was made by mistake can be taken away, once.
pub async fn what_nothing_points_to_can_be_removed(w: &World) {
    let feature =
        Feature { id: w.id(), key: FeatureKey::parse("a.b").unwrap(), name: name(), kind: FeatureKind::Boolean };
    let plan = Plan { id: w.id(), external_id: external("p"), name: name() };
    let customer = Customer { id: w.id(), external_id: external("c"), name: name() };
    let user = User { id: w.id(), customer: customer.id, external_id: external("u"), name: name(), role: Role::Member };
    let agent = Agent { id: w.id(), external_id: external("a"), name: name(), labels: BTreeSet::new() };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.features().add(&feature).await.unwrap();
    work.plans().add(&plan).await.unwrap();
    work.customers().add(&customer).await.unwrap();
    work.customers().add_user(&user).await.unwrap();
    work.agents().add(&agent).await.unwrap();
    work.commit().await.unwrap();
    for there in [true, false] {
        let mut work = w.store.begin(w.shop.realm).await.unwrap();
        assert_eq!(work.features().remove(feature.id).await.unwrap(), there);
        assert_eq!(work.plans().remove(plan.id).await.unwrap(), there);
        assert_eq!(work.customers().remove_user(user.id).await.unwrap(), there);
        assert_eq!(work.customers().remove(customer.id).await.unwrap(), there);
        assert_eq!(work.agents().remove(agent.id).await.unwrap(), there);
        work.commit().await.unwrap();
    }
}

/// What is sold, subscribed to or has a history stays.
pub async fn what_is_in_use_stays(w: &World) {
    w.carved(&w.shop.task(w.id())).await;
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    let customer = work.customers().by_external_id(&external("acme-shop")).await.unwrap().expect("acme");
    let user = work.customers().user(customer.id, &external("ada")).await.unwrap().expect("ada");
    drop(work);
    // Each in a work of its own: a refusal by the database ends one.
    in_use(w.store.begin(w.shop.realm).await.unwrap().features().remove(w.shop.generate.id).await);
    in_use(w.store.begin(w.shop.realm).await.unwrap().plans().remove(w.shop.plan.id).await);
    in_use(w.store.begin(w.shop.realm).await.unwrap().customers().remove(customer.id).await);
    in_use(w.store.begin(w.shop.realm).await.unwrap().customers().remove_user(user.id).await);
    in_use(w.store.begin(w.shop.realm).await.unwrap().agents().remove(w.shop.catalogue.id).await);
}

/// A role is changed at once, and of nobody else.
pub async fn a_role_is_changed(w: &World) {
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    let customer = work.customers().by_external_id(&external("acme-shop")).await.unwrap().expect("acme");
    let user = work.customers().user(customer.id, &external("ada")).await.unwrap().expect("ada");
    assert!(work.customers().set_role(user.id, Role::Viewer).await.unwrap());
    assert!(!work.customers().set_role(w.id(), Role::Viewer).await.unwrap());
    work.commit().await.unwrap();
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert_eq!(work.customers().user_by_id(user.id).await.unwrap().map(|user| user.role), Some(Role::Viewer));
}

/// A subscription ends once; from then on nothing runs.
pub async fn a_subscription_ends_once(w: &World) {
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    let customer = work.customers().by_external_id(&external("acme-shop")).await.unwrap().expect("acme");
    let running = work.subscriptions().running(customer.id).await.unwrap().expect("a subscription");
    assert!(work.subscriptions().end(running.id, w.clock_now()).await.unwrap());
    assert!(!work.subscriptions().end(running.id, w.clock_now()).await.unwrap());
    work.commit().await.unwrap();
    w.pass(1);
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert_eq!(work.subscriptions().running(customer.id).await.unwrap(), None);
}
