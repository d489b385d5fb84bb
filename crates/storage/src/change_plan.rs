//! The plan changes' port: subscriptions that are moved to other terms, cancelled, paused and resumed, now or at their time.
//!
//! A change holds the subscription, its entitlements, the allocations that live by it and then accounts from the root to the leaves:
//! the order in which everybody takes them who takes several.

use crate::store::{Outcome, SqlStore};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{
    account, allocation, audit, books, customer, entitlement, grant, lease, notice, plan, plan_change, plan_version,
    subscription,
};
use almoner_domain::account::{Account, AccountOwner};
use almoner_domain::audit::{Action, Author};
use almoner_domain::fault::Fault;
use almoner_domain::grant::Grant;
use almoner_domain::id::{AccountId, AllocationId, CustomerId, EntitlementId, Id, SubscriptionId};
use almoner_domain::ledger::{self, Books};
use almoner_domain::notice::{Change, Event, Notice};
use almoner_domain::plan::{LiveRule, Plan, PlanVersion};
use almoner_domain::plan_change::{Effects, PlanChange, PlanChangeState, Turn, When, entitle, period_end, turns};
use almoner_domain::ports::{PlanChangeAnswer, PlanChangeRequest, PlanChanged, PlanChanges, Steered};
use almoner_domain::subscription::{Entitlement, Subscription, SubscriptionStep};
use almoner_domain::tenant::Realm;
use almoner_domain::text::Named;
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[async_trait]
impl PlanChanges for SqlStore {
    async fn change(&self, realm: Realm, request: &PlanChangeRequest) -> Result<PlanChangeAnswer, Fault> {
        let request = Arc::new(request.clone());
        self.write("change_plan", realm, move |tx| {
            let request = Arc::clone(&request);
            Box::pin(async move { change(tx, &request).await })
        })
        .await
    }

    async fn preview(&self, realm: Realm, request: &PlanChangeRequest) -> Result<PlanChangeAnswer, Fault> {
        let request = Arc::new(request.clone());
        self.write("preview_plan_change", realm, move |tx| {
            let request = Arc::clone(&request);
            Box::pin(async move {
                let (Outcome::Keep(answer) | Outcome::Undo(answer)) = change(tx, &request).await?;
                Ok(Outcome::Undo(answer))
            })
        })
        .await
    }

    async fn withdraw(&self, realm: Realm, customer: &Named<CustomerId>, by: &Author) -> Result<Steered, Fault> {
        let asked = Arc::new((customer.clone(), by.clone()));
        self.write("withdraw_plan_change", realm, move |tx| {
            let asked = Arc::clone(&asked);
            Box::pin(async move { withdraw(tx, &asked.0, &asked.1).await })
        })
        .await
    }

    async fn pause(
        &self,
        realm: Realm,
        customer: &Named<CustomerId>,
        is_paused: bool,
        by: &Author,
    ) -> Result<Steered, Fault> {
        let asked = Arc::new((customer.clone(), by.clone()));
        self.write("pause", realm, move |tx| {
            let asked = Arc::clone(&asked);
            Box::pin(async move { pause(tx, &asked.0, is_paused, &asked.1).await })
        })
        .await
    }

    async fn scheduled(&self, realm: Realm, of: Vec<SubscriptionId>) -> Result<Vec<PlanChange>, Fault> {
        self.read("scheduled", realm, move |tx| Box::pin(async move { plan_change::pending_of(tx, &of).await })).await
    }
}

/// Makes the change of a customer's subscription that is due, where one is; false where none is. Of all who come at once one does.
pub(crate) async fn make_due(tx: &Tx, customer: CustomerId) -> Result<bool, Trouble> {
    let Some(found) = subscription::running(tx, customer).await?.filter(|found| found.is_due(tx.now())) else {
        return Ok(false);
    };
    let held = subscription::hold(tx, found.id).await?.filter(|held| held.is_due(tx.now()));
    let Some(old) = held else { return Ok(false) };
    let Some(due) = plan_change::hold_pending(tx, old.id).await? else {
        return Err(Trouble::row("subscription", "what it changes to is missing"));
    };
    plan_change::settle(tx, due.id, PlanChangeState::Applied).await?;
    let terms = match due.to {
        Some(plan) => {
            let terms = plan_version::latest(tx, plan, Some(due.at)).await?;
            Some(terms.ok_or_else(|| Trouble::row("plan change", "its plan has no terms"))?)
        }
        None => None,
    };
    let (new, _) = apply(tx, &old, &due, terms.as_ref(), tx.now()).await?;
    sign(tx, &Author::runner(), &new, terms.as_ref(), "as it was scheduled").await?;
    Ok(true)
}

/// What a request works on.
struct Ready {
    old: Subscription,
    pending: Option<PlanChange>,
    target: Option<(Plan, PlanVersion)>,
    at: Timestamp,
}

async fn change(tx: &Tx, request: &PlanChangeRequest) -> Result<Outcome<PlanChangeAnswer>, Trouble> {
    let Ready { old, pending, target, at } = match ready(tx, request).await? {
        Ok(ready) => ready,
        Err(answer) => return Ok(Outcome::Undo(answer)),
    };
    let terms = target.as_ref().map(|(_, terms)| terms);
    let mut change = PlanChange {
        id: request.id,
        customer: old.customer,
        subscription: old.id,
        to: target.as_ref().map(|(plan, _)| plan.id),
        at,
        ends_trial: false,
        created_at: tx.now(),
        state: PlanChangeState::Pending,
    };
    if request.when == When::PeriodEnd {
        if let Some(pending) = pending {
            return Ok(Outcome::Undo(PlanChangeAnswer::Scheduled(pending)));
        }
        let effects = foresee(tx, &old, terms, at).await?;
        let subscription = Subscription { changes_at: Some(at), ..old };
        plan_change::add(tx, &change).await?;
        steer(tx, &subscription, SubscriptionStep::Scheduled).await?;
        sign(tx, &request.by, &subscription, terms, &format!("at {at}")).await?;
        return Ok(done(change, subscription, effects));
    }
    if let Some(pending) = pending {
        plan_change::settle(tx, pending.id, PlanChangeState::Withdrawn).await?;
    }
    change.state = PlanChangeState::Applied;
    plan_change::add(tx, &change).await?;
    let (subscription, effects) = apply(tx, &old, &change, terms, tx.now()).await?;
    sign(tx, &request.by, &subscription, terms, "now").await?;
    Ok(done(change, subscription, effects))
}

fn done(change: PlanChange, subscription: Subscription, effects: Effects) -> Outcome<PlanChangeAnswer> {
    Outcome::Keep(PlanChangeAnswer::Done(Box::new(PlanChanged { change, subscription, effects })))
}

async fn ready(tx: &Tx, request: &PlanChangeRequest) -> Result<Result<Ready, PlanChangeAnswer>, Trouble> {
    let Some(customer) = customer::named(tx, &request.customer).await? else {
        return Ok(Err(PlanChangeAnswer::UnknownCustomer));
    };
    let Some(old) = hold_running(tx, customer.id).await? else { return Ok(Err(PlanChangeAnswer::NotSubscribed)) };
    let at = match request.when {
        When::Now => Some(tx.now()),
        When::PeriodEnd => period_end(&entitlement::of_subject(tx, old.id, None).await?, tx.now()),
    };
    let Some(at) = at else { return Ok(Err(PlanChangeAnswer::NeverRenews)) };
    let target = match &request.to {
        None => None,
        Some(name) => {
            let Some(plan) = plan::by_external_id(tx, name).await? else {
                return Ok(Err(PlanChangeAnswer::UnknownPlan));
            };
            match plan_version::latest(tx, plan.id, Some(at)).await? {
                None => return Ok(Err(PlanChangeAnswer::UnknownPlan)),
                Some(terms) if terms.id == old.plan_version => return Ok(Err(PlanChangeAnswer::Unchanged)),
                Some(terms) => Some((plan, terms)),
            }
        }
    };
    let pending = plan_change::hold_pending(tx, old.id).await?;
    Ok(Ok(Ready { old, pending, target, at }))
}

/// A customer's running subscription, held, once what is due of it is made.
async fn hold_running(tx: &Tx, customer: CustomerId) -> Result<Option<Subscription>, Trouble> {
    make_due(tx, customer).await?;
    let Some(found) = subscription::running(tx, customer).await? else { return Ok(None) };
    match subscription::hold(tx, found.id).await? {
        Some(held) if held.ended_at.is_none() && !held.is_due(tx.now()) => Ok(Some(held)),
        _ => Err(Trouble::Overtaken),
    }
}

/// Puts a subscription by these terms, or none, in the place of one that is held, and answers what the customer has then and what
/// that did.
async fn apply(
    tx: &Tx,
    old: &Subscription,
    change: &PlanChange,
    terms: Option<&PlanVersion>,
    now: Timestamp,
) -> Result<(Subscription, Effects), Trouble> {
    entitlement::hold_roots(tx, old.id).await?;
    let entitlements = entitlement::of_subscription(tx, old.id).await?;
    let turns = turns(&entitlements, terms.map_or(&[], |terms| &terms.lines));
    let rule = plan_version::live_rule(tx, old.plan_version).await?;
    let Loaded { mut books, open, grants } = load(tx, &entitlements, &turns, rule, now).await?;
    let effects = ledger::change_plan(&mut books, &turns, &open, &grants, rule)?;
    books::write_back(tx, &books, None).await?;
    let ended = Subscription { ended_at: Some(change.at), changes_at: None, ..old.clone() };
    let Some(terms) = terms else {
        steer(tx, &ended, SubscriptionStep::Ended).await?;
        return Ok((ended, effects));
    };
    subscription::write_back(tx, &ended).await?;
    let new = Subscription {
        id: Id::new(tx.now(), tx.entropy()),
        plan_version: terms.id,
        started_at: change.at,
        changes_at: None,
        ..old.clone()
    };
    subscription::add(tx, &new).await?;
    let moved = entitle(&turns, &new, &|| Id::new(tx.now(), tx.entropy()));
    entitlement::move_on(tx, &moved.going_on).await?;
    entitlement::add(tx, &moved.begun).await?;
    announce(tx, new.id, SubscriptionStep::Changed).await?;
    Ok((new, effects))
}

/// What a change would do at an instant ahead. Windows that end by then are over then, and those that follow have the new quotas.
async fn foresee(tx: &Tx, old: &Subscription, terms: Option<&PlanVersion>, at: Timestamp) -> Result<Effects, Trouble> {
    let entitlements = entitlement::of_subscription(tx, old.id).await?;
    let turns = turns(&entitlements, terms.map_or(&[], |terms| &terms.lines));
    let rule = plan_version::live_rule(tx, old.plan_version).await?;
    let Loaded { mut books, open, grants } = load(tx, &entitlements, &turns, rule, at).await?;
    Ok(ledger::change_plan(&mut books, &turns, &open, &grants, rule)?)
}

/// The books of a change.
struct Loaded<'t> {
    books: Books<'t>,
    open: BTreeMap<EntitlementId, AccountId>,
    grants: Vec<Grant>,
}

async fn load<'t>(
    tx: &'t Tx,
    entitlements: &[Entitlement],
    turns: &[Turn],
    rule: LiveRule,
    now: Timestamp,
) -> Result<Loaded<'t>, Trouble> {
    let ids: BTreeSet<EntitlementId> = entitlements.iter().map(|one| one.id).collect();
    let mut open = account::last_of(tx, &ids).await?;
    open.retain(|_, account| !account.closed && account.window.contains(now));
    let own: Vec<AccountId> = open.values().map(|account| account.id).collect();
    let takes = turns.iter().any(Turn::takes);
    let mut roots: Vec<AccountId> = if takes { own.clone() } else { Vec::new() };
    if rule != LiveRule::Keep {
        let ending = turns.iter().filter(|turn| !turn.goes_on()).filter_map(|turn| turn.old.as_ref());
        roots.extend(account::carved_from(tx, &ending.map(|old| old.id).collect::<Vec<_>>()).await?);
    }
    let below = account::living_below(tx, &roots).await?;

    let allocations: BTreeSet<AllocationId> = below.iter().filter_map(allocation_of).collect();
    let families = allocation::hold_families(tx, &Vec::from_iter(allocations)).await?;
    let mut accounts: BTreeSet<AccountId> = own.iter().copied().collect();
    accounts.extend(below.iter().map(|account| account.id));
    accounts.extend(families.iter().flat_map(|allocation| allocation.lines.iter().map(|line| line.account)));
    let held = account::hold_with_ancestors(tx, &Vec::from_iter(accounts.iter().copied())).await?;
    // What was carved before the accounts were held, and after what is below them was read, would be passed over.
    let again = account::living_below(tx, &roots).await?;
    if again.iter().any(|account| !accounts.contains(&account.id)) {
        return Err(Trouble::Overtaken);
    }
    let mut books = Books::new(now, tx.entropy());
    let of_entitlements: Vec<AccountId> =
        held.iter().filter(|account| allocation_of(account).is_none()).map(|account| account.id).collect();
    for account in held {
        books.accounts.load(account.id, account);
    }
    for allocation in families {
        books.allocations.load(allocation.id, allocation);
    }
    for lease in lease::hold(tx, &lease::active_of(tx, &of_entitlements).await?).await? {
        books.leases.load(lease.id, lease);
    }
    let grants = grant::of_accounts(tx, &own).await?;
    let open = open.into_iter().map(|(id, account)| (id, account.id)).collect();
    Ok(Loaded { books, open, grants })
}

fn allocation_of(account: &Account) -> Option<AllocationId> {
    match account.owner {
        AccountOwner::Allocation(id) => Some(id),
        AccountOwner::Entitlement(_) => None,
    }
}

async fn withdraw(tx: &Tx, customer: &Named<CustomerId>, by: &Author) -> Result<Outcome<Steered>, Trouble> {
    let old = match steered(tx, customer).await? {
        Ok(old) => old,
        Err(answer) => return Ok(Outcome::Undo(answer)),
    };
    let Some(pending) = plan_change::hold_pending(tx, old.id).await? else {
        return Ok(Outcome::Undo(Steered::Already));
    };
    plan_change::settle(tx, pending.id, PlanChangeState::Withdrawn).await?;
    let now = Subscription { changes_at: None, ..old };
    steer(tx, &now, SubscriptionStep::Withdrawn).await?;
    let note = format!("what was scheduled at {}", pending.at);
    audit::sign(tx, by, Action::WithdrawPlanChange, now.id, now.customer, note).await?;
    Ok(Outcome::Keep(Steered::Done(Box::new(now))))
}

async fn pause(
    tx: &Tx,
    customer: &Named<CustomerId>,
    is_paused: bool,
    by: &Author,
) -> Result<Outcome<Steered>, Trouble> {
    let old = match steered(tx, customer).await? {
        Ok(old) => old,
        Err(answer) => return Ok(Outcome::Undo(answer)),
    };
    if old.is_paused() == is_paused {
        return Ok(Outcome::Undo(Steered::Already));
    }
    let now = Subscription { paused_at: is_paused.then(|| tx.now()), ..old };
    let (step, action) = match is_paused {
        true => (SubscriptionStep::Paused, Action::PauseSubscription),
        false => (SubscriptionStep::Resumed, Action::ResumeSubscription),
    };
    steer(tx, &now, step).await?;
    audit::sign(tx, by, action, now.id, now.customer, String::new()).await?;
    Ok(Outcome::Keep(Steered::Done(Box::new(now))))
}

async fn steered(tx: &Tx, customer: &Named<CustomerId>) -> Result<Result<Subscription, Steered>, Trouble> {
    let Some(customer) = customer::named(tx, customer).await? else { return Ok(Err(Steered::UnknownCustomer)) };
    Ok(hold_running(tx, customer.id).await?.ok_or(Steered::NotSubscribed))
}

/// Writes what became of a subscription, and lets gates and listeners know.
async fn steer(tx: &Tx, subscription: &Subscription, step: SubscriptionStep) -> Result<(), Trouble> {
    subscription::write_back(tx, subscription).await?;
    announce(tx, subscription.id, step).await
}

async fn announce(tx: &Tx, id: SubscriptionId, step: SubscriptionStep) -> Result<(), Trouble> {
    tx.feed(Change::Catalogue);
    let event = Event::SubscriptionChanged(id, step);
    notice::add(tx, &[Notice { id: Id::new(tx.now(), tx.entropy()), at: tx.now(), event, allocation: None }]).await
}

/// Signs a change of plan, or a cancellation.
async fn sign(
    tx: &Tx,
    by: &Author,
    subscription: &Subscription,
    terms: Option<&PlanVersion>,
    when: &str,
) -> Result<(), Trouble> {
    let (action, note) = match terms {
        Some(terms) => (Action::ChangePlan, format!("to {} (version {}), {when}", terms.id, terms.number)),
        None => (Action::CancelSubscription, when.to_owned()),
    };
    audit::sign(tx, by, action, subscription.id, subscription.customer, note).await
}
