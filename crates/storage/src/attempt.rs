//! The log of webhook attempts: what was said in each whose end was recorded.

use crate::bulk::Clash;
use crate::stored::number;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::delivery::{Attempt, Attempted, Claim, Exchange};
use almoner_domain::id::{AttemptId, DeliveryId, Id};
use almoner_domain::time::Timestamp;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, Order};
use std::time::Duration;

realm_table! {
    "webhook_attempts" {
        key { id: Uuid, }
        delivery_id: Uuid,
        number: i16,
        at: i64,
        took: i64,
        host: String,
        headers: String,
        status: Option<i16>,
        response: Option<String>,
        error: Option<String>,
    }
}

const NOUN: &str = "webhook attempt";

/// Writes what came of one.
pub(crate) async fn add(tx: &Tx, claim: &Claim, attempted: &Attempted) -> Result<(), Trouble> {
    let exchange = &attempted.exchange;
    let headers: Vec<String> = exchange.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let row = Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: AttemptId::new(tx.now(), tx.entropy()).uuid(),
        delivery_id: claim.id.uuid(),
        number: number(NOUN, claim.attempt)?,
        at: claim.begun_at.as_micros(),
        took: i64::try_from(exchange.took.as_micros()).unwrap_or(i64::MAX),
        host: claim.url.host().to_owned(),
        headers: headers.join("\n"),
        status: attempted.status.map(|status| number(NOUN, status)).transpose()?,
        response: exchange.response.clone(),
        error: attempted.error.clone(),
    };
    tx.insert::<Entity>(&[row], Clash::Refuse).await?;
    Ok(())
}

fn read(row: Model) -> Result<Attempt, Trouble> {
    let headers = row.headers.lines().filter_map(|line| line.split_once(": "));
    Ok(Attempt {
        id: Id::from_uuid(row.id),
        delivery: Id::from_uuid(row.delivery_id),
        number: number(NOUN, row.number)?,
        at: Timestamp::from_micros(row.at),
        host: row.host,
        status: row.status.map(|status| number(NOUN, status)).transpose()?,
        error: row.error,
        exchange: Exchange {
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            response: row.response,
            took: Duration::from_micros(number(NOUN, row.took)?),
        },
    })
}

/// Those at a delivery, newest first.
pub(crate) async fn of_delivery(tx: &Tx, delivery: DeliveryId, limit: u16) -> Result<Vec<Attempt>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::DeliveryId.eq(delivery.uuid())).order(Column::Id, Order::Desc);
    rows.limit(u64::from(limit)).all().await?.into_iter().map(read).collect()
}
