//! Customers, the people in them, agents and their sessions.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes those on whose behalf units are used.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, unique) in [("customers", "customers_external_id"), ("agents", "agents_external_id")] {
            realm::table(name, &["id"])
                .col(column::id("id"))
                .col(column::text("external_id"))
                .col(column::text("name"))
                .points_outside("tenant", "tenants")
                .create(manager)
                .await?;
            index::unique(unique, name, &["external_id"]).create(manager).await?;
        }

        realm::table("users", &["id"])
            .col(column::id("id"))
            .col(column::id("customer_id"))
            .col(column::text("external_id"))
            .col(column::text("name"))
            .col(column::text("role"))
            .check("role IN ('owner', 'admin', 'member', 'viewer')")
            .points("customer_id", "customers")
            .create(manager)
            .await?;
        index::unique("users_external_id", "users", &["customer_id", "external_id"]).create(manager).await?;

        realm::table("sessions", &["id"])
            .col(column::id("id"))
            .col(column::id("agent_id"))
            .col(column::text("kind"))
            .col(column::text("key"))
            .points("agent_id", "agents")
            .create(manager)
            .await?;
        index::unique("sessions_name", "sessions", &["agent_id", "kind", "key"]).create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["sessions", "users", "agents", "customers"]).await
    }
}
