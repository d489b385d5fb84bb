//! Lists and sets as people look at them, each read from one committed state.

use crate::account::Account;
use crate::agent::{Agent, Session};
use crate::allocation::{Allocation, AllocationState};
use crate::audit::AuditEntry;
use crate::customer::{Customer, User};
use crate::decision::Decision;
use crate::fault::Fault;
use crate::feature::Feature;
use crate::grant::Grant;
use crate::guard::{Guard, GuardRules, Guarded};
use crate::id::{
    AccountId, AgentId, AllocationId, CustomerId, DecisionId, FeatureId, GrantId, KeyId, PlanId, PlanVersionId,
    SessionId, SubscriptionId, UserId,
};
use crate::page::{Page, Stretch};
use crate::plan::{Plan, PlanVersion};
use crate::subscription::Subscription;
use crate::tenant::Realm;
use crate::text::SessionKind;
use crate::time::Timestamp;
use async_trait::async_trait;
use std::collections::BTreeSet;

/// Which allocations: those that fulfil all that is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AllocationFilter {
    /// Of which customer.
    pub customer: Option<CustomerId>,
    /// Of which user.
    pub user: Option<UserId>,
    /// For which agent.
    pub agent: Option<AgentId>,
    /// For which session.
    pub session: Option<SessionId>,
    /// Carved from which allocation.
    pub parent: Option<AllocationId>,
    /// In which state.
    pub state: Option<AllocationState>,
}

/// Which decisions: those that fulfil all that is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct DecisionFilter {
    /// On behalf of which customer.
    pub customer: Option<CustomerId>,
    /// On behalf of which user.
    pub user: Option<UserId>,
    /// By which agent.
    pub agent: Option<AgentId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// On which allocation.
    pub allocation: Option<AllocationId>,
    /// Only allowed ones, or only denied ones.
    pub allowed: Option<bool>,
    /// Taken at or after.
    pub since: Option<Timestamp>,
    /// Taken before.
    pub until: Option<Timestamp>,
}

/// Which decisions of sessions: those of a kind, within a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDecisionFilter {
    /// In sessions of which kind.
    pub kind: SessionKind,
    /// By which agents; none for any.
    pub agents: Option<BTreeSet<AgentId>>,
    /// On behalf of which customer; none for any.
    pub customer: Option<CustomerId>,
    /// Taken at or after, to the millisecond.
    pub since: Timestamp,
    /// Taken before.
    pub until: Timestamp,
}

/// Which entries of the audit trail: those that fulfil all that is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of whose affairs.
    pub customer: Option<CustomerId>,
    /// By which user.
    pub user: Option<UserId>,
    /// By which key.
    pub key: Option<KeyId>,
    /// About what, by our id with its prefix.
    pub subject: Option<String>,
}

/// What there is in a realm. Catalogue, customers and agents come oldest first; what happens (sessions, allocations,
/// decisions) comes newest first.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Features.
    async fn features(&self, realm: Realm, page: Page) -> Result<Stretch<Feature>, Fault>;
    /// Plans.
    async fn plans(&self, realm: Realm, page: Page) -> Result<Stretch<Plan>, Fault>;
    /// Customers.
    async fn customers(&self, realm: Realm, page: Page) -> Result<Stretch<Customer>, Fault>;
    /// Agents.
    async fn agents(&self, realm: Realm, page: Page) -> Result<Stretch<Agent>, Fault>;
    /// Allocations.
    async fn allocations(
        &self,
        realm: Realm,
        filter: AllocationFilter,
        page: Page,
    ) -> Result<Stretch<Allocation>, Fault>;
    /// The audit trail, newest first.
    async fn audit(&self, realm: Realm, filter: AuditFilter, page: Page) -> Result<Stretch<AuditEntry>, Fault>;
    /// Decisions.
    async fn decisions(&self, realm: Realm, filter: DecisionFilter, page: Page) -> Result<Stretch<Decision>, Fault>;
    /// Decisions in sessions, oldest first, after the given one; at most `limit`.
    async fn session_decisions(
        &self,
        realm: Realm,
        filter: SessionDecisionFilter,
        after: Option<DecisionId>,
        limit: u64,
    ) -> Result<Vec<Decision>, Fault>;
    /// Ids of decisions that are not below this one, oldest first, at most `limit`. Those of the last seconds may still come.
    async fn decision_ids(&self, realm: Realm, from: DecisionId, limit: u64) -> Result<Vec<DecisionId>, Fault>;

    /// Those of these features that the realm has, in any order.
    async fn features_among(&self, realm: Realm, ids: Vec<FeatureId>) -> Result<Vec<Feature>, Fault>;
    /// Those of these plans that the realm has, in any order.
    async fn plans_among(&self, realm: Realm, ids: Vec<PlanId>) -> Result<Vec<Plan>, Fault>;
    /// Those of these versions that the realm has, in any order.
    async fn plan_versions_among(&self, realm: Realm, ids: Vec<PlanVersionId>) -> Result<Vec<PlanVersion>, Fault>;
    /// Those of these customers that the realm has, in any order.
    async fn customers_among(&self, realm: Realm, ids: Vec<CustomerId>) -> Result<Vec<Customer>, Fault>;
    /// Those of these users that the realm has, in any order.
    async fn users_among(&self, realm: Realm, ids: Vec<UserId>) -> Result<Vec<User>, Fault>;
    /// Those of these agents that the realm has, in any order.
    async fn agents_among(&self, realm: Realm, ids: Vec<AgentId>) -> Result<Vec<Agent>, Fault>;
    /// Those of these sessions that the realm has, in any order.
    async fn sessions_among(&self, realm: Realm, ids: Vec<SessionId>) -> Result<Vec<Session>, Fault>;
    /// Those of these allocations that the realm has, in any order.
    async fn allocations_among(&self, realm: Realm, ids: Vec<AllocationId>) -> Result<Vec<Allocation>, Fault>;
    /// Those of these decisions that the realm has, in any order.
    async fn decisions_among(&self, realm: Realm, ids: Vec<DecisionId>) -> Result<Vec<Decision>, Fault>;
    /// Those of these grants that the realm has, in any order.
    async fn grants_among(&self, realm: Realm, ids: Vec<GrantId>) -> Result<Vec<Grant>, Fault>;
    /// Those of these subscriptions that the realm has, in any order.
    async fn subscriptions_among(&self, realm: Realm, ids: Vec<SubscriptionId>) -> Result<Vec<Subscription>, Fault>;
    /// How far the runaway guard has gone with these, in any order. Those that it never took a step with are left out.
    async fn guards_among(&self, realm: Realm, of: Vec<Guarded>) -> Result<Vec<Guard>, Fault>;
    /// What these agents are guarded by, in any order. Those without rules are left out.
    async fn guard_rules_among(&self, realm: Realm, agents: Vec<AgentId>) -> Result<Vec<(AgentId, GuardRules)>, Fault>;
    /// Grants into these accounts, each account's oldest first.
    async fn grants_into(&self, realm: Realm, accounts: Vec<AccountId>) -> Result<Vec<Grant>, Fault>;
    /// Those of these accounts that the realm has, in any order.
    async fn accounts_among(&self, realm: Realm, ids: Vec<AccountId>) -> Result<Vec<Account>, Fault>;
}
