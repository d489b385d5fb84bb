//! Allocations. Their lines follow with the accounts that they stand in.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes allocations.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::table("allocations", &["id"])
            .col(column::id("id"))
            .col(column::id_or_none("parent_id"))
            .col(column::small("depth"))
            .col(column::id("customer_id"))
            .col(column::id_or_none("user_id"))
            .col(column::id("agent_id"))
            .col(column::id("session_id"))
            .col(column::text("scope"))
            .col(column::whole_or_none("not_before"))
            .col(column::whole("expires_at"))
            .col(column::text_or_none("durability"))
            .col(column::text("state"))
            .col(column::whole("created_at"))
            .col(column::id_or_none("key_principal"))
            .col(column::hash_or_none("key_hash"))
            .col(column::hash_or_none("key_body"))
            .check("depth BETWEEN 1 AND 8")
            .check("(depth = 1) = (parent_id IS NULL)")
            .check("state IN ('active', 'closed', 'expired', 'revoked')")
            .points("parent_id", "allocations")
            .points("customer_id", "customers")
            .points("user_id", "users")
            .points("agent_id", "agents")
            .points("session_id", "sessions")
            .create(manager)
            .await?;
        // The hash covers realm, principal and key: one row for each key of each caller.
        index::unique("allocations_key", "allocations", &["key_hash"])
            .only("key_hash IS NOT NULL")
            .create(manager)
            .await?;
        index::within("allocations_parent", "allocations", &["parent_id"])
            .only("parent_id IS NOT NULL")
            .create(manager)
            .await?;
        index::within("allocations_customer", "allocations", &["customer_id", "created_at"]).create(manager).await?;
        // The sweeper looks over all realms.
        index::by("allocations_due", "allocations", &["expires_at"]).only("state = 'active'").create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["allocations"]).await
    }
}
