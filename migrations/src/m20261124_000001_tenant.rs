//! Tenants and their keys.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes the register of tenants, their API keys, and the role that PostgreSQL transactions step down to.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::create_role(manager).await?;
        let mut tenants = Table::create();
        tenants
            .table("tenants")
            .col(column::id("id").primary_key())
            .col(column::text("external_id"))
            .col(column::text("name"));
        manager.create_table(tenants).await?;
        index::by("tenants_external_id", "tenants", &["external_id"]).everywhere().create(manager).await?;
        realm::open_tenants(manager).await?;

        realm::table("api_keys", &["id"])
            .col(column::id("id"))
            .col(column::text("kind"))
            .col(column::id_or_none("customer_id"))
            .col(column::id_or_none("user_id"))
            .col(column::text("name"))
            .col(column::hash("hash"))
            .col(column::text("hint"))
            .col(column::whole("created_at"))
            .col(column::whole_or_none("revoked_at"))
            .check("kind IN ('operator', 'customer', 'gate')")
            .check("(kind = 'customer') = (customer_id IS NOT NULL)")
            .check("user_id IS NULL OR customer_id IS NOT NULL")
            .points_outside("tenant", "tenants")
            .create(manager)
            .await?;
        // Looked up before the realm is known. 160 bits of chance: whether a hash is taken tells nobody anything.
        index::by("api_keys_hash", "api_keys", &["hash"]).everywhere().create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["api_keys", "tenants"]).await?;
        realm::dismiss_role(manager).await
    }
}
