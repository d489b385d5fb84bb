//! How fast it is. Not run by default: `cargo test --release -p almoner-storage --test store speed -- --ignored --nocapture`.

use crate::support::{BOTH, Shop, id, mark, raise, report, reports, units};
use almoner_domain::id::AccountId;
use almoner_domain::lease::{LeaseReply, Wish};
use almoner_domain::ports::{CarveAnswer, CarveRequest, LeaseBatch, Ledger, Lookup, Source};
use almoner_domain::decision::KeyMark;
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "a measurement measures real time")]
fn tick() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a measurement measures real time")]
fn since(start: Instant) -> Duration {
    start.elapsed()
}

/// Many allocations, by way of the database itself.
async fn accounts(shop: &Shop, count: usize) -> Vec<AccountId> {
    let mut accounts = Vec::with_capacity(count);
    let parent = shop.carve(Source::Subject(shop.customer()), 900).await.allocation.id;
    for _ in 0..count.min(800) {
        let request = CarveRequest { expires_at: None, ..shop.request(Source::Allocation(parent), 1) };
        let CarveAnswer::Carved(carved) = shop.store.carve(shop.realm, &request).await.unwrap() else { panic!() };
        accounts.push(carved.lines[0].account);
    }
    accounts
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_flush_of_2_000_decisions() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let (gate, account) = (shop.gate(1).await, shop.account().await);
        let lease = shop.lease(gate, account, 500).await;
        let mut times = Vec::new();
        for round in 0..30_u64 {
            let mut decisions = Vec::new();
            for number in 0..2_000_u64 {
                let mut key = [0; 16];
                key[..8].copy_from_slice(&(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes());
                key[8..].copy_from_slice(&round.to_be_bytes());
                let mark = KeyMark { key, ..mark(0, 0) };
                let mut decision = shop.consumed(account, 0, (number % 2 == 0).then_some(mark));
                decision.allocation = Some(id(0x1000 + u128::from(number % 50)));
                decisions.push(decision);
            }
            let batch = LeaseBatch { reports: vec![report(lease, account, 2 + round, 0, Wish::Keep)], holds: vec![], decisions };
            let start = tick();
            shop.settle(gate, &batch).await;
            times.push(since(start));
        }
        times.sort();
        println!("{on:?}: 2,000 decisions: median {:?}, best {:?}, worst {:?}", times[15], times[0], times[29]);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn ten_thousand_leases_open() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let gate = shop.gate(1).await;
        let start = tick();
        let accounts = accounts(&shop, 800).await;
        println!("{on:?}: a carve takes {:?}", since(start) / 801);
        // Each account opens leases of nothing again and again: what it costs is the rows.
        let opening: Vec<_> = (0..10_000)
            .map(|number| {
                let account = accounts[number % accounts.len()];
                if number < accounts.len() {
                    raise(shop.new_id(), account, 1, 0, 1)
                } else {
                    report(shop.new_id(), account, 1, 0, Wish::Raise { need: units(0), want: units(0) })
                }
            })
            .collect();
        let start = tick();
        let replies = shop.settle(gate, &reports(opening)).await;
        println!("{on:?}: 10,000 leases opened in {:?}", since(start));
        assert!(replies.iter().all(|reply| matches!(reply, LeaseReply::Applied { .. })));
        let start = tick();
        assert_eq!(shop.store.check_books().await.unwrap(), Vec::<String>::new());
        println!("{on:?}: the books checked in {:?}", since(start));
        let start = tick();
        for _ in 0..200 {
            shop.store.answered(shop.realm, [7; 16]).await.unwrap();
        }
        println!("{on:?}: a lookup takes {:?}", since(start) / 200);
    }
}
