//! The directory: lists of all that a caller may see, page by page, and sets of it by id.
//!
//! One module for all nouns, because what there is to decide is the same for each: how far the caller sees. What lies beyond is
//! not there: it is left out of lists and sets, and a list of something beyond is empty.

use crate::authority::{self, FindError, Reach};
use crate::desk::Desk;
use almoner_domain::account::Account;
use almoner_domain::agent::{Agent, Session};
use almoner_domain::allocation::Allocation;
use almoner_domain::caller::Caller;
use almoner_domain::customer::{Customer, User};
use almoner_domain::decision::Decision;
use almoner_domain::feature::Feature;
use almoner_domain::grant::Grant;
use almoner_domain::id::{
    AccountId, AgentId, AllocationId, CustomerId, DecisionId, FeatureId, GrantId, PlanId, PlanVersionId, SessionId,
    SubscriptionId, UserId,
};
use almoner_domain::page::{Page, Stretch};
use almoner_domain::plan::{Plan, PlanVersion};
use almoner_domain::ports::{AllocationFilter, DecisionFilter};
use almoner_domain::principal::Principals;
use almoner_domain::subscription::Subscription;

/// Use cases that every reach answers alike: what the tenant offers, and the agents that it knows.
macro_rules! offered {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {$(
        $(#[$doc])*
        pub async fn $name(caller: &Caller, desk: &Desk, $($argument: $type),*) -> Result<$answer, FindError> {
            let (realm, _) = authority::looks(caller)?;
            Ok(desk.directory.$name(realm, $($argument),*).await?)
        }
    )*};
}

offered! {
    /// Features, oldest first.
    features(page: Page) -> Stretch<Feature>;
    /// Plans, oldest first.
    plans(page: Page) -> Stretch<Plan>;
    /// Agents, oldest first.
    agents(page: Page) -> Stretch<Agent>;
    /// Features by id, in any order; those that the realm does not have are left out.
    features_among(ids: Vec<FeatureId>) -> Vec<Feature>;
    /// Plans by id.
    plans_among(ids: Vec<PlanId>) -> Vec<Plan>;
    /// Versions of plans by id.
    plan_versions_among(ids: Vec<PlanVersionId>) -> Vec<PlanVersion>;
    /// Agents by id.
    agents_among(ids: Vec<AgentId>) -> Vec<Agent>;
}

/// Customers, oldest first.
pub async fn customers(caller: &Caller, desk: &Desk, page: Page) -> Result<Stretch<Customer>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let Some(own) = reach.customer() else { return Ok(desk.directory.customers(realm, page).await?) };
    let entries = desk.directory.customers_among(realm, vec![own]).await?;
    Ok(Stretch::whole(entries))
}

/// Allocations, newest first.
pub async fn allocations(
    caller: &Caller,
    desk: &Desk,
    mut filter: AllocationFilter,
    page: Page,
) -> Result<Stretch<Allocation>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    if !narrow(reach, &mut filter.customer, &mut filter.user) {
        return Ok(Stretch::whole(Vec::new()));
    }
    Ok(desk.directory.allocations(realm, filter, page).await?)
}

/// Decisions, newest first. What gates have not told the ledger yet follows within seconds.
pub async fn decisions(
    caller: &Caller,
    desk: &Desk,
    mut filter: DecisionFilter,
    page: Page,
) -> Result<Stretch<Decision>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    if !narrow(reach, &mut filter.customer, &mut filter.user) {
        return Ok(Stretch::whole(Vec::new()));
    }
    Ok(desk.directory.decisions(realm, filter, page).await?)
}

/// Customers by id.
pub async fn customers_among(caller: &Caller, desk: &Desk, ids: Vec<CustomerId>) -> Result<Vec<Customer>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let mut found = desk.directory.customers_among(realm, ids).await?;
    found.retain(|customer| reach.has_customer(customer.id));
    Ok(found)
}

/// Subscriptions by id, seen by whoever sees their customers.
pub async fn subscriptions_among(
    caller: &Caller,
    desk: &Desk,
    ids: Vec<SubscriptionId>,
) -> Result<Vec<Subscription>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let mut found = desk.directory.subscriptions_among(realm, ids).await?;
    found.retain(|subscription| reach.has_customer(subscription.customer));
    Ok(found)
}

/// Users by id.
pub async fn users_among(caller: &Caller, desk: &Desk, ids: Vec<UserId>) -> Result<Vec<User>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let mut found = desk.directory.users_among(realm, ids).await?;
    found.retain(|user| reach.has_user(user.customer, user.id));
    Ok(found)
}

/// Allocations by id.
pub async fn allocations_among(
    caller: &Caller,
    desk: &Desk,
    ids: Vec<AllocationId>,
) -> Result<Vec<Allocation>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let mut found = desk.directory.allocations_among(realm, ids).await?;
    found.retain(|allocation| reach.has(&allocation.principals));
    Ok(found)
}

/// Sessions by id, to be named beside an allocation that the caller sees. Whoever asks for one by itself goes by
/// [`session`].
pub async fn sessions_among(caller: &Caller, desk: &Desk, ids: Vec<SessionId>) -> Result<Vec<Session>, FindError> {
    let (realm, _) = authority::looks(caller)?;
    Ok(desk.directory.sessions_among(realm, ids).await?)
}

/// A session by id; `None` where nothing was carved for it that the caller sees.
pub async fn session(caller: &Caller, desk: &Desk, id: SessionId) -> Result<Option<Session>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    if reach != Reach::Tenant {
        let filter = AllocationFilter { session: Some(id), ..AllocationFilter::default() };
        if allocations(caller, desk, filter, Page::first(1)).await?.entries.is_empty() {
            return Ok(None);
        }
    }
    Ok(desk.directory.sessions_among(realm, vec![id]).await?.pop())
}

/// Accounts by id, to be shown beside what the caller sees: where units stand by the ledger.
pub async fn accounts_among(caller: &Caller, desk: &Desk, ids: Vec<AccountId>) -> Result<Vec<Account>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let mut found = desk.directory.accounts_among(realm, ids).await?;
    found.retain(|account| reach.has(&account.principals));
    Ok(found)
}

/// Decisions by id.
pub async fn decisions_among(caller: &Caller, desk: &Desk, ids: Vec<DecisionId>) -> Result<Vec<Decision>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let mut found = desk.directory.decisions_among(realm, ids).await?;
    // One on behalf of nobody known is the tenant's alone to see.
    let sees = |whom: &Option<Principals>| whom.map_or(reach == Reach::Tenant, |whom| reach.has(&whom));
    found.retain(|decision| sees(&decision.on_behalf_of));
    Ok(found)
}

/// Grants by id.
pub async fn grants_among(caller: &Caller, desk: &Desk, ids: Vec<GrantId>) -> Result<Vec<Grant>, FindError> {
    let (realm, _) = authority::looks(caller)?;
    let mut found = desk.directory.grants_among(realm, ids).await?;
    let into = accounts_among(caller, desk, found.iter().map(|grant| grant.account).collect()).await?;
    found.retain(|grant| into.iter().any(|account| account.id == grant.account));
    Ok(found)
}

/// Narrows a filter to what the caller sees. False where nothing of it is left.
pub(crate) fn narrow(reach: Reach, customer: &mut Option<CustomerId>, user: &mut Option<UserId>) -> bool {
    let (own_customer, own_user) = (reach.customer(), reach.user());
    let fits = |asked: Option<CustomerId>| own_customer.is_none() || asked.is_none() || asked == own_customer;
    let fits_user = |asked: Option<UserId>| own_user.is_none() || asked.is_none() || asked == own_user;
    if !fits(*customer) || !fits_user(*user) {
        return false;
    }
    *customer = own_customer.or(*customer);
    *user = own_user.or(*user);
    true
}
