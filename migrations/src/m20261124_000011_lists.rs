//! Indexes of lists: each in the order of ids, by what people look for.

use crate::index;
use sea_orm_migration::prelude::*;

/// Makes the lists quick. What is read by id alone needs none: the key is one.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Decisions have two alone: each more is paid for by each flush of a gate. Who looks for an agent's or a session's names the
/// customer or the allocation as well.
const LISTS: [(&str, &str, &str); 7] = [
    ("users_list", "users", "customer_id"),
    ("sessions_list", "sessions", "agent_id"),
    ("allocations_of_customer", "allocations", "customer_id"),
    ("allocations_of_agent", "allocations", "agent_id"),
    ("allocations_of_session", "allocations", "session_id"),
    ("decisions_of_customer", "decisions", "customer_id"),
    ("decisions_of_allocation", "decisions", "allocation_id"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, column) in LISTS {
            index::within(name, table, &[column, "id"]).create(manager).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, _) in LISTS {
            manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
        }
        Ok(())
    }
}
