//! Tenants, customers, users and agents.

use crate::house::{app, gate_of, id, name, named, tenant};
use almoner_app::agents::NewAgent;
use almoner_app::customers::{AddCustomerError, NewCustomer};
use almoner_app::tenants::{CreateTenantError, NewTenant};
use almoner_app::users::{AddUserError, NewUser};
use almoner_app::{App, FindError, agents, customers, tenants, users};
use almoner_domain::caller::Caller;
use almoner_domain::customer::{Customer, Role};
use almoner_domain::tenant::Environment;
use almoner_domain::text::Named;
use std::collections::BTreeSet;

async fn customer(staff: &Caller, app: &App, text: &str) -> Customer {
    let new = NewCustomer { external_id: id(text), name: name(text) };
    customers::add(staff, app, new).await.expect("a customer")
}

#[tokio::test]
async fn only_the_installation_makes_tenants() {
    let (app, _) = app();
    let (_, staff) = tenant(&app, "one").await;
    let new = NewTenant { external_id: id("one"), name: name("One") };
    let refused = tenants::create(&staff, &app, new.clone()).await;
    assert!(matches!(refused, Err(CreateTenantError::Forbidden(_))), "{refused:?}");
    let refused = tenants::create(&Caller::INSTALLATION, &app, new).await;
    assert!(matches!(refused, Err(CreateTenantError::Taken(_))), "{refused:?}");
    assert!(matches!(tenants::list(&staff, &app).await, Err(FindError::Forbidden(_))));
    let found = tenants::act_for(&Caller::INSTALLATION, &app, &id("one"), Environment::Live).await.unwrap();
    assert_eq!(found, Some(staff));
    let nobody = tenants::act_for(&Caller::INSTALLATION, &app, &id("two"), Environment::Live).await.unwrap();
    assert_eq!(nobody, None);
}

#[tokio::test]
async fn a_user_is_found_at_their_own_customer_alone() {
    let (app, _) = app();
    let (_, staff) = tenant(&app, "one").await;
    let (acme, bolt) = (customer(&staff, &app, "acme").await, customer(&staff, &app, "bolt").await);
    let new = |text: &str, role| NewUser { customer: named(text), external_id: id("ada"), name: name("Ada"), role };
    let ada = users::add(&staff, &app, new("acme", Role::Owner)).await.unwrap();
    let refused = users::add(&staff, &app, new("acme", Role::Viewer)).await;
    assert!(matches!(refused, Err(AddUserError::Taken(_))), "{refused:?}");
    let refused = users::add(&staff, &app, new("nobody", Role::Viewer)).await;
    assert!(matches!(refused, Err(AddUserError::UnknownCustomer)), "{refused:?}");
    let namesake = users::add(&staff, &app, new("bolt", Role::Member)).await.unwrap();
    assert_ne!(namesake.id, ada.id);
    let at = async |customer: &Customer, user| {
        users::find(&staff, &app, &Named::Id(customer.id), &user).await.unwrap().map(|user| user.id)
    };
    assert_eq!(at(&acme, named("ada")).await, Some(ada.id));
    assert_eq!(at(&acme, Named::Id(ada.id)).await, Some(ada.id));
    assert_eq!(at(&bolt, named("ada")).await, Some(namesake.id));
    assert_eq!(at(&bolt, Named::Id(ada.id)).await, None, "by its id, too");
    assert_eq!(users::list(&staff, &app, &named("bolt")).await.unwrap().map(|all| all.len()), Some(1));
    assert_eq!(users::list(&staff, &app, &named("nobody")).await.unwrap(), None);
}

#[tokio::test]
async fn what_belongs_to_another_tenant_does_not_exist() {
    let (app, _) = app();
    let (_, staff) = tenant(&app, "one").await;
    let (_, other) = tenant(&app, "two").await;
    let acme = customer(&staff, &app, "acme").await;
    let agent =
        agents::register(&staff, &app, NewAgent { external_id: id("bot"), name: name("Bot"), labels: BTreeSet::new() })
            .await
            .unwrap();
    for by in [Named::Id(acme.id), named("acme")] {
        assert_eq!(customers::find(&staff, &app, &by).await.unwrap().map(|found| found.id), Some(acme.id));
        assert_eq!(customers::find(&other, &app, &by).await.unwrap(), None);
        let new = NewUser { customer: by, external_id: id("eve"), name: name("Eve"), role: Role::Owner };
        let refused = users::add(&other, &app, new).await;
        assert!(matches!(refused, Err(AddUserError::UnknownCustomer)), "{refused:?}");
    }
    for by in [Named::Id(agent.id), named("bot")] {
        assert!(agents::find(&staff, &app, &by).await.unwrap().is_some());
        assert_eq!(agents::find(&other, &app, &by).await.unwrap(), None);
    }
    let gate = gate_of(&staff, &app);
    let new = NewCustomer { external_id: id("x"), name: name("X") };
    assert!(matches!(customers::add(&gate, &app, new).await, Err(AddCustomerError::Forbidden(_))));
    assert!(matches!(customers::find(&gate, &app, &named("acme")).await, Err(FindError::Forbidden(_))));
}
