//! The webhook endpoint of a realm, and what is delivered there.

use crate::audit::{Deed, sign};
use crate::authority::{self, FindError, Forbidden};
use crate::desk::Desk;
use almoner_domain::audit::Action;
use almoner_domain::caller::Caller;
use almoner_domain::delivery::{Delivery, DeliveryState};
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::happening::HappeningKind;
use almoner_domain::id::NoticeId;
use almoner_domain::notice::{Event, Notice};
use almoner_domain::page::{Page, Stretch};
use almoner_domain::ports::Work;
use almoner_domain::tenant::Realm;
use almoner_domain::webhook::{EndpointState, SECRET_OVERLAP, WebhookEndpoint, WebhookSecret, WebhookUrl};
use std::collections::BTreeSet;
use thiserror::Error;

/// Where a realm wants to hear, and of what.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// Where.
    pub url: WebhookUrl,
    /// Of what.
    pub events: BTreeSet<HappeningKind>,
}

/// An endpoint as it is now, with its secret in plain where that is new.
#[derive(Debug)]
pub struct Signed {
    /// The endpoint.
    pub endpoint: WebhookEndpoint,
    /// The secret, this once.
    pub secret: Option<WebhookSecret>,
}

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// There is nowhere to deliver to.
    #[error("there is no webhook endpoint; set one first")]
    NoEndpoint,
    /// The receiver said that it is gone for good.
    #[error("the receiver said that it is gone (410); set the endpoint again to go on")]
    Gone,
    /// No such delivery.
    #[error("there is no such delivery")]
    NoDelivery,
    /// It is on its way already.
    #[error("this delivery is still being tried; look at when it is tried next")]
    Pending,
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The endpoint.
pub async fn find(caller: &Caller, desk: &Desk) -> Result<Option<WebhookEndpoint>, FindError> {
    let realm = authority::operator(caller)?;
    Ok(desk.deliveries.endpoint(realm).await?)
}

/// What an endpoint can be told of.
pub fn events(caller: &Caller) -> Result<Vec<HappeningKind>, FindError> {
    authority::operator(caller)?;
    Ok(HappeningKind::subscribable().collect())
}

/// What is or was on its way there, newest first.
pub async fn deliveries(
    caller: &Caller,
    desk: &Desk,
    state: Option<DeliveryState>,
    page: Page,
) -> Result<Stretch<Delivery>, FindError> {
    let realm = authority::operator(caller)?;
    Ok(desk.deliveries.deliveries(realm, state, page).await?)
}

/// Sets the endpoint. A new one gets a secret; one that was there keeps its own, and is told again where it was gone.
pub async fn set(caller: &Caller, desk: &Desk, new: NewEndpoint) -> Result<Signed, WebhookError> {
    let realm = authority::operator(caller)?;
    let now = desk.app.now();
    let mut work = desk.app.store.begin(realm).await?;
    let (url, events, state) = (new.url, new.events, EndpointState::Enabled);
    let signed = match work.webhooks().endpoint().await? {
        Some(old) => Signed { endpoint: WebhookEndpoint { url, events, state, changed_at: now, ..old }, secret: None },
        None => {
            let plain = WebhookSecret::generate(&*desk.app.entropy);
            let secret = desk.seal.seal(realm, &plain)?;
            let endpoint =
                WebhookEndpoint { url, events, secret, previous: None, state, created_at: now, changed_at: now };
            Signed { endpoint, secret: Some(plain) }
        }
    };
    work.webhooks().set(&signed.endpoint).await?;
    let note = signed.endpoint.url.host().to_owned();
    finish(work, caller, desk, realm, Action::SetWebhook, note).await?;
    tracing::info!(%realm, host = signed.endpoint.url.host(), "webhook endpoint set");
    Ok(signed)
}

/// Gives the endpoint a new secret. The old one signs as well for [`SECRET_OVERLAP`].
pub async fn rotate(caller: &Caller, desk: &Desk) -> Result<Signed, WebhookError> {
    let realm = authority::operator(caller)?;
    let now = desk.app.now();
    let mut work = desk.app.store.begin(realm).await?;
    let old = work.webhooks().endpoint().await?.ok_or(WebhookError::NoEndpoint)?;
    let plain = WebhookSecret::generate(&*desk.app.entropy);
    let endpoint = WebhookEndpoint {
        secret: desk.seal.seal(realm, &plain)?,
        previous: Some((old.secret, now.saturating_add(SECRET_OVERLAP))),
        changed_at: now,
        ..old
    };
    work.webhooks().set(&endpoint).await?;
    finish(work, caller, desk, realm, Action::RotateWebhookSecret, String::new()).await?;
    tracing::info!(%realm, "webhook secret rotated");
    Ok(Signed { endpoint, secret: Some(plain) })
}

/// Removes the endpoint. What was on its way there is given up.
pub async fn remove(caller: &Caller, desk: &Desk) -> Result<(), WebhookError> {
    let realm = authority::operator(caller)?;
    let mut work = desk.app.store.begin(realm).await?;
    if !work.webhooks().remove().await? {
        return Err(WebhookError::NoEndpoint);
    }
    finish(work, caller, desk, realm, Action::RemoveWebhook, String::new()).await?;
    tracing::info!(%realm, "webhook endpoint removed");
    Ok(())
}

/// Puts a test event on its way, whatever the endpoint is told of. Answers the id that its delivery will have.
pub async fn test(caller: &Caller, desk: &Desk) -> Result<NoticeId, WebhookError> {
    let realm = authority::operator(caller)?;
    let mut work = desk.app.store.begin(realm).await?;
    enabled(&mut *work).await?;
    let notice = Notice { id: desk.app.new_id(), at: desk.app.now(), event: Event::Test };
    work.webhooks().announce(&notice).await?;
    finish(work, caller, desk, realm, Action::TestWebhook, notice.id.to_string()).await?;
    Ok(notice.id)
}

/// Puts a delivery that ended on its way again, under the same id and with all its attempts.
pub async fn resend(caller: &Caller, desk: &Desk, id: NoticeId) -> Result<Delivery, WebhookError> {
    let realm = authority::operator(caller)?;
    let mut work = desk.app.store.begin(realm).await?;
    let found = work.webhooks().delivery(id).await?.ok_or(WebhookError::NoDelivery)?;
    if found.state == DeliveryState::Pending {
        return Err(WebhookError::Pending);
    }
    enabled(&mut *work).await?;
    if !work.webhooks().deliver_again(id).await? {
        return Err(WebhookError::Pending);
    }
    let missing = || Fault { operation: "resend", kind: FaultKind::Broken, source: None };
    let delivery = work.webhooks().delivery(id).await?.ok_or_else(missing)?;
    finish(work, caller, desk, realm, Action::ResendDelivery, id.to_string()).await?;
    Ok(delivery)
}

async fn enabled(work: &mut dyn Work) -> Result<(), WebhookError> {
    match work.webhooks().endpoint().await?.ok_or(WebhookError::NoEndpoint)?.state {
        EndpointState::Enabled => Ok(()),
        EndpointState::Gone(_) => Err(WebhookError::Gone),
    }
}

/// Signs what was done to the realm's webhook, and makes it so.
async fn finish(
    mut work: Box<dyn Work>,
    caller: &Caller,
    desk: &Desk,
    realm: Realm,
    action: Action,
    note: String,
) -> Result<(), Fault> {
    sign(&mut *work, &desk.app, caller, Deed { action, subject: &realm, customer: None, note }).await?;
    work.commit().await
}
