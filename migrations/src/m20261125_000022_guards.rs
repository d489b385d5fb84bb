//! The runaway guard: what agents are guarded by, how far it has gone with them and their allocations, and each step of it.

use crate::{column, realm};
use sea_orm_migration::prelude::*;

/// Makes the guard.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const STOPPED_CHECK: &str = "stopped IN ('agent', 'allocation')";
const STATE_CHECK: &str = "state IN ('calm', 'watch', 'throttled', 'suspended')";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::table("guard_rules", &["agent_id"])
            .col(column::id("agent_id"))
            .col(column::text("rules"))
            .points("agent_id", "agents")
            .create(manager)
            .await?;
        realm::table("guards", &["subject_id"])
            .col(column::id("subject_id"))
            .col(column::text("stopped"))
            .col(column::text("state"))
            .col(column::whole("epoch"))
            .col(column::whole("since"))
            .col(column::text("why"))
            .check(STOPPED_CHECK)
            .check(STATE_CHECK)
            .check("epoch >= 0")
            .points_outside("tenant", "tenants")
            .create(manager)
            .await?;
        realm::table("guard_steps", &["id"])
            .col(column::id("id"))
            .col(column::id("subject_id"))
            .col(column::text("stopped"))
            .col(column::id("agent_id"))
            .col(column::id_or_none("allocation_id"))
            .col(column::text("state"))
            .col(column::whole("epoch"))
            .col(column::whole("at"))
            .col(column::text("why"))
            .check(STOPPED_CHECK)
            .check(STATE_CHECK)
            .points("agent_id", "agents")
            .points("allocation_id", "allocations")
            .append_only()
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["guard_steps", "guards", "guard_rules"]).await
    }
}
