//! The laws of the domain as properties: whatever is done in whatever order, these hold in each state.

#![expect(clippy::unwrap_used, reason = "in a test the panic is the report")]

mod amounts;
mod balances;
mod carving;
mod changing;
mod desk;
mod fences;
mod grants;
mod histories;
mod holding;
mod leasing;
mod scopes;
mod splits;
mod windows;
mod world;

use almoner_domain::units::Units;
use proptest::test_runner::Config;

/// 256 cases of each property, or as many as `PROPTEST_CASES` says.
fn config() -> Config {
    // No file of past failures: what fails once becomes a test with a name.
    Config { failure_persistence: None, max_global_rejects: 1_000_000, ..Config::default() }
}

fn units(count: i64) -> Units {
    Units::new(count).unwrap()
}
