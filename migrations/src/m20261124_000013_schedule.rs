//! Schedules: what runners do by themselves, and when.

use crate::{column, realm};
use sea_orm_migration::prelude::*;

/// Makes schedules.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A runner works for all realms, so they belong to the installation.
        let mut schedules = Table::create();
        schedules
            .table("schedules")
            .col(column::text("name").primary_key())
            .col(column::whole("period"))
            .col(column::whole("patience"))
            .col(column::whole("next_at"))
            .col(column::whole_or_none("claimed_at"))
            .col(column::whole_or_none("ran_at"))
            .col(column::whole_or_none("succeeded_at"))
            .col(column::whole("runs"))
            .col(column::whole("failures"))
            .col(column::text_or_none("last_error"))
            .check(Expr::cust("period > 0 AND patience > 0"))
            .check(Expr::cust("0 <= failures AND failures <= runs"));
        manager.create_table(schedules).await?;
        realm::open(manager, "schedules").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["schedules"]).await
    }
}
