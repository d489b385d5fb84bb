//! What a realm offers and to whom: the part of the store that the control plane writes.

use almoner_domain::agent::Agent;
use almoner_domain::calendar::Window;
use almoner_domain::customer::{Customer, User};
use almoner_domain::feature::Feature;
use almoner_domain::guard::GuardRules;
use almoner_domain::id::{AgentId, CustomerId, FeatureId, UserId};
use almoner_domain::key::ApiKey;
use almoner_domain::plan::{Offer, Plan, PlanVersion};
use almoner_domain::plan_change::PlanChange;
use almoner_domain::policy::Policy;
use almoner_domain::price::PriceList;
use almoner_domain::subscription::{Entitlement, Subscription};
use almoner_domain::text::Named;
use almoner_domain::time::Timestamp;
use almoner_domain::webhook::WebhookEndpoint;
use std::collections::BTreeMap;

/// One realm's catalogue.
#[derive(Debug, Clone, Default)]
pub(super) struct Catalogue {
    /// Goes up with each commit, so that two units of work that began from the same state cannot both be committed.
    pub(super) version: u64,
    pub(super) features: Vec<Feature>,
    pub(super) plans: Vec<Plan>,
    pub(super) versions: Vec<PlanVersion>,
    pub(super) prices: Vec<PriceList>,
    pub(super) policies: Vec<Policy>,
    pub(super) customers: Vec<Customer>,
    pub(super) users: Vec<User>,
    pub(super) agents: Vec<Agent>,
    /// What agents are guarded by.
    pub(super) guard_rules: BTreeMap<AgentId, GuardRules>,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) entitlements: Vec<Entitlement>,
    pub(super) changes: Vec<PlanChange>,
    pub(super) keys: Vec<ApiKey>,
    pub(super) webhooks: Vec<WebhookEndpoint>,
}

/// Who may use what at an instant, as far as the catalogue knows.
pub(super) struct Entitled {
    pub(super) subscription: Option<Subscription>,
    /// The customer's entitlements, and all its users' shares.
    pub(super) entitlements: Vec<Entitlement>,
}

impl Catalogue {
    pub(super) fn customer(&self, name: &Named<CustomerId>) -> Option<&Customer> {
        self.customers.iter().find(|customer| match name {
            Named::Id(id) => customer.id == *id,
            Named::External(id) => customer.external_id == *id,
        })
    }

    pub(super) fn user(&self, customer: CustomerId, name: &Named<UserId>) -> Option<&User> {
        let mut users = self.users.iter().filter(|user| user.customer == customer);
        users.find(|user| match name {
            Named::Id(id) => user.id == *id,
            Named::External(id) => user.external_id == *id,
        })
    }

    pub(super) fn agent(&self, name: &Named<AgentId>) -> Option<&Agent> {
        self.agents.iter().find(|agent| match name {
            Named::Id(id) => agent.id == *id,
            Named::External(id) => agent.external_id == *id,
        })
    }

    /// The subscription that has begun and not ended.
    pub(super) fn running(&self, customer: CustomerId, now: Timestamp) -> Option<&Subscription> {
        let begun =
            |s: &&Subscription| s.customer == customer && s.started_at <= now && s.ended_at.is_none_or(|end| now < end);
        self.subscriptions.iter().filter(begun).max_by_key(|s| (s.started_at, s.id))
    }

    pub(super) fn entitled(&self, customer: CustomerId, now: Timestamp) -> Entitled {
        let subscription = self.running(customer, now).cloned();
        let of = |e: &&Entitlement| subscription.as_ref().is_some_and(|s| s.id == e.subscription);
        let entitlements = self.entitlements.iter().filter(of).cloned().collect();
        Entitled { subscription, entitlements }
    }

    /// People who can raise what a customer has, those who own it first.
    pub(super) fn who_raise(&self, customer: CustomerId) -> Vec<UserId> {
        let mut people: Vec<&User> = self.users.iter().filter(|u| u.customer == customer && u.role.raises()).collect();
        people.sort_by_key(|user| (user.role, user.external_id.clone()));
        people.into_iter().map(|user| user.id).collect()
    }
}

impl Entitled {
    /// The customer's own entitlements.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Entitlement> {
        self.entitlements.iter().filter(|entitlement| entitlement.user.is_none())
    }

    /// What of a feature the subject draws on: the user's share where there is one, else the customer's.
    pub(super) fn of(&self, feature: FeatureId, user: Option<UserId>) -> Option<&Entitlement> {
        let share = self.entitlements.iter().find(|e| e.feature == feature && e.user.is_some() && e.user == user);
        share.or_else(|| self.roots().find(|root| root.feature == feature))
    }

    /// The window of a quota, which for a share is that of the quota it is of.
    pub(super) fn window(&self, entitlement: &Entitlement, now: Timestamp) -> Option<Window> {
        let root = self.roots().find(|root| root.feature == entitlement.feature)?;
        match root.offer {
            Offer::Quota { period, .. } => root.calendar.window_at(period, now).ok(),
            Offer::Included | Offer::Value(_) => None,
        }
    }
}
