//! The webhook endpoints of a realm, and what is delivered there.

use crate::app::App;
use crate::audit::{Deed, sign};
use crate::authority::{self, FindError, Forbidden};
use crate::desk::Desk;
use almoner_domain::address::Callable;
use almoner_domain::audit::Action;
use almoner_domain::caller::Caller;
use almoner_domain::delivery::{
    ATTEMPTS_LISTED_MAX, Attempt, Delivery, DeliveryFilter, DeliveryState, REPLAY_MAX, Replay, Replayed,
};
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::happening::{Described, HappeningKind};
use almoner_domain::id::{DeliveryId, EndpointId, NoticeId};
use almoner_domain::notice::{Event, Notice};
use almoner_domain::page::{Page, Stretch};
use almoner_domain::ports::{Seal, Work};
use almoner_domain::tenant::Realm;
use almoner_domain::text::Name;
use almoner_domain::webhook::{
    DisableReason, ENDPOINTS_MAX, EndpointState, PublicKey, SECRET_OVERLAP, SealedSecret, SignatureScheme,
    WebhookEndpoint, WebhookSecret, WebhookUrl,
};
use std::collections::BTreeSet;
use thiserror::Error;

/// Where a realm wants to hear, and of what.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// Where.
    pub url: WebhookUrl,
    /// What people call it.
    pub description: Option<Name>,
    /// Of what; empty for all there is, and will be.
    pub events: BTreeSet<HappeningKind>,
    /// How it is signed.
    pub scheme: SignatureScheme,
    /// Which addresses its name may lead to. More than the public ones is for whoever has the machine to say.
    pub callable: Callable,
}

/// What is changed of an endpoint; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct EndpointChange {
    /// Where it is. Leave to call private addresses was for the address before, and goes with it.
    pub url: Option<WebhookUrl>,
    /// What people call it.
    pub description: Option<Name>,
    /// What it is told of; empty for all there is, and will be.
    pub events: Option<BTreeSet<HappeningKind>>,
    /// Is it told of what happens?
    pub enabled: Option<bool>,
}

/// An endpoint whose key is new, with what its receiver verifies by.
#[derive(Debug)]
pub struct Signed {
    /// The endpoint.
    pub endpoint: WebhookEndpoint,
    /// The secret, this once; none where receivers verify by its public key, which is no secret.
    pub secret: Option<WebhookSecret>,
}

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such endpoint.
    #[error("there is no such webhook endpoint")]
    NoEndpoint,
    /// There are as many as there can be.
    #[error("there are {ENDPOINTS_MAX} webhook endpoints, which is the most; remove one first")]
    Full,
    /// It is told of nothing.
    #[error("{}; enable it first", .0.sentence())]
    Disabled(DisableReason),
    /// No such delivery.
    #[error("there is no such delivery")]
    NoDelivery,
    /// It is on its way already.
    #[error("this delivery is still being tried; look at when it is tried next")]
    Pending,
    /// The time has no length.
    #[error("must be after since")]
    Backwards,
    /// More than are replayed at once.
    #[error("more than {REPLAY_MAX} deliveries ended in that time; ask for a shorter one, or for what failed alone")]
    TooMany,
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The endpoints, oldest first.
pub async fn list(caller: &Caller, desk: &Desk) -> Result<Vec<WebhookEndpoint>, FindError> {
    let realm = authority::operator(caller)?;
    Ok(desk.deliveries.endpoints(realm).await?)
}

/// One endpoint; `None` where there is none by that id.
pub async fn find(caller: &Caller, desk: &Desk, id: EndpointId) -> Result<Option<WebhookEndpoint>, FindError> {
    Ok(list(caller, desk).await?.into_iter().find(|endpoint| endpoint.id == id))
}

/// What an endpoint can be told of.
pub fn events(caller: &Caller, desk: &Desk) -> Result<Vec<Described>, FindError> {
    authority::operator(caller)?;
    Ok(desk.events.to_vec())
}

/// What is or was on its way to endpoints, newest first.
pub async fn deliveries(
    caller: &Caller,
    desk: &Desk,
    filter: DeliveryFilter,
    page: Page,
) -> Result<Stretch<Delivery>, FindError> {
    let realm = authority::operator(caller)?;
    Ok(desk.deliveries.deliveries(realm, filter, page).await?)
}

/// The log of a delivery: attempts whose end was recorded, newest first.
pub async fn attempts(caller: &Caller, desk: &Desk, delivery: DeliveryId) -> Result<Vec<Attempt>, FindError> {
    let realm = authority::operator(caller)?;
    Ok(desk.deliveries.attempts(realm, delivery, ATTEMPTS_LISTED_MAX).await?)
}

/// The endpoints, oldest first, for a command line that has nothing but the catalogue.
pub async fn all(caller: &Caller, app: &App) -> Result<Vec<WebhookEndpoint>, FindError> {
    let realm = authority::operator(caller)?;
    Ok(app.store.begin(realm).await?.webhooks().all().await?)
}

/// Adds an endpoint, with a key of its own.
pub async fn add(caller: &Caller, app: &App, seal: &dyn Seal, new: NewEndpoint) -> Result<Signed, WebhookError> {
    let realm = authority::operator(caller)?;
    let now = app.now();
    let mut work = app.store.begin(realm).await?;
    if work.webhooks().all().await?.len() >= ENDPOINTS_MAX {
        return Err(WebhookError::Full);
    }
    let key = Key::new(app, seal, realm, new.scheme)?;
    let endpoint = WebhookEndpoint {
        id: app.new_id(),
        url: new.url,
        description: new.description,
        events: new.events,
        callable: new.callable,
        scheme: new.scheme,
        secret: key.sealed,
        public_key: key.public,
        previous: None,
        state: EndpointState::Enabled,
        failing: None,
        created_at: now,
        changed_at: now,
    };
    work.webhooks().put(&endpoint).await?;
    let host = endpoint.url.host().to_owned();
    let note = if endpoint.callable == Callable::Any { format!("{host}, private addresses allowed") } else { host };
    finish(work, caller, app, Action::AddWebhook, &endpoint.id, note).await?;
    tracing::info!(%realm, id = %endpoint.id, host = endpoint.url.host(), "webhook endpoint added");
    Ok(Signed { endpoint, secret: key.plain })
}

/// Changes an endpoint. One that is disabled gives up what is on its way there; one that is enabled again begins anew.
pub async fn change(
    caller: &Caller,
    app: &App,
    id: EndpointId,
    change: EndpointChange,
) -> Result<WebhookEndpoint, WebhookError> {
    let realm = authority::operator(caller)?;
    let now = app.now();
    let mut work = app.store.begin(realm).await?;
    let old = work.webhooks().endpoint(id).await?.ok_or(WebhookError::NoEndpoint)?;
    let mut endpoint = WebhookEndpoint { changed_at: now, ..old.clone() };
    if let Some(url) = change.url.filter(|url| *url != old.url) {
        (endpoint.url, endpoint.callable, endpoint.failing) = (url, Callable::Public, None);
    }
    if let Some(description) = change.description {
        endpoint.description = Some(description);
    }
    if let Some(events) = change.events {
        endpoint.events = events;
    }
    match change.enabled {
        Some(true) => (endpoint.state, endpoint.failing) = (EndpointState::Enabled, None),
        Some(false) if old.is_enabled() => endpoint.state = EndpointState::Disabled(DisableReason::Person, now),
        Some(false) | None => {}
    }
    work.webhooks().put(&endpoint).await?;
    let is_disabled_now = old.is_enabled() && !endpoint.is_enabled();
    if is_disabled_now {
        work.webhooks().give_up(id, DisableReason::Person.sentence()).await?;
        let event = Event::EndpointDisabled(id);
        work.webhooks().announce(&Notice { id: app.new_id(), at: now, event, allocation: None }).await?;
    }
    let action = if is_disabled_now { Action::DisableWebhook } else { Action::ChangeWebhook };
    finish(work, caller, app, action, &id, endpoint.url.host().to_owned()).await?;
    tracing::info!(%realm, %id, enabled = endpoint.is_enabled(), "webhook endpoint changed");
    Ok(endpoint)
}

/// Gives an endpoint a new key. The old one signs as well for [`SECRET_OVERLAP`].
pub async fn rotate(caller: &Caller, app: &App, seal: &dyn Seal, id: EndpointId) -> Result<Signed, WebhookError> {
    let realm = authority::operator(caller)?;
    let now = app.now();
    let mut work = app.store.begin(realm).await?;
    let old = work.webhooks().endpoint(id).await?.ok_or(WebhookError::NoEndpoint)?;
    let key = Key::new(app, seal, realm, old.scheme)?;
    let endpoint = WebhookEndpoint {
        secret: key.sealed,
        public_key: key.public,
        previous: Some((old.secret, now.saturating_add(SECRET_OVERLAP))),
        changed_at: now,
        ..old
    };
    work.webhooks().put(&endpoint).await?;
    finish(work, caller, app, Action::RotateWebhookSecret, &id, String::new()).await?;
    tracing::info!(%realm, %id, "webhook secret rotated");
    Ok(Signed { endpoint, secret: key.plain })
}

/// Removes an endpoint. What was on its way there is given up.
pub async fn remove(caller: &Caller, app: &App, id: EndpointId) -> Result<(), WebhookError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    if !work.webhooks().remove(id).await? {
        return Err(WebhookError::NoEndpoint);
    }
    finish(work, caller, app, Action::RemoveWebhook, &id, String::new()).await?;
    tracing::info!(%realm, %id, "webhook endpoint removed");
    Ok(())
}

/// Puts a test event on its way, whatever the endpoint is told of. Answers the event's id, by which its receiver knows it.
pub async fn test(caller: &Caller, app: &App, id: EndpointId) -> Result<NoticeId, WebhookError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    enabled(&mut *work, id).await?;
    let notice = Notice { id: app.new_id(), at: app.now(), event: Event::Test(id), allocation: None };
    work.webhooks().announce(&notice).await?;
    finish(work, caller, app, Action::TestWebhook, &id, notice.id.to_string()).await?;
    Ok(notice.id)
}

/// Puts a delivery that ended on its way again, under the same id and with all its attempts.
pub async fn resend(caller: &Caller, app: &App, id: DeliveryId) -> Result<Delivery, WebhookError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    let found = work.webhooks().delivery(id).await?.ok_or(WebhookError::NoDelivery)?;
    if found.state == DeliveryState::Pending {
        return Err(WebhookError::Pending);
    }
    enabled(&mut *work, found.endpoint).await?;
    if !work.webhooks().deliver_again(id).await? {
        return Err(WebhookError::Pending);
    }
    let missing = || Fault { operation: "resend", kind: FaultKind::Broken, source: None };
    let delivery = work.webhooks().delivery(id).await?.ok_or_else(missing)?;
    finish(work, caller, app, Action::ResendDelivery, &id, String::new()).await?;
    Ok(delivery)
}

/// Puts deliveries to an endpoint that ended on their way again, each under the same id, and answers how many. What is on its way
/// already stays so: whoever asks twice sends nothing twice.
pub async fn replay(caller: &Caller, app: &App, asked: Replay) -> Result<u64, WebhookError> {
    let realm = authority::operator(caller)?;
    let note = match asked.of {
        Replayed::Event(notice) => notice.to_string(),
        Replayed::Between(since, until) if since >= until => return Err(WebhookError::Backwards),
        Replayed::Between(since, until) => format!("{since} to {until}"),
    };
    let mut work = app.store.begin(realm).await?;
    enabled(&mut *work, asked.endpoint).await?;
    let count = work.webhooks().replay(&asked, REPLAY_MAX).await?.ok_or(WebhookError::TooMany)?;
    finish(work, caller, app, Action::ReplayDeliveries, &asked.endpoint, format!("{count}: {note}")).await?;
    tracing::info!(%realm, id = %asked.endpoint, count, "webhook deliveries replayed");
    Ok(count)
}

/// A new key.
struct Key {
    sealed: SealedSecret,
    public: Option<PublicKey>,
    plain: Option<WebhookSecret>,
}

impl Key {
    fn new(app: &App, seal: &dyn Seal, realm: Realm, scheme: SignatureScheme) -> Result<Self, Fault> {
        let plain = WebhookSecret::generate(&*app.entropy);
        let sealed = seal.seal(realm, &plain)?;
        Ok(match scheme {
            SignatureScheme::V1 => Self { sealed, public: None, plain: Some(plain) },
            // Nobody but us needs the secret half.
            SignatureScheme::V1a => Self { sealed, public: Some(seal.public_key(&plain)?), plain: None },
        })
    }
}

async fn enabled(work: &mut dyn Work, id: EndpointId) -> Result<(), WebhookError> {
    match work.webhooks().endpoint(id).await?.ok_or(WebhookError::NoEndpoint)?.state {
        EndpointState::Enabled => Ok(()),
        EndpointState::Disabled(why, _) => Err(WebhookError::Disabled(why)),
    }
}

/// Signs what was done to the realm's webhooks, and makes it so.
async fn finish(
    mut work: Box<dyn Work>,
    caller: &Caller,
    app: &App,
    action: Action,
    subject: &(dyn std::fmt::Display + Sync),
    note: String,
) -> Result<(), Fault> {
    sign(&mut *work, app, caller, Deed { action, subject, customer: None, note }).await?;
    work.commit().await
}
