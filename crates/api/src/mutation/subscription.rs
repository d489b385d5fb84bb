//! What customers are subscribed to, from when until when.

use crate::asker::asker;
use crate::object::SubscriptionNode;
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::subscriptions::{self, CancelError, NewSubscription, SubscribeError};
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
}

payload! {
    /// What came of subscribing a customer.
    SubscribePayload {
        /// The subscription.
        subscription: SubscriptionNode
    }
}

payload! {
    /// What came of cancelling a subscription.
    CancelSubscriptionPayload {
        /// The subscription as it ended.
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

    /// Ends a customer's subscription now. From then on nothing new is entitled; allocations carved before live to their own end.
    async fn cancel_subscription(&self, context: &Context<'_>, customer: String) -> Result<CancelSubscriptionPayload> {
        CancelSubscriptionPayload::of(cancel(context, &customer).await)
    }
}

async fn subscribe(context: &Context<'_>, input: SubscribeInput) -> Result<SubscriptionNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let customer = checks.keep(&["customer"], Named::parse(&input.customer));
    let plan = checks.keep(&["plan"], ExternalId::parse(&input.plan));
    let calendar = read_calendar(&input, asker.desk.app.clock.now(), &mut checks);
    checks.done()?;
    let new = NewSubscription { customer: kept(customer)?, plan: kept(plan)?, calendar: kept(calendar)? };
    let subscribed = subscriptions::subscribe(&asker.caller, &asker.desk.app, new).await;
    subscribed.map(SubscriptionNode).map_err(|error| match error {
        SubscribeError::Forbidden(why) => why.into(),
        SubscribeError::Fault(fault) => fault.into(),
        SubscribeError::UnknownCustomer => Stop::at(RefusalCode::NotFound, &["customer"], error),
        SubscribeError::UnknownPlan(_) => Stop::at(RefusalCode::NotFound, &["plan"], error),
        SubscribeError::Subscribed => Stop::at(RefusalCode::Conflict, &["customer"], error),
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

async fn cancel(context: &Context<'_>, customer: &str) -> Result<SubscriptionNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let customer = checks.keep(&["customer"], Named::parse(customer));
    checks.done()?;
    let cancelled = subscriptions::cancel(&asker.caller, &asker.desk.app, &kept(customer)?).await;
    cancelled.map(SubscriptionNode).map_err(|error| match error {
        CancelError::Forbidden(why) => why.into(),
        CancelError::Fault(fault) => fault.into(),
        CancelError::UnknownCustomer => Stop::at(RefusalCode::NotFound, &["customer"], error),
        CancelError::NotSubscribed => Stop::at(RefusalCode::Conflict, &["customer"], error),
    })
}
