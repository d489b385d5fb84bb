//! Lists below many things at once: what an answer shows beside each entry of a list is read in one statement for all of them.

use crate::account::Account;
use crate::agent::Session;
use crate::allocation::Allocation;
use crate::customer::User;
use crate::decision::Decision;
use crate::fault::Fault;
use crate::id::{AccountId, AgentId, AllocationId, CustomerId, PlanId, UserId};
use crate::movement::Movement;
use crate::page::{Page, Stretch};
use crate::plan::PlanVersion;
use crate::ports::{AllocationFilter, DecisionFilter};
use crate::statement::{EntitlementStatement, QuotaStatement};
use crate::subscription::Subscription;
use crate::tenant::Realm;
use async_trait::async_trait;

/// The most allocations of one tree that are read.
pub const TREE_MAX: u16 = 100;

/// Which sessions: those of an agent, and where a customer or user is named, those that something of theirs was carved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionFilter {
    /// Of which agent.
    pub agent: AgentId,
    /// Of which customer's allocations.
    pub customer: Option<CustomerId>,
    /// Of which user's allocations.
    pub user: Option<UserId>,
}

/// Which movements: those that fulfil all that is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct MovementFilter {
    /// On behalf of which customer.
    pub customer: Option<CustomerId>,
    /// On behalf of which user.
    pub user: Option<UserId>,
    /// In which account.
    pub account: Option<AccountId>,
    /// In the accounts of which allocation.
    pub allocation: Option<AllocationId>,
    /// For a cause of this word.
    pub cause: Option<&'static str>,
}

/// Which of a quota's windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaWindow {
    /// The one that runs.
    Current,
    /// The one before it.
    Last,
}

/// Lists, each from one committed state, answered in the order of what they are asked of. Each is as `Directory` would tell it.
#[async_trait]
pub trait Lists: Send + Sync {
    /// Users of customers, oldest first.
    async fn users_of(&self, realm: Realm, of: Vec<CustomerId>, page: Page) -> Result<Vec<Stretch<User>>, Fault>;
    /// Subscriptions of customers, newest first.
    async fn subscriptions_of(
        &self,
        realm: Realm,
        of: Vec<CustomerId>,
        page: Page,
    ) -> Result<Vec<Stretch<Subscription>>, Fault>;
    /// Versions of plans, newest first.
    async fn versions_of(&self, realm: Realm, of: Vec<PlanId>, page: Page) -> Result<Vec<Stretch<PlanVersion>>, Fault>;
    /// Sessions, newest first.
    async fn sessions_of(
        &self,
        realm: Realm,
        of: Vec<SessionFilter>,
        page: Page,
    ) -> Result<Vec<Stretch<Session>>, Fault>;
    /// Allocations, newest first.
    async fn allocations_of(
        &self,
        realm: Realm,
        of: Vec<AllocationFilter>,
        page: Page,
    ) -> Result<Vec<Stretch<Allocation>>, Fault>;
    /// Decisions, newest first.
    async fn decisions_of(
        &self,
        realm: Realm,
        of: Vec<DecisionFilter>,
        page: Page,
    ) -> Result<Vec<Stretch<Decision>>, Fault>;
    /// Movements, newest first.
    async fn movements_of(
        &self,
        realm: Realm,
        of: Vec<MovementFilter>,
        page: Page,
    ) -> Result<Vec<Stretch<Movement>>, Fault>;
    /// Accounts that were carved from accounts: shares and lines of allocations, newest first.
    async fn accounts_below(
        &self,
        realm: Realm,
        of: Vec<AccountId>,
        page: Page,
    ) -> Result<Vec<Stretch<Account>>, Fault>;
    /// All that was carved from allocations, from each and from what was carved from it, parents before children; at most
    /// [`TREE_MAX`] of each.
    async fn trees(&self, realm: Realm, of: Vec<AllocationId>) -> Result<Vec<Vec<Allocation>>, Fault>;
    /// Customers' own quotas in their current or last windows, of each by feature, as far as these were opened.
    async fn quotas_of(
        &self,
        realm: Realm,
        of: Vec<(CustomerId, QuotaWindow)>,
    ) -> Result<Vec<Vec<QuotaStatement>>, Fault>;
    /// What customers, or their users, may use now; none where there is no such customer or user.
    async fn entitlements_of(
        &self,
        realm: Realm,
        of: Vec<(CustomerId, Option<UserId>)>,
    ) -> Result<Vec<Option<EntitlementStatement>>, Fault>;
}
