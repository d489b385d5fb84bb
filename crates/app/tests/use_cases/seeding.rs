//! The example: complete, and the same however often it is seeded.

use crate::house::{app, tenant};
use almoner_app::image_shop::{self, Shop};
use almoner_app::{keys, subscriptions};
use almoner_domain::caller::{Caller, Who};
use almoner_domain::customer::Role;
use almoner_domain::key::KeyHash;
use almoner_domain::text::Named;
use almoner_domain::time::Timestamp;

fn ids(shop: &Shop) -> Vec<String> {
    let mut ids = vec![shop.tenant.id.to_string()];
    ids.extend(shop.customers.iter().map(|c| c.id.to_string()));
    ids.extend(shop.users.iter().map(|u| u.id.to_string()));
    ids.extend(shop.agents.iter().map(|a| a.id.to_string()));
    ids.extend(shop.features.iter().map(|f| f.id.to_string()));
    ids
}

#[tokio::test]
async fn the_shop_is_as_it_is_told() {
    let (app, _) = app();
    let seeded = image_shop::seed(&Caller::INSTALLATION, &app).await.unwrap();
    let shop = &seeded.shop;
    let names: Vec<_> = shop.customers.iter().map(|c| c.external_id.as_str()).collect();
    assert_eq!(names, ["acme-shop", "bolt-store"]);
    let people: Vec<_> = shop.users.iter().map(|u| (u.external_id.as_str(), u.role)).collect();
    assert_eq!(people, [("ada", Role::Owner), ("ben", Role::Member), ("cy", Role::Owner)]);
    assert_eq!(shop.users[2].customer, shop.customers[1].id);
    assert_eq!(shop.agents.iter().map(|a| a.external_id.as_str()).collect::<Vec<_>>(), ["catalogue", "support"]);
    assert_eq!((shop.features.len(), shop.policies.len()), (10, 1));
    let staff = almoner_domain::tenant::Realm {
        tenant: shop.tenant.id,
        environment: almoner_domain::tenant::Environment::Live,
    };
    let staff = Caller::here(Who::Operator { realm: staff, key: None });
    for customer in &shop.customers {
        let running = subscriptions::running(&staff, &app, &Named::Id(customer.id)).await.unwrap().unwrap();
        assert_eq!(running.calendar.anchor(), Timestamp::parse("2026-11-01T00:00:00Z").unwrap());
        assert_eq!(running.calendar.zone(), "UTC");
    }
    let shared: Vec<_> = ids(shop).into_iter().filter(|id| ids(&seeded.other).contains(id)).collect();
    assert_eq!(shared, Vec::<String>::new(), "two tenants have nothing in common");
}

#[tokio::test]
async fn seeding_again_changes_nothing_but_issues_fresh_keys() {
    let (app, clock) = app();
    let first = image_shop::seed(&Caller::INSTALLATION, &app).await.unwrap();
    clock.advance(std::time::Duration::from_secs(86_400 * 40));
    let second = image_shop::seed(&Caller::INSTALLATION, &app).await.unwrap();
    assert_eq!(ids(&first.shop), ids(&second.shop));
    assert_eq!(ids(&first.other), ids(&second.other));
    let machine = Caller::INSTALLATION;
    let staff = almoner_app::tenants::act_for(
        &machine,
        &app,
        &first.shop.tenant.external_id,
        almoner_domain::tenant::Environment::Live,
    );
    let staff = staff.await.unwrap().unwrap();
    let kept = keys::list(&staff, &app).await.unwrap();
    assert_eq!(kept.len(), 4);
    for plain in [first.shop.gate_key, first.shop.operator_key, second.shop.gate_key, second.shop.operator_key] {
        let hash = KeyHash::of(&plain.reveal());
        assert!(kept.iter().any(|key| key.hash == hash && key.revoked_at.is_none()), "all of them stay valid");
    }
}

#[tokio::test]
async fn only_the_installation_seeds() {
    let (app, _) = app();
    let (_, staff) = tenant(&app, "one").await;
    assert!(image_shop::seed(&staff, &app).await.is_err());
}
