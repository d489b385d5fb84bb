//! Holds that stand in the ledger, and their parts.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes holds.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Its allocation and principals are what a gate told: no foreign keys, so that one wrong hold in a batch cannot
        // keep all the others out of the ledger. The accounts of its parts are checked, for there the units stand.
        realm::table("holds", &["id"])
            .col(column::id("id"))
            .col(column::id_or_none("allocation_id"))
            .cols(column::principals())
            .col(column::whole("expires_at"))
            .col(column::flag("open"))
            .create(manager)
            .await?;
        index::by("holds_due", "holds", &["expires_at"]).only("open").create(manager).await?;

        realm::table("hold_parts", &["hold_id", "position"])
            .col(column::id("hold_id"))
            .col(column::small("position"))
            .col(column::id("feature_id"))
            .col(column::id("account_id"))
            .col(column::whole("amount"))
            .check("amount >= 0")
            .points("hold_id", "holds")
            .points("account_id", "accounts")
            .create(manager)
            .await?;
        index::within("hold_parts_account", "hold_parts", &["account_id"]).create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["hold_parts", "holds"]).await
    }
}
