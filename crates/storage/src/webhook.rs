//! Webhook endpoints.

use crate::bulk::Clash;
use crate::rows::Hold;
use crate::stored::{parsed, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::work::SqlWork;
use crate::{audit, delivery, notice};
use almoner_domain::address::Callable;
use almoner_domain::audit::{Action, AuditEntry, Author};
use almoner_domain::delivery::{Claim, Delivery, Replay, Then};
use almoner_domain::fault::Fault;
use almoner_domain::happening::HappeningKind;
use almoner_domain::id::{DeliveryId, EndpointId, Id};
use almoner_domain::notice::{Event, Notice};
use almoner_domain::ports::Webhooks;
use almoner_domain::text::Name;
use almoner_domain::time::Timestamp;
use almoner_domain::webhook::{
    DisableReason, EndpointState, Failing, PublicKey, SealedSecret, SignatureScheme, WebhookEndpoint, WebhookUrl,
};
use async_trait::async_trait;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, Order};

realm_table! {
    "webhook_endpoints" {
        key { id: Uuid, }
        url: String,
        description: Option<String>,
        events: String,
        private: bool,
        scheme: String,
        secret: Vec<u8>,
        public_key: Option<Vec<u8>>,
        previous_secret: Option<Vec<u8>>,
        previous_until: Option<i64>,
        disabled_at: Option<i64>,
        disabled_why: Option<String>,
        failing_since: Option<i64>,
        failing_last: Option<i64>,
        created_at: i64,
        changed_at: i64,
    }
}

const NOUN: &str = "webhook endpoint";

/// What of an endpoint can change.
const CHANGING: [Column; 13] = [
    Column::Url,
    Column::Description,
    Column::Events,
    Column::Private,
    Column::Secret,
    Column::PublicKey,
    Column::PreviousSecret,
    Column::PreviousUntil,
    Column::DisabledAt,
    Column::DisabledWhy,
    Column::FailingSince,
    Column::FailingLast,
    Column::ChangedAt,
];

fn row(endpoint: &WebhookEndpoint) -> Model {
    let words: Vec<&str> = endpoint.events.iter().map(|kind| kind.as_str()).collect();
    let previous = endpoint.previous.as_ref();
    let disabled = match endpoint.state {
        EndpointState::Enabled => None,
        EndpointState::Disabled(why, at) => Some((why, at)),
    };
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: endpoint.id.uuid(),
        url: endpoint.url.as_str().to_owned(),
        description: endpoint.description.as_ref().map(Name::to_string),
        events: words.join(" "),
        private: endpoint.callable == Callable::Any,
        scheme: endpoint.scheme.as_str().to_owned(),
        secret: endpoint.secret.0.clone(),
        public_key: endpoint.public_key.map(|key| key.bytes().to_vec()),
        previous_secret: previous.map(|(secret, _)| secret.0.clone()),
        previous_until: previous.map(|(_, until)| until.as_micros()),
        disabled_at: disabled.map(|(_, at)| at.as_micros()),
        disabled_why: disabled.map(|(why, _)| why.as_str().to_owned()),
        failing_since: endpoint.failing.map(|failing| failing.since.as_micros()),
        failing_last: endpoint.failing.map(|failing| failing.last.as_micros()),
        created_at: endpoint.created_at.as_micros(),
        changed_at: endpoint.changed_at.as_micros(),
    }
}

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<WebhookEndpoint, Trouble> {
    let events = row.events.split_whitespace().map(|text| word(NOUN, text, HappeningKind::parse));
    let until = row.previous_until.map(Timestamp::from_micros);
    let why = row.disabled_why.map(|text| word(NOUN, &text, DisableReason::parse)).transpose()?;
    let disabled = why.zip(row.disabled_at.map(Timestamp::from_micros));
    let failing = row
        .failing_since
        .zip(row.failing_last)
        .map(|(since, last)| Failing { since: Timestamp::from_micros(since), last: Timestamp::from_micros(last) });
    let key =
        |bytes: Vec<u8>| PublicKey::from_bytes(&bytes).ok_or_else(|| Trouble::row(NOUN, "a key of another length"));
    Ok(WebhookEndpoint {
        id: Id::from_uuid(row.id),
        // It was looked at when it was set; what may be called can have changed since, and is looked at when it is called.
        url: parsed(NOUN, WebhookUrl::parse(&row.url, Callable::Any))?,
        description: row.description.map(|text| parsed(NOUN, Name::parse(&text))).transpose()?,
        events: events.collect::<Result<_, _>>()?,
        callable: if row.private { Callable::Any } else { Callable::Public },
        scheme: word(NOUN, &row.scheme, SignatureScheme::parse)?,
        secret: SealedSecret(row.secret),
        public_key: row.public_key.map(key).transpose()?,
        previous: row.previous_secret.map(SealedSecret).zip(until),
        state: disabled.map_or(EndpointState::Enabled, |(why, at)| EndpointState::Disabled(why, at)),
        failing,
        created_at: Timestamp::from_micros(row.created_at),
        changed_at: Timestamp::from_micros(row.changed_at),
    })
}

/// The realm's endpoints as they are, oldest first.
pub(crate) async fn all(tx: &Tx) -> Result<Vec<WebhookEndpoint>, Trouble> {
    let rows = tx.rows::<Entity>().order(Column::CreatedAt, Order::Asc).order(Column::Id, Order::Asc);
    rows.all().await?.into_iter().map(read).collect()
}

/// The realm's endpoints, kept from being removed or disabled until the transaction is over: nothing is put on its way to an
/// endpoint that is not there any more.
pub(crate) async fn all_steady(tx: &Tx) -> Result<Vec<WebhookEndpoint>, Trouble> {
    // In the order of their ids, so that nobody waits for who waits for them.
    let rows = tx.rows::<Entity>().order(Column::Id, Order::Asc).hold(Hold::Steady);
    rows.all().await?.into_iter().map(read).collect()
}

/// One as it is.
pub(crate) async fn find(tx: &Tx, id: EndpointId) -> Result<Option<WebhookEndpoint>, Trouble> {
    tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).one().await?.map(read).transpose()
}

/// One, held for change.
pub(crate) async fn hold(tx: &Tx, id: EndpointId) -> Result<Option<WebhookEndpoint>, Trouble> {
    tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).hold(Hold::Change).one().await?.map(read).transpose()
}

/// Writes one.
async fn write(tx: &Tx, endpoint: &WebhookEndpoint) -> Result<(), Trouble> {
    tx.insert::<Entity>(&[row(endpoint)], Clash::Update(&CHANGING)).await?;
    Ok(())
}

/// What an attempt makes of its endpoint: the receiver is gone, fails, or hears again. To be called before deliveries are held,
/// as whoever removes an endpoint holds it before them; what it answers is given to [`judged`] once the attempt is recorded.
pub(crate) async fn judge(tx: &Tx, claim: &Claim, then: Then) -> Result<Option<WebhookEndpoint>, Trouble> {
    // An endpoint that has been moved to another address since stays as it is.
    let there = |endpoint: &WebhookEndpoint| endpoint.url == claim.url;
    if then == Then::Delivered
        && find(tx, claim.endpoint).await?.filter(there).and_then(|e| e.after(then, tx.now())).is_none()
    {
        return Ok(None);
    }
    Ok(hold(tx, claim.endpoint).await?.filter(there).and_then(|endpoint| endpoint.after(then, tx.now())))
}

/// Makes it so. Of an endpoint that is disabled by it others are told, and what is on its way there is given up.
pub(crate) async fn judged(tx: &Tx, endpoint: &WebhookEndpoint) -> Result<(), Trouble> {
    write(tx, endpoint).await?;
    let EndpointState::Disabled(why, at) = endpoint.state else { return Ok(()) };
    delivery::give_up_all(tx, endpoint.id, why.sentence()).await?;
    let event = Event::EndpointDisabled(endpoint.id);
    notice::add(tx, &[Notice { id: Id::new(at, tx.entropy()), at, event, allocation: None }]).await?;
    let entry = AuditEntry {
        id: Id::new(at, tx.entropy()),
        at,
        author: Author::runner(),
        action: Action::DisableWebhook,
        subject: endpoint.id.to_string(),
        customer: None,
        note: why.as_str().to_owned(),
    };
    audit::add(tx, &entry).await
}

impl SqlWork {
    async fn held_endpoints(&self) -> Result<Vec<WebhookEndpoint>, Trouble> {
        let tx = self.tx()?;
        tx.take_turn().await?;
        all(tx).await
    }

    async fn held_endpoint(&self, id: EndpointId) -> Result<Option<WebhookEndpoint>, Trouble> {
        hold(self.tx()?, id).await
    }

    async fn put_endpoint(&self, endpoint: &WebhookEndpoint) -> Result<(), Trouble> {
        write(self.tx()?, endpoint).await
    }

    async fn remove_endpoint(&self, id: EndpointId) -> Result<bool, Trouble> {
        let tx = self.tx()?;
        if hold(tx, id).await?.is_none() {
            return Ok(false);
        }
        tx.delete::<Entity>(Column::Id.eq(id.uuid())).await?;
        delivery::give_up_all(tx, id, "the endpoint was removed").await?;
        Ok(true)
    }

    async fn give_up_deliveries(&self, id: EndpointId, why: &str) -> Result<(), Trouble> {
        delivery::give_up_all(self.tx()?, id, why).await
    }

    async fn announce_one(&self, entry: &Notice) -> Result<(), Trouble> {
        notice::add(self.tx()?, std::slice::from_ref(entry)).await
    }

    async fn find_delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Trouble> {
        delivery::find(self.tx()?, id).await
    }

    async fn make_due_again(&self, id: DeliveryId) -> Result<bool, Trouble> {
        Ok(delivery::make_due_again(self.tx()?, &[id.uuid()]).await? > 0)
    }

    async fn replay_all(&self, asked: &Replay, limit: u64) -> Result<Option<u64>, Trouble> {
        delivery::replay(self.tx()?, asked, limit).await
    }
}

#[async_trait]
impl Webhooks for SqlWork {
    async fn all(&mut self) -> Result<Vec<WebhookEndpoint>, Fault> {
        self.held_endpoints().await.map_err(|trouble| trouble.into_fault("webhook_endpoints"))
    }

    async fn endpoint(&mut self, id: EndpointId) -> Result<Option<WebhookEndpoint>, Fault> {
        self.held_endpoint(id).await.map_err(|trouble| trouble.into_fault("webhook_endpoint"))
    }

    async fn put(&mut self, endpoint: &WebhookEndpoint) -> Result<(), Fault> {
        self.put_endpoint(endpoint).await.map_err(|trouble| trouble.into_fault("put_webhook_endpoint"))
    }

    async fn remove(&mut self, id: EndpointId) -> Result<bool, Fault> {
        self.remove_endpoint(id).await.map_err(|trouble| trouble.into_fault("remove_webhook_endpoint"))
    }

    async fn give_up(&mut self, id: EndpointId, why: &'static str) -> Result<(), Fault> {
        self.give_up_deliveries(id, why).await.map_err(|trouble| trouble.into_fault("give_up_deliveries"))
    }

    async fn announce(&mut self, notice: &Notice) -> Result<(), Fault> {
        self.announce_one(notice).await.map_err(|trouble| trouble.into_fault("announce"))
    }

    async fn delivery(&mut self, id: DeliveryId) -> Result<Option<Delivery>, Fault> {
        self.find_delivery(id).await.map_err(|trouble| trouble.into_fault("webhook_delivery"))
    }

    async fn deliver_again(&mut self, id: DeliveryId) -> Result<bool, Fault> {
        self.make_due_again(id).await.map_err(|trouble| trouble.into_fault("deliver_again"))
    }

    async fn replay(&mut self, asked: &Replay, limit: u64) -> Result<Option<u64>, Fault> {
        self.replay_all(asked, limit).await.map_err(|trouble| trouble.into_fault("replay"))
    }
}
