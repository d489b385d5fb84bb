//! Webhooks: the endpoint of a realm as the control plane sets it, and deliveries as runners make them.

use crate::delivery::{Attempted, Claim, Delivery, DeliveryState, Due};
use crate::fault::Fault;
use crate::happening::Happening;
use crate::id::NoticeId;
use crate::notice::Notice;
use crate::page::{Page, Stretch};
use crate::tenant::Realm;
use crate::webhook::{SealedSecret, WebhookEndpoint, WebhookSecret};
use async_trait::async_trait;
use std::time::Duration;

/// The webhook endpoint of the realm, within a unit of work.
#[async_trait]
pub trait Webhooks: Send {
    /// It, where there is one, kept as it is until the work ends.
    async fn endpoint(&mut self) -> Result<Option<WebhookEndpoint>, Fault>;
    /// Sets it, in the place of the one that was there.
    async fn set(&mut self, endpoint: &WebhookEndpoint) -> Result<(), Fault>;
    /// Removes it and gives up what is still to be delivered; false where there was none.
    async fn remove(&mut self) -> Result<bool, Fault>;
    /// Writes an entry to the outbox.
    async fn announce(&mut self, notice: &Notice) -> Result<(), Fault>;
    /// A delivery.
    async fn delivery(&mut self, id: NoticeId) -> Result<Option<Delivery>, Fault>;
    /// Makes a delivery that ended due again, with all its attempts; false where the realm has none by that id that ended.
    async fn deliver_again(&mut self, id: NoticeId) -> Result<bool, Fault>;
}

/// What a pump did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pumped {
    /// Entries of the outbox that it went through.
    pub notices: u64,
    /// Deliveries that it prepared.
    pub deliveries: u64,
}

/// How a happening is written on the wire.
pub type Wire = fn(&Happening) -> String;

/// Deliveries of all realms.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Goes through entries of the outbox that nobody has, the oldest first and at most `limit`, and prepares a delivery of each
    /// that an endpoint wants to hear of. Any number of pumps may run at once: an entry becomes one delivery at most.
    async fn pump(&self, limit: u64, wire: Wire) -> Result<Pumped, Fault>;

    /// Deliveries whose next attempt is due and that nobody is at, at most `limit` of each realm, those that wait longest first.
    async fn due(&self, limit: u64) -> Result<Vec<Due>, Fault>;

    /// Claims the next attempt of a delivery for a while. Nobody else has it meanwhile; when the while is over and nothing was
    /// recorded, it is due again. None where it is not due, or somebody else is at it.
    async fn claim(&self, realm: Realm, id: NoticeId, span: Duration) -> Result<Option<Claim>, Fault>;

    /// Records what came of a claimed attempt; false where the claim ran out and somebody else has it now.
    async fn record(&self, claim: &Claim, attempted: &Attempted) -> Result<bool, Fault>;

    /// The endpoint of a realm.
    async fn endpoint(&self, realm: Realm) -> Result<Option<WebhookEndpoint>, Fault>;

    /// Deliveries of a realm, newest first.
    async fn deliveries(
        &self,
        realm: Realm,
        state: Option<DeliveryState>,
        page: Page,
    ) -> Result<Stretch<Delivery>, Fault>;
}

/// Keeps secrets so that whoever reads the database has none of them.
pub trait Seal: Send + Sync {
    /// Seals a secret for one realm.
    fn seal(&self, realm: Realm, secret: &WebhookSecret) -> Result<SealedSecret, Fault>;
    /// Opens what was sealed for this realm. `Broken` where it was sealed by another key, or for another realm, or was changed.
    fn open(&self, realm: Realm, sealed: &SealedSecret) -> Result<WebhookSecret, Fault>;
}
