//! A house with one tenant in it.

use almoner_app::tenants::NewTenant;
use almoner_app::{App, tenants};
use almoner_domain::caller::{Caller, Who};
use almoner_domain::id::{Id, KeyId};
use almoner_domain::tenant::{Environment, Realm, Tenant};
use almoner_domain::text::{ExternalId, FeatureKey, Name, Named};
use almoner_testkit::{MemoryStore, MockClock, SeededEntropy};
use std::sync::Arc;

/// A control plane over an empty store.
pub(crate) fn app() -> (App, MockClock) {
    let clock = MockClock::default();
    let entropy = Arc::new(SeededEntropy::default());
    let store = MemoryStore::new(Arc::new(clock.clone()), entropy.clone());
    (App { store: Arc::new(store), clock: Arc::new(clock.clone()), entropy }, clock)
}

/// A tenant, and the caller that acts for it.
pub(crate) async fn tenant(app: &App, external_id: &str) -> (Tenant, Caller) {
    let new = NewTenant { external_id: id(external_id), name: name(external_id) };
    let tenant = tenants::create(&Caller::INSTALLATION, app, new).await.expect("a tenant");
    let realm = Realm { tenant: tenant.id, environment: Environment::Live };
    (tenant, Caller::here(Who::Operator { realm, key: None }))
}

/// The gate of the same realm: it may decide, and change nothing.
pub(crate) fn gate_of(caller: &Caller, app: &App) -> Caller {
    let realm = caller.administers().expect("an operator");
    Caller::here(Who::Gate { realm, key: KeyId::new(app.clock.now(), &*app.entropy) })
}

pub(crate) fn id(text: &str) -> ExternalId {
    ExternalId::parse(text).expect("an external id")
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

pub(crate) fn key(text: &str) -> FeatureKey {
    FeatureKey::parse(text).expect("a feature key")
}

pub(crate) fn named<I>(text: &str) -> Named<I> {
    Named::External(id(text))
}
