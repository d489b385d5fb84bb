//! Accounts, the grants that fill them, the movements between them, and the allocation lines that stand in them.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes the books.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        accounts(manager).await?;
        grants(manager).await?;
        movements(manager).await?;
        realm::table("allocation_lines", &["allocation_id", "feature_id"])
            .col(column::id("allocation_id"))
            .col(column::id("feature_id"))
            .col(column::small("position"))
            .col(column::id("account_id"))
            .col(column::whole("carved"))
            .col(column::whole("returned"))
            .check("carved > 0")
            .check("returned >= 0")
            .points("allocation_id", "allocations")
            .points("feature_id", "features")
            .points("account_id", "accounts")
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["allocation_lines", "movements", "grants", "accounts"]).await
    }
}

/// The one equation that everything rests on is a CHECK: whatever bug comes, the database refuses to break it.
async fn accounts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let pockets = ["granted", "free", "carved", "leased", "held", "used", "lapsed"];
    realm::table("accounts", &["id"])
        .col(column::id("id"))
        .col(column::id_or_none("entitlement_id"))
        .col(column::id_or_none("allocation_id"))
        .col(column::id("feature_id"))
        .col(column::id_or_none("parent_id"))
        .col(column::small("depth"))
        .cols(column::principals())
        .col(column::whole("window_start"))
        .col(column::whole_or_none("window_end"))
        .col(column::flag("closed"))
        .cols(pockets.map(column::whole))
        .check("free >= 0 AND carved >= 0 AND leased >= 0 AND held >= 0 AND used >= 0 AND lapsed >= 0")
        .check("granted = free + carved + leased + held + used + lapsed")
        .check("(entitlement_id IS NULL) <> (allocation_id IS NULL)")
        .check("(depth = 0) = (parent_id IS NULL)")
        .points("entitlement_id", "entitlements")
        .points("allocation_id", "allocations")
        .points("feature_id", "features")
        .points("parent_id", "accounts")
        .create(manager)
        .await?;
    // One window of an entitlement is opened once, whoever comes first.
    index::unique("accounts_window", "accounts", &["entitlement_id", "window_start"])
        .only("entitlement_id IS NOT NULL")
        .create(manager)
        .await?;
    index::unique("accounts_line", "accounts", &["allocation_id", "feature_id"])
        .only("allocation_id IS NOT NULL")
        .create(manager)
        .await?;
    index::within("accounts_parent", "accounts", &["parent_id"]).only("parent_id IS NOT NULL").create(manager).await?;
    index::by("accounts_over", "accounts", &["window_end"])
        .only("entitlement_id IS NOT NULL AND NOT closed")
        .create(manager)
        .await
}

async fn grants(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    realm::table("grants", &["id"])
        .col(column::id("id"))
        .col(column::id("entitlement_id"))
        .col(column::id("account_id"))
        .col(column::text("kind"))
        .col(column::whole("amount"))
        .col(column::small("priority"))
        .col(column::whole("effective_at"))
        .col(column::whole_or_none("expires_at"))
        .col(column::whole("created_at"))
        .col(column::whole_or_none("voided_at"))
        .col(column::whole("taken_back"))
        .col(column::text_or_none("external_id"))
        .check("amount >= 0 AND taken_back >= 0 AND taken_back <= amount")
        .check("kind IN ('renewal', 'top_up', 'promotion', 'rollover')")
        .points("entitlement_id", "entitlements")
        .points("account_id", "accounts")
        .create(manager)
        .await?;
    index::unique("grants_external_id", "grants", &["external_id"])
        .only("external_id IS NOT NULL")
        .create(manager)
        .await?;
    index::within("grants_account", "grants", &["account_id"]).create(manager).await
}

async fn movements(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    realm::table("movements", &["id"])
        .col(column::id("id"))
        .col(column::whole("at"))
        .col(column::id("account_id"))
        .col(column::text_or_none("from_pocket"))
        .col(column::text_or_none("to_pocket"))
        .col(column::whole("amount"))
        .col(column::text("cause"))
        .col(column::id("cause_id"))
        .cols(column::principals())
        .check("amount > 0")
        .check("from_pocket IS NOT NULL OR to_pocket IS NOT NULL")
        .points("account_id", "accounts")
        .append_only()
        .create(manager)
        .await?;
    index::within("movements_account", "movements", &["account_id", "id"]).create(manager).await
}
