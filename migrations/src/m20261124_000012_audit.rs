//! The audit trail.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // No foreign keys: an entry outlives what it tells of.
        realm::table("audit", &["id"])
            .col(column::id("id"))
            .col(column::whole("at"))
            .col(column::text("role"))
            .col(column::id_or_none("key_id"))
            .col(column::id_or_none("author_customer_id"))
            .col(column::id_or_none("user_id"))
            .col(column::text_or_none("address"))
            .col(column::text_or_none("request"))
            .col(column::text("action"))
            .col(column::text("subject"))
            .col(column::id_or_none("customer_id"))
            .col(column::text("note"))
            .append_only()
            .create(manager)
            .await?;
        index::within("audit_customer", "audit", &["customer_id", "id"]).create(manager).await?;
        index::within("audit_subject", "audit", &["subject", "id"]).create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["audit"]).await
    }
}
