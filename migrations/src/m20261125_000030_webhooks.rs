//! Webhooks: several endpoints of a realm, each with what is on its way there, attempt by attempt; and numbers of what happens to
//! each allocation.

use crate::{column, index, realm};
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Makes them of the one endpoint that a realm could have. A key cannot be changed on SQLite, so rows step aside meanwhile.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: [&str; 2] = ["webhook_endpoints", "webhook_deliveries"];

/// An endpoint that was told of all there was is told of all there will be.
const ALL_EVENTS: &str = "allocation.created allocation.threshold allocation.exhausted allocation.expired \
    allocation.closed allocation.revoked entitlement.threshold entitlement.exhausted entitlement.reset";

/// The one endpoint takes its tenant's id: unique in the realm, and both databases can say it. Deliveries keep their ids.
const COME_BACK: [&str; 2] = [
    "INSERT INTO webhook_endpoints (tenant, environment, id, url, description, events, private, scheme, secret, public_key, \
     previous_secret, previous_until, disabled_at, disabled_why, failing_since, failing_last, created_at, changed_at) \
     SELECT tenant, environment, tenant, url, NULL, CASE events WHEN '{all}' THEN '' ELSE events END, FALSE, 'v1', secret, NULL, \
     previous_secret, previous_until, gone_at, CASE WHEN gone_at IS NULL THEN NULL ELSE 'gone' END, NULL, NULL, created_at, \
     changed_at FROM webhook_endpoints_aside",
    "INSERT INTO webhook_deliveries (tenant, environment, id, endpoint_id, notice_id, event, payload, state, attempts, \
     created_at, next_attempt_at, claimed_until, last_attempt_at, last_status, last_error, finished_at) \
     SELECT tenant, environment, id, tenant, id, event, payload, state, attempts, created_at, next_attempt_at, \
     claimed_until, last_attempt_at, last_status, last_error, finished_at FROM webhook_deliveries_aside",
];

/// Of several endpoints the first stays, with what is on its way there, but for events that nobody knew then.
const GO_BACK: [&str; 2] = [
    "INSERT INTO webhook_endpoints (tenant, environment, url, events, secret, previous_secret, previous_until, gone_at, \
     created_at, changed_at) SELECT tenant, environment, url, coalesce(nullif(trim(replace(replace(' ' || events, \
     ' subscription.changed', ''), ' webhook.endpoint_disabled', '')), ''), '{all}'), secret, previous_secret, previous_until, disabled_at, created_at, changed_at FROM webhook_endpoints_aside a \
     WHERE scheme = 'v1' AND NOT EXISTS (SELECT 1 FROM webhook_endpoints_aside b WHERE b.tenant = a.tenant \
     AND b.environment = a.environment AND b.scheme = 'v1' AND b.id < a.id)",
    "INSERT INTO webhook_deliveries (tenant, environment, id, event, payload, state, attempts, created_at, \
     next_attempt_at, claimed_until, last_attempt_at, last_status, last_error, finished_at) \
     SELECT tenant, environment, notice_id, event, payload, state, attempts, created_at, next_attempt_at, claimed_until, \
     last_attempt_at, last_status, last_error, finished_at FROM webhook_deliveries_aside a \
     WHERE event NOT IN ('subscription.changed', 'webhook.endpoint_disabled') AND endpoint_id IN (SELECT e.id FROM webhook_endpoints_aside e WHERE e.tenant = a.tenant \
     AND e.environment = a.environment AND e.scheme = 'v1' AND NOT EXISTS (SELECT 1 FROM webhook_endpoints_aside b \
     WHERE b.tenant = e.tenant AND b.environment = e.environment AND b.scheme = 'v1' AND b.id < e.id))",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        step_aside(manager).await?;
        endpoints(manager).await?;
        deliveries(manager).await?;
        fill(manager, COME_BACK).await?;

        // Each attempt whose end was recorded. They go with their delivery.
        realm::table("webhook_attempts", &["id"])
            .col(column::id("id"))
            .col(column::id("delivery_id"))
            .col(column::small("number"))
            .col(column::whole("at"))
            .col(column::whole("took"))
            .col(column::text("host"))
            .col(column::text("headers"))
            .col(column::small_or_none("status"))
            .col(column::text_or_none("response"))
            .col(column::text_or_none("error"))
            .create(manager)
            .await?;
        index::within("webhook_attempts_of", "webhook_attempts", &["delivery_id", "id"]).create(manager).await?;

        // A row for each allocation that something happened to, apart from the allocation: who numbers what happened then waits
        // for nobody who ends it or carves from it.
        realm::table("allocation_sequences", &["allocation_id"])
            .col(column::id("allocation_id"))
            .col(column::whole("last"))
            .points("allocation_id", "allocations")
            .in_key_order()
            .create(manager)
            .await?;
        let add = Table::alter().table("outbox").add_column(column::whole_or_none("sequence")).take();
        manager.alter_table(add).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("outbox").drop_column("sequence").take()).await?;
        realm::drop(manager, &["allocation_sequences", "webhook_attempts"]).await?;
        step_aside(manager).await?;
        crate::m20261124_000014_webhook::create(manager).await?;
        fill(manager, GO_BACK).await
    }
}

async fn endpoints(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    realm::table("webhook_endpoints", &["id"])
        .col(column::id("id"))
        .col(column::text("url"))
        .col(column::text_or_none("description"))
        .col(column::text("events"))
        .col(column::flag("private"))
        .col(column::text("scheme"))
        .col(column::hash("secret"))
        .col(column::hash_or_none("public_key"))
        .col(column::hash_or_none("previous_secret"))
        .col(column::whole_or_none("previous_until"))
        .col(column::whole_or_none("disabled_at"))
        .col(column::text_or_none("disabled_why"))
        .col(column::whole_or_none("failing_since"))
        .col(column::whole_or_none("failing_last"))
        .col(column::whole("created_at"))
        .col(column::whole("changed_at"))
        .check("scheme IN ('v1', 'v1a')")
        .check("(scheme = 'v1a') = (public_key IS NOT NULL)")
        .check("(previous_secret IS NULL) = (previous_until IS NULL)")
        .check("(disabled_at IS NULL) = (disabled_why IS NULL)")
        .check("(failing_since IS NULL) = (failing_last IS NULL)")
        .points_outside("tenant", "tenants")
        .create(manager)
        .await
}

async fn deliveries(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    realm::table("webhook_deliveries", &["id"])
        .col(column::id("id"))
        .col(column::id("endpoint_id"))
        .col(column::id("notice_id"))
        .col(column::text("event"))
        .col(column::text("payload"))
        .col(column::text("state"))
        .col(column::small("attempts"))
        .col(column::whole("created_at"))
        .col(column::whole("next_attempt_at"))
        .col(column::whole_or_none("claimed_until"))
        .col(column::whole_or_none("last_attempt_at"))
        .col(column::small_or_none("last_status"))
        .col(column::text_or_none("last_error"))
        .col(column::whole_or_none("finished_at"))
        .check("state IN ('pending', 'delivered', 'failed')")
        .check("(state = 'pending') = (finished_at IS NULL)")
        .check("attempts >= 0")
        .create(manager)
        .await?;
    // One delivery of each event to an endpoint, whoever prepares it.
    let event = ["notice_id", "endpoint_id"];
    index::unique("webhook_deliveries_event", "webhook_deliveries", &event).create(manager).await?;
    index::by("webhook_deliveries_due", "webhook_deliveries", &["next_attempt_at", "id"])
        .only("state = 'pending'")
        .create(manager)
        .await?;
    index::by("webhook_deliveries_ended", "webhook_deliveries", &["finished_at"])
        .only("finished_at IS NOT NULL")
        .create(manager)
        .await?;
    index::within("webhook_deliveries_list", "webhook_deliveries", &["state", "id"]).create(manager).await?;
    index::within("webhook_deliveries_of", "webhook_deliveries", &["endpoint_id", "id"]).create(manager).await
}

/// Copies the rows of both tables and drops these. The owner looks over the fences: it moves rows of all realms at once.
async fn step_aside(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    fences(manager, "NO FORCE").await?;
    for table in TABLES {
        let copy = format!("CREATE TABLE {table}_aside AS SELECT * FROM {table}");
        manager.get_connection().execute_unprepared(&copy).await?;
    }
    realm::drop(manager, &["webhook_deliveries", "webhook_endpoints"]).await
}

/// Brings the rows back into the new tables.
async fn fill(manager: &SchemaManager<'_>, statements: [&str; 2]) -> Result<(), DbErr> {
    fences(manager, "NO FORCE").await?;
    for sql in statements {
        manager.get_connection().execute_unprepared(&sql.replace("{all}", ALL_EVENTS)).await?;
    }
    for table in TABLES {
        manager.get_connection().execute_unprepared(&format!("DROP TABLE {table}_aside")).await?;
    }
    fences(manager, "FORCE").await
}

async fn fences(manager: &SchemaManager<'_>, word: &str) -> Result<(), DbErr> {
    for table in TABLES.iter().filter(|_| manager.get_database_backend() == DbBackend::Postgres) {
        let sql = format!("ALTER TABLE {table} {word} ROW LEVEL SECURITY");
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}
