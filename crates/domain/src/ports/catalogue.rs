//! The catalogue as the control plane uses it: a unit of work bound to one realm, with a repository for each noun.

use crate::agent::Agent;
use crate::audit::AuditEntry;
use crate::customer::{Customer, Role, User};
use crate::fault::Fault;
use crate::feature::Feature;
use crate::guard::GuardRules;
use crate::id::{AgentId, CustomerId, FeatureId, KeyId, PlanId, PolicyId, SubscriptionId, UserId};
use crate::key::ApiKey;
use crate::plan::{Plan, PlanVersion};
use crate::plan_change::PlanChange;
use crate::policy::Policy;
use crate::ports::Webhooks;
use crate::price::PriceList;
use crate::subscription::{Entitlement, Subscription};
use crate::tenant::{Realm, Tenant};
use crate::text::{ExternalId, FeatureKey, Label, Named};
use crate::time::Timestamp;
use async_trait::async_trait;
use std::collections::BTreeSet;

/// Where units of work begin.
#[async_trait]
pub trait Store: Send + Sync {
    /// A unit of work in one realm: it sees and writes nothing of any other.
    async fn begin(&self, realm: Realm) -> Result<Box<dyn Work>, Fault>;

    /// The installation's own register.
    async fn installation(&self) -> Result<Box<dyn Installation>, Fault>;
}

/// The register of tenants.
#[async_trait]
pub trait Installation: Send {
    /// Adds a tenant; [`crate::fault::FaultKind::Exists`] when its external id is taken.
    async fn add_tenant(&mut self, tenant: &Tenant) -> Result<(), Fault>;
    /// A tenant by the operator's name for it.
    async fn tenant(&mut self, external_id: &ExternalId) -> Result<Option<Tenant>, Fault>;
    /// All tenants, by external id.
    async fn tenants(&mut self) -> Result<Vec<Tenant>, Fault>;
    /// Makes it so.
    async fn commit(self: Box<Self>) -> Result<(), Fault>;
}

/// A unit of work in one realm. Dropped without [`Work::commit`], nothing of it happens.
#[async_trait]
pub trait Work: Send {
    /// Features.
    fn features(&mut self) -> &mut dyn Features;
    /// Plans and their versions.
    fn plans(&mut self) -> &mut dyn Plans;
    /// Policies.
    fn policies(&mut self) -> &mut dyn Policies;
    /// What features cost.
    fn prices(&mut self) -> &mut dyn Prices;
    /// Customers and users.
    fn customers(&mut self) -> &mut dyn Customers;
    /// Agents.
    fn agents(&mut self) -> &mut dyn Agents;
    /// Subscriptions and entitlements.
    fn subscriptions(&mut self) -> &mut dyn Subscriptions;
    /// API keys.
    fn keys(&mut self) -> &mut dyn Keys;
    /// The webhook endpoint.
    fn webhooks(&mut self) -> &mut dyn Webhooks;
    /// The audit trail.
    fn audit(&mut self) -> &mut dyn AuditTrail;
    /// Makes it so.
    async fn commit(self: Box<Self>) -> Result<(), Fault>;
}

/// Features of the realm.
#[async_trait]
pub trait Features: Send {
    /// Adds one; `Exists` when its key is taken.
    async fn add(&mut self, feature: &Feature) -> Result<(), Fault>;
    /// By key.
    async fn by_key(&mut self, key: &FeatureKey) -> Result<Option<Feature>, Fault>;
    /// By id.
    async fn by_id(&mut self, id: FeatureId) -> Result<Option<Feature>, Fault>;
    /// All, by key.
    async fn all(&mut self) -> Result<Vec<Feature>, Fault>;
    /// Removes one that nothing points to; false where there is none, [`crate::fault::FaultKind::InUse`] where something does.
    async fn remove(&mut self, id: FeatureId) -> Result<bool, Fault>;
}

/// Plans of the realm.
#[async_trait]
pub trait Plans: Send {
    /// Adds one; `Exists` when its external id is taken.
    async fn add(&mut self, plan: &Plan) -> Result<(), Fault>;
    /// By the provider's id.
    async fn by_external_id(&mut self, id: &ExternalId) -> Result<Option<Plan>, Fault>;
    /// Publishes a version; `Exists` when its number is taken.
    async fn publish(&mut self, version: &PlanVersion) -> Result<(), Fault>;
    /// The newest version of a plan, whether or not its time has come.
    async fn latest(&mut self, plan: PlanId) -> Result<Option<PlanVersion>, Fault>;
    /// The newest version of a plan whose time has come.
    async fn effective(&mut self, plan: PlanId, at: Timestamp) -> Result<Option<PlanVersion>, Fault>;
    /// Removes a plan with its versions; false where there is none, `InUse` where somebody is or was subscribed to it.
    async fn remove(&mut self, id: PlanId) -> Result<bool, Fault>;
}

/// What features of the realm cost in which currency.
#[async_trait]
pub trait Prices: Send {
    /// Publishes a list; `Exists` when its number is taken.
    async fn publish(&mut self, list: &PriceList) -> Result<(), Fault>;
    /// The newest list of a currency, whether or not its time has come.
    async fn latest(&mut self, currency: FeatureId) -> Result<Option<PriceList>, Fault>;
}

/// Policies of the realm.
#[async_trait]
pub trait Policies: Send {
    /// Adds one; `Exists` when its external id is taken.
    async fn add(&mut self, policy: &Policy) -> Result<(), Fault>;
    /// One by our id or the provider's.
    async fn named(&mut self, name: &Named<PolicyId>) -> Result<Option<Policy>, Fault>;
    /// All, retired ones too, by external id.
    async fn all(&mut self) -> Result<Vec<Policy>, Fault>;
    /// Retires one; false where none by that id is in force.
    async fn retire(&mut self, id: PolicyId, at: Timestamp) -> Result<bool, Fault>;
}

/// Customers and users of the realm.
#[async_trait]
pub trait Customers: Send {
    /// Adds a customer; `Exists` when its external id is taken.
    async fn add(&mut self, customer: &Customer) -> Result<(), Fault>;
    /// By the provider's id.
    async fn by_external_id(&mut self, id: &ExternalId) -> Result<Option<Customer>, Fault>;
    /// By id.
    async fn by_id(&mut self, id: CustomerId) -> Result<Option<Customer>, Fault>;
    /// Adds a user; `Exists` when its external id is taken at the customer.
    async fn add_user(&mut self, user: &User) -> Result<(), Fault>;
    /// A user by the provider's id.
    async fn user(&mut self, customer: CustomerId, id: &ExternalId) -> Result<Option<User>, Fault>;
    /// A user by id.
    async fn user_by_id(&mut self, id: UserId) -> Result<Option<User>, Fault>;
    /// Users of a customer, by external id.
    async fn users(&mut self, customer: CustomerId) -> Result<Vec<User>, Fault>;
    /// Gives a user another role; false where there is none.
    async fn set_role(&mut self, id: UserId, role: Role) -> Result<bool, Fault>;
    /// Removes a customer without a history; false where there is none, `InUse` where something points to it.
    async fn remove(&mut self, id: CustomerId) -> Result<bool, Fault>;
    /// Removes a user without a history; as [`Customers::remove`].
    async fn remove_user(&mut self, id: UserId) -> Result<bool, Fault>;
}

/// Agents of the realm.
#[async_trait]
pub trait Agents: Send {
    /// Adds one; `Exists` when its external id is taken.
    async fn add(&mut self, agent: &Agent) -> Result<(), Fault>;
    /// By the provider's id.
    async fn by_external_id(&mut self, id: &ExternalId) -> Result<Option<Agent>, Fault>;
    /// By id.
    async fn by_id(&mut self, id: AgentId) -> Result<Option<Agent>, Fault>;
    /// Gives one these labels and no others; false where there is none.
    async fn label(&mut self, id: AgentId, labels: &BTreeSet<Label>) -> Result<bool, Fault>;
    /// Guards one by these rules, or by none; the realm must have it.
    async fn set_guard(&mut self, id: AgentId, rules: Option<&GuardRules>) -> Result<(), Fault>;
    /// Removes an agent without a history; false where there is none, `InUse` where something points to it.
    async fn remove(&mut self, id: AgentId) -> Result<bool, Fault>;
}

/// Subscriptions and the entitlements they give.
#[async_trait]
pub trait Subscriptions: Send {
    /// Adds one with its entitlements.
    async fn add(&mut self, subscription: &Subscription, entitlements: &[Entitlement]) -> Result<(), Fault>;
    /// Ends one that runs; false where none by that id does.
    async fn end(&mut self, id: SubscriptionId, at: Timestamp) -> Result<bool, Fault>;
    /// Schedules a change of one that runs; `Exists` when it has one.
    async fn schedule(&mut self, change: &PlanChange) -> Result<(), Fault>;
    /// The running subscription of a customer.
    async fn running(&mut self, customer: CustomerId) -> Result<Option<Subscription>, Fault>;
    /// All entitlements of a customer, its users' shares included.
    async fn entitlements(&mut self, customer: CustomerId) -> Result<Vec<Entitlement>, Fault>;
    /// Adds a user's share of a customer's quota; `Exists` when there is one. It is carved when the next window opens, or
    /// now from what is free in the current one.
    async fn add_share(&mut self, share: &Entitlement) -> Result<(), Fault>;
}

/// The audit trail of the realm, append-only.
#[async_trait]
pub trait AuditTrail: Send {
    /// Writes an entry, in the transaction of what it tells of.
    async fn record(&mut self, entry: &AuditEntry) -> Result<(), Fault>;
}

/// API keys of the realm.
#[async_trait]
pub trait Keys: Send {
    /// Adds one.
    async fn add(&mut self, key: &ApiKey) -> Result<(), Fault>;
    /// All, newest first.
    async fn all(&mut self) -> Result<Vec<ApiKey>, Fault>;
    /// Revokes one; false where the realm has none by that id that is not revoked.
    async fn revoke(&mut self, id: KeyId, at: Timestamp) -> Result<bool, Fault>;
}
