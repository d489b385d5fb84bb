//! The change feed and the keys: who follows them by position misses nothing.

use crate::support::{BOTH, On, Shop, external, id, mark, name};
use almoner_domain::agent::Agent;
use almoner_domain::allocation::AllocationState;
use almoner_domain::id::{AllocationId, Id};
use almoner_domain::key::{ApiKey, KeyHash, KeyKind, generate, hint};
use almoner_domain::notice::Change;
use almoner_domain::ports::{LeaseBatch, Ledger, Lookup, Source, Store};
use almoner_domain::tenant::Environment;
use almoner_testkit::author;
use sqlx::Connection;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_told_once_and_in_order() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let start = shop.store.changes(None, 10).await.unwrap();
        assert_eq!(start.len(), 1, "the latest alone");
        let (position, realm, change) = start[0];
        assert_eq!((realm, change), (shop.realm, Change::Catalogue));
        let carved = shop.carve(Source::Subject(shop.customer()), 10).await.allocation.id;
        assert_eq!(
            shop.store.changes(Some(position), 10).await.unwrap(),
            [],
            "carving changes nothing a gate may hold"
        );
        shop.store.end(shop.realm, carved, AllocationState::Revoked, &author()).await.unwrap();
        let mut work = shop.store.begin(shop.realm).await.unwrap();
        let agent =
            Agent { id: id(0x42), external_id: external("other"), name: name("Other"), labels: BTreeSet::new() };
        work.agents().add(&agent).await.unwrap();
        work.commit().await.unwrap();
        let changes: Vec<_> =
            shop.store.changes(Some(position), 10).await.unwrap().into_iter().map(|(_, _, change)| change).collect();
        assert_eq!(changes, [Change::Allocation(carved), Change::Catalogue]);
        assert_eq!(shop.store.changes(Some(position), 1).await.unwrap().len(), 1);
    }
}

/// Reads the feed by position alone, never back, until it has seen so many allocations.
async fn follow(shop: Arc<Shop>, start: i64, total: usize) -> BTreeSet<AllocationId> {
    let (mut position, mut seen) = (start, BTreeSet::new());
    while seen.len() < total {
        for (at, _, change) in shop.store.changes(Some(position), 7).await.unwrap() {
            assert!(at > position, "positions rise");
            position = at;
            if let Change::Allocation(id) = change {
                seen.insert(id);
            }
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_by_position_misses_nothing_that_commits_at_the_same_time() {
    for on in BOTH {
        let shop = Arc::new(Shop::open(on).await);
        let mut expected = BTreeSet::new();
        let mut tasks = Vec::new();
        let start = shop.store.changes(None, 1).await.unwrap()[0].0;
        for _ in 0..60 {
            let allocation = shop.carve(Source::Subject(shop.customer()), 1).await.allocation.id;
            expected.insert(allocation);
            let shop = Arc::clone(&shop);
            tasks.push(async move {
                shop.store.end(shop.realm, allocation, AllocationState::Closed, &author()).await.unwrap()
            });
        }
        let follower = tokio::spawn(follow(Arc::clone(&shop), start, expected.len()));
        let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
        for task in tasks {
            task.await.unwrap();
        }
        let seen = tokio::time::timeout(Duration::from_secs(20), follower).await.expect("it has seen all").unwrap();
        assert_eq!(seen, expected);
    }
}

/// The lock under which the store numbers the feed.
const FEED_LOCK: i64 = 0x616c_6d6f_6e65_7202;

/// One transaction has taken a position and not committed yet. Whatever commits meanwhile must not be seen at a later one, or who
/// follows by position would never see the first.
#[tokio::test(flavor = "multi_thread")]
async fn no_position_shows_before_an_earlier_one() {
    let shop = Arc::new(Shop::open(On::Postgres).await);
    let allocation = shop.carve(Source::Subject(shop.customer()), 1).await.allocation.id;
    let start = shop.store.changes(None, 1).await.unwrap()[0].0;
    let mut conn = sqlx::PgConnection::connect(&shop.keep.url()).await.unwrap();
    let mut slow = conn.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(FEED_LOCK).execute(&mut *slow).await.unwrap();
    let insert = "INSERT INTO changes (tenant, environment, change, subject_id) VALUES ($1, 'live', 'allocation', $2)";
    let first = uuid::Uuid::from_u128(1);
    sqlx::query(insert).bind(shop.realm.tenant.uuid()).bind(first).execute(&mut *slow).await.unwrap();

    let quick = {
        let shop = Arc::clone(&shop);
        tokio::spawn(async move {
            shop.store.end(shop.realm, allocation, AllocationState::Revoked, &author()).await.unwrap()
        })
    };
    // It has done all its work when it waits for the lock.
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while !quick.is_finished() && sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut *slow).await.unwrap() == 0 {}
    assert_eq!(shop.store.changes(Some(start), 10).await.unwrap(), [], "nothing yet");
    slow.commit().await.unwrap();
    quick.await.unwrap();
    let seen = shop.store.changes(Some(start), 10).await.unwrap();
    let seen: Vec<_> = seen.into_iter().map(|(_, _, change)| change).collect();
    assert_eq!(seen, [Change::Allocation(Id::from_uuid(first)), Change::Allocation(allocation)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_opens_nothing_and_is_told() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let secret = generate(Environment::Live, KeyKind::Gate, &*shop.entropy);
        let key = ApiKey {
            id: shop.new_id(),
            realm: shop.realm,
            kind: KeyKind::Gate,
            holder: None,
            name: name("Web shop"),
            hash: KeyHash::of(&secret),
            hint: hint(&secret),
            created_at: shop.now(),
            revoked_at: None,
        };
        let mut work = shop.store.begin(shop.realm).await.unwrap();
        work.keys().add(&key).await.unwrap();
        work.commit().await.unwrap();
        assert_eq!(shop.store.credential(KeyHash::of(&secret)).await.unwrap(), Some(key.clone()));
        assert_eq!(shop.store.credential(KeyHash::of("wrong")).await.unwrap(), None);
        let before = shop.store.changes(None, 1).await.unwrap()[0].0;

        let other = shop.beside(2).await;
        let mut work = other.store.begin(other.realm).await.unwrap();
        assert!(!work.keys().revoke(key.id, shop.now()).await.unwrap(), "another realm's");
        assert_eq!(work.keys().all().await.unwrap(), []);
        drop(work);
        let mut work = shop.store.begin(shop.realm).await.unwrap();
        assert!(work.keys().revoke(key.id, shop.now()).await.unwrap());
        assert!(!work.keys().revoke(key.id, shop.now()).await.unwrap(), "twice");
        assert_eq!(work.keys().all().await.unwrap()[0].revoked_at, Some(shop.now()));
        work.commit().await.unwrap();
        assert_eq!(shop.store.credential(KeyHash::of(&secret)).await.unwrap(), None);
        let told = shop.store.changes(Some(before), 10).await.unwrap();
        assert!(told.iter().any(|(_, realm, change)| (*realm, *change) == (shop.realm, Change::Keys)), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_page_by_page_over_all_realms() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let other = shop.beside(2).await;
        let gate = shop.gate(1).await;
        let before = shop.now();
        shop.clock.advance(Duration::from_secs(1));
        for (shop, first) in [(&shop, 0_u8), (&other, 100)] {
            let account = shop.account().await;
            let mut decisions: Vec<_> = (0..10).map(|n| shop.consumed(account, 0, Some(mark(first + n, 0)))).collect();
            decisions.push(shop.consumed(account, 0, None));
            shop.settle(gate, &LeaseBatch { decisions, ..LeaseBatch::default() }).await;
        }
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = shop.store.keys_since(before, after, 3).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(*last);
            seen.extend(page);
        }
        assert_eq!(seen.len(), 20, "{on:?}");
        assert!(seen.is_sorted());
        let later = shop.now().saturating_add(Duration::from_micros(1));
        assert_eq!(shop.store.keys_since(later, None, 10).await.unwrap(), []);
        assert!(id::<almoner_domain::id::KeyId>(1).uuid().as_u128() == 1);
    }
}
