//! Units of work: a copy of the catalogue to write into, put in its place when the work is committed.

use super::catalogue::Catalogue;
use super::core::Core;
use super::deliveries::{Deed, Parcel};
use super::ports::MemoryStore;
use almoner_domain::agent::Agent;
use almoner_domain::audit::AuditEntry;
use almoner_domain::customer::{Customer, Role, User};
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::feature::Feature;
use almoner_domain::guard::GuardRules;
use almoner_domain::id::{AgentId, CustomerId, FeatureId, KeyId, PlanId, PolicyId, SubscriptionId, UserId};
use almoner_domain::key::ApiKey;
use almoner_domain::notice::{Change, Notice};
use almoner_domain::plan::{Plan, PlanVersion};
use almoner_domain::plan_change::{PlanChange, PlanChangeState};
use almoner_domain::policy::Policy;
use almoner_domain::ports::{
    Agents, AuditTrail, Customers, Features, Installation, Keys, Plans, Policies, Prices, Subscriptions, Webhooks, Work,
};
use almoner_domain::price::PriceList;
use almoner_domain::subscription::{Entitlement, Subscription};
use almoner_domain::tenant::{Realm, Tenant};
use almoner_domain::text::{ExternalId, FeatureKey, Label, Named};
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use std::collections::BTreeSet;

/// The register of tenants, to be written.
pub(super) struct MemoryInstallation {
    store: MemoryStore,
    tenants: Vec<Tenant>,
}

impl MemoryInstallation {
    pub(super) fn begin(store: MemoryStore, core: &Core) -> Self {
        Self { store, tenants: core.rows.tenants.clone() }
    }
}

#[async_trait]
impl Installation for MemoryInstallation {
    async fn add_tenant(&mut self, tenant: &Tenant) -> Result<(), Fault> {
        let taken = self.tenants.iter().any(|t| t.id == tenant.id || t.external_id == tenant.external_id);
        free("add_tenant", taken)?;
        self.tenants.push(tenant.clone());
        Ok(())
    }

    async fn tenant(&mut self, external_id: &ExternalId) -> Result<Option<Tenant>, Fault> {
        Ok(self.tenants.iter().find(|tenant| tenant.external_id == *external_id).cloned())
    }

    async fn tenants(&mut self) -> Result<Vec<Tenant>, Fault> {
        let mut all = self.tenants.clone();
        all.sort_by(|a, b| a.external_id.cmp(&b.external_id));
        Ok(all)
    }

    async fn commit(self: Box<Self>) -> Result<(), Fault> {
        self.store.core().rows.tenants = self.tenants;
        Ok(())
    }
}

/// Work in one realm's catalogue.
pub(super) struct MemoryWork {
    store: MemoryStore,
    realm: Realm,
    now: Timestamp,
    catalogue: Catalogue,
    changed: bool,
    keys_changed: bool,
    /// Agents whose rules were set.
    guarded: Vec<AgentId>,
    /// Entries of the audit trail.
    audit: Vec<AuditEntry>,
    /// Entries for the outbox.
    notices: Vec<Notice>,
    /// What is done to deliveries.
    deeds: Vec<Deed>,
    /// Customers of whom a share was added: it is carved now where the current window is open.
    shared: Vec<CustomerId>,
}

impl MemoryWork {
    pub(super) fn begin(store: MemoryStore, core: &Core, realm: Realm, now: Timestamp) -> Self {
        let catalogue = core.rows.catalogue(realm).cloned().unwrap_or_default();
        Self {
            store,
            realm,
            now,
            catalogue,
            changed: false,
            keys_changed: false,
            guarded: Vec::new(),
            audit: Vec::new(),
            notices: Vec::new(),
            deeds: Vec::new(),
            shared: Vec::new(),
        }
    }

    /// The copy that is written into.
    pub(super) fn catalogue(&mut self) -> &mut Catalogue {
        &mut self.catalogue
    }

    /// What is written to the outbox with it.
    pub(super) fn notices(&mut self) -> &mut Vec<Notice> {
        &mut self.notices
    }

    /// What is done to deliveries with it, in this order.
    pub(super) fn deeds(&mut self) -> &mut Vec<Deed> {
        &mut self.deeds
    }

    /// Deliveries with what was done to them.
    pub(super) fn parcels(&self) -> Vec<Parcel> {
        let core = self.store.core();
        let mut parcels: Vec<Parcel> = core.rows.parcels.seen(core.eye(self.realm)).cloned().collect();
        for deed in &self.deeds {
            parcels.iter_mut().for_each(|parcel| parcel.suffer(*deed, self.now));
        }
        parcels
    }
}

fn free(operation: &'static str, taken: bool) -> Result<(), Fault> {
    if taken { Err(Fault { operation, kind: FaultKind::Exists, source: None }) } else { Ok(()) }
}

fn unused(operation: &'static str, in_use: bool) -> Result<(), Fault> {
    if in_use { Err(Fault { operation, kind: FaultKind::InUse, source: None }) } else { Ok(()) }
}

fn removed<T>(rows: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> bool {
    let before = rows.len();
    rows.retain(|row| !is_it(row));
    rows.len() < before
}

#[async_trait]
impl Work for MemoryWork {
    fn features(&mut self) -> &mut dyn Features {
        self
    }
    fn plans(&mut self) -> &mut dyn Plans {
        self
    }
    fn policies(&mut self) -> &mut dyn Policies {
        self
    }
    fn prices(&mut self) -> &mut dyn Prices {
        self
    }
    fn customers(&mut self) -> &mut dyn Customers {
        self
    }
    fn agents(&mut self) -> &mut dyn Agents {
        self
    }
    fn subscriptions(&mut self) -> &mut dyn Subscriptions {
        self
    }
    fn keys(&mut self) -> &mut dyn Keys {
        self
    }
    fn webhooks(&mut self) -> &mut dyn Webhooks {
        self
    }
    fn audit(&mut self) -> &mut dyn AuditTrail {
        self
    }

    async fn commit(mut self: Box<Self>) -> Result<(), Fault> {
        let mut core = self.store.core();
        let here = core.rows.catalogues.entry(self.realm).or_default();
        if here.version != self.catalogue.version {
            return Err(Fault { operation: "commit", kind: FaultKind::Conflict, source: None });
        }
        self.catalogue.version += 1;
        *here = self.catalogue;
        if self.changed {
            core.rows.changes.push((self.realm, Change::Catalogue));
        }
        if self.keys_changed {
            core.rows.changes.push((self.realm, Change::Keys));
        }
        core.rows.changes.extend(self.guarded.into_iter().map(|agent| (self.realm, Change::Agent(agent))));
        let eye = core.eye(self.realm);
        self.audit.into_iter().for_each(|entry| core.rows.audit.put(eye, entry.id, entry));
        core.rows.announce(eye, self.notices);
        for deed in self.deeds {
            core.do_to_all(self.now, self.realm, deed);
        }
        for customer in self.shared {
            core.open_windows(self.now, self.realm, customer)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Features for MemoryWork {
    async fn add(&mut self, feature: &Feature) -> Result<(), Fault> {
        free("add_feature", self.catalogue.features.iter().any(|f| f.key == feature.key))?;
        self.catalogue.features.push(feature.clone());
        self.changed = true;
        Ok(())
    }
    async fn by_key(&mut self, key: &FeatureKey) -> Result<Option<Feature>, Fault> {
        Ok(self.catalogue.features.iter().find(|feature| feature.key == *key).cloned())
    }
    async fn by_id(&mut self, id: FeatureId) -> Result<Option<Feature>, Fault> {
        Ok(self.catalogue.features.iter().find(|feature| feature.id == id).cloned())
    }
    async fn all(&mut self) -> Result<Vec<Feature>, Fault> {
        let mut all = self.catalogue.features.clone();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(all)
    }
    async fn remove(&mut self, id: FeatureId) -> Result<bool, Fault> {
        let sold = self.catalogue.versions.iter().any(|v| v.lines.iter().any(|line| line.feature == id));
        let priced = |list: &PriceList| list.currency == id || list.lines.iter().any(|line| line.feature == id);
        let handed = |policy: &Policy| policy.lines.iter().any(|line| line.feature == id);
        let is_used = self.catalogue.prices.iter().any(priced) || self.catalogue.policies.iter().any(handed);
        unused("remove_feature", sold || is_used)?;
        self.changed = true;
        Ok(removed(&mut self.catalogue.features, |feature| feature.id == id))
    }
}

#[async_trait]
impl Policies for MemoryWork {
    async fn add(&mut self, policy: &Policy) -> Result<(), Fault> {
        free("add_policy", self.catalogue.policies.iter().any(|p| p.external_id == policy.external_id))?;
        self.catalogue.policies.push(policy.clone());
        Ok(())
    }
    async fn named(&mut self, name: &Named<PolicyId>) -> Result<Option<Policy>, Fault> {
        let is_it = |policy: &&Policy| match name {
            Named::Id(id) => policy.id == *id,
            Named::External(id) => policy.external_id == *id,
        };
        Ok(self.catalogue.policies.iter().find(is_it).cloned())
    }
    async fn all(&mut self) -> Result<Vec<Policy>, Fault> {
        let mut all = self.catalogue.policies.clone();
        all.sort_by(|a, b| a.external_id.cmp(&b.external_id));
        Ok(all)
    }
    async fn retire(&mut self, id: PolicyId, at: Timestamp) -> Result<bool, Fault> {
        let mut in_force = self.catalogue.policies.iter_mut().filter(|policy| policy.retired_at.is_none());
        let Some(policy) = in_force.find(|policy| policy.id == id) else { return Ok(false) };
        policy.retired_at = Some(at);
        Ok(true)
    }
}

#[async_trait]
impl Prices for MemoryWork {
    async fn publish(&mut self, list: &PriceList) -> Result<(), Fault> {
        let same = |other: &PriceList| other.currency == list.currency && other.number == list.number;
        free("publish_prices", self.catalogue.prices.iter().any(same))?;
        self.catalogue.prices.push(list.clone());
        self.changed = true;
        Ok(())
    }
    async fn latest(&mut self, currency: FeatureId) -> Result<Option<PriceList>, Fault> {
        let of = self.catalogue.prices.iter().filter(|list| list.currency == currency);
        Ok(of.max_by_key(|list| list.number).cloned())
    }
}

#[async_trait]
impl Plans for MemoryWork {
    async fn add(&mut self, plan: &Plan) -> Result<(), Fault> {
        free("add_plan", self.catalogue.plans.iter().any(|p| p.external_id == plan.external_id))?;
        self.catalogue.plans.push(plan.clone());
        self.changed = true;
        Ok(())
    }
    async fn by_external_id(&mut self, id: &ExternalId) -> Result<Option<Plan>, Fault> {
        Ok(self.catalogue.plans.iter().find(|plan| plan.external_id == *id).cloned())
    }
    async fn publish(&mut self, version: &PlanVersion) -> Result<(), Fault> {
        let same = |v: &PlanVersion| v.plan == version.plan && v.number == version.number;
        free("publish", self.catalogue.versions.iter().any(same))?;
        self.catalogue.versions.push(version.clone());
        self.changed = true;
        Ok(())
    }
    async fn latest(&mut self, plan: PlanId) -> Result<Option<PlanVersion>, Fault> {
        let versions = self.catalogue.versions.iter().filter(|version| version.plan == plan);
        Ok(versions.max_by_key(|version| version.number).cloned())
    }
    async fn effective(&mut self, plan: PlanId, at: Timestamp) -> Result<Option<PlanVersion>, Fault> {
        let versions = self.catalogue.versions.iter().filter(|v| v.plan == plan && v.effective_from <= at);
        Ok(versions.max_by_key(|version| version.number).cloned())
    }
    async fn remove(&mut self, id: PlanId) -> Result<bool, Fault> {
        let versions: Vec<_> = self.catalogue.versions.iter().filter(|v| v.plan == id).map(|v| v.id).collect();
        let changed_to = self.catalogue.changes.iter().any(|change| change.to == Some(id));
        let subscribed = self.catalogue.subscriptions.iter().any(|s| versions.contains(&s.plan_version));
        unused("remove_plan", subscribed || changed_to)?;
        self.catalogue.versions.retain(|version| version.plan != id);
        self.changed = true;
        Ok(removed(&mut self.catalogue.plans, |plan| plan.id == id))
    }
}

#[async_trait]
impl Customers for MemoryWork {
    async fn add(&mut self, customer: &Customer) -> Result<(), Fault> {
        free("add_customer", self.catalogue.customers.iter().any(|c| c.external_id == customer.external_id))?;
        self.catalogue.customers.push(customer.clone());
        self.changed = true;
        Ok(())
    }
    async fn by_external_id(&mut self, id: &ExternalId) -> Result<Option<Customer>, Fault> {
        Ok(self.catalogue.customers.iter().find(|customer| customer.external_id == *id).cloned())
    }
    async fn by_id(&mut self, id: CustomerId) -> Result<Option<Customer>, Fault> {
        Ok(self.catalogue.customers.iter().find(|customer| customer.id == id).cloned())
    }
    async fn add_user(&mut self, user: &User) -> Result<(), Fault> {
        let same = |u: &User| u.customer == user.customer && u.external_id == user.external_id;
        free("add_user", self.catalogue.users.iter().any(same))?;
        self.catalogue.users.push(user.clone());
        self.changed = true;
        Ok(())
    }
    async fn user(&mut self, customer: CustomerId, id: &ExternalId) -> Result<Option<User>, Fault> {
        let mut users = self.catalogue.users.iter().filter(|user| user.customer == customer);
        Ok(users.find(|user| user.external_id == *id).cloned())
    }
    async fn user_by_id(&mut self, id: UserId) -> Result<Option<User>, Fault> {
        Ok(self.catalogue.users.iter().find(|user| user.id == id).cloned())
    }
    async fn users(&mut self, customer: CustomerId) -> Result<Vec<User>, Fault> {
        let mut all: Vec<User> = self.catalogue.users.iter().filter(|u| u.customer == customer).cloned().collect();
        all.sort_by(|a, b| a.external_id.cmp(&b.external_id));
        Ok(all)
    }
    async fn set_role(&mut self, id: UserId, role: Role) -> Result<bool, Fault> {
        let Some(user) = self.catalogue.users.iter_mut().find(|user| user.id == id) else { return Ok(false) };
        user.role = role;
        self.changed = true;
        Ok(true)
    }
    async fn remove(&mut self, id: CustomerId) -> Result<bool, Fault> {
        let people = self.catalogue.users.iter().any(|user| user.customer == id);
        let subscribed = self.catalogue.subscriptions.iter().any(|subscription| subscription.customer == id);
        unused("remove_customer", people || subscribed)?;
        self.changed = true;
        Ok(removed(&mut self.catalogue.customers, |customer| customer.id == id))
    }
    async fn remove_user(&mut self, id: UserId) -> Result<bool, Fault> {
        let carved = |core: &Core| core.rows.allocations.all().any(|(_, a)| a.principals.user == Some(id));
        let shared = self.catalogue.entitlements.iter().any(|entitlement| entitlement.user == Some(id));
        unused("remove_user", shared || carved(&self.store.core()))?;
        self.changed = true;
        Ok(removed(&mut self.catalogue.users, |user| user.id == id))
    }
}

#[async_trait]
impl Agents for MemoryWork {
    async fn add(&mut self, agent: &Agent) -> Result<(), Fault> {
        free("add_agent", self.catalogue.agents.iter().any(|a| a.external_id == agent.external_id))?;
        self.catalogue.agents.push(agent.clone());
        self.changed = true;
        Ok(())
    }
    async fn by_external_id(&mut self, id: &ExternalId) -> Result<Option<Agent>, Fault> {
        Ok(self.catalogue.agents.iter().find(|agent| agent.external_id == *id).cloned())
    }
    async fn by_id(&mut self, id: AgentId) -> Result<Option<Agent>, Fault> {
        Ok(self.catalogue.agents.iter().find(|agent| agent.id == id).cloned())
    }
    async fn label(&mut self, id: AgentId, labels: &BTreeSet<Label>) -> Result<bool, Fault> {
        let Some(agent) = self.catalogue.agents.iter_mut().find(|agent| agent.id == id) else { return Ok(false) };
        agent.labels = labels.clone();
        Ok(true)
    }
    async fn set_guard(&mut self, id: AgentId, rules: Option<&GuardRules>) -> Result<(), Fault> {
        match rules {
            Some(rules) => self.catalogue.guard_rules.insert(id, *rules),
            None => self.catalogue.guard_rules.remove(&id),
        };
        self.guarded.push(id);
        Ok(())
    }
    async fn remove(&mut self, id: AgentId) -> Result<bool, Fault> {
        let runs = self.store.core().rows.sessions.all().any(|(_, session)| session.agent == id);
        unused("remove_agent", runs)?;
        self.catalogue.guard_rules.remove(&id);
        self.changed = true;
        Ok(removed(&mut self.catalogue.agents, |agent| agent.id == id))
    }
}

#[async_trait]
impl Subscriptions for MemoryWork {
    async fn add(&mut self, subscription: &Subscription, entitlements: &[Entitlement]) -> Result<(), Fault> {
        let running = |s: &Subscription| s.customer == subscription.customer && s.ended_at.is_none();
        free("add_subscription", subscription.ended_at.is_none() && self.catalogue.subscriptions.iter().any(running))?;
        self.catalogue.subscriptions.push(subscription.clone());
        self.catalogue.entitlements.extend(entitlements.iter().cloned());
        self.changed = true;
        Ok(())
    }
    async fn end(&mut self, id: SubscriptionId, at: Timestamp) -> Result<bool, Fault> {
        let running = |s: &&mut Subscription| s.id == id && s.ended_at.is_none();
        let Some(subscription) = self.catalogue.subscriptions.iter_mut().find(running) else { return Ok(false) };
        subscription.ended_at = Some(at);
        self.changed = true;
        Ok(true)
    }
    async fn schedule(&mut self, change: &PlanChange) -> Result<(), Fault> {
        let pending =
            |other: &PlanChange| other.subscription == change.subscription && other.state == PlanChangeState::Pending;
        free("schedule", self.catalogue.changes.iter().any(pending))?;
        self.catalogue.changes.push(change.clone());
        let changing = self.catalogue.subscriptions.iter_mut().filter(|one| one.id == change.subscription);
        changing.for_each(|one| one.changes_at = Some(change.at));
        self.changed = true;
        Ok(())
    }
    async fn running(&mut self, customer: CustomerId) -> Result<Option<Subscription>, Fault> {
        Ok(self.catalogue.running(customer, self.now).cloned())
    }
    async fn entitlements(&mut self, customer: CustomerId) -> Result<Vec<Entitlement>, Fault> {
        Ok(self.catalogue.entitlements.iter().filter(|e| e.customer == customer).cloned().collect())
    }
    async fn add_share(&mut self, share: &Entitlement) -> Result<(), Fault> {
        let same =
            |e: &Entitlement| (e.subscription, e.feature, e.user) == (share.subscription, share.feature, share.user);
        free("add_share", self.catalogue.entitlements.iter().any(same))?;
        self.catalogue.entitlements.push(share.clone());
        self.shared.push(share.customer);
        self.changed = true;
        Ok(())
    }
}

#[async_trait]
impl AuditTrail for MemoryWork {
    async fn record(&mut self, entry: &AuditEntry) -> Result<(), Fault> {
        self.audit.push(entry.clone());
        Ok(())
    }
}

#[async_trait]
impl Keys for MemoryWork {
    async fn add(&mut self, key: &ApiKey) -> Result<(), Fault> {
        free("add_key", self.catalogue.keys.iter().any(|k| k.id == key.id || k.hash == key.hash))?;
        self.catalogue.keys.push(key.clone());
        Ok(())
    }
    async fn all(&mut self) -> Result<Vec<ApiKey>, Fault> {
        let mut all = self.catalogue.keys.clone();
        all.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id)));
        Ok(all)
    }
    async fn revoke(&mut self, id: KeyId, at: Timestamp) -> Result<bool, Fault> {
        let live = self.catalogue.keys.iter_mut().find(|key| key.id == id && key.revoked_at.is_none());
        let Some(key) = live else { return Ok(false) };
        key.revoked_at = Some(at);
        self.keys_changed = true;
        Ok(true)
    }
}
