//! Allocations that policies have made: whose, for which session, on which day.

use crate::bulk::Clash;
use crate::stored::units;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{account, allocation, allocation_line};
use almoner_domain::allocation::AllocationState;
use almoner_domain::calendar::Window;
use almoner_domain::id::{AllocationId, CustomerId, FeatureId, Id, PolicyId};
use almoner_domain::principal::Principals;
use almoner_domain::units::Units;
use sea_orm::ColumnTrait;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use std::collections::BTreeMap;

realm_table! {
    "policy_allocations" {
        key { policy_id: Uuid, customer_id: Uuid, day: i64, allocation_id: Uuid, }
        user_id: Uuid,
        session_id: Uuid,
    }
}

/// Writes down what a policy made.
pub(crate) async fn add(
    tx: &Tx,
    policy: PolicyId,
    day: Window,
    allocation: AllocationId,
    whom: Principals,
) -> Result<(), Trouble> {
    let row = Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        policy_id: policy.uuid(),
        customer_id: whom.customer.uuid(),
        day: day.start.as_micros(),
        allocation_id: allocation.uuid(),
        user_id: whom.user.map_or(Uuid::nil(), Id::uuid),
        session_id: whom.session.map_or(Uuid::nil(), Id::uuid),
    };
    tx.insert::<Entity>(&[row], Clash::Refuse).await?;
    Ok(())
}

/// How many of a customer's allocations by a policy are live: active, and not past their end.
pub(crate) async fn live(tx: &Tx, policy: PolicyId, customer: CustomerId) -> Result<u64, Trouble> {
    let made = tx.rows::<Entity>().filter(Column::PolicyId.eq(policy.uuid()));
    let made = made.filter(Column::CustomerId.eq(customer.uuid())).subquery(Column::AllocationId);
    let live = tx
        .rows::<allocation::Entity>()
        .filter(allocation::Column::State.eq(AllocationState::Active.as_str()))
        .filter(allocation::Column::ExpiresAt.gt(tx.now().as_micros()))
        .filter(allocation::Column::Id.in_subquery(made));
    let counted = live.pick(vec![(Expr::cust("count(*)"), "live")]).around(str::to_owned).await?;
    let live: i64 = counted.first().map_or(Ok(0), |row| row.try_get("", "live"))?;
    Ok(u64::try_from(live).unwrap_or_default())
}

/// What is out of a policy's units of a day, feature by feature: what its allocations of that day have, spent or not. What they
/// gave back is not.
pub(crate) async fn out(
    tx: &Tx,
    policy: PolicyId,
    customer: CustomerId,
    day: Window,
) -> Result<BTreeMap<FeatureId, Units>, Trouble> {
    let made = tx.rows::<Entity>().filter(Column::PolicyId.eq(policy.uuid()));
    let made = made.filter(Column::CustomerId.eq(customer.uuid())).filter(Column::Day.eq(day.start.as_micros()));
    let made = made.subquery(Column::AllocationId);
    let lines = tx.rows::<allocation_line::Entity>();
    let lines = lines.filter(allocation_line::Column::AllocationId.in_subquery(made));
    let accounts = lines.subquery(allocation_line::Column::AccountId);
    let accounts = tx.rows::<account::Entity>().filter(account::Column::Id.in_subquery(accounts));
    let summed = accounts
        .pick(vec![(Expr::col("feature_id"), "feature_id"), (Expr::cust("CAST(sum(granted) AS BIGINT)"), "granted")])
        .by(["feature_id"]);
    let read = |row: sea_orm::QueryResult| {
        let feature: Uuid = row.try_get("", "feature_id")?;
        Ok((Id::from_uuid(feature), units("policy", row.try_get("", "granted")?)?))
    };
    summed.around(str::to_owned).await?.into_iter().map(read).collect()
}
