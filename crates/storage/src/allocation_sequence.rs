//! Numbers of what happens to each allocation, by which receivers of webhooks put it in order.

use crate::bulk::Clash;
use crate::stored::number;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::id::{AllocationId, Id};
use almoner_domain::notice::Notice;
use sea_orm::entity::prelude::Uuid;
use std::collections::BTreeMap;

realm_table! {
    "allocation_sequences" {
        key { allocation_id: Uuid, }
        last: i64,
    }
}

/// The next numbers of the allocations that these tell of, in the order in which they stand. Each row is held until the
/// transaction is over, so numbers are given in the order in which transactions come to be; and rows are taken in the order of
/// their keys, last of all that is held, so that nobody waits for who waits for them.
pub(crate) async fn next(tx: &Tx, notices: &[Notice]) -> Result<Vec<Option<i64>>, Trouble> {
    let mut counts: BTreeMap<AllocationId, i64> = BTreeMap::new();
    for allocation in notices.iter().filter_map(|notice| notice.allocation) {
        *counts.entry(allocation).or_default() += 1;
    }
    if counts.is_empty() {
        return Ok(vec![None; notices.len()]);
    }
    let row = |(id, count): (&AllocationId, &i64)| Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        allocation_id: id.uuid(),
        last: *count,
    };
    let rows: Vec<Model> = counts.iter().map(row).collect();
    tx.insert::<Entity>(&rows, Clash::Add(&[Column::Last])).await?;
    let ids: Vec<Uuid> = counts.keys().map(|id| id.uuid()).collect();
    let found = tx.all_among::<Entity, _>(Column::AllocationId, &ids, |rows| rows).await?;
    let mut next: BTreeMap<AllocationId, i64> = BTreeMap::new();
    for row in found {
        let id = Id::from_uuid(row.allocation_id);
        next.insert(id, row.last - counts.get(&id).copied().unwrap_or_default());
    }
    let mut numbered = |allocation: AllocationId| {
        let last = next.entry(allocation).or_default();
        *last += 1;
        *last
    };
    Ok(notices.iter().map(|notice| notice.allocation.map(&mut numbered)).collect())
}

/// A number as it is told.
pub(crate) fn told(sequence: Option<i64>) -> Result<Option<u64>, Trouble> {
    sequence.map(|sequence| number("outbox entry", sequence)).transpose()
}
