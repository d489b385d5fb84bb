//! Subscriptions that change: to another plan or to none, now or later; paused and resumed.

use crate::audit::Author;
use crate::fault::Fault;
use crate::id::{CustomerId, PlanChangeId, SubscriptionId};
use crate::plan_change::{Effects, PlanChange, When};
use crate::subscription::Subscription;
use crate::tenant::Realm;
use crate::text::{ExternalId, Named};
use async_trait::async_trait;

/// A change that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanChangeRequest {
    /// Its id, chosen by the caller.
    pub id: PlanChangeId,
    /// Whose subscription.
    pub customer: Named<CustomerId>,
    /// The plan that it changes to; none where it is cancelled.
    pub to: Option<ExternalId>,
    /// When.
    pub when: When,
    /// Who signs it.
    pub by: Author,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanChangeAnswer {
    /// Made, or scheduled.
    Done(Box<PlanChanged>),
    /// No such customer in the realm.
    UnknownCustomer,
    /// The customer has no subscription that runs.
    NotSubscribed,
    /// No such plan, or none of its versions is in force then.
    UnknownPlan,
    /// The customer has these terms.
    Unchanged,
    /// None of the quotas renews, so no period ends.
    NeverRenews,
    /// A change is scheduled already.
    Scheduled(PlanChange),
}

/// A change that was made or scheduled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanChanged {
    /// The change.
    pub change: PlanChange,
    /// The customer's subscription after it: the new one, the one that ended, or the one that it is scheduled for.
    pub subscription: Subscription,
    /// What it did. Of one that is scheduled: what it would do at its time if nothing else happened before.
    pub effects: Effects,
}

/// What became of a request to withdraw a change, to pause or to resume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Steered {
    /// Done: the subscription as it is now.
    Done(Box<Subscription>),
    /// No such customer in the realm.
    UnknownCustomer,
    /// The customer has no subscription that runs.
    NotSubscribed,
    /// It is so already: no change is scheduled, it is paused, or it is not.
    Already,
}

/// Subscriptions that change.
#[async_trait]
pub trait PlanChanges: Send + Sync {
    /// Makes a change now, or schedules it. One that is made now takes the place of one that is scheduled.
    async fn change(&self, realm: Realm, request: &PlanChangeRequest) -> Result<PlanChangeAnswer, Fault>;

    /// What [`PlanChanges::change`] would answer now. Nothing is changed by it.
    async fn preview(&self, realm: Realm, request: &PlanChangeRequest) -> Result<PlanChangeAnswer, Fault>;

    /// Withdraws the change that is scheduled, signed by who does.
    async fn withdraw(&self, realm: Realm, customer: &Named<CustomerId>, by: &Author) -> Result<Steered, Fault>;

    /// Pauses a subscription, or resumes it, signed by who does. What is paused gives nothing, and loses nothing.
    async fn pause(
        &self,
        realm: Realm,
        customer: &Named<CustomerId>,
        is_paused: bool,
        by: &Author,
    ) -> Result<Steered, Fault>;

    /// Changes that are scheduled for these subscriptions, in any order.
    async fn scheduled(&self, realm: Realm, of: Vec<SubscriptionId>) -> Result<Vec<PlanChange>, Fault>;
}
