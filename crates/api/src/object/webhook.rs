//! Webhook endpoints, without what is secret of them, and what is on its way there.

use super::{instant, wire_id};
use almoner_domain::address::Callable;
use almoner_domain::delivery::{Attempt, Delivery, DeliveryState};
use almoner_domain::happening::Described;
use almoner_domain::webhook::{DisableReason, EndpointState, SignatureScheme, WebhookEndpoint};
use async_graphql::{Enum, ID, Object, SimpleObject};

/// Where the tenant's systems hear of what happens.
pub(crate) struct EndpointObject(pub(crate) WebhookEndpoint);

#[Object(name = "WebhookEndpoint")]
impl EndpointObject {
    /// Its id.
    async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// Where events are sent to.
    async fn url(&self) -> &str {
        self.0.url.as_str()
    }

    /// What people call it.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_ref().map(|name| name.as_str())
    }

    /// What it is told of: names such as `allocation.exhausted`. Empty: all there are, and will be.
    async fn events(&self) -> Vec<&'static str> {
        self.0.events.iter().map(|kind| kind.as_str()).collect()
    }

    /// How it is signed.
    async fn signature(&self) -> SignatureSchemeName {
        self.0.scheme.into()
    }

    /// What its receiver verifies by (`whpk_...`), where that is no secret; none where it is signed as V1.
    async fn public_key(&self) -> Option<String> {
        self.0.public_key.map(|key| key.reveal())
    }

    /// Whether it may be in a private network. Whoever has the machine says so, and nobody else.
    async fn allows_private(&self) -> bool {
        self.0.callable == Callable::Any
    }

    /// Whether it is told of what happens.
    async fn enabled(&self) -> bool {
        self.0.is_enabled()
    }

    /// When it was disabled; none while it is told. `changeWebhookEndpoint(enabled: true)` goes on.
    async fn disabled_at(&self) -> Option<String> {
        match self.0.state {
            EndpointState::Enabled => None,
            EndpointState::Disabled(_, at) => Some(instant(at)),
        }
    }

    /// Why it is disabled; none while it is told.
    async fn disabled_reason(&self) -> Option<DisableReasonName> {
        match self.0.state {
            EndpointState::Enabled => None,
            EndpointState::Disabled(why, _) => Some(why.into()),
        }
    }

    /// Since when every attempt failed; none where the last one did not. After five days it is disabled.
    async fn failing_since(&self) -> Option<String> {
        self.0.failing.map(|failing| instant(failing.since))
    }

    /// Until when the secret before the current one signs as well; none where none was rotated away.
    async fn previous_secret_until(&self) -> Option<String> {
        self.0.previous.as_ref().map(|(_, until)| instant(*until))
    }

    /// When it was added.
    async fn created_at(&self) -> String {
        instant(self.0.created_at)
    }

    /// When it was last changed by somebody.
    async fn changed_at(&self) -> String {
        instant(self.0.changed_at)
    }
}

/// How events are signed, by the Standard Webhooks specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[graphql(name = "SignatureScheme")]
pub(crate) enum SignatureSchemeName {
    /// HMAC-SHA256 by a secret that both sides have.
    #[default]
    #[graphql(name = "V1")]
    V1,
    /// Ed25519: the receiver has the public key alone.
    #[graphql(name = "V1A")]
    V1A,
}

impl From<SignatureScheme> for SignatureSchemeName {
    fn from(scheme: SignatureScheme) -> Self {
        match scheme {
            SignatureScheme::V1 => Self::V1,
            SignatureScheme::V1a => Self::V1A,
        }
    }
}

impl From<SignatureSchemeName> for SignatureScheme {
    fn from(name: SignatureSchemeName) -> Self {
        match name {
            SignatureSchemeName::V1 => Self::V1,
            SignatureSchemeName::V1A => Self::V1a,
        }
    }
}

/// Why an endpoint is told of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "DisableReason")]
pub(crate) enum DisableReasonName {
    /// The receiver said that it is gone for good (410).
    Gone,
    /// Every attempt failed for five days.
    Failing,
    /// A person wants it so.
    Person,
}

impl From<DisableReason> for DisableReasonName {
    fn from(why: DisableReason) -> Self {
        match why {
            DisableReason::Gone => Self::Gone,
            DisableReason::Failing => Self::Failing,
            DisableReason::Person => Self::Person,
        }
    }
}

/// A kind of event that an endpoint can be told of.
pub(crate) struct EventTypeObject(pub(crate) Described);

#[Object(name = "WebhookEventType")]
impl EventTypeObject {
    /// Its name, as `addWebhookEndpoint` takes it and events carry it as their `type`.
    async fn name(&self) -> &'static str {
        self.0.kind.as_str()
    }

    /// What has happened then, in a sentence.
    async fn meaning(&self) -> &'static str {
        self.0.kind.meaning()
    }

    /// The JSON Schema (2020-12) of its body, JSON as a text.
    async fn schema(&self) -> &str {
        &self.0.schema
    }

    /// A body, JSON as a text.
    async fn example(&self) -> &str {
        &self.0.example
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "DeliveryState")]
pub(crate) enum DeliveryStateName {
    /// It is still tried.
    Pending,
    /// The receiver took it (2xx).
    Delivered,
    /// It was given up. It can be sent again.
    Failed,
}

impl From<DeliveryState> for DeliveryStateName {
    fn from(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Pending => Self::Pending,
            DeliveryState::Delivered => Self::Delivered,
            DeliveryState::Failed => Self::Failed,
        }
    }
}

impl From<DeliveryStateName> for DeliveryState {
    fn from(name: DeliveryStateName) -> Self {
        match name {
            DeliveryStateName::Pending => Self::Pending,
            DeliveryStateName::Delivered => Self::Delivered,
            DeliveryStateName::Failed => Self::Failed,
        }
    }
}

/// One event on its way to one endpoint.
pub(crate) struct DeliveryObject(pub(crate) Delivery);

#[Object(name = "WebhookDelivery")]
impl DeliveryObject {
    /// Its id.
    async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// The endpoint's id. It may have been removed since.
    async fn endpoint_id(&self) -> ID {
        wire_id(self.0.endpoint)
    }

    /// The event's id, the same in each attempt and at each endpoint: the header `webhook-id`.
    async fn event_id(&self) -> ID {
        wire_id(self.0.notice)
    }

    /// What happened: a name such as `allocation.exhausted`.
    async fn event(&self) -> &'static str {
        self.0.event.as_str()
    }

    /// Where it stands.
    async fn state(&self) -> DeliveryStateName {
        self.0.state.into()
    }

    /// The body that is sent, JSON as a text.
    async fn body(&self) -> &str {
        &self.0.payload
    }

    /// Attempts that were begun, at most 10. One whose end nobody recorded counts, and is followed by another.
    async fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// When it was prepared.
    async fn created_at(&self) -> String {
        instant(self.0.created_at)
    }

    /// When the next attempt is due; none when it has ended.
    async fn next_attempt_at(&self) -> Option<String> {
        (self.0.state == DeliveryState::Pending).then(|| instant(self.0.next_attempt_at))
    }

    /// When the last attempt was begun; none before the first.
    async fn last_attempt_at(&self) -> Option<String> {
        self.0.last_attempt_at.map(instant)
    }

    /// The HTTP status of the last attempt; none where there was no answer.
    async fn last_status(&self) -> Option<u16> {
        self.0.last_status
    }

    /// What was wrong with the last attempt, or why it was given up; none where nothing was.
    async fn last_error(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }

    /// When it was heard or given up; none while it is tried.
    async fn finished_at(&self) -> Option<String> {
        self.0.finished_at.map(instant)
    }
}

/// One attempt at a delivery, as the log keeps it. Its body is the delivery's.
pub(crate) struct AttemptObject(pub(crate) Attempt);

/// A header that was sent.
#[derive(SimpleObject)]
pub(crate) struct WebhookHeader {
    /// Its name.
    name: String,
    /// Its value; of signatures, which there were.
    value: String,
}

#[Object(name = "WebhookAttempt")]
impl AttemptObject {
    /// Its id.
    async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// Which attempt it was, from 1. A delivery that is sent again begins anew.
    async fn number(&self) -> u32 {
        self.0.number
    }

    /// When it was begun.
    async fn at(&self) -> String {
        instant(self.0.at)
    }

    /// How long it took, in milliseconds.
    async fn duration_ms(&self) -> f64 {
        self.0.exchange.took.as_secs_f64() * 1_000.0
    }

    /// The name or address that was called.
    async fn host(&self) -> &str {
        &self.0.host
    }

    /// The headers that were sent; none where nothing was.
    async fn request_headers(&self) -> Vec<WebhookHeader> {
        let header = |(name, value): &(String, String)| WebhookHeader { name: name.clone(), value: value.clone() };
        self.0.exchange.headers.iter().map(header).collect()
    }

    /// The HTTP status; none where there was no answer.
    async fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The first 1,024 bytes of the answer's body; none where there was no answer.
    async fn response_body(&self) -> Option<&str> {
        self.0.exchange.response.as_deref()
    }

    /// What was wrong; none where it was heard.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }
}
