//! Webhook endpoints: one a realm at most.

use crate::bulk::Clash;
use crate::rows::Hold;
use crate::stored::{parsed, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::work::SqlWork;
use crate::{delivery, notice};
use almoner_domain::address::Callable;
use almoner_domain::delivery::Delivery;
use almoner_domain::fault::Fault;
use almoner_domain::happening::HappeningKind;
use almoner_domain::id::NoticeId;
use almoner_domain::notice::Notice;
use almoner_domain::ports::Webhooks;
use almoner_domain::time::Timestamp;
use almoner_domain::webhook::{EndpointState, SealedSecret, WebhookEndpoint, WebhookUrl};
use async_trait::async_trait;
use sea_orm::ColumnTrait;
use sea_orm::entity::prelude::Uuid;

realm_table! {
    "webhook_endpoints" {
        key { }
        url: String,
        events: String,
        secret: Vec<u8>,
        previous_secret: Option<Vec<u8>>,
        previous_until: Option<i64>,
        gone_at: Option<i64>,
        created_at: i64,
        changed_at: i64,
    }
}

const NOUN: &str = "webhook endpoint";

/// What of an endpoint can change.
const CHANGING: [Column; 7] = [
    Column::Url,
    Column::Events,
    Column::Secret,
    Column::PreviousSecret,
    Column::PreviousUntil,
    Column::GoneAt,
    Column::ChangedAt,
];

fn row(endpoint: &WebhookEndpoint) -> Model {
    let words: Vec<&str> = endpoint.events.iter().map(|kind| kind.as_str()).collect();
    let previous = endpoint.previous.as_ref();
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        url: endpoint.url.as_str().to_owned(),
        events: words.join(" "),
        secret: endpoint.secret.0.clone(),
        previous_secret: previous.map(|(secret, _)| secret.0.clone()),
        previous_until: previous.map(|(_, until)| until.as_micros()),
        gone_at: match endpoint.state {
            EndpointState::Enabled => None,
            EndpointState::Gone(at) => Some(at.as_micros()),
        },
        created_at: endpoint.created_at.as_micros(),
        changed_at: endpoint.changed_at.as_micros(),
    }
}

fn read(row: Model) -> Result<WebhookEndpoint, Trouble> {
    let events = row.events.split(' ').map(|text| word(NOUN, text, HappeningKind::parse));
    let until = row.previous_until.map(Timestamp::from_micros);
    Ok(WebhookEndpoint {
        // It was looked at when it was set; what may be called can have changed since, and is looked at when it is called.
        url: parsed(NOUN, WebhookUrl::parse(&row.url, Callable::Any))?,
        events: events.collect::<Result<_, _>>()?,
        secret: SealedSecret(row.secret),
        previous: row.previous_secret.map(SealedSecret).zip(until),
        state: row.gone_at.map_or(EndpointState::Enabled, |at| EndpointState::Gone(Timestamp::from_micros(at))),
        created_at: Timestamp::from_micros(row.created_at),
        changed_at: Timestamp::from_micros(row.changed_at),
    })
}

/// The realm's endpoint as it is.
pub(crate) async fn find(tx: &Tx) -> Result<Option<WebhookEndpoint>, Trouble> {
    tx.rows::<Entity>().one().await?.map(read).transpose()
}

/// The realm's endpoint, kept from being removed or found gone until the transaction is over: nothing is put on its way to an
/// endpoint that is not there any more.
pub(crate) async fn steady(tx: &Tx) -> Result<Option<WebhookEndpoint>, Trouble> {
    tx.rows::<Entity>().hold(Hold::Steady).one().await?.map(read).transpose()
}

/// The realm's endpoint, held for change.
pub(crate) async fn hold(tx: &Tx) -> Result<Option<WebhookEndpoint>, Trouble> {
    tx.rows::<Entity>().hold(Hold::Change).one().await?.map(read).transpose()
}

/// Notes that the receiver at this address said that it is gone for good, and gives up what is still to be delivered there.
/// An endpoint that has been set to another address since stays as it is.
pub(crate) async fn gone(tx: &Tx, url: &WebhookUrl, why: &str) -> Result<(), Trouble> {
    let edit = tx.change::<Entity>().filter(Column::Url.eq(url.as_str())).filter(Column::GoneAt.is_null());
    if edit.set(Column::GoneAt, tx.now().as_micros()).run().await? > 0 {
        delivery::give_up_all(tx, why).await?;
    }
    Ok(())
}

impl SqlWork {
    async fn held_endpoint(&self) -> Result<Option<WebhookEndpoint>, Trouble> {
        hold(self.tx()?).await
    }

    async fn set_endpoint(&self, endpoint: &WebhookEndpoint) -> Result<(), Trouble> {
        self.tx()?.insert::<Entity>(&[row(endpoint)], Clash::Update(&CHANGING)).await?;
        Ok(())
    }

    async fn remove_endpoint(&self) -> Result<bool, Trouble> {
        let tx = self.tx()?;
        if self.held_endpoint().await?.is_none() {
            return Ok(false);
        }
        tx.delete::<Entity>(Column::Url.is_not_null()).await?;
        delivery::give_up_all(tx, "the endpoint was removed").await?;
        Ok(true)
    }

    async fn announce_one(&self, entry: &Notice) -> Result<(), Trouble> {
        notice::add(self.tx()?, std::slice::from_ref(entry)).await
    }

    async fn find_delivery(&self, id: NoticeId) -> Result<Option<Delivery>, Trouble> {
        delivery::find(self.tx()?, id).await
    }

    async fn make_due_again(&self, id: NoticeId) -> Result<bool, Trouble> {
        delivery::make_due_again(self.tx()?, id).await
    }
}

#[async_trait]
impl Webhooks for SqlWork {
    async fn endpoint(&mut self) -> Result<Option<WebhookEndpoint>, Fault> {
        self.held_endpoint().await.map_err(|trouble| trouble.into_fault("webhook_endpoint"))
    }

    async fn set(&mut self, endpoint: &WebhookEndpoint) -> Result<(), Fault> {
        self.set_endpoint(endpoint).await.map_err(|trouble| trouble.into_fault("set_webhook_endpoint"))
    }

    async fn remove(&mut self) -> Result<bool, Fault> {
        self.remove_endpoint().await.map_err(|trouble| trouble.into_fault("remove_webhook_endpoint"))
    }

    async fn announce(&mut self, notice: &Notice) -> Result<(), Fault> {
        self.announce_one(notice).await.map_err(|trouble| trouble.into_fault("announce"))
    }

    async fn delivery(&mut self, id: NoticeId) -> Result<Option<Delivery>, Fault> {
        self.find_delivery(id).await.map_err(|trouble| trouble.into_fault("webhook_delivery"))
    }

    async fn deliver_again(&mut self, id: NoticeId) -> Result<bool, Fault> {
        self.make_due_again(id).await.map_err(|trouble| trouble.into_fault("deliver_again"))
    }
}
