//! The schema, one set of migrations for SQLite and PostgreSQL.
//!
//! Promise: every table that a realm owns has a primary key that starts with `(tenant, environment)`, foreign keys that
//! carry both, and on PostgreSQL row-level security that is enabled and forced. [`realm`] is the only way such a table is
//! made here, so that a later migration cannot forget it. Units and instants are BIGINT on both (SQLite would keep
//! decimals as floating point, and the two keep times in different precision).
//! It will never know a noun of the domain, or how a row is read.

#![expect(
    elided_lifetimes_in_paths,
    reason = "async-trait tells `SchemaManager` from `SchemaManager<'_>`, and the trait of migrations is written the first way"
)]

mod m20261124_000001_tenant;
mod m20261124_000002_catalogue;
mod m20261124_000003_customer;
mod m20261124_000004_subscription;
mod m20261124_000005_allocation;
mod m20261124_000006_account;
mod m20261124_000007_hold;
mod m20261124_000008_lease;
mod m20261124_000009_decision;
mod m20261124_000010_feed;
mod m20261124_000011_lists;
mod m20261124_000012_audit;
mod m20261124_000013_schedule;
mod m20261124_000014_webhook;
mod m20261124_000015_usage;
mod m20261125_000016_usage_session_days;
mod m20261125_000017_local_anchor;
mod m20261125_000018_prices;
mod m20261125_000019_policies;
mod m20261125_000020_conditions;
mod m20261125_000021_timed_grants;
mod m20261125_000023_plan_changes;
mod m20261125_000022_guards;
mod m20261125_000030_webhooks;
mod column;
mod index;
mod realm;

pub use realm::{APP_ROLE, REALM_SETTING};
pub use sea_orm_migration::MigratorTrait;

use sea_orm_migration::MigrationTrait;

/// All migrations, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261124_000001_tenant::Migration),
            Box::new(m20261124_000002_catalogue::Migration),
            Box::new(m20261124_000003_customer::Migration),
            Box::new(m20261124_000004_subscription::Migration),
            Box::new(m20261124_000005_allocation::Migration),
            Box::new(m20261124_000006_account::Migration),
            Box::new(m20261124_000007_hold::Migration),
            Box::new(m20261124_000008_lease::Migration),
            Box::new(m20261124_000009_decision::Migration),
            Box::new(m20261124_000010_feed::Migration),
            Box::new(m20261124_000011_lists::Migration),
            Box::new(m20261124_000012_audit::Migration),
            Box::new(m20261124_000013_schedule::Migration),
            Box::new(m20261124_000014_webhook::Migration),
            Box::new(m20261124_000015_usage::Migration),
            Box::new(m20261125_000016_usage_session_days::Migration),
            Box::new(m20261125_000017_local_anchor::Migration),
            Box::new(m20261125_000018_prices::Migration),
            Box::new(m20261125_000019_policies::Migration),
            Box::new(m20261125_000020_conditions::Migration),
            Box::new(m20261125_000021_timed_grants::Migration),
            Box::new(m20261125_000023_plan_changes::Migration),
            Box::new(m20261125_000022_guards::Migration),
            Box::new(m20261125_000030_webhooks::Migration),
        ]
    }
}
