//! One noun a function: what is there stays as it is, what is missing is made.

use super::cast::Named as Words;
use super::{SeedError, at};
use crate::keys::{NewKey, PlainKey};
use crate::{App, agents, customers, features, keys, plans, policies, prices, subscriptions, tenants, users};
use almoner_domain::agent::Agent;
use almoner_domain::calendar::Calendar;
use almoner_domain::caller::Caller;
use almoner_domain::customer::{Customer, Role, User};
use almoner_domain::feature::Feature;
use almoner_domain::key::KeyKind;
use almoner_domain::plan::{LiveRule, Offer, Plan};
use almoner_domain::policy::Policy;
use almoner_domain::tenant::Tenant;
use almoner_domain::text::{ExternalId, FeatureKey, Name, Named, TextError};
use std::collections::BTreeSet;

fn parsed((id, name): Words) -> Result<(ExternalId, Name), TextError> {
    Ok((ExternalId::parse(id)?, Name::parse(name)?))
}

pub(super) async fn tenant(caller: &Caller, app: &App, words: Words) -> Result<Tenant, SeedError> {
    let (external_id, name) = parsed(words).map_err(at("tenant"))?;
    match tenants::find(caller, app, &external_id).await.map_err(at("tenant"))? {
        Some(tenant) => Ok(tenant),
        None => tenants::create(caller, app, tenants::NewTenant { external_id, name }).await.map_err(at("tenant")),
    }
}

pub(super) async fn feature(staff: &Caller, app: &App, new: features::NewFeature) -> Result<Feature, SeedError> {
    match features::find(staff, app, &new.key).await.map_err(at("features"))? {
        Some(feature) => Ok(feature),
        None => features::define(staff, app, new).await.map_err(at("features")),
    }
}

pub(super) async fn plan(
    staff: &Caller,
    app: &App,
    words: Words,
    terms: &[(FeatureKey, Offer)],
) -> Result<Plan, SeedError> {
    let (external_id, name) = parsed(words).map_err(at("plan"))?;
    let plan = match plans::find(staff, app, &external_id).await.map_err(at("plan"))? {
        Some(plan) => plan,
        None => plans::create(staff, app, plans::NewPlan { external_id, name }).await.map_err(at("plan"))?,
    };
    if plans::latest(staff, app, &plan).await.map_err(at("plan"))?.is_none() {
        let terms =
            plans::NewTerms { effective_from: None, price: None, live_rule: LiveRule::Keep, lines: terms.to_vec() };
        plans::publish(staff, app, &plan.external_id, terms).await.map_err(at("plan"))?;
    }
    Ok(plan)
}

pub(super) async fn prices(staff: &Caller, app: &App, new: prices::NewPrices) -> Result<(), SeedError> {
    if prices::latest(staff, app, &new.currency).await.map_err(at("prices"))?.is_none() {
        prices::publish(staff, app, new).await.map_err(at("prices"))?;
    }
    Ok(())
}

pub(super) async fn customer(staff: &Caller, app: &App, words: Words) -> Result<Customer, SeedError> {
    let (external_id, name) = parsed(words).map_err(at("customers"))?;
    let named = Named::External(external_id.clone());
    match customers::find(staff, app, &named).await.map_err(at("customers"))? {
        Some(customer) => Ok(customer),
        None => customers::add(staff, app, customers::NewCustomer { external_id, name }).await.map_err(at("customers")),
    }
}

pub(super) async fn user(
    staff: &Caller,
    app: &App,
    customer: &Customer,
    words: Words,
    role: Role,
) -> Result<User, SeedError> {
    let (external_id, name) = parsed(words).map_err(at("users"))?;
    let customer = Named::Id(customer.id);
    let named = Named::External(external_id.clone());
    match users::find(staff, app, &customer, &named).await.map_err(at("users"))? {
        Some(user) => Ok(user),
        None => users::add(staff, app, users::NewUser { customer, external_id, name, role }).await.map_err(at("users")),
    }
}

pub(super) async fn subscription(
    staff: &Caller,
    app: &App,
    customer: &Customer,
    plan: &Plan,
    calendar: &Calendar,
) -> Result<(), SeedError> {
    let customer = Named::Id(customer.id);
    if subscriptions::running(staff, app, &customer).await.map_err(at("subscriptions"))?.is_none() {
        let new = subscriptions::NewSubscription {
            customer,
            plan: plan.external_id.clone(),
            calendar: calendar.clone(),
            trial: None,
        };
        subscriptions::subscribe(staff, app, new).await.map_err(at("subscriptions"))?;
    }
    Ok(())
}

pub(super) async fn agent(staff: &Caller, app: &App, words: Words) -> Result<Agent, SeedError> {
    let (external_id, name) = parsed(words).map_err(at("agents"))?;
    let named = Named::External(external_id.clone());
    match agents::find(staff, app, &named).await.map_err(at("agents"))? {
        Some(agent) => Ok(agent),
        None => agents::register(staff, app, agents::NewAgent { external_id, name, labels: BTreeSet::new() })
            .await
            .map_err(at("agents")),
    }
}

pub(super) async fn policy(staff: &Caller, app: &App, new: policies::NewPolicy) -> Result<Policy, SeedError> {
    let named = Named::External(new.external_id.clone());
    match policies::find(staff, app, &named).await.map_err(at("policies"))? {
        Some(policy) => Ok(policy),
        None => policies::add(staff, app, new).await.map_err(at("policies")),
    }
}

/// Always a fresh one: the plain text of an earlier one is gone.
pub(super) async fn key(staff: &Caller, app: &App, kind: KeyKind) -> Result<PlainKey, SeedError> {
    let name = Name::parse("seed").map_err(at("keys"))?;
    Ok(keys::issue(staff, app, NewKey { kind, holder: None, name }).await.map_err(at("keys"))?.plain)
}
