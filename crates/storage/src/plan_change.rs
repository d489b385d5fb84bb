//! Changes of plan: scheduled, made, or withdrawn.

use crate::rows::Hold;
use crate::stored::word;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::id::{Id, PlanChangeId, SubscriptionId};
use almoner_domain::plan_change::{PlanChange, PlanChangeState};
use almoner_domain::time::Timestamp;
use sea_orm::ColumnTrait;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;

realm_table! {
    "plan_changes" {
        key { id: Uuid, }
        customer_id: Uuid,
        subscription_id: Uuid,
        plan_id: Option<Uuid>,
        at: i64,
        ends_trial: bool,
        created_at: i64,
        state: String,
    }
}

/// Changes whose time is to come. Word for word what the partial index says: SQLite uses it only where the query repeats it.
const PENDING: &str = "state = 'pending'";

fn read(row: Model) -> Result<PlanChange, Trouble> {
    Ok(PlanChange {
        id: Id::from_uuid(row.id),
        customer: Id::from_uuid(row.customer_id),
        subscription: Id::from_uuid(row.subscription_id),
        to: row.plan_id.map(Id::from_uuid),
        at: Timestamp::from_micros(row.at),
        ends_trial: row.ends_trial,
        created_at: Timestamp::from_micros(row.created_at),
        state: word("plan change", &row.state, PlanChangeState::parse)?,
    })
}

/// Adds one; refused where one is pending already.
pub(crate) async fn add(tx: &Tx, change: &PlanChange) -> Result<(), Trouble> {
    let row = Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: change.id.uuid(),
        customer_id: change.customer.uuid(),
        subscription_id: change.subscription.uuid(),
        plan_id: change.to.map(Id::uuid),
        at: change.at.as_micros(),
        ends_trial: change.ends_trial,
        created_at: change.created_at.as_micros(),
        state: change.state.as_str().to_owned(),
    };
    tx.add::<Entity>(row).await
}

/// The change of a subscription that is pending, held.
pub(crate) async fn hold_pending(tx: &Tx, subscription: SubscriptionId) -> Result<Option<PlanChange>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::SubscriptionId.eq(subscription.uuid())).filter(Expr::cust(PENDING));
    rows.hold(Hold::Change).one().await?.map(read).transpose()
}

/// Changes of these subscriptions that are pending.
pub(crate) async fn pending_of(tx: &Tx, of: &[SubscriptionId]) -> Result<Vec<PlanChange>, Trouble> {
    let ids: Vec<Uuid> = of.iter().map(|id| id.uuid()).collect();
    let rows = tx.all_among::<Entity, _>(Column::SubscriptionId, &ids, |rows| rows.filter(Expr::cust(PENDING)));
    rows.await?.into_iter().map(read).collect()
}

/// Notes what became of one.
pub(crate) async fn settle(tx: &Tx, id: PlanChangeId, state: PlanChangeState) -> Result<(), Trouble> {
    tx.change::<Entity>().filter(Column::Id.eq(id.uuid())).set(Column::State, state.as_str()).run().await?;
    Ok(())
}
