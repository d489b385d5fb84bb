//! Price lists, never changed once published.

use crate::bulk::Clash;
use crate::price_line;
use crate::stored::number;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::work::SqlWork;
use almoner_domain::fault::Fault;
use almoner_domain::id::{FeatureId, Id};
use almoner_domain::ports::Prices;
use almoner_domain::price::{PriceLine, PriceList};
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, Order};

realm_table! {
    "price_lists" {
        key { id: Uuid, }
        currency_id: Uuid,
        number: i64,
        effective_from: i64,
    }
}

const NOUN: &str = "price list";

/// Reads lists back, each with its lines.
pub(crate) async fn with_lines(tx: &Tx, rows: Vec<Model>) -> Result<Vec<PriceList>, Trouble> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut lines = price_line::of(tx, &ids).await?;
    rows.into_iter().map(|row| read(&row, lines.remove(&row.id).unwrap_or_default())).collect()
}

fn read(row: &Model, lines: Vec<PriceLine>) -> Result<PriceList, Trouble> {
    Ok(PriceList {
        id: Id::from_uuid(row.id),
        currency: Id::from_uuid(row.currency_id),
        number: number(NOUN, row.number)?,
        effective_from: Timestamp::from_micros(row.effective_from),
        lines,
    })
}

/// Lists that are in effect, and those to come, of all currencies.
pub(crate) async fn current(tx: &Tx) -> Result<Vec<PriceList>, Trouble> {
    let rows = tx.rows::<Entity>().order(Column::Number, Order::Desc).all().await?;
    let now = tx.now().as_micros();
    let mut begun: Vec<Uuid> = Vec::new();
    let mut wanted = Vec::new();
    for row in rows {
        // The newest first: of those that have begun each currency has one in effect.
        if row.effective_from <= now {
            if begun.contains(&row.currency_id) {
                continue;
            }
            begun.push(row.currency_id);
        }
        wanted.push(row);
    }
    with_lines(tx, wanted).await
}

impl SqlWork {
    async fn publish_prices(&self, list: &PriceList) -> Result<(), Trouble> {
        let tx = self.catalogue()?;
        let row = Model {
            tenant: NO_TENANT,
            environment: NO_ENVIRONMENT,
            id: list.id.uuid(),
            currency_id: list.currency.uuid(),
            number: i64::from(list.number),
            effective_from: list.effective_from.as_micros(),
        };
        tx.add::<Entity>(row).await?;
        tx.insert::<price_line::Entity>(&price_line::rows(list)?, Clash::Refuse).await?;
        Ok(())
    }

    async fn latest_prices(&self, currency: FeatureId) -> Result<Option<PriceList>, Trouble> {
        let tx = self.tx()?;
        let rows =
            tx.rows::<Entity>().filter(Column::CurrencyId.eq(currency.uuid())).order(Column::Number, Order::Desc);
        let latest = rows.limit(1).all().await?;
        Ok(with_lines(tx, latest).await?.pop())
    }
}

#[async_trait]
impl Prices for SqlWork {
    async fn publish(&mut self, list: &PriceList) -> Result<(), Fault> {
        self.publish_prices(list).await.map_err(|trouble| trouble.into_fault("publish_prices"))
    }

    async fn latest(&mut self, currency: FeatureId) -> Result<Option<PriceList>, Fault> {
        self.latest_prices(currency).await.map_err(|trouble| trouble.into_fault("latest_prices"))
    }
}
