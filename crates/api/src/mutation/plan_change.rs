//! Customers change their plans, leave them, pause and resume.

use crate::asker::asker;
use crate::object::{PlanChangeObject, PlanChangePreviewObject, SubscriptionNode, WhenName};
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::plan_changes::{self, ChangePlanError, NewPlanChange, SteerError};
use almoner_domain::plan_change::When;
use almoner_domain::ports::PlanChanged;
use almoner_domain::subscription::Subscription;
use almoner_domain::text::{ExternalId, Named};
use async_graphql::{Context, InputObject, Object, Result};

/// A change of plan to be.
#[derive(InputObject)]
pub(crate) struct ChangePlanInput {
    /// The customer, by our id or the provider's.
    customer: String,
    /// The plan to change to, by the provider's id, in the version that is in force when the change is made.
    plan: String,
    /// When; `NOW` by default.
    when: Option<WhenName>,
}

payload! {
    /// What came of changing a plan.
    ChangePlanPayload {
        /// The change.
        plan_change: PlanChangeObject
    }
}

payload! {
    /// What came of cancelling a subscription.
    CancelSubscriptionPayload {
        /// The subscription as it ended, or will.
        subscription: SubscriptionNode
    }
}

payload! {
    /// What came of withdrawing a change.
    WithdrawPlanChangePayload {
        /// The subscription, which goes on as it is.
        subscription: SubscriptionNode
    }
}

payload! {
    /// What came of pausing a subscription.
    PauseSubscriptionPayload {
        /// The subscription.
        subscription: SubscriptionNode
    }
}

payload! {
    /// What came of resuming a subscription.
    ResumeSubscriptionPayload {
        /// The subscription.
        subscription: SubscriptionNode
    }
}

#[derive(Default)]
pub(crate) struct PlanChangeMutation;

#[Object]
impl PlanChangeMutation {
    /// Moves a customer to another plan, or to the newest version of its own. What both plans grant for the same period goes on:
    /// what is used stays used, and the quota of the current window is raised or lowered by the difference. What is taken away is
    /// taken from what is free, then by the `liveRule` of the plan that is left; the rest is pending until it returns. A change that
    /// is made now takes the place of one that is scheduled. `previewPlanChange` shows all of it before.
    async fn change_plan(&self, context: &Context<'_>, input: ChangePlanInput) -> Result<ChangePlanPayload> {
        let done = change(context, &input.customer, Some(&input.plan), input.when).await;
        ChangePlanPayload::of(done.map(PlanChangeObject))
    }

    /// Ends a customer's subscription, now by default. From then on nothing new is entitled; what becomes of live allocations is up
    /// to the `liveRule` of the plan.
    async fn cancel_subscription(
        &self,
        context: &Context<'_>,
        customer: String,
        when: Option<WhenName>,
    ) -> Result<CancelSubscriptionPayload> {
        let done = change(context, &customer, None, when).await;
        CancelSubscriptionPayload::of(done.map(|changed| SubscriptionNode(changed.subscription)))
    }

    /// Withdraws the change of a customer's subscription that is scheduled.
    async fn withdraw_plan_change(&self, context: &Context<'_>, customer: String) -> Result<WithdrawPlanChangePayload> {
        WithdrawPlanChangePayload::of(steer(context, &customer, Steer::Withdraw).await)
    }

    /// Pauses a customer's subscription: every call on it and on its allocations is denied as `suspended`, and nothing is carved.
    /// Periods go on, and nothing is lost.
    async fn pause_subscription(&self, context: &Context<'_>, customer: String) -> Result<PauseSubscriptionPayload> {
        PauseSubscriptionPayload::of(steer(context, &customer, Steer::Pause).await)
    }

    /// Lets a customer's paused subscription go on.
    async fn resume_subscription(&self, context: &Context<'_>, customer: String) -> Result<ResumeSubscriptionPayload> {
        ResumeSubscriptionPayload::of(steer(context, &customer, Steer::Resume).await)
    }
}

async fn change(
    context: &Context<'_>,
    customer: &str,
    plan: Option<&str>,
    when: Option<WhenName>,
) -> Result<PlanChanged, Stop> {
    let asker = asker(context)?;
    let new = read(customer, plan, when)?;
    plan_changes::change(&asker.caller, &asker.desk, new).await.map_err(refused)
}

fn read(customer: &str, plan: Option<&str>, when: Option<WhenName>) -> Result<NewPlanChange, Stop> {
    let mut checks = Checks::default();
    let customer = checks.keep(&["customer"], Named::parse(customer));
    let to = plan.map(|plan| checks.keep(&["plan"], ExternalId::parse(plan)));
    checks.done()?;
    let to = to.map(kept).transpose()?;
    Ok(NewPlanChange { customer: kept(customer)?, to, when: when.map_or(When::Now, Into::into) })
}

/// What a change would come to.
pub(crate) async fn preview(
    context: &Context<'_>,
    customer: &str,
    plan: Option<&str>,
    when: Option<WhenName>,
) -> Result<PlanChangePreviewObject> {
    let asker = asker(context)?;
    let previewed = match read(customer, plan, when) {
        Ok(new) => plan_changes::preview(&asker.caller, &asker.desk, new).await.map_err(refused),
        Err(stop) => Err(stop),
    };
    match previewed {
        Ok(preview) => Ok(PlanChangePreviewObject { preview: Some(preview), refusals: Vec::new() }),
        Err(Stop::Refused(refusals)) => Ok(PlanChangePreviewObject { preview: None, refusals }),
        Err(Stop::Fault(error)) => Err(error),
    }
}

fn refused(error: ChangePlanError) -> Stop {
    match error {
        ChangePlanError::Forbidden(why) => why.into(),
        ChangePlanError::Fault(fault) => fault.into(),
        ChangePlanError::UnknownCustomer => Stop::at(RefusalCode::NotFound, &["customer"], error),
        ChangePlanError::UnknownPlan(_) => Stop::at(RefusalCode::NotFound, &["plan"], error),
        ChangePlanError::NotSubscribed => Stop::at(RefusalCode::Conflict, &["customer"], error),
        ChangePlanError::Unchanged => Stop::at(RefusalCode::Conflict, &["plan"], error),
        ChangePlanError::NeverRenews | ChangePlanError::Scheduled(_) => {
            Stop::at(RefusalCode::Conflict, &["when"], error)
        }
    }
}

/// What is done to a subscription beside changing its plan.
enum Steer {
    Withdraw,
    Pause,
    Resume,
}

async fn steer(context: &Context<'_>, customer: &str, what: Steer) -> Result<SubscriptionNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let customer = checks.keep(&["customer"], Named::parse(customer));
    checks.done()?;
    let (caller, desk, customer) = (&asker.caller, &asker.desk, kept(customer)?);
    let steered: Result<Subscription, SteerError> = match what {
        Steer::Withdraw => plan_changes::withdraw(caller, desk, &customer).await,
        Steer::Pause => plan_changes::pause(caller, desk, &customer).await,
        Steer::Resume => plan_changes::resume(caller, desk, &customer).await,
    };
    steered.map(SubscriptionNode).map_err(|error| match error {
        SteerError::Forbidden(why) => why.into(),
        SteerError::Fault(fault) => fault.into(),
        SteerError::UnknownCustomer => Stop::at(RefusalCode::NotFound, &["customer"], error),
        SteerError::NotSubscribed | SteerError::Already(_) => Stop::at(RefusalCode::Conflict, &["customer"], error),
    })
}
