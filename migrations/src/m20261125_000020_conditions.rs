//! Conditions of allocations and policies, and when an allocation may have lain idle for too long.

use crate::{column, index};
use sea_orm_migration::prelude::*;

/// Makes room for conditions.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for new in
            [("policies", column::text_or_none("conditions")), ("allocations", column::text_or_none("conditions"))]
        {
            manager.alter_table(Table::alter().table(new.0).add_column(new.1).take()).await?;
        }
        let idle_at = column::whole_or_none("idle_at");
        manager.alter_table(Table::alter().table("allocations").add_column(idle_at).take()).await?;
        index::by("allocations_idle", "allocations", &["idle_at"])
            .only("state = 'active' AND idle_at IS NOT NULL")
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("allocations_idle").table("allocations").to_owned()).await?;
        for (table, name) in [("allocations", "idle_at"), ("allocations", "conditions"), ("policies", "conditions")] {
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        Ok(())
    }
}
