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
use almoner_domain::ports::{Plans, Work};
use almoner_domain::subscription::{Entitlement, Subscription};
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
    let mut work = app.store.begin(realm).await?;
    let customer = customers::named(work.customers(), &new.customer).await?.ok_or(SubscribeError::UnknownCustomer)?;
    if work.subscriptions().running(customer.id).await?.is_some() {
        return Err(SubscribeError::Subscribed);
    }
    let terms = terms(work.plans(), &new.plan, app.now())
        .await?
        .ok_or_else(|| SubscribeError::UnknownPlan(new.plan.clone()))?;
    let subscription = Subscription {
        id: app.new_id(),
        customer: customer.id,
        plan_version: terms.id,
        calendar: new.calendar,
        started_at: app.now(),
        ended_at: None,
    };
    let entitlements = entitle(app, &subscription, &terms);
    work.subscriptions()
        .add(&subscription, &entitlements)
        .await
        .map_err(|fault| or_taken(fault, || SubscribeError::Subscribed))?;
    let deed = Deed {
        action: Action::Subscribe,
        subject: &subscription.id,
        customer: Some(customer.id),
        note: format!("{} version {}", new.plan, terms.number),
    };
    sign(&mut *work, app, caller, deed).await?;
    announce(&mut *work, app, subscription.id).await?;
    work.commit().await?;
    tracing::info!(%realm, customer = %customer.id, plan = %new.plan, version = terms.number, "customer subscribed");
    Ok(subscription)
}

/// Why nothing was cancelled.
#[derive(Debug, Error)]
pub enum CancelError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// Nothing runs.
    #[error("the customer has no subscription that runs")]
    NotSubscribed,
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Ends a customer's subscription now. From then on nothing new is entitled; what was carved before lives to its own end.
pub async fn cancel(caller: &Caller, app: &App, name: &Named<CustomerId>) -> Result<Subscription, CancelError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    let customer = customers::named(work.customers(), name).await?.ok_or(CancelError::UnknownCustomer)?;
    let running = work.subscriptions().running(customer.id).await?.ok_or(CancelError::NotSubscribed)?;
    let ended_at = app.now();
    if !work.subscriptions().end(running.id, ended_at).await? {
        return Err(CancelError::NotSubscribed);
    }
    let deed = Deed {
        action: Action::CancelSubscription,
        subject: &running.id,
        customer: Some(customer.id),
        note: String::new(),
    };
    sign(&mut *work, app, caller, deed).await?;
    announce(&mut *work, app, running.id).await?;
    work.commit().await?;
    tracing::info!(%realm, customer = %customer.id, "subscription cancelled");
    Ok(Subscription { ended_at: Some(ended_at), ..running })
}

/// Whoever listens hears that a subscription is not as it was.
async fn announce(work: &mut dyn Work, app: &App, id: SubscriptionId) -> Result<(), Fault> {
    let notice = Notice { id: app.new_id(), at: app.now(), event: Event::SubscriptionChanged(id), allocation: None };
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
