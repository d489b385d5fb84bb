//! How fast the store is: a flush of 2,000 decisions, 10,000 leases that open at once, a carve, a look-up, a check of all books.
//!
//! `cargo bench -p almoner-storage`. On both databases; PostgreSQL as in the tests, by default without fsync.

#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

#[path = "../tests/store/support.rs"]
#[expect(dead_code, reason = "the tests use more of the shop than the measurements do")]
mod support;

use almoner_domain::decision::KeyMark;
use almoner_domain::id::AccountId;
use almoner_domain::lease::{LeaseReply, Wish};
use almoner_domain::ports::{CarveAnswer, CarveRequest, LeaseBatch, Ledger, Lookup, Source};
use std::time::{Duration, Instant};
use support::{BOTH, On, Shop, id, mark, raise, report, reports, units};

/// Flushes to take the median of.
const ROUNDS: u64 = 30;
/// Accounts that leases open in.
const ACCOUNTS: usize = 800;

fn main() {
    // Run by `cargo test --all-targets`, it only shows that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for on in BOTH {
        runtime.block_on(flushes(on));
        runtime.block_on(leases(on));
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement measures real time")]
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let value = work.await;
    (value, start.elapsed())
}

#[expect(clippy::print_stdout, reason = "a measurement is told")]
fn tell(on: On, what: &str, time: Duration) {
    println!("{on:?}: {what}: {time:.2?}");
}

/// Half of the decisions have an idempotency key, all an allocation.
fn batch(shop: &Shop, account: AccountId, lease: almoner_domain::id::LeaseId, round: u64) -> LeaseBatch {
    let decision = |number: u64| {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        key[8..].copy_from_slice(&round.to_be_bytes());
        let key = KeyMark { key, ..mark(0, 0) };
        let mut decision = shop.consumed(account, 0, (number.is_multiple_of(2)).then_some(key));
        decision.allocation = Some(id(0x1000 + u128::from(number % 50)));
        decision
    };
    LeaseBatch {
        reports: vec![report(lease, account, 2 + round, 0, Wish::Keep)],
        holds: vec![],
        decisions: (0..2_000).map(decision).collect(),
    }
}

async fn flushes(on: On) {
    let shop = Shop::open(on).await;
    let (gate, account) = (shop.gate(1).await, shop.account().await);
    let lease = shop.lease(gate, account, 500).await;
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let batch = batch(&shop, account, lease, round);
        times.push(timed(shop.settle(gate, &batch)).await.1);
    }
    times.sort();
    tell(on, "2,000 decisions, best", times[0]);
    tell(on, "2,000 decisions, median", times[times.len() / 2]);
    tell(on, "2,000 decisions, worst", times[times.len() - 1]);
}

async fn carve_all(shop: &Shop) -> Vec<AccountId> {
    let mut accounts = Vec::with_capacity(ACCOUNTS);
    let parent = shop.carve(Source::Subject(shop.customer()), 900).await.allocation.id;
    for _ in 0..ACCOUNTS {
        let request = CarveRequest { expires_at: None, ..shop.request(Source::Allocation(parent), 1) };
        match shop.store.carve(shop.realm, &request).await {
            Ok(CarveAnswer::Carved(carved)) => accounts.push(carved.lines[0].account),
            other => panic!("{other:?}"),
        }
    }
    accounts
}

async fn leases(on: On) {
    let shop = Shop::open(on).await;
    let gate = shop.gate(1).await;
    let (accounts, time) = timed(carve_all(&shop)).await;
    tell(on, "a carve", time / u32::try_from(accounts.len()).unwrap_or(u32::MAX));
    // The first lease of each account takes its one unit, the others find nothing: what it costs is the rows.
    let opening = |number: usize| {
        let account = accounts[number % accounts.len()];
        if number < accounts.len() {
            return raise(shop.new_id(), account, 1, 0, 1);
        }
        report(shop.new_id(), account, 1, 0, Wish::Raise { need: units(0), want: units(0) })
    };
    let batch = reports((0..10_000).map(opening).collect());
    let (replies, time) = timed(shop.settle(gate, &batch)).await;
    assert!(replies.iter().all(|reply| matches!(reply, LeaseReply::Applied { .. })));
    tell(on, "10,000 leases open", time);
    let (violations, time) = timed(shop.store.check_books()).await;
    assert_eq!(violations.unwrap_or_default(), Vec::<String>::new());
    tell(on, "all books checked", time);
    let (_, time) = timed(async {
        for _ in 0..200 {
            drop(shop.store.answered(shop.realm, [7; 16]).await);
        }
    })
    .await;
    tell(on, "a look-up by key", time / 200);
}
