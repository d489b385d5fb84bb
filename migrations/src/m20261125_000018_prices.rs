//! Price lists: what features cost in a currency.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes price lists.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::table("price_lists", &["id"])
            .col(column::id("id"))
            .col(column::id("currency_id"))
            .col(column::whole("number"))
            .col(column::whole("effective_from"))
            .check("number >= 1")
            .points("currency_id", "features")
            .create(manager)
            .await?;
        index::unique("price_lists_number", "price_lists", &["currency_id", "number"]).create(manager).await?;
        realm::table("price_lines", &["price_list_id", "position"])
            .col(column::id("price_list_id"))
            .col(column::small("position"))
            .col(column::id("feature_id"))
            .col(column::text("conditions"))
            .col(column::whole("cost"))
            .col(column::whole("per"))
            .check("cost >= 0 AND per >= 1")
            .points("price_list_id", "price_lists")
            .points("feature_id", "features")
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["price_lines", "price_lists"]).await
    }
}
