//! What policies hand out of each feature.

use crate::stored::{number, units};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::id::Id;
use almoner_domain::policy::{Policy, PolicyLine};
use sea_orm::Order;
use sea_orm::entity::prelude::Uuid;
use std::collections::BTreeMap;

realm_table! {
    "policy_lines" {
        key { policy_id: Uuid, feature_id: Uuid, }
        position: i16,
        up_to: i64,
        a_day: Option<i64>,
    }
}

const NOUN: &str = "policy line";

/// The rows of a policy's lines.
pub(crate) fn rows(policy: &Policy) -> Result<Vec<Model>, Trouble> {
    let row = |(position, line): (usize, &PolicyLine)| {
        Ok(Model {
            tenant: NO_TENANT,
            environment: NO_ENVIRONMENT,
            policy_id: policy.id.uuid(),
            feature_id: line.feature.uuid(),
            position: number(NOUN, position)?,
            up_to: line.up_to.get(),
            a_day: line.a_day.map(almoner_domain::units::Units::get),
        })
    };
    policy.lines.iter().enumerate().map(row).collect()
}

/// Lines by policy, each in its order.
pub(crate) async fn of(tx: &Tx, policies: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<PolicyLine>>, Trouble> {
    let found = tx.all_among::<Entity, _>(Column::PolicyId, policies, |rows| rows.order(Column::Position, Order::Asc));
    let mut lines: BTreeMap<Uuid, Vec<PolicyLine>> = BTreeMap::new();
    for row in found.await? {
        let line = PolicyLine {
            feature: Id::from_uuid(row.feature_id),
            up_to: units(NOUN, row.up_to)?,
            a_day: row.a_day.map(|day| units(NOUN, day)).transpose()?,
        };
        lines.entry(row.policy_id).or_default().push(line);
    }
    Ok(lines)
}
