//! Webhooks: the endpoints of a realm as the control plane sets them, and deliveries as runners make them.

use crate::delivery::{Attempt, Attempted, Claim, Delivery, DeliveryFilter, Due, Replay};
use crate::fault::Fault;
use crate::happening::Happening;
use crate::id::{DeliveryId, EndpointId};
use crate::notice::Notice;
use crate::page::{Page, Stretch};
use crate::tenant::Realm;
use crate::webhook::{PublicKey, SealedSecret, WebhookEndpoint, WebhookSecret};
use async_trait::async_trait;
use std::time::Duration;

/// The webhook endpoints of the realm, within a unit of work.
#[async_trait]
pub trait Webhooks: Send {
    /// All, oldest first. Until the work ends nobody else who asks this gets an answer, so that they can be counted.
    async fn all(&mut self) -> Result<Vec<WebhookEndpoint>, Fault>;
    /// One, where there is one by that id, kept as it is until the work ends.
    async fn endpoint(&mut self, id: EndpointId) -> Result<Option<WebhookEndpoint>, Fault>;
    /// Adds one, or sets one that is there.
    async fn put(&mut self, endpoint: &WebhookEndpoint) -> Result<(), Fault>;
    /// Removes one and gives up what is still to be delivered there; false where there was none.
    async fn remove(&mut self, id: EndpointId) -> Result<bool, Fault>;
    /// Gives up what is still to be delivered to one, for this reason.
    async fn give_up(&mut self, id: EndpointId, why: &'static str) -> Result<(), Fault>;
    /// Writes an entry to the outbox.
    async fn announce(&mut self, notice: &Notice) -> Result<(), Fault>;
    /// A delivery.
    async fn delivery(&mut self, id: DeliveryId) -> Result<Option<Delivery>, Fault>;
    /// Makes a delivery that ended due again, with all its attempts; false where the realm has none by that id that ended.
    async fn deliver_again(&mut self, id: DeliveryId) -> Result<bool, Fault>;
    /// Does so with all that are asked for, and answers how many there were; none, and nothing is done, where they are more than
    /// `limit`.
    async fn replay(&mut self, asked: &Replay, limit: u64) -> Result<Option<u64>, Fault>;
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
    /// to every endpoint that wants to hear of it. What a disabled endpoint would have heard is listed as failed. Any number of
    /// pumps may run at once: an entry becomes one delivery to an endpoint at most.
    async fn pump(&self, limit: u64, wire: Wire) -> Result<Pumped, Fault>;

    /// Deliveries whose next attempt is due and that nobody is at, at most `limit` of each realm, those that wait longest first.
    async fn due(&self, limit: u64) -> Result<Vec<Due>, Fault>;

    /// Claims the next attempt of a delivery for a while. Nobody else has it meanwhile; when the while is over and nothing was
    /// recorded, it is due again. None where it is not due, or somebody else is at it.
    async fn claim(&self, realm: Realm, id: DeliveryId, span: Duration) -> Result<Option<Claim>, Fault>;

    /// Records what came of a claimed attempt, in the log as well; false where the claim ran out and somebody else has it now.
    /// An endpoint whose receiver is gone, or failed for five days, is disabled with it: what is on its way there is given up,
    /// others are told, and it is in the audit trail.
    async fn record(&self, claim: &Claim, attempted: &Attempted) -> Result<bool, Fault>;

    /// The endpoints of a realm, oldest first.
    async fn endpoints(&self, realm: Realm) -> Result<Vec<WebhookEndpoint>, Fault>;

    /// Deliveries of a realm, newest first.
    async fn deliveries(&self, realm: Realm, filter: DeliveryFilter, page: Page) -> Result<Stretch<Delivery>, Fault>;

    /// Attempts at a delivery whose end was recorded, newest first and at most `limit`.
    async fn attempts(&self, realm: Realm, delivery: DeliveryId, limit: u16) -> Result<Vec<Attempt>, Fault>;
}

/// Keeps secrets so that whoever reads the database has none of them.
pub trait Seal: Send + Sync {
    /// Seals a secret for one realm.
    fn seal(&self, realm: Realm, secret: &WebhookSecret) -> Result<SealedSecret, Fault>;
    /// Opens what was sealed for this realm. `Broken` where it was sealed by another key, or for another realm, or was changed.
    fn open(&self, realm: Realm, sealed: &SealedSecret) -> Result<WebhookSecret, Fault>;
    /// The public key that verifies what a secret signs, where it signs by Ed25519.
    fn public_key(&self, secret: &WebhookSecret) -> Result<PublicKey, Fault>;
}
