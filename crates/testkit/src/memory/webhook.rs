//! The webhook endpoint in a unit of work, and what the work does to deliveries.

use super::deliveries::{Deed, Parcel};
use super::work::MemoryWork;
use almoner_domain::delivery::Delivery;
use almoner_domain::fault::Fault;
use almoner_domain::id::NoticeId;
use almoner_domain::notice::Notice;
use almoner_domain::ports::Webhooks;
use almoner_domain::webhook::WebhookEndpoint;
use async_trait::async_trait;

#[async_trait]
impl Webhooks for MemoryWork {
    async fn endpoint(&mut self) -> Result<Option<WebhookEndpoint>, Fault> {
        Ok(self.catalogue().webhook.clone())
    }

    async fn set(&mut self, endpoint: &WebhookEndpoint) -> Result<(), Fault> {
        let there = &mut self.catalogue().webhook;
        let created_at = there.as_ref().map_or(endpoint.created_at, |there| there.created_at);
        *there = Some(WebhookEndpoint { created_at, ..endpoint.clone() });
        Ok(())
    }

    async fn remove(&mut self) -> Result<bool, Fault> {
        let was_there = self.catalogue().webhook.take().is_some();
        if was_there {
            self.deeds().push(Deed::GiveUp("the endpoint was removed"));
        }
        Ok(was_there)
    }

    async fn announce(&mut self, notice: &Notice) -> Result<(), Fault> {
        self.notices().push(notice.clone());
        Ok(())
    }

    async fn delivery(&mut self, id: NoticeId) -> Result<Option<Delivery>, Fault> {
        Ok(self.parcel(id).map(|parcel| parcel.delivery))
    }

    async fn deliver_again(&mut self, id: NoticeId) -> Result<bool, Fault> {
        let has_ended = self.parcel(id).is_some_and(|parcel: Parcel| !parcel.is_pending());
        if has_ended {
            self.deeds().push(Deed::Again(id));
        }
        Ok(has_ended)
    }
}
