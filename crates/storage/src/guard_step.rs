//! Steps of the runaway guard, one by one. They are never changed.

use crate::bulk::Clash;
use crate::guard::guarded;
use crate::stored::{number, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::guard::{GuardState, GuardStep};
use almoner_domain::id::Id;
use almoner_domain::time::Timestamp;
use sea_orm::entity::prelude::Uuid;

realm_table! {
    "guard_steps" {
        key { id: Uuid, }
        subject_id: Uuid,
        stopped: String,
        agent_id: Uuid,
        allocation_id: Option<Uuid>,
        state: String,
        epoch: i64,
        at: i64,
        why: String,
    }
}

const NOUN: &str = "guard step";

/// Keeps one.
pub(crate) async fn add(tx: &Tx, step: &GuardStep) -> Result<(), Trouble> {
    let row = Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: step.id.uuid(),
        subject_id: step.guarded.uuid(),
        stopped: step.guarded.stopped().as_str().to_owned(),
        agent_id: step.agent.uuid(),
        allocation_id: step.allocation.map(Id::uuid),
        state: step.state.as_str().to_owned(),
        epoch: number(NOUN, step.epoch)?,
        at: step.at.as_micros(),
        why: step.why.clone(),
    };
    tx.insert::<Entity>(&[row], Clash::Refuse).await?;
    Ok(())
}

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<GuardStep, Trouble> {
    Ok(GuardStep {
        id: Id::from_uuid(row.id),
        guarded: guarded(&row.stopped, row.subject_id)?,
        agent: Id::from_uuid(row.agent_id),
        allocation: row.allocation_id.map(Id::from_uuid),
        state: word(NOUN, &row.state, GuardState::parse)?,
        epoch: number(NOUN, row.epoch)?,
        at: Timestamp::from_micros(row.at),
        why: row.why,
    })
}
