//! The ledger seen from a second connection, while it is served or after: do its equations hold, is anything out?

use almoner_domain::id::NodeId;
use almoner_domain::lease::Incarnation;
use almoner_domain::ports::Ledger;
use almoner_server::{OsEntropy, SystemClock};
use almoner_storage::{SqlStore, StoreOptions};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Connects.
///
/// # Panics
/// Panics when the database does not answer.
pub async fn open(url: &str) -> SqlStore {
    let options = StoreOptions { connections_max: 2, ..StoreOptions::default() };
    let store = SqlStore::connect(url, Arc::new(SystemClock), Arc::new(OsEntropy), options).await;
    store.expect("a second connection to the database")
}

/// Looks at one committed state.
///
/// # Panics
/// Panics with each equation that does not hold in it.
pub async fn assert_sound(store: &SqlStore) {
    let broken = store.check_books().await.expect("the books can be read");
    assert!(broken.is_empty(), "the books do not hold:\n{}", broken.join("\n"));
}

/// After a graceful stop all leases are back.
///
/// # Panics
/// Panics with those that are not.
pub async fn assert_nothing_leased(store: &SqlStore, data_dir: &Path) {
    let node = fs::read_to_string(data_dir.join("node")).expect("the folder holds the gate's identity");
    let node: NodeId = node.trim().parse().expect("an id");
    // Seen from a life that comes after all others.
    let after = Incarnation { node, number: u64::try_from(i64::MAX).expect("a large number") };
    let out = store.unsettled(after).await.expect("the leases can be read");
    assert!(out.is_empty(), "leases are still out: {out:?}");
}
