//! The contract of the ports, kept by the store in memory.

use almoner_domain::entropy::Entropy;
use almoner_domain::time::Clock;
use almoner_testkit::contract::{Adapter, Audit, Fresh};
use almoner_testkit::{MemoryStore, MockClock, SeededEntropy, check_books};
use std::sync::Arc;

struct Memory;

impl Adapter for Memory {
    async fn fresh() -> Fresh {
        let clock = MockClock::default();
        let (time, chance): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::new(clock.clone()), Arc::new(SeededEntropy::default()));
        let store = Arc::new(MemoryStore::new(time, chance));
        let audit = Arc::new(Books(store.as_ref().clone()));
        Fresh {
            ledger: store.clone(),
            lookup: store.clone(),
            treasury: store.clone(),
            plan_changes: store.clone(),
            usage: store.clone(),
            deliveries: store.clone(),
            pruning: store.clone(),
            store: store.clone(),
            directory: store.clone(),
            lists: store,
            clock,
            audit,
            keep: Box::new(()),
        }
    }
}

struct Books(MemoryStore);

#[async_trait::async_trait]
impl Audit for Books {
    async fn audit(&self) -> Vec<String> {
        let core = self.0.core();
        core.realms().into_iter().filter_map(|realm| check_books(&core.book_rows(realm)).err()).collect()
    }
}

almoner_testkit::contract_suite!(Memory);

/// A promise that is written but not listed would never be run.
#[test]
fn every_promise_is_in_the_suite() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/contract");
    let suite = std::fs::read_to_string(folder.join("suite.rs")).unwrap();
    let listed: Vec<&str> = suite.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for rest in text.split("pub async fn ").skip(1) {
            let (name, parameters) = rest.split_once('(').unwrap();
            if parameters.starts_with("w: &World)") {
                assert!(listed.contains(&name), "{name} is not in suite.rs");
            }
        }
    }
}
