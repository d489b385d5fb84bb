//! The webhook endpoint, without what is secret of it, and what is on its way there.

use super::{instant, wire_id};
use almoner_domain::delivery::{Delivery, DeliveryState};
use almoner_domain::happening::HappeningKind;
use almoner_domain::webhook::{EndpointState, WebhookEndpoint};
use async_graphql::{Enum, ID, Object};

/// Where the tenant's systems hear of what happens.
pub(crate) struct EndpointObject(pub(crate) WebhookEndpoint);

#[Object(name = "WebhookEndpoint")]
impl EndpointObject {
    /// Where events are sent to.
    async fn url(&self) -> &str {
        self.0.url.as_str()
    }

    /// What it is told of: names such as `allocation.exhausted`.
    async fn events(&self) -> Vec<&'static str> {
        self.0.events.iter().map(|kind| kind.as_str()).collect()
    }

    /// When the receiver said that it is gone for good (410); none while events are sent. Setting the endpoint again goes on.
    async fn gone_at(&self) -> Option<String> {
        match self.0.state {
            EndpointState::Enabled => None,
            EndpointState::Gone(at) => Some(instant(at)),
        }
    }

    /// Until when the secret before the current one signs as well; none where none was rotated away.
    async fn previous_secret_until(&self) -> Option<String> {
        self.0.previous.as_ref().map(|(_, until)| instant(*until))
    }

    /// When it was first set.
    async fn created_at(&self) -> String {
        instant(self.0.created_at)
    }

    /// When it was last set, or its secret rotated.
    async fn changed_at(&self) -> String {
        instant(self.0.changed_at)
    }
}

/// A kind of event that an endpoint can be told of.
pub(crate) struct EventTypeObject(pub(crate) HappeningKind);

#[Object(name = "WebhookEventType")]
impl EventTypeObject {
    /// Its name, as `setWebhookEndpoint` takes it and events carry it as their `type`.
    async fn name(&self) -> &'static str {
        self.0.as_str()
    }

    /// What has happened then, in a sentence.
    async fn meaning(&self) -> &'static str {
        self.0.meaning()
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

/// One event on its way to the endpoint.
pub(crate) struct DeliveryObject(pub(crate) Delivery);

#[Object(name = "WebhookDelivery")]
impl DeliveryObject {
    /// Its id, the same in each attempt: the header `webhook-id`.
    async fn id(&self) -> ID {
        wire_id(self.0.id)
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
