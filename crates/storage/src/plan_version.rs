//! Versions of plans, never changed once published.

use crate::bulk::Clash;
use crate::plan_line;
use crate::stored::{number, parsed, units, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::id::{Id, PlanId, PlanVersionId};
use almoner_domain::plan::{Currency, LiveRule, PlanLine, PlanVersion, Price};
use almoner_domain::time::Timestamp;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, Order};
use std::collections::BTreeSet;

const NOUN: &str = "plan version";

realm_table! {
    "plan_versions" {
        key { id: Uuid, }
        plan_id: Uuid,
        number: i64,
        effective_from: i64,
        price_amount: Option<i64>,
        price_currency: Option<String>,
        live_rule: String,
    }
}

/// Adds a version with its lines.
pub(crate) async fn add(tx: &Tx, version: &PlanVersion) -> Result<(), Trouble> {
    let row = Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: version.id.uuid(),
        plan_id: version.plan.uuid(),
        number: i64::from(version.number),
        effective_from: version.effective_from.as_micros(),
        price_amount: version.price.as_ref().map(|price| price.amount.get()),
        price_currency: version.price.as_ref().map(|price| price.currency.to_string()),
        live_rule: version.live_rule.as_str().to_owned(),
    };
    tx.add::<Entity>(row).await?;
    let lines = plan_line::rows(version)?;
    tx.insert::<plan_line::Entity>(&lines, Clash::Refuse).await?;
    Ok(())
}

/// Reads versions back, each with its lines. One may be among them more than once: it is in several lists.
pub(crate) async fn with_lines(tx: &Tx, rows: Vec<Model>) -> Result<Vec<PlanVersion>, Trouble> {
    let ids: BTreeSet<Uuid> = rows.iter().map(|row| row.id).collect();
    let lines = plan_line::of_versions(tx, &Vec::from_iter(ids)).await?;
    let version = |row: Model| {
        let lines = lines.get(&row.id).cloned().unwrap_or_default();
        read(row, lines)
    };
    rows.into_iter().map(version).collect()
}

fn read(row: Model, lines: Vec<PlanLine>) -> Result<PlanVersion, Trouble> {
    let price = match (row.price_amount, row.price_currency) {
        (Some(amount), Some(code)) => {
            Some(Price { amount: units(NOUN, amount)?, currency: parsed(NOUN, Currency::parse(&code))? })
        }
        _ => None,
    };
    Ok(PlanVersion {
        id: Id::from_uuid(row.id),
        plan: Id::from_uuid(row.plan_id),
        number: number(NOUN, row.number)?,
        effective_from: Timestamp::from_micros(row.effective_from),
        price,
        live_rule: word(NOUN, &row.live_rule, LiveRule::parse)?,
        lines,
    })
}

/// The newest version of a plan; of those whose time has come at an instant, where one is given.
pub(crate) async fn latest(tx: &Tx, plan: PlanId, at: Option<Timestamp>) -> Result<Option<PlanVersion>, Trouble> {
    let mut rows = tx.rows::<Entity>().filter(Column::PlanId.eq(plan.uuid()));
    if let Some(at) = at {
        rows = rows.filter(Column::EffectiveFrom.lte(at.as_micros()));
    }
    let Some(row) = rows.order(Column::Number, Order::Desc).one().await? else { return Ok(None) };
    let lines = plan_line::of_version(tx, Id::from_uuid(row.id)).await?;
    read(row, lines).map(Some)
}

/// What a version says of live allocations.
pub(crate) async fn live_rule(tx: &Tx, id: PlanVersionId) -> Result<LiveRule, Trouble> {
    let row = tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).one().await?;
    let row = row.ok_or_else(|| Trouble::row(NOUN, format!("{id} is missing")))?;
    word(NOUN, &row.live_rule, LiveRule::parse)
}

/// Removes all versions of a plan, with their lines.
pub(crate) async fn remove(tx: &Tx, plan: PlanId) -> Result<(), Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::PlanId.eq(plan.uuid())).all().await?;
    for row in rows {
        tx.delete::<plan_line::Entity>(plan_line::Column::PlanVersionId.eq(row.id)).await?;
        tx.delete::<Entity>(Column::Id.eq(row.id)).await?;
    }
    Ok(())
}
