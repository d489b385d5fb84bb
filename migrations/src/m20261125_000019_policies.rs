//! Policies, which make allocations just in time, what each has made, and labels of agents, by which policies find them.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes policies.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let labels = column::text("labels").default("[]").to_owned();
        manager.alter_table(Table::alter().table("agents").add_column(labels).take()).await?;
        realm::table("policies", &["id"])
            .col(column::id("id"))
            .col(column::text("external_id"))
            .col(column::text("name"))
            .col(column::text("agents"))
            .col(column::text("session_kind"))
            .col(column::id_or_none("customer_id"))
            .col(column::text("scope"))
            .col(column::whole("lifetime_s"))
            .col(column::whole_or_none("live_max"))
            .col(column::text("zone"))
            .col(column::whole("created_at"))
            .col(column::whole_or_none("retired_at"))
            .check("lifetime_s >= 1")
            .check("live_max >= 1")
            .points_outside("tenant", "tenants")
            .points("customer_id", "customers")
            .create(manager)
            .await?;
        index::unique("policies_external_id", "policies", &["external_id"]).create(manager).await?;
        index::within("policies_kind", "policies", &["session_kind"])
            .only("retired_at IS NULL")
            .create(manager)
            .await?;
        realm::table("policy_lines", &["policy_id", "feature_id"])
            .col(column::id("policy_id"))
            .col(column::id("feature_id"))
            .col(column::small("position"))
            .col(column::whole("up_to"))
            .col(column::whole_or_none("a_day"))
            .check("up_to > 0 AND (a_day IS NULL OR a_day >= up_to)")
            .points("policy_id", "policies")
            .points("feature_id", "features")
            .create(manager)
            .await?;
        realm::table("policy_allocations", &["policy_id", "customer_id", "day", "allocation_id"])
            .col(column::id("policy_id"))
            .col(column::id("customer_id"))
            .col(column::whole("day"))
            .col(column::id("allocation_id"))
            // The nil one where nobody is named, so that the index tells these apart too.
            .col(column::id("user_id"))
            .col(column::id("session_id"))
            .points("policy_id", "policies")
            .points("customer_id", "customers")
            .points("allocation_id", "allocations")
            .points("session_id", "sessions")
            .in_key_order()
            .create(manager)
            .await?;
        // Whatever policies race for it: a session gets one allocation.
        let of_session = ["session_id", "customer_id", "user_id"];
        index::unique("policy_allocations_session", "policy_allocations", &of_session).create(manager).await?;
        index::within("allocations_session", "allocations", &["session_id", "created_at"]).create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("allocations_session").table("allocations").to_owned()).await?;
        realm::drop(manager, &["policy_allocations", "policy_lines", "policies"]).await?;
        manager.alter_table(Table::alter().table("agents").drop_column("labels").take()).await
    }
}
