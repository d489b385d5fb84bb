//! Webhooks: the endpoint of a realm, and what is on its way there.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes both.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["webhook_deliveries", "webhook_endpoints"]).await
    }
}

/// Both tables, empty.
pub(crate) async fn create(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // The realm alone is the key: it has one endpoint at most.
    realm::table("webhook_endpoints", &[])
        .col(column::text("url"))
        .col(column::text("events"))
        .col(column::hash("secret"))
        .col(column::hash_or_none("previous_secret"))
        .col(column::whole_or_none("previous_until"))
        .col(column::whole_or_none("gone_at"))
        .col(column::whole("created_at"))
        .col(column::whole("changed_at"))
        .check("(previous_secret IS NULL) = (previous_until IS NULL)")
        .points_outside("tenant", "tenants")
        .create(manager)
        .await?;

    // The id is the notice's: one delivery of each, whoever prepares it.
    realm::table("webhook_deliveries", &["id"])
        .col(column::id("id"))
        .col(column::text("event"))
        .col(column::text("payload"))
        .col(column::text("state"))
        .col(column::small("attempts"))
        .col(column::whole("created_at"))
        .col(column::whole("next_attempt_at"))
        .col(column::whole_or_none("claimed_until"))
        .col(column::whole_or_none("last_attempt_at"))
        .col(column::small_or_none("last_status"))
        .col(column::text_or_none("last_error"))
        .col(column::whole_or_none("finished_at"))
        .check("state IN ('pending', 'delivered', 'failed')")
        .check("(state = 'pending') = (finished_at IS NULL)")
        .check("attempts >= 0")
        .create(manager)
        .await?;
    index::by("webhook_deliveries_due", "webhook_deliveries", &["next_attempt_at", "id"])
        .only("state = 'pending'")
        .create(manager)
        .await?;
    // What is pruned is looked for over all realms.
    index::by("webhook_deliveries_ended", "webhook_deliveries", &["finished_at"])
        .only("finished_at IS NOT NULL")
        .create(manager)
        .await?;
    index::within("webhook_deliveries_list", "webhook_deliveries", &["state", "id"]).create(manager).await
}
