//! The webhook endpoint in a unit of work. Nothing is delivered from memory: there is no outbox that is pumped.

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
        self.catalogue().webhook = Some(endpoint.clone());
        Ok(())
    }

    async fn remove(&mut self) -> Result<bool, Fault> {
        Ok(self.catalogue().webhook.take().is_some())
    }

    async fn announce(&mut self, notice: &Notice) -> Result<(), Fault> {
        self.notices().push(notice.clone());
        Ok(())
    }

    async fn delivery(&mut self, _: NoticeId) -> Result<Option<Delivery>, Fault> {
        Ok(None)
    }

    async fn deliver_again(&mut self, _: NoticeId) -> Result<bool, Fault> {
        Ok(false)
    }
}
