//! Gates and the units in their memory.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes nodes and leases.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A gate serves all realms, so it belongs to the installation.
        let mut nodes = Table::create();
        nodes
            .table("nodes")
            .col(column::id("id").primary_key())
            .col(column::whole("incarnation"))
            .col(column::whole("last_seen"))
            .check(Expr::cust("incarnation >= 1"));
        manager.create_table(nodes).await?;
        realm::open(manager, "nodes").await?;

        realm::table("leases", &["id"])
            .col(column::id("id"))
            .col(column::id("account_id"))
            .col(column::id("node_id"))
            .col(column::whole("incarnation"))
            .col(column::whole("n"))
            .col(column::whole("used"))
            .col(column::whole("held"))
            .col(column::whole("seq"))
            .col(column::hash("digest"))
            .col(column::text("state"))
            .col(column::whole("deadline"))
            .check("0 <= used AND 0 <= held AND used + held <= n")
            .check("state IN ('active', 'recalling', 'in_doubt', 'settled', 'forfeited')")
            .points("account_id", "accounts")
            .points_outside("node_id", "nodes")
            .create(manager)
            .await?;
        let living = "state NOT IN ('settled', 'forfeited')";
        index::within("leases_account", "leases", &["account_id"]).only(living).create(manager).await?;
        index::by("leases_node", "leases", &["node_id", "state"]).only(living).create(manager).await?;
        index::by("leases_due", "leases", &["deadline"]).only("state IN ('active', 'recalling')").create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["leases", "nodes"]).await
    }
}
