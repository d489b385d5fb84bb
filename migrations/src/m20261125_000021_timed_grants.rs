//! Grants that begin, expire, roll over and go on in the next window; what a plan allows beyond a quota.
//!
//! SQLite cannot change a rule of a table, so grants move into a new one.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Gives grants their stages and plans their overage.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What grants had before.
const COLUMNS: &str = "tenant, environment, id, entitlement_id, account_id, kind, amount, priority, effective_at, expires_at, \
    created_at, voided_at, taken_back, external_id";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["plan_lines", "entitlements"] {
            let beyond = column::text_or_none("beyond");
            manager.alter_table(Table::alter().table(table).add_column(beyond).take()).await?;
        }
        let overage = column::whole("overage").default(0).to_owned();
        manager.alter_table(Table::alter().table("accounts").add_column(overage).take()).await?;
        let kinds = "kind IN ('renewal', 'top_up', 'promotion', 'rollover', 'overage')";
        let grants = begun("grants_next", kinds)
            .col(column::whole("lapsed").default(0).to_owned())
            .col(column::text("stage").default("live").to_owned())
            .col(column::id_or_none("carried_from"))
            .col(column::whole_or_none("due_at"))
            .check("lapsed >= 0 AND taken_back + lapsed <= amount")
            .check("stage IN ('pending', 'live', 'expiring', 'expired', 'rolling')");
        grants.create(manager).await?;
        moved(manager, "grants", "grants_next", "").await?;
        index::by("grants_due", "grants", &["due_at"]).only("due_at IS NOT NULL").create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        begun("grants_next", "kind IN ('renewal', 'top_up', 'promotion', 'rollover')").create(manager).await?;
        moved(manager, "grants", "grants_next", "WHERE kind <> 'overage'").await?;
        for (table, name) in [("accounts", "overage"), ("entitlements", "beyond"), ("plan_lines", "beyond")] {
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        Ok(())
    }
}

fn begun(name: &'static str, kinds: &'static str) -> realm::RealmTable {
    realm::table(name, &["id"])
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
        .check(kinds)
        .points("entitlement_id", "entitlements")
        .points("account_id", "accounts")
}

/// Moves all rows into the new table, which takes the name and the indexes of the old one.
async fn moved(
    manager: &SchemaManager<'_>,
    old: &'static str,
    new: &'static str,
    which: &'static str,
) -> Result<(), DbErr> {
    let rows = format!("INSERT INTO {new} ({COLUMNS}) SELECT {COLUMNS} FROM {old} {which}");
    manager.get_connection().execute_unprepared(&rows).await?;
    realm::drop(manager, &[old]).await?;
    manager.rename_table(Table::rename().table(new, old).to_owned()).await?;
    index::unique("grants_external_id", "grants", &["external_id"])
        .only("external_id IS NOT NULL")
        .create(manager)
        .await?;
    index::within("grants_account", "grants", &["account_id"]).create(manager).await
}
