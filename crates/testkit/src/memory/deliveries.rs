//! From the outbox to endpoints: the pump, and the claims of runners on what is on its way.

use super::core::Core;
use super::page::{ListOrder, cut};
use super::ports::MemoryStore;
use super::rows::Rows;
use super::table::Eye;
use almoner_domain::audit::{Action, AuditEntry, Author};
use almoner_domain::delivery::{
    Attempt, Attempted, Claim, Delivery, DeliveryFilter, DeliveryState, Due, Replay, Replayed, Then,
};
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::happening::Happening;
use almoner_domain::id::{AttemptId, AuditId, DeliveryId, EndpointId, Id, NoticeId};
use almoner_domain::notice::{Event, Notice};
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
    /// All that are still to be made to an endpoint are given up, for this reason.
    GiveUp(EndpointId, &'static str),
    /// One that ended is due again.
    Again(DeliveryId),
}

impl Parcel {
    /// One that is due at once, or that failed before it began: its endpoint is disabled.
    fn new(id: DeliveryId, endpoint: &WebhookEndpoint, happening: &Happening, payload: String, now: Timestamp) -> Self {
        let (state, last_error) = match endpoint.state {
            EndpointState::Enabled => (DeliveryState::Pending, None),
            EndpointState::Disabled(why, _) => (DeliveryState::Failed, Some(why.sentence().to_owned())),
        };
        let delivery = Delivery {
            id,
            endpoint: endpoint.id,
            notice: happening.notice,
            event: happening.kind,
            payload,
            state,
            attempts: 0,
            created_at: now,
            next_attempt_at: now,
            last_attempt_at: None,
            last_status: None,
            last_error,
            finished_at: (state != DeliveryState::Pending).then_some(now),
        };
        Self { delivery, claimed_until: None }
    }

    /// Is it to be made again?
    pub(super) fn is_asked_for(&self, asked: &Replay) -> bool {
        let delivery = &self.delivery;
        let is_of_it = match asked.of {
            Replayed::Event(notice) => delivery.notice == notice,
            Replayed::Between(since, until) => since <= delivery.created_at && delivery.created_at < until,
        };
        let stands = if asked.only_failed { delivery.state == DeliveryState::Failed } else { !self.is_pending() };
        delivery.endpoint == asked.endpoint && is_of_it && stands
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
            Deed::GiveUp(endpoint, why) if endpoint == self.delivery.endpoint && self.is_pending() => {
                (self.delivery.state, self.delivery.finished_at) = (DeliveryState::Failed, Some(now));
                (self.delivery.last_error, self.claimed_until) = (Some(why.to_owned()), None);
            }
            Deed::Again(id) if id == self.delivery.id && !self.is_pending() => {
                (self.delivery.state, self.delivery.attempts) = (DeliveryState::Pending, 0);
                (self.delivery.next_attempt_at, self.delivery.finished_at) = (now, None);
                self.delivery.last_error = None;
            }
            Deed::GiveUp(..) | Deed::Again(_) => {}
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
    /// An endpoint, while it is told of what happens.
    fn listening(&self, realm: Realm, id: EndpointId) -> Option<&WebhookEndpoint> {
        let mut all = self.catalogue(realm)?.webhooks.iter();
        all.find(|endpoint| endpoint.id == id && endpoint.is_enabled())
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
                pumped.deliveries += self.prepare(now, realm, notice, wire);
            }
        }
        pumped
    }

    /// Goes through one entry, and answers how many new deliveries there are of it.
    fn prepare(&mut self, now: Timestamp, realm: Realm, notice: &Notice, wire: Wire) -> u64 {
        let eye = self.eye(realm);
        self.rows.sent.put(eye, notice.id, now);
        let Some(told) = self.rows.tell(eye, notice) else { return 0 };
        let all = self.rows.catalogue(realm).map(|catalogue| catalogue.webhooks.clone()).unwrap_or_default();
        let mut prepared = 0;
        for endpoint in all.iter().filter(|endpoint| endpoint.hears(&told)) {
            let same =
                |parcel: &&Parcel| (parcel.delivery.endpoint, parcel.delivery.notice) == (endpoint.id, notice.id);
            if self.rows.parcels.seen(eye).any(|parcel| same(&parcel)) {
                continue;
            }
            let id = DeliveryId::new(now, &*self.entropy);
            self.rows.parcels.put(eye, id, Parcel::new(id, endpoint, &told, wire(&told), now));
            prepared += 1;
        }
        prepared
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
        id: DeliveryId,
        span: Duration,
    ) -> Result<Option<Claim>, Fault> {
        let eye = self.eye(realm);
        let due = self.rows.parcels.find(eye, id).filter(|parcel| parcel.is_due(now));
        let Some(mut parcel) = due.cloned() else { return Ok(None) };
        let Some(endpoint) = self.rows.listening(realm, parcel.delivery.endpoint).cloned() else {
            // Whoever took the endpoint away gave up what was on its way there.
            return Err(Fault { operation: "claim", kind: FaultKind::Broken, source: None });
        };
        let until = now.saturating_add(span);
        parcel.claimed_until = Some(until);
        parcel.delivery.attempts += 1;
        parcel.delivery.last_attempt_at = Some(now);
        let delivery = parcel.delivery.clone();
        self.rows.parcels.put(eye, id, parcel);
        Ok(Some(Claim {
            realm,
            id,
            notice: delivery.notice,
            attempt: delivery.attempts,
            endpoint: endpoint.id,
            secrets: endpoint.signing(now),
            url: endpoint.url,
            callable: endpoint.callable,
            scheme: endpoint.scheme,
            payload: delivery.payload,
            begun_at: now,
            until,
        }))
    }

    /// Records what came of a claimed attempt; false where the claim is not the last one any more.
    pub fn record(&mut self, now: Timestamp, claim: &Claim, attempted: &Attempted) -> bool {
        let eye = self.eye(claim.realm);
        let mine = |parcel: &&Parcel| parcel.is_pending() && parcel.claimed_until == Some(claim.until);
        let Some(mut parcel) = self.rows.parcels.find(eye, claim.id).filter(mine).cloned() else { return false };
        parcel.attempted(attempted, now);
        self.rows.parcels.put(eye, claim.id, parcel);
        let id = AttemptId::new(now, &*self.entropy);
        let attempt = Attempt {
            id,
            delivery: claim.id,
            number: claim.attempt,
            at: claim.begun_at,
            host: claim.url.host().to_owned(),
            status: attempted.status,
            error: attempted.error.clone(),
            exchange: attempted.exchange.clone(),
        };
        self.rows.attempts.put(eye, id, attempt);
        self.judge(now, claim, attempted.then);
        true
    }

    /// What an attempt makes of its endpoint, unless that is elsewhere by now.
    fn judge(&mut self, now: Timestamp, claim: &Claim, then: Then) {
        let Some(catalogue) = self.rows.catalogues.get_mut(&claim.realm) else { return };
        let there = |e: &&mut WebhookEndpoint| e.id == claim.endpoint && e.url == claim.url;
        let Some(endpoint) = catalogue.webhooks.iter_mut().find(there) else { return };
        let Some(after) = endpoint.after(then, now) else { return };
        *endpoint = after.clone();
        catalogue.version += 1;
        if let EndpointState::Disabled(why, at) = after.state {
            self.do_to_all(now, claim.realm, Deed::GiveUp(after.id, why.sentence()));
            let id = NoticeId::new(at, &*self.entropy);
            let notice = Notice { id, at, event: Event::EndpointDisabled(after.id), allocation: None };
            let eye = self.eye(claim.realm);
            self.rows.announce(eye, vec![notice]);
            let id = AuditId::new(at, &*self.entropy);
            let entry = AuditEntry {
                id,
                at,
                author: Author::runner(),
                action: Action::DisableWebhook,
                subject: after.id.to_string(),
                customer: None,
                note: why.as_str().to_owned(),
            };
            self.rows.audit.put(eye, id, entry);
        }
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
    pub fn deliveries(&self, realm: Realm, filter: DeliveryFilter, page: Page) -> Stretch<Delivery> {
        let all = self.rows.parcels.seen(self.eye(realm)).map(|parcel| &parcel.delivery);
        let wanted = all.filter(|delivery| {
            filter.endpoint.is_none_or(|endpoint| delivery.endpoint == endpoint)
                && filter.notice.is_none_or(|notice| delivery.notice == notice)
                && filter.state.is_none_or(|state| delivery.state == state)
        });
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

    async fn claim(&self, realm: Realm, id: DeliveryId, span: Duration) -> Result<Option<Claim>, Fault> {
        let (mut core, now) = self.here("claim")?;
        core.claim(now, realm, id, span)
    }

    async fn record(&self, claim: &Claim, attempted: &Attempted) -> Result<bool, Fault> {
        let (mut core, now) = self.here("record_attempt")?;
        Ok(core.record(now, claim, attempted))
    }

    async fn endpoints(&self, realm: Realm) -> Result<Vec<WebhookEndpoint>, Fault> {
        let (core, _) = self.here("webhook_endpoints")?;
        Ok(core.rows.catalogue(realm).map(|catalogue| catalogue.webhooks.clone()).unwrap_or_default())
    }

    async fn deliveries(&self, realm: Realm, filter: DeliveryFilter, page: Page) -> Result<Stretch<Delivery>, Fault> {
        Ok(self.here("deliveries")?.0.deliveries(realm, filter, page))
    }

    async fn attempts(&self, realm: Realm, delivery: DeliveryId, limit: u16) -> Result<Vec<Attempt>, Fault> {
        let (core, _) = self.here("attempts")?;
        let mut found: Vec<Attempt> =
            core.rows.attempts.seen(core.eye(realm)).filter(|attempt| attempt.delivery == delivery).cloned().collect();
        found.reverse();
        found.truncate(usize::from(limit));
        Ok(found)
    }
}
