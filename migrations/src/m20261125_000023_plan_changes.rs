//! Changes of plan: those that are scheduled or were made, what plans say of live allocations, subscriptions that are paused or due
//! to change, and what accounts owe after a quota was lowered.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes them.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // What was published before says what held then: allocations live to their own end.
        add(manager, "plan_versions", column::text("live_rule").default("keep").to_owned()).await?;
        for name in ["paused_at", "changes_at"] {
            add(manager, "subscriptions", column::whole_or_none(name)).await?;
        }
        for name in ["owed", "spare"] {
            add(manager, "accounts", column::whole(name).default(0).to_owned()).await?;
        }
        index::by("subscriptions_due", "subscriptions", &["changes_at"])
            .only("changes_at IS NOT NULL AND ended_at IS NULL")
            .create(manager)
            .await?;
        realm::table("plan_changes", &["id"])
            .col(column::id("id"))
            .col(column::id("customer_id"))
            .col(column::id("subscription_id"))
            .col(column::id_or_none("plan_id"))
            .col(column::whole("at"))
            .col(column::flag("ends_trial"))
            .col(column::whole("created_at"))
            .col(column::text("state"))
            .check("state IN ('pending', 'applied', 'withdrawn')")
            .points("customer_id", "customers")
            .points("subscription_id", "subscriptions")
            .points("plan_id", "plans")
            .create(manager)
            .await?;
        // Of two that were made the second would undo the first.
        index::unique("plan_changes_pending", "plan_changes", &["subscription_id"])
            .only("state = 'pending'")
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["plan_changes"]).await?;
        manager.drop_index(Index::drop().name("subscriptions_due").table("subscriptions").to_owned()).await?;
        for (table, column) in [
            ("accounts", "spare"),
            ("accounts", "owed"),
            ("subscriptions", "changes_at"),
            ("subscriptions", "paused_at"),
            ("plan_versions", "live_rule"),
        ] {
            manager.alter_table(Table::alter().table(table).drop_column(column).take()).await?;
        }
        Ok(())
    }
}

async fn add(manager: &SchemaManager<'_>, table: &'static str, column: ColumnDef) -> Result<(), DbErr> {
    manager.alter_table(Table::alter().table(table).add_column(column).take()).await
}
