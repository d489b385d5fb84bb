//! What customers are subscribed to, from when until when.

use crate::asker::asker;
use crate::object::SubscriptionNode;
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::subscriptions::{self, NewSubscription, SubscribeError, Trial};
use almoner_domain::calendar::{Calendar, CalendarError};
use almoner_domain::text::{ExternalId, Named};
use almoner_domain::time::Timestamp;
use async_graphql::{Context, InputObject, Object, Result};

/// A subscription to be.
#[derive(InputObject)]
pub(crate) struct SubscribeInput {
    /// The customer, by our id or the provider's.
    customer: String,
    /// The plan, by the provider's id; the version in force is taken.
    plan: String,
    /// Where its periods start (RFC 3339), not ahead of now; now by default.
    anchor: Option<String>,
    /// The same as clocks show it in the zone, such as `2026-01-31T09:00`. A time that a change of clocks leaves out is moved
    /// forward by what was left out, and on other days is there again; one that comes twice is the earlier one.
    local_anchor: Option<String>,
    /// In whose civil time: an IANA zone such as `Europe/Paris`; `UTC` by default.
    zone: Option<String>,
    /// It is tried first; it is not by default.
    trial: Option<TrialInput>,
}

/// A trial: a subscription that changes by itself when it is over.
#[derive(InputObject)]
pub(crate) struct TrialInput {
    /// How many days of 24 hours it lasts, 1 to 366.
    days: i32,
    /// The plan that follows, by the provider's id, in the version that is in force then. By default the subscription ends.
    then: Option<String>,
}

payload! {
    /// What came of subscribing a customer.
    SubscribePayload {
        /// The subscription.
        subscription: SubscriptionNode
    }
}

#[derive(Default)]
pub(crate) struct SubscriptionMutation;

#[Object]
impl SubscriptionMutation {
    /// Subscribes a customer to the version of a plan that is in force. One that is subscribed already is not.
    async fn subscribe(&self, context: &Context<'_>, input: SubscribeInput) -> Result<SubscribePayload> {
        SubscribePayload::of(subscribe(context, input).await)
    }
}

async fn subscribe(context: &Context<'_>, input: SubscribeInput) -> Result<SubscriptionNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let customer = checks.keep(&["customer"], Named::parse(&input.customer));
    let plan = checks.keep(&["plan"], ExternalId::parse(&input.plan));
    let calendar = read_calendar(&input, asker.desk.app.clock.now(), &mut checks);
    let next = input.trial.as_ref().and_then(|trial| trial.then.as_deref());
    let next = next.map(|next| checks.keep(&["trial", "then"], ExternalId::parse(next)));
    checks.done()?;
    let then = next.map(kept).transpose()?;
    // What does not fit is none or too many, and refused as that.
    let trial = input.trial.as_ref().map(|trial| Trial { days: u16::try_from(trial.days).unwrap_or_default(), then });
    let new = NewSubscription { customer: kept(customer)?, plan: kept(plan)?, calendar: kept(calendar)?, trial };
    let subscribed = subscriptions::subscribe(&asker.caller, &asker.desk.app, new).await;
    subscribed.map(SubscriptionNode).map_err(|error| match error {
        SubscribeError::Forbidden(why) => why.into(),
        SubscribeError::Fault(fault) => fault.into(),
        SubscribeError::UnknownCustomer => Stop::at(RefusalCode::NotFound, &["customer"], error),
        SubscribeError::UnknownPlan(_) => Stop::at(RefusalCode::NotFound, &["plan"], error),
        SubscribeError::Subscribed => Stop::at(RefusalCode::Conflict, &["customer"], error),
        SubscribeError::TrialDays => Stop::at(RefusalCode::Invalid, &["trial", "days"], error),
        SubscribeError::UnknownNext(_) => Stop::at(RefusalCode::NotFound, &["trial", "then"], error),
        SubscribeError::NotBegun => Stop::at(RefusalCode::Invalid, &["anchor"], error),
    })
}

fn read_calendar(input: &SubscribeInput, now: Timestamp, checks: &mut Checks) -> Option<Calendar> {
    let zone = input.zone.as_deref().unwrap_or("UTC");
    let at = |error: &CalendarError| match error {
        CalendarError::Zone => ["zone"],
        CalendarError::Anchor | CalendarError::OutOfRange if input.local_anchor.is_some() => ["localAnchor"],
        CalendarError::Anchor | CalendarError::OutOfRange => ["anchor"],
    };
    let calendar = match (&input.anchor, &input.local_anchor) {
        (Some(_), Some(_)) => {
            checks.add(&["localAnchor"], "is given beside anchor: give one of them");
            return None;
        }
        (Some(text), None) => Calendar::new(checks.keep(&["anchor"], Timestamp::parse(text))?, zone),
        (None, Some(text)) => Calendar::local(text, zone),
        (None, None) => Calendar::new(now, zone),
    };
    match calendar {
        Ok(calendar) => Some(calendar),
        Err(error) => {
            checks.add(&at(&error), error);
            None
        }
    }
}
