//! What price lists say of each feature.

use crate::stored::{number, parsed, units};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::id::Id;
use almoner_domain::price::{PriceLine, PriceList, Rate};
use almoner_domain::text::{DimensionName, DimensionValue};
use sea_orm::Order;
use sea_orm::entity::prelude::Uuid;
use std::collections::BTreeMap;

realm_table! {
    "price_lines" {
        key { price_list_id: Uuid, position: i16, }
        feature_id: Uuid,
        conditions: String,
        cost: i64,
        per: i64,
    }
}

const NOUN: &str = "price";

/// The rows of a list's lines.
pub(crate) fn rows(list: &PriceList) -> Result<Vec<Model>, Trouble> {
    let row = |(position, line): (usize, &PriceLine)| {
        let said: BTreeMap<&str, &str> =
            line.when.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Ok(Model {
            tenant: NO_TENANT,
            environment: NO_ENVIRONMENT,
            price_list_id: list.id.uuid(),
            position: number(NOUN, position)?,
            feature_id: line.feature.uuid(),
            conditions: parsed(NOUN, serde_json::to_string(&said))?,
            cost: line.rate.cost().get(),
            per: line.rate.per().get(),
        })
    };
    list.lines.iter().enumerate().map(row).collect()
}

/// The lines of these lists, each in its order.
pub(crate) async fn of(tx: &Tx, lists: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<PriceLine>>, Trouble> {
    let rows = tx.all_among::<Entity, _>(Column::PriceListId, lists, |rows| rows.order(Column::Position, Order::Asc));
    let mut lines: BTreeMap<Uuid, Vec<PriceLine>> = BTreeMap::new();
    for row in rows.await? {
        lines.entry(row.price_list_id).or_default().push(read(&row)?);
    }
    Ok(lines)
}

fn read(row: &Model) -> Result<PriceLine, Trouble> {
    let said: BTreeMap<String, String> = parsed(NOUN, serde_json::from_str(&row.conditions))?;
    let condition = |(name, value): (&String, &String)| {
        Ok((parsed(NOUN, DimensionName::parse(name))?, parsed(NOUN, DimensionValue::parse(value))?))
    };
    let rate = Rate::of(units(NOUN, row.cost)?, units(NOUN, row.per)?);
    Ok(PriceLine {
        feature: Id::from_uuid(row.feature_id),
        when: said.iter().map(condition).collect::<Result<_, Trouble>>()?,
        rate: rate.ok_or_else(|| Trouble::row(NOUN, "it is for nothing"))?,
    })
}
