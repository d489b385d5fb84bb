//! Usage by the day, session by session, whatever was said of it: sessions of a whole tenant are compared by it.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Makes it out of what there is by the hour.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const KEY: [&str; 7] = ["feature_id", "day", "customer_id", "user_id", "agent_id", "session_id", "allocation_id"];

/// Sums of what was told before this table was.
const FILL: &str = "INSERT INTO usage_session_days (tenant, environment, feature_id, day, customer_id, user_id, \
    agent_id, session_id, allocation_id, calls, denied, units) \
    SELECT tenant, environment, feature_id, hour - hour % 86400000000 AS of_day, customer_id, user_id, agent_id, \
    session_id, allocation_id, CAST(sum(calls) AS BIGINT), CAST(sum(denied) AS BIGINT), CAST(sum(units) AS BIGINT) \
    FROM usage_sessions GROUP BY tenant, environment, feature_id, of_day, customer_id, user_id, agent_id, session_id, \
    allocation_id";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let ids = KEY.into_iter().filter(|name| *name != "day").map(column::id);
        realm::table("usage_session_days", &KEY)
            .cols(ids)
            .cols(["day", "calls", "denied", "units"].map(column::whole))
            .in_key_order()
            .create(manager)
            .await?;
        let of_customer = ["customer_id", "day"];
        index::within("usage_session_days_customer", "usage_session_days", &of_customer).create(manager).await?;
        fill(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        realm::drop(manager, &["usage_session_days"]).await
    }
}

/// All realms at once: the owner of the tables looks over the fences while it moves rows.
async fn fill(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let fences = |word: &str| {
        ["usage_sessions", "usage_session_days"].map(|table| format!("ALTER TABLE {table} {word} ROW LEVEL SECURITY"))
    };
    let is_fenced = manager.get_database_backend() == DbBackend::Postgres;
    for sql in fences("NO FORCE").iter().filter(|_| is_fenced) {
        connection.execute_unprepared(sql).await?;
    }
    connection.execute_unprepared(FILL).await?;
    for sql in fences("FORCE").iter().filter(|_| is_fenced) {
        connection.execute_unprepared(sql).await?;
    }
    Ok(())
}
