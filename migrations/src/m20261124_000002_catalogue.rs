//! Features, plans and their versions.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes the catalogue.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::table("features", &["id"])
            .col(column::id("id"))
            .col(column::text("key"))
            .col(column::text("name"))
            .col(column::text("kind"))
            .col(column::text_or_none("unit"))
            .col(column::small_or_none("scale"))
            .col(column::text_or_none("durability"))
            .col(column::text_or_none("excess"))
            .check("kind IN ('boolean', 'static', 'metered')")
            .check("kind <> 'metered' OR (unit IS NOT NULL AND scale BETWEEN 0 AND 9 AND durability IS NOT NULL AND excess IS NOT NULL)")
            .points_outside("tenant", "tenants")
            .create(manager)
            .await?;
        index::unique("features_key", "features", &["key"]).create(manager).await?;

        realm::table("plans", &["id"])
            .col(column::id("id"))
            .col(column::text("external_id"))
            .col(column::text("name"))
            .points_outside("tenant", "tenants")
            .create(manager)
            .await?;
        index::unique("plans_external_id", "plans", &["external_id"]).create(manager).await?;

        realm::table("plan_versions", &["id"])
            .col(column::id("id"))
            .col(column::id("plan_id"))
            .col(column::whole("number"))
            .col(column::whole("effective_from"))
            .col(column::whole_or_none("price_amount"))
            .col(column::text_or_none("price_currency"))
            .check("number >= 1")
            .check("(price_amount IS NULL) = (price_currency IS NULL)")
            .points("plan_id", "plans")
            .create(manager)
            .await?;
        index::unique("plan_versions_number", "plan_versions", &["plan_id", "number"]).create(manager).await?;

        realm::table("plan_lines", &["plan_version_id", "feature_id"])
            .col(column::id("plan_version_id"))
            .col(column::id("feature_id"))
            .col(column::small("position"))
            .cols(column::offer())
            .check(column::OFFER_CHECK)
            .points("plan_version_id", "plan_versions")
            .points("feature_id", "features")
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["plan_lines", "plan_versions", "plans", "features"]).await
    }
}
