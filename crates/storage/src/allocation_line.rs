//! Lines of allocations: the units of one feature each.

use crate::bulk::Clash;
use crate::stored::{number, units};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::allocation::{Allocation, AllocationLine};
use almoner_domain::id::Id;
use sea_orm::Order;
use sea_orm::entity::prelude::Uuid;
use std::collections::BTreeMap;

realm_table! {
    "allocation_lines" {
        key { allocation_id: Uuid, feature_id: Uuid, }
        position: i16,
        account_id: Uuid,
        carved: i64,
        returned: i64,
    }
}

const NOUN: &str = "allocation line";

fn rows(allocations: &[&Allocation]) -> Result<Vec<Model>, Trouble> {
    let mut rows = Vec::new();
    for allocation in allocations {
        for (position, line) in allocation.lines.iter().enumerate() {
            rows.push(Model {
                tenant: NO_TENANT,
                environment: NO_ENVIRONMENT,
                allocation_id: allocation.id.uuid(),
                feature_id: line.feature.uuid(),
                position: number(NOUN, position)?,
                account_id: line.account.uuid(),
                carved: line.carved.get(),
                returned: line.returned.get(),
            });
        }
    }
    Ok(rows)
}

fn read(row: &Model) -> Result<AllocationLine, Trouble> {
    Ok(AllocationLine {
        feature: Id::from_uuid(row.feature_id),
        account: Id::from_uuid(row.account_id),
        carved: units(NOUN, row.carved)?,
        returned: units(NOUN, row.returned)?,
    })
}

/// Lines by allocation, each in its order.
pub(crate) async fn of(tx: &Tx, allocations: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<AllocationLine>>, Trouble> {
    let found =
        tx.all_among::<Entity, _>(Column::AllocationId, allocations, |rows| rows.order(Column::Position, Order::Asc));
    let mut lines: BTreeMap<Uuid, Vec<AllocationLine>> = BTreeMap::new();
    for row in found.await? {
        lines.entry(row.allocation_id).or_default().push(read(&row)?);
    }
    Ok(lines)
}

/// Writes the lines of new allocations.
pub(crate) async fn add(tx: &Tx, allocations: &[&Allocation]) -> Result<(), Trouble> {
    tx.insert::<Entity>(&rows(allocations)?, Clash::Refuse).await?;
    Ok(())
}

/// Writes back what went back, and what was added or taken.
pub(crate) async fn write_back(tx: &Tx, allocations: &[&Allocation]) -> Result<(), Trouble> {
    tx.insert::<Entity>(&rows(allocations)?, Clash::Update(&[Column::Carved, Column::Returned])).await?;
    Ok(())
}
