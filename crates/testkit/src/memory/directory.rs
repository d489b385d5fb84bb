//! The directory port: lists and sets as people look at them.

use super::catalogue::Catalogue;
use super::core::Core;
use super::page::ListOrder::{NewestFirst, OldestFirst};
use super::page::{among, cut, fits};
use super::ports::MemoryStore;
use super::table::Eye;
use almoner_domain::account::Account;
use almoner_domain::agent::{Agent, Session};
use almoner_domain::allocation::Allocation;
use almoner_domain::audit::AuditEntry;
use almoner_domain::customer::{Customer, User};
use almoner_domain::decision::{Decision, Verdict};
use almoner_domain::fault::Fault;
use almoner_domain::feature::Feature;
use almoner_domain::grant::Grant;
use almoner_domain::guard::{Guard, GuardRules, Guarded};
use almoner_domain::id::{
    AccountId, AgentId, AllocationId, CustomerId, DecisionId, FeatureId, GrantId, Id, PlanId, PlanVersionId, SessionId,
    SubscriptionId, UserId,
};
use almoner_domain::page::{Page, Stretch};
use almoner_domain::plan::{Plan, PlanVersion};
use almoner_domain::ports::{AllocationFilter, AuditFilter, DecisionFilter, Directory, SessionDecisionFilter};
use almoner_domain::subscription::Subscription;
use almoner_domain::tenant::Realm;
use async_trait::async_trait;

impl Core {
    /// What a realm's catalogue has of one kind.
    pub(super) fn kept<'c, T: 'c>(
        &'c self,
        realm: Realm,
        kind: impl Fn(&'c Catalogue) -> &'c Vec<T>,
    ) -> impl Iterator<Item = &'c T> {
        self.rows.catalogues_seen(self.eye(realm)).flat_map(kind)
    }

    /// Allocations that fulfil a filter.
    pub(super) fn allocations_where(&self, eye: Eye, filter: &AllocationFilter) -> impl Iterator<Item = &Allocation> {
        self.rows.allocations.seen(eye).filter(|allocation| {
            fits(filter.customer, Some(allocation.principals.customer))
                && fits(filter.user, allocation.principals.user)
                && fits(filter.agent, Some(allocation.agent))
                && fits(filter.session, allocation.principals.session)
                && fits(filter.parent, allocation.parent)
                && fits(filter.state, Some(allocation.state))
        })
    }

    /// Decisions that fulfil a filter.
    pub(super) fn decisions_where(&self, eye: Eye, filter: &DecisionFilter) -> impl Iterator<Item = &Decision> {
        self.decisions(eye).filter(|decision| {
            let whom = decision.on_behalf_of;
            fits(filter.customer, whom.map(|whom| whom.customer))
                && fits(filter.user, whom.and_then(|whom| whom.user))
                && fits(filter.agent, whom.and_then(|whom| whom.agent))
                && fits(filter.session, whom.and_then(|whom| whom.session))
                && fits(filter.allocation, decision.allocation)
                && fits(filter.allowed, Some(decision.verdict == Verdict::Allow))
                && filter.since.is_none_or(|since| decision.at >= since)
                && filter.until.is_none_or(|until| decision.at < until)
        })
    }

    fn decisions(&self, eye: Eye) -> impl Iterator<Item = &Decision> {
        self.rows.decisions.seen(eye).map(|kept| &kept.decision)
    }

    fn audit_where(&self, eye: Eye, filter: &AuditFilter) -> impl Iterator<Item = &AuditEntry> {
        self.rows.audit.seen(eye).filter(|entry| {
            fits(filter.customer, entry.customer)
                && fits(filter.user, entry.author.user)
                && fits(filter.key, entry.author.key)
                && fits(filter.subject.as_ref(), Some(&entry.subject))
        })
    }
}

#[async_trait]
impl Directory for MemoryStore {
    async fn features(&self, realm: Realm, page: Page) -> Result<Stretch<Feature>, Fault> {
        let (core, _) = self.here("features")?;
        Ok(cut(core.kept(realm, |c| &c.features), |feature| feature.id, OldestFirst, page))
    }

    async fn plans(&self, realm: Realm, page: Page) -> Result<Stretch<Plan>, Fault> {
        let (core, _) = self.here("plans")?;
        Ok(cut(core.kept(realm, |c| &c.plans), |plan| plan.id, OldestFirst, page))
    }

    async fn customers(&self, realm: Realm, page: Page) -> Result<Stretch<Customer>, Fault> {
        let (core, _) = self.here("customers")?;
        Ok(cut(core.kept(realm, |c| &c.customers), |customer| customer.id, OldestFirst, page))
    }

    async fn agents(&self, realm: Realm, page: Page) -> Result<Stretch<Agent>, Fault> {
        let (core, _) = self.here("agents")?;
        Ok(cut(core.kept(realm, |c| &c.agents), |agent| agent.id, OldestFirst, page))
    }

    async fn allocations(
        &self,
        realm: Realm,
        filter: AllocationFilter,
        page: Page,
    ) -> Result<Stretch<Allocation>, Fault> {
        let (core, _) = self.here("allocations")?;
        Ok(cut(core.allocations_where(core.eye(realm), &filter), |allocation| allocation.id, NewestFirst, page))
    }

    async fn audit(&self, realm: Realm, filter: AuditFilter, page: Page) -> Result<Stretch<AuditEntry>, Fault> {
        let (core, _) = self.here("audit")?;
        Ok(cut(core.audit_where(core.eye(realm), &filter), |entry| entry.id, NewestFirst, page))
    }

    async fn decisions(&self, realm: Realm, filter: DecisionFilter, page: Page) -> Result<Stretch<Decision>, Fault> {
        let (core, _) = self.here("decisions")?;
        Ok(cut(core.decisions_where(core.eye(realm), &filter), |decision| decision.id, NewestFirst, page))
    }

    async fn session_decisions(
        &self,
        realm: Realm,
        filter: SessionDecisionFilter,
        after: Option<DecisionId>,
        limit: u64,
    ) -> Result<Vec<Decision>, Fault> {
        let (core, _) = self.here("session_decisions")?;
        let eye = core.eye(realm);
        let (since, until) = (DecisionId::least_at(filter.since), DecisionId::least_at(filter.until));
        let is_of = |decision: &&Decision| {
            let session = |id| core.rows.sessions.find(eye, id);
            let named = decision.on_behalf_of.and_then(|whom| Some((whom, whom.agent?, session(whom.session?)?)));
            named.is_some_and(|(whom, agent, session)| {
                session.name.kind == filter.kind
                    && filter.agents.as_ref().is_none_or(|agents| agents.contains(&agent))
                    && fits(filter.customer, Some(whom.customer))
            })
        };
        // They are kept in the order of their ids.
        let within = |decision: &&Decision| (since..until).contains(&decision.id) && Some(decision.id) > after;
        let found = core.decisions(eye).filter(within).filter(is_of);
        Ok(found.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect())
    }

    async fn decision_ids(&self, realm: Realm, from: DecisionId, limit: u64) -> Result<Vec<DecisionId>, Fault> {
        let (core, _) = self.here("decision_ids")?;
        // They are kept in the order of their ids.
        let ids = core.decisions(core.eye(realm)).map(|decision| decision.id).filter(|id| *id >= from);
        Ok(ids.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
    }

    async fn features_among(&self, realm: Realm, ids: Vec<FeatureId>) -> Result<Vec<Feature>, Fault> {
        let (core, _) = self.here("features_among")?;
        Ok(among(core.kept(realm, |c| &c.features), |feature| feature.id, &ids))
    }

    async fn plans_among(&self, realm: Realm, ids: Vec<PlanId>) -> Result<Vec<Plan>, Fault> {
        let (core, _) = self.here("plans_among")?;
        Ok(among(core.kept(realm, |c| &c.plans), |plan| plan.id, &ids))
    }

    async fn plan_versions_among(&self, realm: Realm, ids: Vec<PlanVersionId>) -> Result<Vec<PlanVersion>, Fault> {
        let (core, _) = self.here("plan_versions_among")?;
        Ok(among(core.kept(realm, |c| &c.versions), |version| version.id, &ids))
    }

    async fn customers_among(&self, realm: Realm, ids: Vec<CustomerId>) -> Result<Vec<Customer>, Fault> {
        let (core, _) = self.here("customers_among")?;
        Ok(among(core.kept(realm, |c| &c.customers), |customer| customer.id, &ids))
    }

    async fn users_among(&self, realm: Realm, ids: Vec<UserId>) -> Result<Vec<User>, Fault> {
        let (core, _) = self.here("users_among")?;
        Ok(among(core.kept(realm, |c| &c.users), |user| user.id, &ids))
    }

    async fn agents_among(&self, realm: Realm, ids: Vec<AgentId>) -> Result<Vec<Agent>, Fault> {
        let (core, _) = self.here("agents_among")?;
        Ok(among(core.kept(realm, |c| &c.agents), |agent| agent.id, &ids))
    }

    async fn sessions_among(&self, realm: Realm, ids: Vec<SessionId>) -> Result<Vec<Session>, Fault> {
        let (core, _) = self.here("sessions_among")?;
        Ok(among(core.rows.sessions.seen(core.eye(realm)), |session| session.id, &ids))
    }

    async fn allocations_among(&self, realm: Realm, ids: Vec<AllocationId>) -> Result<Vec<Allocation>, Fault> {
        let (core, _) = self.here("allocations_among")?;
        Ok(among(core.rows.allocations.seen(core.eye(realm)), |allocation| allocation.id, &ids))
    }

    async fn decisions_among(&self, realm: Realm, ids: Vec<DecisionId>) -> Result<Vec<Decision>, Fault> {
        let (core, _) = self.here("decisions_among")?;
        Ok(among(core.decisions(core.eye(realm)), |decision| decision.id, &ids))
    }

    async fn grants_among(&self, realm: Realm, ids: Vec<GrantId>) -> Result<Vec<Grant>, Fault> {
        let (core, _) = self.here("grants_among")?;
        Ok(among(core.rows.grants.seen(core.eye(realm)), |grant| grant.id, &ids))
    }

    async fn subscriptions_among(&self, realm: Realm, ids: Vec<SubscriptionId>) -> Result<Vec<Subscription>, Fault> {
        let (core, _) = self.here("subscriptions_among")?;
        Ok(among(core.kept(realm, |c| &c.subscriptions), |subscription| subscription.id, &ids))
    }

    async fn guards_among(&self, realm: Realm, of: Vec<Guarded>) -> Result<Vec<Guard>, Fault> {
        let (core, _) = self.here("guards_among")?;
        Ok(core.rows.guards.seen(core.eye(realm)).filter(|guard| of.contains(&guard.guarded)).cloned().collect())
    }

    async fn guard_rules_among(&self, realm: Realm, agents: Vec<AgentId>) -> Result<Vec<(AgentId, GuardRules)>, Fault> {
        let (core, _) = self.here("guard_rules_among")?;
        Ok(core.guard_rules(realm, &agents))
    }

    async fn grants_into(&self, realm: Realm, accounts: Vec<AccountId>) -> Result<Vec<Grant>, Fault> {
        let (core, _) = self.here("grants_into")?;
        // They are kept in the order of their ids, oldest first.
        Ok(among(core.rows.grants.seen(core.eye(realm)), |grant| grant.account, &accounts))
    }

    async fn accounts_among(&self, realm: Realm, ids: Vec<AccountId>) -> Result<Vec<Account>, Fault> {
        let (core, _) = self.here("accounts_among")?;
        Ok(among(core.rows.accounts.seen(core.eye(realm)), |account| account.id, &ids))
    }
}
