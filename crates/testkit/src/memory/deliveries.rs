//! From the outbox to an endpoint: the pump, and the claims of runners on what is on its way.

use super::core::Core;
use super::page::{ListOrder, cut};
use super::ports::MemoryStore;
use super::rows::Rows;
use super::table::Eye;
use almoner_domain::delivery::{Attempted, Claim, Delivery, DeliveryState, Due, Then};
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::happening::{Happening, HappeningKind};
use almoner_domain::id::NoticeId;
use almoner_domain::notice::Notice;
use almoner_domain::page::{Page, Stretch};
use almoner_domain::ports::{Deliveries, Pumped, Wire};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use almoner_domain::webhook::{EndpointState, WebhookEndpoint};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::time::Duration;

/// A delivery, and until when a runner has it to itself.
#[derive(Clone)]
pub(super) struct Parcel {
    pub(super) delivery: Delivery,
    claimed_until: Option<Timestamp>,
}

/// What is done to deliveries without an attempt.
#[derive(Clone, Copy)]
pub(super) enum Deed {
    /// All that are still to be made are given up, for this reason.
    GiveUp(&'static str),
    /// One that ended is due again.
    Again(NoticeId),
}

impl Parcel {
    /// One that is due at once.
    fn new(happening: &Happening, wire: Wire, now: Timestamp) -> Self {
        let delivery = Delivery {
            id: happening.notice,
            event: happening.kind,
            payload: wire(happening),
            state: DeliveryState::Pending,
            attempts: 0,
            created_at: now,
            next_attempt_at: now,
            last_attempt_at: None,
            last_status: None,
            last_error: None,
            finished_at: None,
        };
        Self { delivery, claimed_until: None }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.delivery.state == DeliveryState::Pending
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let is_free = self.claimed_until.is_none_or(|until| until <= now);
        self.is_pending() && self.delivery.next_attempt_at <= now && is_free
    }

    pub(super) fn suffer(&mut self, deed: Deed, now: Timestamp) {
        match deed {
            Deed::GiveUp(why) if self.is_pending() => {
                (self.delivery.state, self.delivery.finished_at) = (DeliveryState::Failed, Some(now));
                (self.delivery.last_error, self.claimed_until) = (Some(why.to_owned()), None);
            }
            Deed::Again(id) if id == self.delivery.id && !self.is_pending() => {
                (self.delivery.state, self.delivery.attempts) = (DeliveryState::Pending, 0);
                (self.delivery.next_attempt_at, self.delivery.finished_at) = (now, None);
                self.delivery.last_error = None;
            }
            Deed::GiveUp(_) | Deed::Again(_) => {}
        }
    }

    fn attempted(&mut self, attempted: &Attempted, now: Timestamp) {
        let (state, next, finished) = match attempted.then {
            Then::Delivered => (DeliveryState::Delivered, now, Some(now)),
            Then::Again(at) => (DeliveryState::Pending, at, None),
            Then::GiveUp | Then::Gone => (DeliveryState::Failed, now, Some(now)),
        };
        self.claimed_until = None;
        (self.delivery.state, self.delivery.next_attempt_at, self.delivery.finished_at) = (state, next, finished);
        (self.delivery.last_status, self.delivery.last_error) = (attempted.status, attempted.error.clone());
    }
}

impl Rows {
    /// The endpoint of a realm, while it is told of what happens.
    fn listening(&self, realm: Realm) -> Option<&WebhookEndpoint> {
        self.catalogue(realm)?.webhook.as_ref().filter(|endpoint| endpoint.state == EndpointState::Enabled)
    }

    /// Entries of the outbox that no pump has gone through, the oldest first, each with its owner.
    fn unsent(&self, eye: impl Fn(Realm) -> Eye) -> Vec<(Realm, Notice)> {
        let unsent = |(owner, notice): &&(Realm, Notice)| self.sent.find(eye(*owner), notice.id).is_none();
        let mut entries: Vec<_> = self.notices.iter().filter(unsent).cloned().collect();
        entries.sort_by_key(|(_, notice)| (notice.at, notice.id));
        entries
    }
}

impl Core {
    /// Prepares deliveries of the oldest entries of the outbox that nobody has gone through.
    pub fn pump(&mut self, now: Timestamp, limit: u64, wire: Wire) -> Pumped {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let entries = self.rows.unsent(|realm| self.eye(realm));
        let realms: BTreeSet<Realm> = entries.iter().take(limit).map(|(realm, _)| *realm).collect();
        let mut pumped = Pumped::default();
        for realm in realms {
            for (_, notice) in entries.iter().filter(|(owner, _)| *owner == realm).take(limit) {
                pumped.notices += 1;
                pumped.deliveries += u64::from(self.prepare(now, realm, notice, wire));
            }
        }
        pumped
    }

    /// Goes through one entry. Is there a new delivery of it?
    fn prepare(&mut self, now: Timestamp, realm: Realm, notice: &Notice, wire: Wire) -> bool {
        let eye = self.eye(realm);
        self.rows.sent.put(eye, notice.id, now);
        let Some(endpoint) = self.rows.listening(realm) else { return false };
        let wanted = |told: &Happening| told.kind == HappeningKind::Test || endpoint.events.contains(&told.kind);
        let told = self.rows.tell(eye, notice).filter(wanted);
        let Some(told) = told.filter(|_| self.rows.parcels.find(eye, notice.id).is_none()) else { return false };
        self.rows.parcels.put(eye, notice.id, Parcel::new(&told, wire, now));
        true
    }

    /// Deliveries whose next attempt is due and that nobody is at, at most so many of each realm.
    pub fn due(&self, now: Timestamp, limit: u64) -> Vec<Due> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let due = self.rows.parcels.all().filter(|(_, parcel)| parcel.is_due(now));
        let mut all: Vec<(Realm, &Delivery)> = due.map(|(realm, parcel)| (realm, &parcel.delivery)).collect();
        all.sort_by_key(|(realm, delivery)| (*realm, delivery.next_attempt_at, delivery.id));
        let of_realm = all.chunk_by(|(one, _), (other, _)| one == other).flat_map(|chunk| chunk.iter().take(limit));
        of_realm.map(|(realm, delivery)| Due { realm: *realm, id: delivery.id, attempts: delivery.attempts }).collect()
    }

    /// Claims the next attempt of a delivery, if it is due.
    pub fn claim(
        &mut self,
        now: Timestamp,
        realm: Realm,
        id: NoticeId,
        span: Duration,
    ) -> Result<Option<Claim>, Fault> {
        let eye = self.eye(realm);
        let due = self.rows.parcels.find(eye, id).filter(|parcel| parcel.is_due(now));
        let Some(mut parcel) = due.cloned() else { return Ok(None) };
        let Some(endpoint) = self.rows.listening(realm) else {
            // Whoever took the endpoint away gave up what was on its way there.
            return Err(Fault { operation: "claim", kind: FaultKind::Broken, source: None });
        };
        let previous = endpoint.previous.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
        let secrets = std::iter::once(&endpoint.secret).chain(previous).cloned().collect();
        let (url, until) = (endpoint.url.clone(), now.saturating_add(span));
        parcel.claimed_until = Some(until);
        parcel.delivery.attempts += 1;
        parcel.delivery.last_attempt_at = Some(now);
        let (attempt, payload) = (parcel.delivery.attempts, parcel.delivery.payload.clone());
        self.rows.parcels.put(eye, id, parcel);
        Ok(Some(Claim { realm, id, attempt, url, secrets, payload, until }))
    }

    /// Records what came of a claimed attempt; false where the claim is not the last one any more.
    pub fn record(&mut self, now: Timestamp, claim: &Claim, attempted: &Attempted) -> bool {
        let eye = self.eye(claim.realm);
        let mine = |parcel: &&Parcel| parcel.is_pending() && parcel.claimed_until == Some(claim.until);
        let Some(mut parcel) = self.rows.parcels.find(eye, claim.id).filter(mine).cloned() else { return false };
        parcel.attempted(attempted, now);
        self.rows.parcels.put(eye, claim.id, parcel);
        if attempted.then == Then::Gone {
            self.find_gone(now, claim);
        }
        true
    }

    /// Nothing more is told where the receiver said that it is gone, unless the endpoint is elsewhere by now.
    fn find_gone(&mut self, now: Timestamp, claim: &Claim) {
        let Some(catalogue) = self.rows.catalogues.get_mut(&claim.realm) else { return };
        let there = |e: &&mut WebhookEndpoint| e.url == claim.url && e.state == EndpointState::Enabled;
        let Some(endpoint) = catalogue.webhook.as_mut().filter(there) else { return };
        endpoint.state = EndpointState::Gone(now);
        catalogue.version += 1;
        self.do_to_all(now, claim.realm, Deed::GiveUp("the receiver said that it is gone for good"));
    }

    pub(super) fn do_to_all(&mut self, now: Timestamp, realm: Realm, deed: Deed) {
        let eye = self.eye(realm);
        let parcels: Vec<Parcel> = self.rows.parcels.seen(eye).cloned().collect();
        for mut parcel in parcels {
            parcel.suffer(deed, now);
            self.rows.parcels.put(eye, parcel.delivery.id, parcel);
        }
    }

    /// Deliveries of a realm, newest first.
    pub fn deliveries(&self, realm: Realm, state: Option<DeliveryState>, page: Page) -> Stretch<Delivery> {
        let all = self.rows.parcels.seen(self.eye(realm)).map(|parcel| &parcel.delivery);
        let wanted = all.filter(|delivery| state.is_none_or(|state| delivery.state == state));
        cut(wanted, |delivery| delivery.id, ListOrder::NewestFirst, page)
    }
}

#[async_trait]
impl Deliveries for MemoryStore {
    async fn pump(&self, limit: u64, wire: Wire) -> Result<Pumped, Fault> {
        let (mut core, now) = self.here("pump")?;
        Ok(core.pump(now, limit, wire))
    }

    async fn due(&self, limit: u64) -> Result<Vec<Due>, Fault> {
        let (core, now) = self.here("due")?;
        Ok(core.due(now, limit))
    }

    async fn claim(&self, realm: Realm, id: NoticeId, span: Duration) -> Result<Option<Claim>, Fault> {
        let (mut core, now) = self.here("claim")?;
        core.claim(now, realm, id, span)
    }

    async fn record(&self, claim: &Claim, attempted: &Attempted) -> Result<bool, Fault> {
        let (mut core, now) = self.here("record_attempt")?;
        Ok(core.record(now, claim, attempted))
    }

    async fn endpoint(&self, realm: Realm) -> Result<Option<WebhookEndpoint>, Fault> {
        let (core, _) = self.here("webhook_endpoint")?;
        Ok(core.rows.catalogue(realm).and_then(|catalogue| catalogue.webhook.clone()))
    }

    async fn deliveries(
        &self,
        realm: Realm,
        state: Option<DeliveryState>,
        page: Page,
    ) -> Result<Stretch<Delivery>, Fault> {
        Ok(self.here("deliveries")?.0.deliveries(realm, state, page))
    }
}
