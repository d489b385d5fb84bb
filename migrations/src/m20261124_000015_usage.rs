//! Usage: what decisions spent, summed up by the hour and by the day in the transaction that keeps the decisions.

use crate::realm::RealmTable;
use crate::{column, index, realm};
use sea_orm_migration::prelude::*;

/// Makes usage.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What rows of all tables have. No foreign keys, as decisions have none.
fn counts(table: RealmTable, span: &'static str) -> RealmTable {
    table
        .col(column::id("feature_id"))
        .col(column::whole(span))
        .col(column::id("customer_id"))
        .col(column::whole("calls"))
        .col(column::whole("denied"))
        .col(column::whole("units"))
        .in_key_order()
}

/// What rows have that tell of whom and of what. An id that is not there is the nil one, for a key has no gaps.
fn sums(table: RealmTable, span: &'static str) -> RealmTable {
    counts(table, span)
        .col(column::id("user_id"))
        .col(column::id("agent_id"))
        // What callers said is long: the key has its hash.
        .col(column::id("set_id"))
        .col(column::text("dimensions"))
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, span) in [("usage_hours", "hour"), ("usage_days", "day")] {
            let key = ["feature_id", span, "customer_id", "user_id", "agent_id", "set_id"];
            sums(realm::table(table, &key), span).create(manager).await?;
        }
        for (table, span) in [("usage_hour_totals", "hour"), ("usage_day_totals", "day")] {
            let key = ["feature_id", span, "customer_id"];
            counts(realm::table(table, &key), span).create(manager).await?;
        }
        let key = ["feature_id", "hour", "customer_id", "user_id", "agent_id", "session_id", "allocation_id", "set_id"];
        sums(realm::table("usage_sessions", &key), "hour")
            .col(column::id("session_id"))
            .col(column::id("allocation_id"))
            .create(manager)
            .await?;
        for (name, table, columns) in [
            ("usage_hours_customer", "usage_hours", ["customer_id", "hour"]),
            ("usage_days_customer", "usage_days", ["customer_id", "day"]),
            ("usage_sessions_customer", "usage_sessions", ["customer_id", "hour"]),
            ("usage_sessions_session", "usage_sessions", ["session_id", "hour"]),
            ("usage_sessions_allocation", "usage_sessions", ["allocation_id", "hour"]),
        ] {
            index::within(name, table, &columns).create(manager).await?;
        }
        // Lists of what happened below a customer, and of what was handed out of a quota.
        index::within("movements_of_customer", "movements", &["customer_id", "id"]).create(manager).await?;
        index::within("accounts_below", "accounts", &["parent_id", "id"]).create(manager).await?;
        index::within("allocations_below", "allocations", &["parent_id", "id"]).create(manager).await?;
        // Which sets of dimensions an hour has, so that they can be counted without reading what was used.
        realm::table("usage_sets", &["id"])
            .col(column::id("id"))
            .col(column::whole("hour"))
            .col(column::id("customer_id"))
            .col(column::id("feature_id"))
            .create(manager)
            .await?;
        let of_hour = ["hour", "customer_id", "feature_id"];
        index::within("usage_sets_hour", "usage_sets", &of_hour).create(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table) in [
            ("movements_of_customer", "movements"),
            ("accounts_below", "accounts"),
            ("allocations_below", "allocations"),
        ] {
            manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
        }
        let totals = ["usage_hour_totals", "usage_day_totals"];
        realm::drop(manager, &totals).await?;
        realm::drop(manager, &["usage_sets", "usage_sessions", "usage_days", "usage_hours"]).await
    }
}
