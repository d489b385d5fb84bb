//! The pump: entries of the outbox become deliveries, in one transaction a realm. An entry is held while that is done, and marked
//! as sent with it, so of any number of pumps one does it; and an endpoint has one delivery of it, so even twice would make one.

use crate::store::{Outcome, SqlStore};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{attempt, delivery, directory, happening, notice, webhook};
use almoner_domain::delivery::{Attempt, Attempted, Claim, Delivery, DeliveryFilter, Due};
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::happening::HappeningKind;
use almoner_domain::id::{DeliveryId, NoticeId};
use almoner_domain::page::{Page, Stretch};
use almoner_domain::ports::{Deliveries, Pumped, Wire};
use almoner_domain::tenant::Realm;
use almoner_domain::webhook::WebhookEndpoint;
use async_trait::async_trait;
use std::time::Duration;

/// Which entries.
#[derive(Debug, Clone, Copy)]
enum Pick {
    Oldest(u64),
    One(NoticeId),
}

async fn pump(tx: &Tx, pick: Pick, wire: Wire) -> Result<Pumped, Trouble> {
    let entries = match pick {
        Pick::Oldest(limit) => notice::hold_unsent(tx, limit).await?,
        Pick::One(id) => notice::hold_one_unsent(tx, id).await?,
    };
    let endpoints = webhook::all_steady(tx).await?;
    let wanted = |kind| kind == HappeningKind::Test || endpoints.iter().any(|endpoint| endpoint.wants(kind));
    let told = match endpoints.is_empty() {
        true => Vec::new(),
        false => happening::tell(tx, &entries, &wanted).await?,
    };
    let deliveries = delivery::add(tx, &endpoints, &told, wire).await?;
    notice::mark_sent(tx, &entries).await?;
    Ok(Pumped { notices: entries.len() as u64, deliveries })
}

impl SqlStore {
    async fn pump_realm(&self, realm: Realm, pick: Pick, wire: Wire) -> Result<Pumped, Fault> {
        self.write("pump", realm, move |tx| Box::pin(async move { Ok(Outcome::Keep(pump(tx, pick, wire).await?)) }))
            .await
    }

    /// One entry that cannot be read must not keep all others of the realm waiting for ever: it is marked and told to the log.
    async fn pump_singly(&self, realm: Realm, limit: u64, wire: Wire) -> Result<Pumped, Fault> {
        let ids = self.read("pump", realm, move |tx| Box::pin(notice::unsent(tx, limit))).await?;
        let mut pumped = Pumped::default();
        for id in ids {
            match self.pump_realm(realm, Pick::One(id), wire).await {
                Ok(more) => pumped = sum(pumped, more),
                Err(fault) if fault.is_passing() => return Err(fault),
                Err(fault) => {
                    tracing::error!(%fault, cause = ?fault.source, %realm, %id, "this cannot be told to the webhook");
                    self.skip(realm, id).await?;
                }
            }
        }
        Ok(pumped)
    }

    async fn skip(&self, realm: Realm, id: NoticeId) -> Result<(), Fault> {
        self.write("pump", realm, move |tx| Box::pin(async move { Ok(Outcome::Keep(notice::skip(tx, id).await?)) }))
            .await
    }
}

fn sum(a: Pumped, b: Pumped) -> Pumped {
    Pumped { notices: a.notices + b.notices, deliveries: a.deliveries + b.deliveries }
}

#[async_trait]
impl Deliveries for SqlStore {
    async fn pump(&self, limit: u64, wire: Wire) -> Result<Pumped, Fault> {
        let realms = self.read_everywhere("pump", move |tx| Box::pin(notice::realms_unsent(tx, limit))).await?;
        let mut pumped = Pumped::default();
        for realm in realms {
            match self.pump_realm(realm, Pick::Oldest(limit), wire).await {
                Ok(more) => pumped = sum(pumped, more),
                Err(fault) if fault.kind == FaultKind::Unavailable => return Err(fault),
                // Others are at it: what they leave is found by the next pump.
                Err(fault) if fault.kind == FaultKind::Conflict => tracing::debug!(%fault, %realm, "a pump gave way"),
                Err(_) => pumped = sum(pumped, self.pump_singly(realm, limit, wire).await?),
            }
        }
        Ok(pumped)
    }

    async fn due(&self, limit: u64) -> Result<Vec<Due>, Fault> {
        let realms = self.read_everywhere("due", |tx| Box::pin(delivery::due_realms(tx))).await?;
        let mut due = Vec::new();
        for realm in realms {
            let found = self.read("due", realm, move |tx| Box::pin(delivery::all_due(tx, realm, limit)));
            due.extend(found.await?);
        }
        Ok(due)
    }

    async fn claim(&self, realm: Realm, id: DeliveryId, span: Duration) -> Result<Option<Claim>, Fault> {
        let claimed = self.write("claim", realm, move |tx| {
            Box::pin(async move { Ok(Outcome::Keep(delivery::claim(tx, realm, id, span).await?)) })
        });
        claimed.await
    }

    async fn record(&self, claim: &Claim, attempted: &Attempted) -> Result<bool, Fault> {
        let (claim, attempted) = (claim.clone(), attempted.clone());
        let recorded = self.write("record_attempt", claim.realm, move |tx| {
            let (claim, attempted) = (claim.clone(), attempted.clone());
            Box::pin(async move { Ok(Outcome::Keep(delivery::record(tx, &claim, &attempted).await?)) })
        });
        recorded.await
    }

    async fn endpoints(&self, realm: Realm) -> Result<Vec<WebhookEndpoint>, Fault> {
        self.read("webhook_endpoints", realm, |tx| Box::pin(webhook::all(tx))).await
    }

    async fn deliveries(&self, realm: Realm, filter: DeliveryFilter, page: Page) -> Result<Stretch<Delivery>, Fault> {
        self.read("deliveries", realm, move |tx| Box::pin(directory::deliveries(tx, filter, page))).await
    }

    async fn attempts(&self, realm: Realm, delivery: DeliveryId, limit: u16) -> Result<Vec<Attempt>, Fault> {
        self.read("attempts", realm, move |tx| Box::pin(attempt::of_delivery(tx, delivery, limit))).await
    }
}
