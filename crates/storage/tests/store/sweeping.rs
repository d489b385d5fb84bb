//! What time alone asks for.

use crate::support::{BOTH, QUOTA, Shop, units};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::AllocationState;
use almoner_domain::ports::{Ledger, Source, Swept};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_ended_in_every_realm_by_one_of_many_sweepers() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let other = shop.beside(2).await;
        let mut ended = Vec::new();
        for shop in [&shop, &other] {
            for _ in 0..10 {
                let carved = shop.carve(Source::Subject(shop.customer()), 10).await;
                shop.carve(Source::Allocation(carved.allocation.id), 4).await;
                ended.push((shop.realm, carved.allocation.id));
            }
        }
        shop.clock.advance(Duration::from_secs(3_600));
        let store = Arc::new(shop.store.clone());
        let sweep = |store: Arc<almoner_storage::SqlStore>| async move { store.sweep(1_000).await.unwrap() };
        let tasks: Vec<_> = (0..8).map(|_| tokio::spawn(sweep(Arc::clone(&store)))).collect();
        let mut total = 0;
        for task in tasks {
            total += task.await.unwrap().allocations;
        }
        total += store.sweep(1_000).await.unwrap().allocations;
        assert_eq!(total, 40, "{on:?}: each counted by whoever ended it");
        assert_eq!(store.sweep(1_000).await.unwrap(), Swept::default());
        for shop in [&shop, &other] {
            let (_, first) = ended.iter().find(|(realm, _)| *realm == shop.realm).unwrap();
            let statement = shop.statement(*first).await;
            assert_eq!(statement.allocation.state, AllocationState::Expired);
            assert_eq!(statement.allocation.lines[0].returned, units(10));
            let all = shop.carve(Source::Subject(shop.customer()), QUOTA).await;
            assert_eq!(all.lines[0].balance.get(Pocket::Free), units(QUOTA));
        }
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_does_no_more_than_its_limit() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        for _ in 0..5 {
            shop.carve(Source::Subject(shop.customer()), 1).await;
        }
        shop.clock.advance(Duration::from_secs(3_600));
        let mut counts = Vec::new();
        for _ in 0..4 {
            counts.push(shop.store.sweep(2).await.unwrap().allocations);
        }
        assert_eq!(counts, [2, 2, 1, 0]);
        shop.sound().await;
    }
}
