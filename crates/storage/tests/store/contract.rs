//! The contract of the ports, kept on both databases.

use crate::support::{Keep, On};
use almoner_storage::{SqlStore, StoreOptions};
use almoner_testkit::contract::{Adapter, Audit, Fresh};
use almoner_testkit::{MockClock, SeededEntropy};
use std::sync::Arc;

async fn fresh(on: On) -> Fresh {
    let keep = Keep::new(on).await;
    let clock = MockClock::default();
    let entropy = Arc::new(SeededEntropy::default());
    let options = StoreOptions::default();
    let store = SqlStore::connect(&keep.url(), Arc::new(clock.clone()), entropy, options).await.unwrap();
    store.migrate().await.unwrap();
    let store = Arc::new(store);
    let audit = Arc::new(Books(Arc::clone(&store)));
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
        keep: Box::new(keep),
    }
}

struct Books(Arc<SqlStore>);

#[async_trait::async_trait]
impl Audit for Books {
    async fn audit(&self) -> Vec<String> {
        self.0.check_books().await.unwrap()
    }
}

mod sqlite {
    use super::*;

    struct Sqlite;

    impl Adapter for Sqlite {
        async fn fresh() -> Fresh {
            fresh(On::Sqlite).await
        }
    }

    almoner_testkit::contract_suite!(Sqlite);
}

mod postgres {
    use super::*;

    struct Postgres;

    impl Adapter for Postgres {
        async fn fresh() -> Fresh {
            fresh(On::Postgres).await
        }
    }

    almoner_testkit::contract_suite!(Postgres);
}
