//! The directory: lists of all that a tenant's staff may see, page by page, and sets of it by id.
//!
//! One module for all nouns, because what there is to decide is the same for each: the caller's realm, and nothing else.

use crate::authority::{self, FindError};
use crate::desk::Desk;
use almoner_domain::account::Account;
use almoner_domain::agent::{Agent, Session};
use almoner_domain::allocation::Allocation;
use almoner_domain::caller::Caller;
use almoner_domain::customer::{Customer, User};
use almoner_domain::decision::Decision;
use almoner_domain::feature::Feature;
use almoner_domain::id::{
    AccountId, AgentId, AllocationId, CustomerId, FeatureId, PlanId, PlanVersionId, SessionId, UserId,
};
use almoner_domain::page::{Page, Stretch};
use almoner_domain::plan::{Plan, PlanVersion};
use almoner_domain::ports::{AllocationFilter, DecisionFilter};
use almoner_domain::subscription::Subscription;

/// One use case a line: its name, what else it takes, and what it answers.
macro_rules! reads {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {$(
        $(#[$doc])*
        pub async fn $name(caller: &Caller, desk: &Desk, $($argument: $type),*) -> Result<$answer, FindError> {
            let realm = authority::operator(caller)?;
            Ok(desk.directory.$name(realm, $($argument),*).await?)
        }
    )*};
}

reads! {
    /// Features, oldest first.
    features(page: Page) -> Stretch<Feature>;
    /// Plans, oldest first.
    plans(page: Page) -> Stretch<Plan>;
    /// Versions of a plan, newest first.
    plan_versions(plan: PlanId, page: Page) -> Stretch<PlanVersion>;
    /// Customers, oldest first.
    customers(page: Page) -> Stretch<Customer>;
    /// Users of a customer, oldest first.
    users(customer: CustomerId, page: Page) -> Stretch<User>;
    /// Subscriptions of a customer, newest first.
    subscriptions(customer: CustomerId, page: Page) -> Stretch<Subscription>;
    /// Agents, oldest first.
    agents(page: Page) -> Stretch<Agent>;
    /// Sessions of an agent, newest first.
    sessions(agent: AgentId, page: Page) -> Stretch<Session>;
    /// Allocations, newest first.
    allocations(filter: AllocationFilter, page: Page) -> Stretch<Allocation>;
    /// Decisions, newest first. What gates have not told the ledger yet follows within seconds.
    decisions(filter: DecisionFilter, page: Page) -> Stretch<Decision>;

    /// Features by id, in any order; those that the realm does not have are left out.
    features_among(ids: Vec<FeatureId>) -> Vec<Feature>;
    /// Plans by id.
    plans_among(ids: Vec<PlanId>) -> Vec<Plan>;
    /// Versions of plans by id.
    plan_versions_among(ids: Vec<PlanVersionId>) -> Vec<PlanVersion>;
    /// Customers by id.
    customers_among(ids: Vec<CustomerId>) -> Vec<Customer>;
    /// Users by id.
    users_among(ids: Vec<UserId>) -> Vec<User>;
    /// Agents by id.
    agents_among(ids: Vec<AgentId>) -> Vec<Agent>;
    /// Sessions by id.
    sessions_among(ids: Vec<SessionId>) -> Vec<Session>;
    /// Allocations by id.
    allocations_among(ids: Vec<AllocationId>) -> Vec<Allocation>;
    /// Accounts by id: where units stand by the ledger.
    accounts_among(ids: Vec<AccountId>) -> Vec<Account>;
}
