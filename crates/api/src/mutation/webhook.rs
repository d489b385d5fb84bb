//! The webhook endpoint: set, tried, its secret rotated, removed; and deliveries sent again.

use crate::asker::asker;
use crate::object::{DeliveryObject, EndpointObject, wire_id};
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::webhooks::{self, NewEndpoint, Signed, WebhookError};
use almoner_domain::happening::HappeningKind;
use almoner_domain::webhook::WebhookUrl;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use std::collections::BTreeSet;

/// Where to hear, and of what.
#[derive(InputObject)]
pub(crate) struct SetWebhookEndpointInput {
    /// Where events are sent to: `https://...`, or `http://...`, without a name or password in it.
    url: String,
    /// What it is told of: names such as `allocation.exhausted`. All there are by default.
    events: Option<Vec<String>>,
}

/// An endpoint that was set or whose secret was rotated.
#[derive(SimpleObject)]
pub(crate) struct SignedEndpoint {
    /// The endpoint.
    endpoint: EndpointObject,
    /// A new secret (`whsec_...`), by which the receiver verifies what it is sent. It is shown this once and cannot be read again.
    /// None where the endpoint has kept the secret that it had.
    secret: Option<String>,
}

payload! {
    /// What came of setting the endpoint.
    SetWebhookEndpointPayload {
        /// The endpoint, with its secret where that is new.
        webhook: SignedEndpoint
    }
}

payload! {
    /// What came of rotating the secret.
    RotateWebhookSecretPayload {
        /// The endpoint, with its new secret.
        webhook: SignedEndpoint
    }
}

payload! {
    /// What came of removing the endpoint.
    RemoveWebhookEndpointPayload {
        /// Whether it is removed.
        removed: bool
    }
}

payload! {
    /// What came of sending a test event.
    SendTestEventPayload {
        /// The id of its delivery, which appears within a moment.
        delivery_id: ID
    }
}

payload! {
    /// What came of sending a delivery again.
    ResendDeliveryPayload {
        /// The delivery, due now.
        delivery: DeliveryObject
    }
}

#[derive(Default)]
pub(crate) struct WebhookMutation;

#[Object]
impl WebhookMutation {
    /// Sets the endpoint, in the place of the one there is: a realm has one. A new one gets a secret, shown this once; one that
    /// is changed keeps its own. Events are signed as the Standard Webhooks specification says.
    async fn set_webhook_endpoint(
        &self,
        context: &Context<'_>,
        input: SetWebhookEndpointInput,
    ) -> Result<SetWebhookEndpointPayload> {
        SetWebhookEndpointPayload::of(set(context, input).await)
    }

    /// Gives the endpoint a new secret. For 24 hours events carry the signatures of both, so that receivers can change over.
    async fn rotate_webhook_secret(&self, context: &Context<'_>) -> Result<RotateWebhookSecretPayload> {
        RotateWebhookSecretPayload::of(rotate(context).await)
    }

    /// Removes the endpoint. What was still on its way there is given up.
    async fn remove_webhook_endpoint(&self, context: &Context<'_>) -> Result<RemoveWebhookEndpointPayload> {
        RemoveWebhookEndpointPayload::of(remove(context).await)
    }

    /// Sends `webhook.test` to the endpoint, whatever it is told of.
    async fn send_test_event(&self, context: &Context<'_>) -> Result<SendTestEventPayload> {
        SendTestEventPayload::of(test(context).await)
    }

    /// Sends a delivery that ended once more, under the same id.
    async fn resend_delivery(&self, context: &Context<'_>, id: ID) -> Result<ResendDeliveryPayload> {
        ResendDeliveryPayload::of(resend(context, &id).await)
    }
}

fn shown(signed: Signed) -> SignedEndpoint {
    SignedEndpoint { endpoint: EndpointObject(signed.endpoint), secret: signed.secret.map(|secret| secret.reveal()) }
}

fn stop(error: WebhookError) -> Stop {
    match error {
        WebhookError::Forbidden(why) => why.into(),
        WebhookError::Fault(fault) => fault.into(),
        WebhookError::NoEndpoint => Stop::at(RefusalCode::NotFound, &[], error),
        WebhookError::NoDelivery => Stop::at(RefusalCode::NotFound, &["id"], error),
        WebhookError::Gone => Stop::at(RefusalCode::Conflict, &[], error),
        WebhookError::Pending => Stop::at(RefusalCode::Conflict, &["id"], error),
    }
}

async fn set(context: &Context<'_>, input: SetWebhookEndpointInput) -> Result<SignedEndpoint, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let url = checks.keep(&["url"], WebhookUrl::parse(&input.url, asker.desk.callable));
    let events = events(&mut checks, input.events);
    checks.done()?;
    let new = NewEndpoint { url: kept(url)?, events };
    webhooks::set(&asker.caller, &asker.desk, new).await.map(shown).map_err(stop)
}

/// The events that are named; all where none are. An empty list would be an endpoint that is told nothing.
fn events(checks: &mut Checks, named: Option<Vec<String>>) -> BTreeSet<HappeningKind> {
    let Some(named) = named else { return HappeningKind::subscribable().collect() };
    if named.is_empty() {
        checks.add(&["events"], "must name at least one event; remove the endpoint to hear of nothing");
    }
    let mut events = BTreeSet::new();
    for (at, name) in named.iter().enumerate() {
        match HappeningKind::subscribable().find(|kind| kind.as_str() == name) {
            Some(kind) => drop(events.insert(kind)),
            None => {
                let all: Vec<&str> = HappeningKind::subscribable().map(HappeningKind::as_str).collect();
                checks.add(&["events", &at.to_string()], format!("must be one of {}", all.join(", ")));
            }
        }
    }
    events
}

async fn rotate(context: &Context<'_>) -> Result<SignedEndpoint, Stop> {
    let asker = asker(context)?;
    webhooks::rotate(&asker.caller, &asker.desk).await.map(shown).map_err(stop)
}

async fn remove(context: &Context<'_>) -> Result<bool, Stop> {
    let asker = asker(context)?;
    webhooks::remove(&asker.caller, &asker.desk).await.map(|()| true).map_err(stop)
}

async fn test(context: &Context<'_>) -> Result<ID, Stop> {
    let asker = asker(context)?;
    webhooks::test(&asker.caller, &asker.desk).await.map(wire_id).map_err(stop)
}

async fn resend(context: &Context<'_>, id: &ID) -> Result<DeliveryObject, Stop> {
    let asker = asker(context)?;
    let id = id.parse().map_err(|_| stop(WebhookError::NoDelivery))?;
    webhooks::resend(&asker.caller, &asker.desk, id).await.map(DeliveryObject).map_err(stop)
}
