//! Webhook endpoints in a unit of work, and what the work does to deliveries.

use super::deliveries::{Deed, Parcel};
use super::work::MemoryWork;
use almoner_domain::delivery::{Delivery, Replay};
use almoner_domain::fault::Fault;
use almoner_domain::id::{DeliveryId, EndpointId};
use almoner_domain::notice::Notice;
use almoner_domain::ports::Webhooks;
use almoner_domain::webhook::WebhookEndpoint;
use async_trait::async_trait;

#[async_trait]
impl Webhooks for MemoryWork {
    async fn all(&mut self) -> Result<Vec<WebhookEndpoint>, Fault> {
        Ok(self.catalogue().webhooks.clone())
    }

    async fn endpoint(&mut self, id: EndpointId) -> Result<Option<WebhookEndpoint>, Fault> {
        Ok(self.catalogue().webhooks.iter().find(|endpoint| endpoint.id == id).cloned())
    }

    async fn put(&mut self, endpoint: &WebhookEndpoint) -> Result<(), Fault> {
        let all = &mut self.catalogue().webhooks;
        match all.iter_mut().find(|there| there.id == endpoint.id) {
            Some(there) => {
                let (created_at, scheme) = (there.created_at, there.scheme);
                *there = WebhookEndpoint { created_at, scheme, ..endpoint.clone() };
            }
            None => all.push(endpoint.clone()),
        }
        Ok(())
    }

    async fn remove(&mut self, id: EndpointId) -> Result<bool, Fault> {
        let all = &mut self.catalogue().webhooks;
        let before = all.len();
        all.retain(|endpoint| endpoint.id != id);
        let was_there = all.len() < before;
        if was_there {
            self.deeds().push(Deed::GiveUp(id, "the endpoint was removed"));
        }
        Ok(was_there)
    }

    async fn give_up(&mut self, id: EndpointId, why: &'static str) -> Result<(), Fault> {
        self.deeds().push(Deed::GiveUp(id, why));
        Ok(())
    }

    async fn announce(&mut self, notice: &Notice) -> Result<(), Fault> {
        self.notices().push(notice.clone());
        Ok(())
    }

    async fn delivery(&mut self, id: DeliveryId) -> Result<Option<Delivery>, Fault> {
        Ok(self.parcels().into_iter().map(|parcel| parcel.delivery).find(|delivery| delivery.id == id))
    }

    async fn deliver_again(&mut self, id: DeliveryId) -> Result<bool, Fault> {
        let ended = |parcel: &Parcel| parcel.delivery.id == id && !parcel.is_pending();
        let has_ended = self.parcels().iter().any(ended);
        if has_ended {
            self.deeds().push(Deed::Again(id));
        }
        Ok(has_ended)
    }

    async fn replay(&mut self, asked: &Replay, limit: u64) -> Result<Option<u64>, Fault> {
        let asked_for = |parcel: &Parcel| parcel.is_asked_for(asked);
        let ids: Vec<DeliveryId> =
            self.parcels().into_iter().filter(asked_for).map(|parcel| parcel.delivery.id).collect();
        if ids.len() as u64 > limit {
            return Ok(None);
        }
        let count = ids.len() as u64;
        self.deeds().extend(ids.into_iter().map(Deed::Again));
        Ok(Some(count))
    }
}
