//! The outbox, and the feed of changes that gates follow.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Makes both.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::table("outbox", &["id"])
            .col(column::id("id"))
            .col(column::whole("at"))
            .col(column::text("event"))
            .col(column::id("subject_id"))
            .col(column::whole_or_none("sent_at"))
            .create(manager)
            .await?;
        index::by("outbox_unsent", "outbox", &["at", "id"]).only("sent_at IS NULL").create(manager).await?;

        // On PostgreSQL a sequence numbers the feed, because a realm cannot see the other realms' last position. On SQLite
        // the only writer takes the next number itself: AUTOINCREMENT would force the key to be the position alone.
        let position = match manager.get_database_backend() {
            DbBackend::Postgres => column::whole("position").auto_increment().take(),
            _ => column::whole("position"),
        };
        realm::table("changes", &["position"])
            .col(position)
            .col(column::text("change"))
            .col(column::id("subject_id"))
            .create(manager)
            .await?;
        realm::open_sequence(manager, "changes", "position").await?;
        index::by("changes_position", "changes", &["position"]).everywhere().create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["changes", "outbox"]).await
    }
}
