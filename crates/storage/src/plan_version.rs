//! Versions of plans, never changed once published.

use crate::bulk::Clash;
use crate::plan_line;
use crate::stored::number;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::id::{Id, PlanId};
use almoner_domain::plan::PlanVersion;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, Order};

realm_table! {
    "plan_versions" {
        key { id: Uuid, }
        plan_id: Uuid,
        number: i64,
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
    };
    tx.add::<Entity>(row).await?;
    let lines = plan_line::rows(version)?;
    tx.insert::<plan_line::Entity>(&lines, Clash::Refuse).await?;
    Ok(())
}

/// Reads versions back, each with its lines.
pub(crate) async fn with_lines(tx: &Tx, rows: Vec<Model>) -> Result<Vec<PlanVersion>, Trouble> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut lines = plan_line::of_versions(tx, &ids).await?;
    let version = |row: Model| {
        Ok(PlanVersion {
            id: Id::from_uuid(row.id),
            plan: Id::from_uuid(row.plan_id),
            number: number("plan version", row.number)?,
            lines: lines.remove(&row.id).unwrap_or_default(),
        })
    };
    rows.into_iter().map(version).collect()
}

/// The newest version of a plan.
pub(crate) async fn latest(tx: &Tx, plan: PlanId) -> Result<Option<PlanVersion>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::PlanId.eq(plan.uuid())).order(Column::Number, Order::Desc);
    let Some(row) = rows.one().await? else { return Ok(None) };
    Ok(Some(PlanVersion {
        id: Id::from_uuid(row.id),
        plan,
        number: number("plan version", row.number)?,
        lines: plan_line::of_version(tx, Id::from_uuid(row.id)).await?,
    }))
}
