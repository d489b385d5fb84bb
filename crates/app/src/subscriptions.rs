//! Subscriptions: a customer on the newest version of a plan, and the entitlements that this gives.

use crate::app::{App, or_taken};
use crate::audit::{Deed, sign};
use crate::authority::{self, FindError, Forbidden};
use crate::customers;
use almoner_domain::audit::Action;
use almoner_domain::calendar::Calendar;
use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::id::{CustomerId, SubscriptionId};
use almoner_domain::notice::{Event, Notice};
use almoner_domain::plan::PlanVersion;
use almoner_domain::plan_change::{PlanChange, PlanChangeState, TRIAL_DAYS_MAX, trial_end};
use almoner_domain::ports::{Plans, Work};
use almoner_domain::subscription::{Entitlement, Subscription, SubscriptionStep};
use almoner_domain::text::{ExternalId, Named};
use almoner_domain::time::Timestamp;
use thiserror::Error;

/// A subscription to be.
#[derive(Debug, Clone)]
pub struct NewSubscription {
    /// Who.
    pub customer: Named<CustomerId>,
    /// To which plan; the version in force is taken.
    pub plan: ExternalId,
    /// Where its periods start, and in whose civil time.
    pub calendar: Calendar,
    /// It is tried first; none where it is not.
    pub trial: Option<Trial>,
}

/// A subscription to be tried: it changes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// For so many days of 24 hours.
    pub days: u16,
    /// The plan that it changes to then; none where it ends.
    pub then: Option<ExternalId>,
}

/// Why nobody was subscribed.
#[derive(Debug, Error)]
pub enum SubscribeError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// No such plan, or nothing of it is published.
    #[error("there is no published plan \"{0}\"")]
    UnknownPlan(ExternalId),
    /// One runs.
    #[error("the customer has a subscription already; it ends before another begins")]
    Subscribed,
    /// A trial of no time, or one that never ends.
    #[error("a trial lasts 1 to {TRIAL_DAYS_MAX} days")]
    TrialDays,
    /// No such plan to follow the trial, or nothing of it is published.
    #[error("there is no published plan \"{0}\" to follow the trial")]
    UnknownNext(ExternalId),
    /// Until then no period would be open, and every call denied.
    #[error("the first period starts in the future; subscribe when it has begun")]
    NotBegun,
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Subscribes a customer: one entitlement for each line of the plan.
pub async fn subscribe(caller: &Caller, app: &App, new: NewSubscription) -> Result<Subscription, SubscribeError> {
    let realm = authority::operator(caller)?;
    if new.calendar.anchor() > app.now() {
        return Err(SubscribeError::NotBegun);
    }
    if new.trial.as_ref().is_some_and(|trial| !(1..=TRIAL_DAYS_MAX).contains(&trial.days)) {
        return Err(SubscribeError::TrialDays);
    }
    let mut work = app.store.begin(realm).await?;
    let customer = customers::named(work.customers(), &new.customer).await?.ok_or(SubscribeError::UnknownCustomer)?;
    if work.subscriptions().running(customer.id).await?.is_some() {
        return Err(SubscribeError::Subscribed);
    }
    let terms = terms(work.plans(), &new.plan, app.now())
        .await?
        .ok_or_else(|| SubscribeError::UnknownPlan(new.plan.clone()))?;
    let mut subscription = Subscription {
        id: app.new_id(),
        customer: customer.id,
        plan_version: terms.id,
        calendar: new.calendar,
        started_at: app.now(),
        ended_at: None,
        paused_at: None,
        changes_at: None,
    };
    let entitlements = entitle(app, &subscription, &terms);
    work.subscriptions()
        .add(&subscription, &entitlements)
        .await
        .map_err(|fault| or_taken(fault, || SubscribeError::Subscribed))?;
    if let Some(trial) = &new.trial {
        subscription.changes_at = Some(try_first(&mut *work, app, &subscription, trial).await?);
    }
    let deed = Deed {
        action: Action::Subscribe,
        subject: &subscription.id,
        customer: Some(customer.id),
        note: format!("{} version {}", new.plan, terms.number),
    };
    sign(&mut *work, app, caller, deed).await?;
    announce_start(&mut *work, app, subscription.id).await?;
    work.commit().await?;
    tracing::info!(%realm, customer = %customer.id, plan = %new.plan, version = terms.number, "customer subscribed");
    Ok(subscription)
}

/// Schedules what follows a trial, and answers when.
async fn try_first(
    work: &mut dyn Work,
    app: &App,
    subscription: &Subscription,
    trial: &Trial,
) -> Result<Timestamp, SubscribeError> {
    let at = trial_end(app.now(), trial.days);
    let to = match &trial.then {
        None => None,
        Some(next) => {
            let unknown = || SubscribeError::UnknownNext(next.clone());
            let terms = terms(work.plans(), next, at).await?.ok_or_else(unknown)?;
            Some(terms.plan)
        }
    };
    let change = PlanChange {
        id: app.new_id(),
        customer: subscription.customer,
        subscription: subscription.id,
        to,
        at,
        ends_trial: true,
        created_at: app.now(),
        state: PlanChangeState::Pending,
    };
    work.subscriptions().schedule(&change).await?;
    Ok(at)
}

/// Whoever listens hears that a subscription began.
async fn announce_start(work: &mut dyn Work, app: &App, id: SubscriptionId) -> Result<(), Fault> {
    let event = Event::SubscriptionChanged(id, SubscriptionStep::Started);
    let notice = Notice { id: app.new_id(), at: app.now(), event, allocation: None };
    work.webhooks().announce(&notice).await
}

/// The running subscription of a customer; `None` where there is none, or no such customer.
pub async fn running(
    caller: &Caller,
    app: &App,
    customer: &Named<CustomerId>,
) -> Result<Option<Subscription>, FindError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    match customers::named(work.customers(), customer).await? {
        Some(customer) => Ok(work.subscriptions().running(customer.id).await?),
        None => Ok(None),
    }
}

/// All entitlements of a customer, its users' shares included; `None` where there is no such customer.
pub async fn entitlements(
    caller: &Caller,
    app: &App,
    customer: &Named<CustomerId>,
) -> Result<Option<Vec<Entitlement>>, FindError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    match customers::named(work.customers(), customer).await? {
        Some(customer) => Ok(Some(work.subscriptions().entitlements(customer.id).await?)),
        None => Ok(None),
    }
}

async fn terms(plans: &mut dyn Plans, plan: &ExternalId, at: Timestamp) -> Result<Option<PlanVersion>, Fault> {
    match plans.by_external_id(plan).await? {
        Some(plan) => plans.effective(plan.id, at).await,
        None => Ok(None),
    }
}

fn entitle(app: &App, subscription: &Subscription, terms: &PlanVersion) -> Vec<Entitlement> {
    let one = |line: &almoner_domain::plan::PlanLine| Entitlement {
        id: app.new_id(),
        customer: subscription.customer,
        user: None,
        feature: line.feature,
        subscription: subscription.id,
        offer: line.offer.clone(),
        calendar: subscription.calendar.clone(),
    };
    terms.lines.iter().map(one).collect()
}
