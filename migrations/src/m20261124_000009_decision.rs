//! Decisions: thousands a second, one row each.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes decisions.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // What was used and said is JSON in the row: a table for it would double or triple the rows of each flush. No
        // foreign keys: a decision may name what the realm does not have (that is why it was denied), and one wrong
        // decision in a batch must not keep all the others out.
        realm::table("decisions", &["id"])
            .col(column::id("id"))
            .col(column::whole("at"))
            .col(column::text("operation"))
            .col(column::text_or_none("reason"))
            .col(column::text_or_none("level"))
            .col(column::text_or_none("denial"))
            .col(column::id_or_none("customer_id"))
            .col(column::id_or_none("user_id"))
            .col(column::id_or_none("agent_id"))
            .col(column::id_or_none("session_id"))
            .col(column::id_or_none("allocation_id"))
            .col(column::text("uses"))
            .col(column::id_or_none("hold_id"))
            .col(column::whole_or_none("hold_expires_at"))
            .col(column::id_or_none("key_principal"))
            .col(column::hash_or_none("key_hash"))
            .col(column::hash_or_none("key_body"))
            .col(column::text_or_none("dimensions"))
            .col(column::id_or_none("duplicate_of"))
            .check("(reason IS NULL) = (denial IS NULL)")
            .create(manager)
            .await?;
        // The hash covers realm, principal and key: one answer for each key of each caller.
        index::unique("decisions_key", "decisions", &["key_hash"]).only("key_hash IS NOT NULL").create(manager).await?;
        index::by("decisions_keys_since", "decisions", &["at", "key_hash"])
            .only("key_hash IS NOT NULL")
            .create(manager)
            .await?;
        index::within("decisions_hold", "decisions", &["hold_id"]).only("hold_id IS NOT NULL").create(manager).await?;
        index::within("decisions_allocation", "decisions", &["allocation_id", "at"])
            .only("allocation_id IS NOT NULL")
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["decisions"]).await
    }
}
