//! Parts of holds: units of one feature in one account each. Parts are added, never changed.

use crate::bulk::Clash;
use crate::stored::{number, units};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::hold::{Hold, HoldPart};
use almoner_domain::id::Id;
use sea_orm::Order;
use sea_orm::entity::prelude::Uuid;
use std::collections::BTreeMap;

realm_table! {
    "hold_parts" {
        key { hold_id: Uuid, position: i16, }
        feature_id: Uuid,
        account_id: Uuid,
        amount: i64,
    }
}

const NOUN: &str = "part of a hold";

/// Parts by hold, each in its order.
pub(crate) async fn of(tx: &Tx, holds: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<HoldPart>>, Trouble> {
    let found =
        tx.all_among::<Entity, _>(Column::HoldId, holds, |rows| rows.order(Column::Position, Order::Asc)).await?;
    let mut parts: BTreeMap<Uuid, Vec<HoldPart>> = BTreeMap::new();
    for row in found {
        let part = HoldPart {
            feature: Id::from_uuid(row.feature_id),
            account: Id::from_uuid(row.account_id),
            amount: units(NOUN, row.amount)?,
        };
        parts.entry(row.hold_id).or_default().push(part);
    }
    Ok(parts)
}

/// Writes the parts that are not there yet.
pub(crate) async fn write(tx: &Tx, holds: &[&Hold]) -> Result<(), Trouble> {
    let mut rows = Vec::new();
    for hold in holds {
        for (position, part) in hold.parts.iter().enumerate() {
            rows.push(Model {
                tenant: NO_TENANT,
                environment: NO_ENVIRONMENT,
                hold_id: hold.id.uuid(),
                position: number(NOUN, position)?,
                feature_id: part.feature.uuid(),
                account_id: part.account.uuid(),
                amount: part.amount.get(),
            });
        }
    }
    tx.insert::<Entity>(&rows, Clash::Skip).await?;
    Ok(())
}
