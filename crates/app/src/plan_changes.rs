//! Changes of plan: customers moved to other terms or to none, now or at the end of their period; subscriptions paused and resumed.

use crate::authority::{self, FindError, Forbidden};
use crate::desk::Desk;
use almoner_domain::allocation::AllocationState;
use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::id::{AccountId, CustomerId, SubscriptionId};
use almoner_domain::page::Page;
use almoner_domain::plan_change::{PlanChange, When};
use almoner_domain::ports::{
    AllocationFilter, PlanChangeAnswer, PlanChangeRequest, PlanChanged, Steered, SubjectName, SubjectStanding,
};
use almoner_domain::subscription::Subscription;
use almoner_domain::tenant::Realm;
use almoner_domain::text::{ExternalId, Named};
use almoner_domain::time::Timestamp;
use thiserror::Error;

/// Of how many live allocations, the newest, a gate here gives back what it holds idle before a change is made. What it holds of
/// others returns when they end.
const GIVEN_BACK_MAX: u16 = 100;

/// A change to be.
#[derive(Debug, Clone)]
pub struct NewPlanChange {
    /// Whose subscription.
    pub customer: Named<CustomerId>,
    /// The plan that it changes to; none where it is cancelled.
    pub to: Option<ExternalId>,
    /// When.
    pub when: When,
}

/// Why nothing was changed.
#[derive(Debug, Error)]
pub enum ChangePlanError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// Nothing runs.
    #[error("the customer has no subscription that runs")]
    NotSubscribed,
    /// No such plan, or nothing of it is in force then.
    #[error("there is no plan \"{0}\" with a version that is in force then")]
    UnknownPlan(ExternalId),
    /// The customer has these terms.
    #[error("the customer is on these terms already; publish a new version, or take another plan")]
    Unchanged,
    /// No period ends.
    #[error("no quota of the customer's plan renews, so no period ends; change it now")]
    NeverRenews,
    /// One is scheduled.
    #[error("a change is scheduled at {0} already; withdraw it first, or change now, which takes its place")]
    Scheduled(Timestamp),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Changes a customer's plan, or cancels its subscription, now or at the end of its period.
pub async fn change(caller: &Caller, desk: &Desk, new: NewPlanChange) -> Result<PlanChanged, ChangePlanError> {
    let (realm, request) = request(caller, desk, new).await?;
    let changed = done(desk.plan_changes.change(realm, &request).await?, &request)?;
    // A change that is to come ends nothing yet.
    let ended = if request.when == When::Now { changed.effects.ended() } else { Vec::new() };
    for allocation in ended {
        desk.gates.ended(realm, allocation).await;
    }
    let (customer, at) = (changed.change.customer, changed.change.at);
    tracing::info!(%realm, %customer, to = ?request.to.as_ref().map(ExternalId::as_str), %at, "plan changed");
    Ok(changed)
}

/// What a change would do. Nothing is changed; what would be refused is refused.
pub async fn preview(caller: &Caller, desk: &Desk, new: NewPlanChange) -> Result<PlanChanged, ChangePlanError> {
    let (realm, request) = request(caller, desk, new).await?;
    done(desk.plan_changes.preview(realm, &request).await?, &request)
}

async fn request(
    caller: &Caller,
    desk: &Desk,
    new: NewPlanChange,
) -> Result<(Realm, PlanChangeRequest), ChangePlanError> {
    let realm = authority::operator(caller)?;
    let NewPlanChange { customer, to, when } = new;
    if when == When::Now {
        give_back(desk, realm, &customer).await?;
    }
    Ok((realm, PlanChangeRequest { id: desk.app.new_id(), customer, to, when, by: caller.author() }))
}

/// What a gate here holds idle of the customer's quotas and allocations counts as free.
async fn give_back(desk: &Desk, realm: Realm, customer: &Named<CustomerId>) -> Result<(), Fault> {
    let subject = SubjectName { customer: customer.clone(), user: None };
    let SubjectStanding::Known(standing) = desk.lookup.subject(realm, &subject).await? else { return Ok(()) };
    let live = AllocationFilter {
        customer: Some(standing.principals.customer),
        state: Some(AllocationState::Active),
        ..AllocationFilter::default()
    };
    let live = desk.directory.allocations(realm, live, Page::first(GIVEN_BACK_MAX)).await?;
    let mut accounts: Vec<AccountId> = standing.lines.iter().map(|line| line.account).collect();
    for allocation in &live.entries {
        accounts.extend(allocation.lines.iter().map(|line| line.account));
    }
    for account in accounts {
        desk.gates.give_back(account).await;
    }
    Ok(())
}

fn done(answer: PlanChangeAnswer, request: &PlanChangeRequest) -> Result<PlanChanged, ChangePlanError> {
    match (answer, &request.to) {
        (PlanChangeAnswer::Done(changed), _) => Ok(*changed),
        (PlanChangeAnswer::UnknownCustomer, _) => Err(ChangePlanError::UnknownCustomer),
        (PlanChangeAnswer::NotSubscribed, _) => Err(ChangePlanError::NotSubscribed),
        (PlanChangeAnswer::UnknownPlan, Some(plan)) => Err(ChangePlanError::UnknownPlan(plan.clone())),
        // Who names no plan cancels, and cannot have named one that is not there.
        (PlanChangeAnswer::Unchanged | PlanChangeAnswer::UnknownPlan, _) => Err(ChangePlanError::Unchanged),
        (PlanChangeAnswer::NeverRenews, _) => Err(ChangePlanError::NeverRenews),
        (PlanChangeAnswer::Scheduled(change), _) => Err(ChangePlanError::Scheduled(change.at)),
    }
}

/// Why a subscription was not steered.
#[derive(Debug, Error)]
pub enum SteerError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// Nothing runs.
    #[error("the customer has no subscription that runs")]
    NotSubscribed,
    /// It is so already.
    #[error("{0}")]
    Already(&'static str),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Withdraws the change that is scheduled: the subscription goes on as it is.
pub async fn withdraw(caller: &Caller, desk: &Desk, customer: &Named<CustomerId>) -> Result<Subscription, SteerError> {
    let realm = authority::operator(caller)?;
    let answer = desk.plan_changes.withdraw(realm, customer, &caller.author()).await?;
    steered(answer, "no change of the subscription is scheduled")
}

/// Pauses a subscription: from now on it gives nothing, and loses nothing.
pub async fn pause(caller: &Caller, desk: &Desk, customer: &Named<CustomerId>) -> Result<Subscription, SteerError> {
    let realm = authority::operator(caller)?;
    let answer = desk.plan_changes.pause(realm, customer, true, &caller.author()).await?;
    steered(answer, "the subscription is paused already")
}

/// Lets a paused subscription go on.
pub async fn resume(caller: &Caller, desk: &Desk, customer: &Named<CustomerId>) -> Result<Subscription, SteerError> {
    let realm = authority::operator(caller)?;
    let answer = desk.plan_changes.pause(realm, customer, false, &caller.author()).await?;
    steered(answer, "the subscription is not paused")
}

fn steered(answer: Steered, already: &'static str) -> Result<Subscription, SteerError> {
    match answer {
        Steered::Done(subscription) => Ok(*subscription),
        Steered::UnknownCustomer => Err(SteerError::UnknownCustomer),
        Steered::NotSubscribed => Err(SteerError::NotSubscribed),
        Steered::Already => Err(SteerError::Already(already)),
    }
}

/// Changes that are scheduled for these subscriptions, as far as the caller sees, in any order.
pub async fn scheduled(caller: &Caller, desk: &Desk, of: Vec<SubscriptionId>) -> Result<Vec<PlanChange>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let mut found = desk.plan_changes.scheduled(realm, of).await?;
    found.retain(|change| reach.has_customer(change.customer));
    Ok(found)
}
