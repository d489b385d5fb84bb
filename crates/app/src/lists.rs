//! Lists below many things at once, as far as the caller sees: what an answer shows beside each entry of a list.
//!
//! As in the directory: what lies beyond the caller's reach is not there, and a list of it is empty.

use crate::authority::{self, FindError, Reach};
use crate::desk::Desk;
use crate::directory::narrow;
use almoner_domain::account::Account;
use almoner_domain::agent::Session;
use almoner_domain::allocation::Allocation;
use almoner_domain::caller::Caller;
use almoner_domain::customer::User;
use almoner_domain::decision::Decision;
use almoner_domain::grant::Grant;
use almoner_domain::id::{AccountId, AgentId, AllocationId, CustomerId, PlanId, UserId};
use almoner_domain::movement::Movement;
use almoner_domain::page::{Page, Stretch};
use almoner_domain::plan::PlanVersion;
use almoner_domain::ports::{AllocationFilter, DecisionFilter, MovementFilter, SessionFilter};
use almoner_domain::principal::Principals;
use almoner_domain::statement::EntitlementStatement;
use almoner_domain::subscription::Subscription;
use std::collections::HashMap;

/// Which of these the caller sees, each with its place.
struct Seen<F> {
    places: Vec<usize>,
    of: Vec<F>,
    count: usize,
}

impl<F> Seen<F> {
    fn of(all: Vec<F>, mut sees: impl FnMut(&mut F) -> bool) -> Self {
        let count = all.len();
        let seen = all.into_iter().enumerate().filter_map(|(place, mut one)| sees(&mut one).then_some((place, one)));
        let (places, of) = seen.unzip();
        Self { places, of, count }
    }
}

/// Puts answers to what the caller sees into their places; elsewhere there is nothing.
fn fill<T: Clone>(places: Vec<usize>, count: usize, found: Vec<T>, nothing: T) -> Vec<T> {
    let mut all = vec![nothing; count];
    for (place, one) in places.into_iter().zip(found) {
        all[place] = one;
    }
    all
}

/// Lists of what the caller sees; empty ones of what it does not.
macro_rules! lists {
    ($desk:ident . $name:ident ($realm:ident, $seen:expr, $page:ident)) => {{
        let Seen { places, of, count } = $seen;
        let found = $desk.lists.$name($realm, of, $page).await?;
        Ok(fill(places, count, found, Stretch::whole(Vec::new())))
    }};
}

/// Users of customers, oldest first.
pub async fn users_of(
    caller: &Caller,
    desk: &Desk,
    of: Vec<CustomerId>,
    page: Page,
) -> Result<Vec<Stretch<User>>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    if let Some(own) = reach.user() {
        let user = Stretch::whole(desk.directory.users_among(realm, vec![own]).await?);
        let seen = Seen::of(of, |customer| reach.has_customer(*customer));
        return Ok(fill(seen.places, seen.count, vec![user; seen.of.len()], Stretch::whole(Vec::new())));
    }
    lists!(desk.users_of(realm, Seen::of(of, |customer| reach.has_customer(*customer)), page))
}

/// Subscriptions of customers, newest first.
pub async fn subscriptions_of(
    caller: &Caller,
    desk: &Desk,
    of: Vec<CustomerId>,
    page: Page,
) -> Result<Vec<Stretch<Subscription>>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    lists!(desk.subscriptions_of(realm, Seen::of(of, |customer| reach.has_customer(*customer)), page))
}

/// Versions of plans, newest first.
pub async fn versions_of(
    caller: &Caller,
    desk: &Desk,
    of: Vec<PlanId>,
    page: Page,
) -> Result<Vec<Stretch<PlanVersion>>, FindError> {
    let (realm, _) = authority::looks(caller)?;
    Ok(desk.lists.versions_of(realm, of, page).await?)
}

/// Sessions of agents, newest first. An agent serves several customers: who is not the tenant's staff sees those sessions that
/// something of theirs was carved for.
pub async fn sessions_of(
    caller: &Caller,
    desk: &Desk,
    of: Vec<AgentId>,
    page: Page,
) -> Result<Vec<Stretch<Session>>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let filter = |agent| SessionFilter { agent, customer: reach.customer(), user: reach.user() };
    Ok(desk.lists.sessions_of(realm, of.into_iter().map(filter).collect(), page).await?)
}

/// Allocations, newest first.
pub async fn allocations_of(
    caller: &Caller,
    desk: &Desk,
    of: Vec<AllocationFilter>,
    page: Page,
) -> Result<Vec<Stretch<Allocation>>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let seen = Seen::of(of, |filter| narrow(reach, &mut filter.customer, &mut filter.user));
    lists!(desk.allocations_of(realm, seen, page))
}

/// Decisions, newest first. What gates have not told the ledger yet follows within seconds.
pub async fn decisions_of(
    caller: &Caller,
    desk: &Desk,
    of: Vec<DecisionFilter>,
    page: Page,
) -> Result<Vec<Stretch<Decision>>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let seen = Seen::of(of, |filter| narrow(reach, &mut filter.customer, &mut filter.user));
    lists!(desk.decisions_of(realm, seen, page))
}

/// Movements, newest first.
pub async fn movements_of(
    caller: &Caller,
    desk: &Desk,
    of: Vec<MovementFilter>,
    page: Page,
) -> Result<Vec<Stretch<Movement>>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let seen = Seen::of(of, |filter| narrow(reach, &mut filter.customer, &mut filter.user));
    lists!(desk.movements_of(realm, seen, page))
}

/// Accounts that were carved from accounts that the caller sees, newest first.
pub async fn accounts_below(
    caller: &Caller,
    desk: &Desk,
    of: Vec<AccountId>,
    page: Page,
) -> Result<Vec<Stretch<Account>>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let whose = whose(desk, realm, reach, &of).await?;
    let seen = Seen::of(of, |account| reach == Reach::Tenant || whose.get(account).is_some_and(|whom| reach.has(whom)));
    lists!(desk.accounts_below(realm, seen, page))
}

/// Grants into accounts that the caller sees, in the order of burning.
pub async fn grants_into(caller: &Caller, desk: &Desk, of: Vec<AccountId>) -> Result<Vec<Grant>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let whose = whose(desk, realm, reach, &of).await?;
    let seen = Seen::of(of, |account| reach == Reach::Tenant || whose.get(account).is_some_and(|whom| reach.has(whom)));
    let mut grants = desk.directory.grants_into(realm, seen.of).await?;
    almoner_domain::grant::burn_order(&mut grants);
    Ok(grants)
}

/// On whose behalf accounts are used; nothing needs to be read for who sees all.
async fn whose(
    desk: &Desk,
    realm: almoner_domain::tenant::Realm,
    reach: Reach,
    of: &[AccountId],
) -> Result<HashMap<AccountId, Principals>, FindError> {
    if reach == Reach::Tenant {
        return Ok(HashMap::new());
    }
    let found = desk.directory.accounts_among(realm, of.to_vec()).await?;
    Ok(found.into_iter().map(|account| (account.id, account.principals)).collect())
}

/// All that was carved from allocations, from each and from what was carved from it, parents before children.
pub async fn trees(caller: &Caller, desk: &Desk, of: Vec<AllocationId>) -> Result<Vec<Vec<Allocation>>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let mut trees = desk.lists.trees(realm, of).await?;
    for tree in &mut trees {
        tree.retain(|allocation| reach.has(&allocation.principals));
    }
    Ok(trees)
}

/// What customers, or their users, may use; `None` where there is no such customer or user.
pub async fn entitlements_of(
    caller: &Caller,
    desk: &Desk,
    of: Vec<(CustomerId, Option<UserId>)>,
) -> Result<Vec<Option<EntitlementStatement>>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let seen = Seen::of(of, |(customer, user)| {
        reach.has(&Principals { customer: *customer, user: *user, agent: None, session: None })
    });
    let found = desk.lists.entitlements_of(realm, seen.of).await?;
    Ok(fill(seen.places, seen.count, found, None))
}
