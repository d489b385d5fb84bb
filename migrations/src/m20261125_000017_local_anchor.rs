//! Anchors of calendars as clocks show them: an instant does not tell the time that a change of clocks left out.

use crate::column;
use sea_orm_migration::prelude::*;

/// Adds them. Rows that are there have the instant alone, which says the same on all other days.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: [&str; 2] = ["subscriptions", "entitlements"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            let add = Table::alter().table(table).add_column(column::text_or_none("local_anchor")).take();
            manager.alter_table(add).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            manager.alter_table(Table::alter().table(table).drop_column("local_anchor").take()).await?;
        }
        Ok(())
    }
}
