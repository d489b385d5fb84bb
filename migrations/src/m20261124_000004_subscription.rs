//! Subscriptions and entitlements.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes what customers are on, and what it gives them.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::table("subscriptions", &["id"])
            .col(column::id("id"))
            .col(column::id("customer_id"))
            .col(column::id("plan_version_id"))
            .col(column::whole("anchor"))
            .col(column::text("zone"))
            .col(column::whole("started_at"))
            .col(column::whole_or_none("ended_at"))
            .check("ended_at IS NULL OR ended_at >= started_at")
            .points("customer_id", "customers")
            .points("plan_version_id", "plan_versions")
            .create(manager)
            .await?;
        // Two that run at once would be two quotas.
        index::unique("subscriptions_running", "subscriptions", &["customer_id"])
            .only("ended_at IS NULL")
            .create(manager)
            .await?;
        index::within("subscriptions_customer", "subscriptions", &["customer_id", "started_at"])
            .create(manager)
            .await?;

        realm::table("entitlements", &["id"])
            .col(column::id("id"))
            .col(column::id("customer_id"))
            .col(column::id_or_none("user_id"))
            .col(column::id("feature_id"))
            .col(column::id("subscription_id"))
            .cols(column::offer())
            .col(column::whole("anchor"))
            .col(column::text("zone"))
            .check(column::OFFER_CHECK)
            .points("customer_id", "customers")
            .points("user_id", "users")
            .points("feature_id", "features")
            .points("subscription_id", "subscriptions")
            .create(manager)
            .await?;
        index::unique("entitlements_customer", "entitlements", &["subscription_id", "feature_id"])
            .only("user_id IS NULL")
            .create(manager)
            .await?;
        index::unique("entitlements_share", "entitlements", &["subscription_id", "feature_id", "user_id"])
            .only("user_id IS NOT NULL")
            .create(manager)
            .await?;
        // A customer may have thousands of shares: a person's own are found without reading the others'.
        index::within("entitlements_of", "entitlements", &["subscription_id", "user_id"]).create(manager).await?;
        index::within("entitlements_by_customer", "entitlements", &["customer_id"]).create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["entitlements", "subscriptions"]).await
    }
}
