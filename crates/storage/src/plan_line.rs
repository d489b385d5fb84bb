//! What versions of plans grant, feature by feature.

use crate::offer::{self, OfferColumns};
use crate::stored::number;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::id::{Id, PlanVersionId};
use almoner_domain::plan::{PlanLine, PlanVersion};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, Order};
use std::collections::BTreeMap;

realm_table! {
    "plan_lines" {
        key { plan_version_id: Uuid, feature_id: Uuid, }
        position: i16,
        offer: String,
        value_integer: Option<i64>,
        value_text: Option<String>,
        amount: Option<i64>,
        period: Option<String>,
        beyond: Option<String>,
    }
}

/// The rows of a version's lines.
pub(crate) fn rows(version: &PlanVersion) -> Result<Vec<Model>, Trouble> {
    let lines = version.lines.iter().enumerate();
    lines.map(|(position, line)| row(version.id, position, line)).collect()
}

fn row(version: PlanVersionId, position: usize, line: &PlanLine) -> Result<Model, Trouble> {
    let columns = offer::columns(&line.offer)?;
    Ok(Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        plan_version_id: version.uuid(),
        feature_id: line.feature.uuid(),
        position: number("plan line", position)?,
        offer: columns.offer,
        value_integer: columns.value_integer,
        value_text: columns.value_text,
        amount: columns.amount,
        period: columns.period,
        beyond: columns.beyond,
    })
}

/// The lines of these versions, each in its order.
pub(crate) async fn of_versions(tx: &Tx, versions: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<PlanLine>>, Trouble> {
    let rows =
        tx.all_among::<Entity, _>(Column::PlanVersionId, versions, |rows| rows.order(Column::Position, Order::Asc));
    let rows = rows.await?;
    let mut lines: BTreeMap<Uuid, Vec<PlanLine>> = BTreeMap::new();
    for row in rows {
        lines.entry(row.plan_version_id).or_default().push(read(row)?);
    }
    Ok(lines)
}

/// The lines of a version, in its order.
pub(crate) async fn of_version(tx: &Tx, version: PlanVersionId) -> Result<Vec<PlanLine>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::PlanVersionId.eq(version.uuid()));
    rows.order(Column::Position, Order::Asc).all().await?.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<PlanLine, Trouble> {
    let columns = OfferColumns {
        offer: row.offer,
        value_integer: row.value_integer,
        value_text: row.value_text,
        amount: row.amount,
        period: row.period,
        beyond: row.beyond,
    };
    Ok(PlanLine { feature: Id::from_uuid(row.feature_id), offer: offer::read(&columns)? })
}
