//! Webhook endpoints: added, changed, tried, their keys rotated, removed; and deliveries sent again.

use crate::asker::asker;
use crate::object::{DeliveryObject, EndpointObject, SignatureSchemeName, wire_id};
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::webhooks::{self, EndpointChange, NewEndpoint, Signed, WebhookError};
use almoner_domain::address::Callable;
use almoner_domain::delivery::{Replay, Replayed};
use almoner_domain::happening::HappeningKind;
use almoner_domain::id::EndpointId;
use almoner_domain::text::Name;
use almoner_domain::time::Timestamp;
use almoner_domain::webhook::WebhookUrl;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use std::collections::BTreeSet;

/// Where to hear, and of what.
#[derive(InputObject)]
pub(crate) struct AddWebhookEndpointInput {
    /// Where events are sent to: `https://...`, or `http://...`, without a name or password in it.
    url: String,
    /// What people call it.
    description: Option<String>,
    /// What it is told of: names such as `allocation.exhausted`. None, or an empty list: all there are, and will be.
    events: Option<Vec<String>>,
    /// How it is signed.
    #[graphql(default)]
    signature: SignatureSchemeName,
}

/// What is changed of an endpoint. What is left out stays.
#[derive(InputObject)]
pub(crate) struct ChangeWebhookEndpointInput {
    /// Which.
    id: ID,
    /// Where events are sent to.
    url: Option<String>,
    /// What people call it.
    description: Option<String>,
    /// What it is told of; an empty list: all there are, and will be.
    events: Option<Vec<String>>,
    /// Whether it is told of what happens. While it is not, what it misses is listed as failed and can be replayed.
    enabled: Option<bool>,
}

/// Which deliveries are sent again: those of one event, or all that were prepared in a time.
#[derive(InputObject)]
pub(crate) struct ReplayDeliveriesInput {
    /// To which endpoint.
    endpoint: ID,
    /// Of this event: its `webhook-id`.
    event: Option<ID>,
    /// Prepared from this instant on.
    since: Option<String>,
    /// Prepared before this instant; now by default.
    until: Option<String>,
    /// Only what was not heard.
    #[graphql(default)]
    only_failed: bool,
}

/// An endpoint with a new key.
#[derive(SimpleObject)]
pub(crate) struct SignedEndpoint {
    /// The endpoint.
    endpoint: EndpointObject,
    /// The secret (`whsec_...`), by which the receiver verifies what it is sent. It is shown this once and cannot be read again.
    /// None of an endpoint whose receiver verifies by a public key, which the endpoint tells.
    secret: Option<String>,
}

payload! {
    /// What came of adding an endpoint.
    AddWebhookEndpointPayload {
        /// The endpoint, with its secret.
        webhook: SignedEndpoint
    }
}

payload! {
    /// What came of changing an endpoint.
    ChangeWebhookEndpointPayload {
        /// The endpoint as it is now.
        endpoint: EndpointObject
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
    /// What came of removing an endpoint.
    RemoveWebhookEndpointPayload {
        /// Whether it is removed.
        removed: bool
    }
}

payload! {
    /// What came of sending a test event.
    SendTestEventPayload {
        /// The event's id (`webhook-id`). Its delivery appears within a moment.
        event_id: ID
    }
}

payload! {
    /// What came of sending a delivery again.
    ResendDeliveryPayload {
        /// The delivery, due now.
        delivery: DeliveryObject
    }
}

payload! {
    /// What came of a replay.
    ReplayDeliveriesPayload {
        /// How many deliveries are due now. Those that were on their way already are not counted.
        count: u64
    }
}

#[derive(Default)]
pub(crate) struct WebhookMutation;

#[Object]
impl WebhookMutation {
    /// Adds an endpoint, with a key of its own, by which events are signed as the Standard Webhooks specification says. A realm has
    /// at most 20.
    async fn add_webhook_endpoint(
        &self,
        context: &Context<'_>,
        input: AddWebhookEndpointInput,
    ) -> Result<AddWebhookEndpointPayload> {
        AddWebhookEndpointPayload::of(add(context, input).await)
    }

    /// Changes an endpoint, or enables one that was disabled. Its key stays.
    async fn change_webhook_endpoint(
        &self,
        context: &Context<'_>,
        input: ChangeWebhookEndpointInput,
    ) -> Result<ChangeWebhookEndpointPayload> {
        ChangeWebhookEndpointPayload::of(change(context, input).await)
    }

    /// Gives an endpoint a new key. For 24 hours events carry the signatures of both, so that receivers can change over.
    async fn rotate_webhook_secret(&self, context: &Context<'_>, id: ID) -> Result<RotateWebhookSecretPayload> {
        RotateWebhookSecretPayload::of(rotate(context, &id).await)
    }

    /// Removes an endpoint. What was still on its way there is given up.
    async fn remove_webhook_endpoint(&self, context: &Context<'_>, id: ID) -> Result<RemoveWebhookEndpointPayload> {
        RemoveWebhookEndpointPayload::of(remove(context, &id).await)
    }

    /// Sends `webhook.test` to an endpoint, whatever it is told of.
    async fn send_test_event(&self, context: &Context<'_>, id: ID) -> Result<SendTestEventPayload> {
        SendTestEventPayload::of(test(context, &id).await)
    }

    /// Sends a delivery that ended once more, under the same id.
    async fn resend_delivery(&self, context: &Context<'_>, id: ID) -> Result<ResendDeliveryPayload> {
        ResendDeliveryPayload::of(resend(context, &id).await)
    }

    /// Sends deliveries that ended once more, each under the same id: of one event, or of a time. At most 1,000 at once.
    async fn replay_deliveries(
        &self,
        context: &Context<'_>,
        input: ReplayDeliveriesInput,
    ) -> Result<ReplayDeliveriesPayload> {
        ReplayDeliveriesPayload::of(replay(context, input).await)
    }
}

fn shown(signed: Signed) -> SignedEndpoint {
    SignedEndpoint { endpoint: EndpointObject(signed.endpoint), secret: signed.secret.map(|secret| secret.reveal()) }
}

/// A refusal; `of` is the member that names the endpoint.
fn stop(error: WebhookError, of: &str) -> Stop {
    match error {
        WebhookError::Forbidden(why) => why.into(),
        WebhookError::Fault(fault) => fault.into(),
        WebhookError::NoEndpoint => Stop::at(RefusalCode::NotFound, &[of], error),
        WebhookError::NoDelivery => Stop::at(RefusalCode::NotFound, &["id"], error),
        WebhookError::Full => Stop::at(RefusalCode::Limit, &[], error),
        WebhookError::Disabled(_) => Stop::at(RefusalCode::Conflict, &[of], error),
        WebhookError::Pending => Stop::at(RefusalCode::Conflict, &["id"], error),
        WebhookError::Backwards => Stop::at(RefusalCode::Invalid, &["until"], format!("until {error}")),
        WebhookError::TooMany => Stop::at(RefusalCode::Limit, &["since"], error),
    }
}

/// An id of an endpoint. What is no id names none.
fn endpoint_id(id: &ID, of: &str) -> Result<EndpointId, Stop> {
    id.parse().map_err(|_| stop(WebhookError::NoEndpoint, of))
}

async fn add(context: &Context<'_>, input: AddWebhookEndpointInput) -> Result<SignedEndpoint, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let url = checks.keep(&["url"], WebhookUrl::parse(&input.url, asker.desk.callable));
    let description = described(&mut checks, input.description.as_deref());
    let events = events(&mut checks, &input.events.unwrap_or_default());
    checks.done()?;
    let scheme = input.signature.into();
    // Leave to call private addresses is whoever's who has the machine: no door of a tenant's gives it.
    let new = NewEndpoint { url: kept(url)?, description, events, scheme, callable: Callable::Public };
    let added = webhooks::add(&asker.caller, &asker.desk.app, &*asker.desk.seal, new).await;
    added.map(shown).map_err(|error| stop(error, "id"))
}

async fn change(context: &Context<'_>, input: ChangeWebhookEndpointInput) -> Result<EndpointObject, Stop> {
    let asker = asker(context)?;
    let id = endpoint_id(&input.id, "id")?;
    let mut checks = Checks::default();
    let url = input.url.and_then(|url| checks.keep(&["url"], WebhookUrl::parse(&url, asker.desk.callable)));
    let description = described(&mut checks, input.description.as_deref());
    let events = input.events.map(|named| events(&mut checks, &named));
    checks.done()?;
    let wanted = EndpointChange { url, description, events, enabled: input.enabled };
    let changed = webhooks::change(&asker.caller, &asker.desk.app, id, wanted).await;
    changed.map(EndpointObject).map_err(|error| stop(error, "id"))
}

fn described(checks: &mut Checks, text: Option<&str>) -> Option<Name> {
    text.and_then(|text| checks.keep(&["description"], Name::parse(text)))
}

/// The events that are named.
fn events(checks: &mut Checks, named: &[String]) -> BTreeSet<HappeningKind> {
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

async fn rotate(context: &Context<'_>, id: &ID) -> Result<SignedEndpoint, Stop> {
    let asker = asker(context)?;
    let id = endpoint_id(id, "id")?;
    let rotated = webhooks::rotate(&asker.caller, &asker.desk.app, &*asker.desk.seal, id).await;
    rotated.map(shown).map_err(|error| stop(error, "id"))
}

async fn remove(context: &Context<'_>, id: &ID) -> Result<bool, Stop> {
    let asker = asker(context)?;
    let id = endpoint_id(id, "id")?;
    webhooks::remove(&asker.caller, &asker.desk.app, id).await.map(|()| true).map_err(|error| stop(error, "id"))
}

async fn test(context: &Context<'_>, id: &ID) -> Result<ID, Stop> {
    let asker = asker(context)?;
    let id = endpoint_id(id, "id")?;
    webhooks::test(&asker.caller, &asker.desk.app, id).await.map(wire_id).map_err(|error| stop(error, "id"))
}

async fn resend(context: &Context<'_>, id: &ID) -> Result<DeliveryObject, Stop> {
    let asker = asker(context)?;
    let id = id.parse().map_err(|_| stop(WebhookError::NoDelivery, "id"))?;
    let resent = webhooks::resend(&asker.caller, &asker.desk.app, id).await;
    resent.map(DeliveryObject).map_err(|error| stop(error, "id"))
}

async fn replay(context: &Context<'_>, input: ReplayDeliveriesInput) -> Result<u64, Stop> {
    let asker = asker(context)?;
    let endpoint = endpoint_id(&input.endpoint, "endpoint")?;
    let mut checks = Checks::default();
    let mut instant = |member, text: Option<&str>| text.and_then(|text| checks.keep(&[member], Timestamp::parse(text)));
    let (since, until) = (instant("since", input.since.as_deref()), instant("until", input.until.as_deref()));
    let event = input.event.as_ref().and_then(|event| checks.keep(&["event"], event.parse()));
    checks.done()?;
    let of = match (event, since) {
        (Some(event), None) => Replayed::Event(event),
        (None, Some(since)) => Replayed::Between(since, until.unwrap_or_else(|| asker.desk.app.clock.now())),
        (Some(_), Some(_)) | (None, None) => {
            let message = "name either an event, or since when; both or neither say nothing clear";
            return Err(Stop::at(RefusalCode::Invalid, &["since"], message));
        }
    };
    let asked = Replay { endpoint, of, only_failed: input.only_failed };
    webhooks::replay(&asker.caller, &asker.desk.app, asked).await.map_err(|error| stop(error, "endpoint"))
}
