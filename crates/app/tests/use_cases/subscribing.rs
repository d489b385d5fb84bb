//! Subscriptions and shares, on the seeded image shop.

use crate::house::{app, id, key, named};
use almoner_app::shares::{NewShare, SetAsideError};
use almoner_app::subscriptions::{NewSubscription, SubscribeError};
use almoner_app::{App, customers, image_shop, shares, subscriptions, tenants};
use almoner_domain::calendar::Calendar;
use almoner_domain::caller::Caller;
use almoner_domain::plan::Offer;
use almoner_domain::tenant::Environment;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;

async fn seeded() -> (App, Caller) {
    let (app, _) = app();
    image_shop::seed(&Caller::INSTALLATION, &app).await.expect("a shop");
    let shop = id(image_shop::TENANT);
    let staff = tenants::act_for(&Caller::INSTALLATION, &app, &shop, Environment::Live).await.expect("a store");
    (app, staff.expect("the seeded tenant"))
}

fn calendar(anchor: &str) -> Calendar {
    Calendar::new(Timestamp::parse(anchor).expect("a time"), "Europe/Paris").expect("a zone")
}

fn units(count: i64) -> Units {
    Units::new(count).expect("an amount")
}

#[tokio::test]
async fn a_customer_gets_an_entitlement_for_each_line_and_no_second_subscription() {
    let (app, staff) = seeded().await;
    let subscribe = async |customer: &str, plan: &str, anchor: &str| {
        let new =
            NewSubscription { customer: named(customer), plan: id(plan), calendar: calendar(anchor), trial: None };
        subscriptions::subscribe(&staff, &app, new).await
    };
    const BEFORE: &str = "2026-11-01T00:00:00Z";
    assert!(matches!(subscribe("acme-shop", "pro", BEFORE).await, Err(SubscribeError::Subscribed)));
    let new = customers::NewCustomer { external_id: id("late"), name: crate::house::name("Late") };
    customers::add(&staff, &app, new).await.unwrap();
    assert!(matches!(subscribe("nobody", "pro", BEFORE).await, Err(SubscribeError::UnknownCustomer)));
    assert!(matches!(subscribe("late", "max", BEFORE).await, Err(SubscribeError::UnknownPlan(_))));
    assert!(matches!(subscribe("late", "pro", "2030-01-01T00:00:00Z").await, Err(SubscribeError::NotBegun)));
    assert_eq!(subscriptions::running(&staff, &app, &named("late")).await.unwrap(), None, "a refusal leaves nothing");
    let made = subscribe("late", "pro", BEFORE).await.unwrap();
    assert_eq!(subscriptions::running(&staff, &app, &named("late")).await.unwrap(), Some(made));
    let rights = subscriptions::entitlements(&staff, &app, &named("late")).await.unwrap().unwrap();
    assert_eq!(rights.len(), 8);
    assert!(rights.iter().all(|right| right.user.is_none() && right.calendar.zone() == "Europe/Paris"));
}

#[tokio::test]
async fn shares_together_are_at_most_the_quota() {
    let (app, staff) = seeded().await;
    let share = async |user: &str, feature: &str, amount: i64| {
        let (customer, user) = (named("acme-shop"), named(user));
        let new = NewShare { customer, user, feature: key(feature), amount: units(amount) };
        shares::set_aside(&staff, &app, new).await
    };
    let made = share("ada", "image.generate", 700).await.unwrap();
    assert!(matches!(made.offer, Offer::Quota { amount, .. } if amount == units(700)));
    assert!(matches!(share("ada", "image.generate", 1).await, Err(SetAsideError::Shared(_))));
    let refused = share("ben", "image.generate", 301).await;
    assert!(matches!(refused, Err(SetAsideError::TooMuch { left, .. }) if left == units(300)), "{refused:?}");
    share("ben", "image.generate", 300).await.unwrap();
    assert!(matches!(share("ben", "image.describe", 0).await, Err(SetAsideError::Zero)));
    assert!(matches!(share("cy", "image.describe", 1).await, Err(SetAsideError::UnknownUser)));
    for feature in ["image.background_removal", "image.max_resolution", "nothing"] {
        let refused = share("ada", feature, 1).await;
        assert!(matches!(refused, Err(SetAsideError::NoQuota(_))), "{feature}: {refused:?}");
    }
}
