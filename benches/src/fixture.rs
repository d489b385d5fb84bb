//! What to measure on: one tenant with one customer, and thousands of allocations that never run out.

use almoner_app::{App, agents, customers, features, keys, plans, subscriptions, tenants};
use almoner_domain::agent::SessionName;
use almoner_domain::calendar::Calendar;
use almoner_domain::caller::{Caller, Who};
use almoner_domain::feature::{Durability, ExcessRule, Feature, FeatureKind, Meter};
use almoner_domain::id::{AgentId, AllocationId, CustomerId, Id};
use almoner_domain::key::KeyKind;
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::{LiveRule, Offer};
use almoner_domain::ports::{CarveAnswer, CarveRequest, Ledger, Source, SubjectName};
use almoner_domain::scope::Scope;
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::text::{ExternalId, FeatureKey, Name, Named, SessionKey, SessionKind};
use almoner_domain::time::Timestamp;
use almoner_domain::units::{Scale, Units};
use almoner_server::{OsEntropy, SystemClock};
use almoner_storage::{SqlStore, StoreOptions};
use anyhow::{Context, bail};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How many allocations uniform load is spread over.
pub const ALLOCATIONS: usize = 10_000;
/// The feature that is used.
pub const FEATURE: &str = "load.unit";
/// The customer's quota: more than any run uses.
const QUOTA: i64 = 1_000_000_000_000;
/// Units of each allocation of the uniform load: half of it is the most that a gate leases at once.
const EACH: i64 = 20_000_000;
/// Units of an allocation that takes all the load.
const HOT: i64 = 100_000_000_000;
/// Allocations must end; no run lasts so long.
const LIFE: Duration = Duration::from_secs(24 * 3_600);

/// Where it stands, and how its gate is called.
pub struct Fixture {
    /// The database.
    pub store: SqlStore,
    /// The tenant's realm.
    pub realm: Realm,
    /// A key for the gate, in plain.
    pub gate_key: String,
    /// The feature that is used.
    pub feature: Feature,
    customer: CustomerId,
    agent: AgentId,
}

impl Fixture {
    /// Makes tenant, feature, plan, customer, agent and key in an empty database.
    pub async fn make(database_url: &str) -> anyhow::Result<Self> {
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(OsEntropy));
        let store = SqlStore::connect(database_url, clock.clone(), entropy.clone(), StoreOptions::default()).await?;
        store.migrate().await?;
        let app = App { store: Arc::new(store.clone()), clock, entropy };
        let name = |text: &str| Name::parse(text);
        let id = |text: &str| ExternalId::parse(text);

        let tenant = tenants::NewTenant { external_id: id("load")?, name: name("Load")? };
        let tenant = tenants::create(&Caller::INSTALLATION, &app, tenant).await?;
        let realm = Realm { tenant: tenant.id, environment: Environment::Live };
        let staff = Caller::here(Who::Operator { realm, key: None });
        let feature = features::define(&staff, &app, feature()?).await?;
        let plan = plans::create(&staff, &app, plans::NewPlan { external_id: id("all")?, name: name("All")? }).await?;
        let quota = Offer::Quota { amount: Units::new(QUOTA)?, period: UsagePeriod::Never, beyond: Default::default() };
        let lines = vec![(feature.key.clone(), quota)];
        let terms = plans::NewTerms { effective_from: None, price: None, live_rule: LiveRule::Keep, lines };
        plans::publish(&staff, &app, &plan.external_id, terms).await?;
        let new = customers::NewCustomer { external_id: id("customer")?, name: name("Customer")? };
        let customer = customers::add(&staff, &app, new).await?.id;
        let subscription = subscriptions::NewSubscription {
            customer: Named::Id(customer),
            plan: plan.external_id,
            calendar: Calendar::new(Timestamp::from_micros(0), "UTC")?,
            trial: None,
        };
        subscriptions::subscribe(&staff, &app, subscription).await?;
        let new = agents::NewAgent { external_id: id("agent")?, name: name("Agent")?, labels: BTreeSet::new() };
        let agent = agents::register(&staff, &app, new).await?.id;
        let issued =
            keys::issue(&staff, &app, keys::NewKey { kind: KeyKind::Gate, holder: None, name: name("load")? }).await?;
        Ok(Self { store, realm, gate_key: issued.plain.reveal(), feature, customer, agent })
    }

    /// Carves the allocations that uniform load is spread over.
    pub async fn carve_many(&self, count: usize, durability: Durability) -> anyhow::Result<Vec<AllocationId>> {
        let mut ids = Vec::with_capacity(count);
        for number in 0..count {
            ids.push(self.carve(EACH, durability, number.to_string()).await?);
        }
        Ok(ids)
    }

    /// Carves one allocation that takes all the load.
    pub async fn carve_hot(&self, durability: Durability) -> anyhow::Result<AllocationId> {
        self.carve(HOT, durability, "hot".to_owned()).await
    }

    async fn carve(&self, units: i64, durability: Durability, session: String) -> anyhow::Result<AllocationId> {
        let now = almoner_domain::time::Clock::now(&SystemClock);
        let request = CarveRequest {
            id: AllocationId::new(now, &OsEntropy),
            source: Source::Subject(SubjectName { customer: Named::Id(self.customer), user: None }),
            agent: Named::Id(self.agent),
            session: SessionName {
                kind: SessionKind::parse("load")?,
                key: SessionKey::parse(&format!("{}-{session}", durability.as_str()))?,
            },
            lines: vec![(self.feature.id, Units::new(units)?)],
            scope: Scope::default(),
            not_before: None,
            expires_at: Some(now.saturating_add(LIFE)),
            durability: Some(durability),
            conditions: Default::default(),
            key: None,
            by: Caller::here(Who::Operator { realm: self.realm, key: None }).author(),
        };
        match self.store.carve(self.realm, &request).await.context("cannot carve an allocation")? {
            CarveAnswer::Carved(_) => Ok(request.id),
            refused => bail!("an allocation was not carved: {refused:?}"),
        }
    }
}

fn feature() -> anyhow::Result<features::NewFeature> {
    let meter = Meter {
        unit: Name::parse("units")?,
        scale: Scale::WHOLE,
        durability: Durability::Durable,
        excess: ExcessRule::DenyExcess,
    };
    Ok(features::NewFeature {
        key: FeatureKey::parse(FEATURE)?,
        name: Name::parse("Unit")?,
        kind: FeatureKind::Metered(meter),
    })
}
