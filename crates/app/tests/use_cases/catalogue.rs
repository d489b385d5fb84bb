//! Features and plans.

use crate::house::{app, gate_of, id, key, name, tenant};
use almoner_app::features::{DefineFeatureError, NewFeature};
use almoner_app::plans::{NewPlan, NewTerms, PublishPlanError};
use almoner_app::{App, features, plans};
use almoner_domain::caller::Caller;
use almoner_domain::feature::{Durability, ExcessRule, FeatureKind, Meter, StaticValue};
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::{LiveRule, Offer};
use almoner_domain::units::{Scale, Units};

fn metered() -> FeatureKind {
    FeatureKind::Metered(Meter {
        unit: name("calls"),
        scale: Scale::WHOLE,
        durability: Durability::Durable,
        excess: ExcessRule::DenyExcess,
    })
}

fn quota(amount: i64) -> Offer {
    Offer::Quota {
        amount: Units::new(amount).expect("an amount"),
        period: UsagePeriod::MONTH,
        beyond: Default::default(),
    }
}

async fn define(staff: &Caller, app: &App, text: &str, kind: FeatureKind) {
    let new = NewFeature { key: key(text), name: name(text), kind };
    features::define(staff, app, new).await.expect("a feature");
}

#[tokio::test]
async fn a_feature_is_defined_once_and_only_by_the_tenants_own() {
    let (app, _) = app();
    let (_, staff) = tenant(&app, "one").await;
    let (_, other) = tenant(&app, "two").await;
    define(&staff, &app, "call", metered()).await;
    let again = NewFeature { key: key("call"), name: name("Call"), kind: metered() };
    let refused = features::define(&staff, &app, again.clone()).await;
    assert!(matches!(refused, Err(DefineFeatureError::Taken(_))), "{refused:?}");
    for stranger in [Caller::INSTALLATION, gate_of(&staff, &app)] {
        let refused = features::define(&stranger, &app, again.clone()).await;
        assert!(matches!(refused, Err(DefineFeatureError::Forbidden(_))), "{refused:?}");
    }
    assert_eq!(features::find(&other, &app, &key("call")).await.unwrap(), None, "another tenant's does not exist");
    define(&other, &app, "call", metered()).await;
    assert_eq!(features::list(&staff, &app).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_plan_is_published_version_by_version() {
    let (app, clock) = app();
    let (_, staff) = tenant(&app, "one").await;
    define(&staff, &app, "call", metered()).await;
    let plan = plans::create(&staff, &app, NewPlan { external_id: id("pro"), name: name("Pro") }).await.unwrap();
    assert_eq!(plans::latest(&staff, &app, &plan).await.unwrap(), None);
    for number in [1, 2] {
        let lines = vec![(key("call"), quota(i64::from(number) * 10))];
        let terms = NewTerms { effective_from: None, price: None, live_rule: LiveRule::Keep, lines };
        let version = plans::publish(&staff, &app, &id("pro"), terms).await.unwrap();
        clock.advance(std::time::Duration::from_secs(1));
        assert_eq!(version.number, number);
        assert_eq!(plans::latest(&staff, &app, &plan).await.unwrap(), Some(version));
    }
}

#[tokio::test]
async fn terms_that_cannot_be_are_refused_by_name() {
    let (app, _) = app();
    let (_, staff) = tenant(&app, "one").await;
    define(&staff, &app, "call", metered()).await;
    define(&staff, &app, "there", FeatureKind::Boolean).await;
    define(&staff, &app, "size", FeatureKind::Static).await;
    plans::create(&staff, &app, NewPlan { external_id: id("pro"), name: name("Pro") }).await.unwrap();
    let publish = async |plan: &str, terms: Vec<(&str, Offer)>| {
        let lines = terms.into_iter().map(|(feature, offer)| (key(feature), offer)).collect();
        let terms = NewTerms { effective_from: None, price: None, live_rule: LiveRule::Keep, lines };
        plans::publish(&staff, &app, &id(plan), terms).await.unwrap_err()
    };
    assert!(matches!(publish("pro", vec![]).await, PublishPlanError::Empty));
    assert!(matches!(publish("max", vec![("call", quota(1))]).await, PublishPlanError::UnknownPlan(_)));
    assert!(matches!(publish("pro", vec![("cal", quota(1))]).await, PublishPlanError::UnknownFeature(_)));
    let twice = vec![("call", quota(1)), ("call", quota(2))];
    assert!(matches!(publish("pro", twice).await, PublishPlanError::Repeated(_)));
    let value = Offer::Value(StaticValue::Integer(1));
    for (feature, offer) in [("call", Offer::Included), ("there", quota(1)), ("size", quota(1)), ("call", value)] {
        let refused = publish("pro", vec![(feature, offer)]).await;
        assert!(matches!(refused, PublishPlanError::Mismatched(_)), "{feature}: {refused}");
    }
    let many = vec![("call", quota(1)); plans::PLAN_LINES_MAX + 1];
    assert!(matches!(publish("pro", many).await, PublishPlanError::TooManyLines));
}
