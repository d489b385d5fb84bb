//! Many at once: units are conserved and nobody waits for ever (faults 10, 19, 20).

use crate::support::{BOTH, On, QUOTA, Shop, mark, raise, report, reports, units};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::AllocationState;
use almoner_domain::id::{AccountId, AllocationId, LeaseId};
use almoner_domain::lease::{Incarnation, LeaseReply, Wish};
use almoner_domain::ledger::CarveRefusal;
use almoner_domain::ports::{CarveAnswer, LeaseBatch, Ledger, Lookup, Source};
use almoner_storage::StoreOptions;
use almoner_testkit::Dice;
use almoner_testkit::author;
use sqlx::{Connection, PgConnection};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn of_32_who_carve_from_one_parent_only_so_many_get_as_it_has() {
    for on in BOTH {
        let shop = Arc::new(Shop::open(on).await);
        let parent = shop.carve(Source::Subject(shop.customer()), 100).await.allocation.id;
        let carve = |shop: Arc<Shop>| async move {
            shop.store.carve(shop.realm, &shop.request(Source::Allocation(parent), 7)).await.unwrap()
        };
        let tasks: Vec<_> = (0..32).map(|_| tokio::spawn(carve(Arc::clone(&shop)))).collect();
        let (mut carved, mut refused) = (0, 0);
        for task in tasks {
            match task.await.unwrap() {
                CarveAnswer::Carved(_) => carved += 1,
                CarveAnswer::Refused(CarveRefusal::Short { free, .. }) => {
                    assert_eq!(free, units(2), "a denial means that fewer are free than asked for");
                    refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((carved, refused), (14, 18), "{on:?}");
        let line = &shop.statement(parent).await.lines[0];
        assert_eq!((line.balance.get(Pocket::Carved), line.balance.get(Pocket::Free)), (units(98), units(2)));
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_that_comes_32_times_at_once_carves_once() {
    for on in BOTH {
        let shop = Arc::new(Shop::open(on).await);
        let carve = |shop: Arc<Shop>| async move {
            let mut request = shop.request(Source::Subject(shop.customer()), 10);
            request.key = Some(mark(1, 1));
            shop.store.carve(shop.realm, &request).await.unwrap()
        };
        let tasks: Vec<_> = (0..32).map(|_| tokio::spawn(carve(Arc::clone(&shop)))).collect();
        let mut ids = BTreeSet::new();
        let mut carved = 0;
        for task in tasks {
            match task.await.unwrap() {
                CarveAnswer::Carved(statement) => {
                    carved += 1;
                    ids.insert(statement.allocation.id);
                }
                CarveAnswer::Replayed(statement) => drop(ids.insert(statement.allocation.id)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((carved, ids.len()), (1, 1), "{on:?}");
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_decisions_from_two_gates_at_once_are_charged_once() {
    for on in BOTH {
        let shop = Arc::new(Shop::open(on).await);
        let account = shop.account().await;
        let mut batches = Vec::new();
        for node in 1..=4 {
            let gate = shop.gate(node).await;
            let lease = shop.lease(gate, account, 200).await;
            // Each brings the same two hundred keys in another order.
            let mut decisions: Vec<_> = (0..200).map(|key| shop.consumed(account, 1, Some(mark(key, 1)))).collect();
            decisions.rotate_left(50 * node as usize % 200);
            let reports = vec![report(lease, account, 2, 200, Wish::Keep)];
            let batch = LeaseBatch { reports, holds: vec![], decisions };
            batches.push((gate, batch));
        }
        let gun = Gun::raise(&shop, on).await;
        let mut tasks = Vec::new();
        for (gate, batch) in batches {
            let shop = Arc::clone(&shop);
            tasks.push(tokio::spawn(async move { shop.settle(gate, &batch).await }));
        }
        gun.fire_at(tasks.len()).await;
        for task in tasks {
            let replies = task.await.unwrap();
            assert!(matches!(replies[0], LeaseReply::Applied { .. }), "{replies:?}");
        }
        let used = shop.store.entitlements(shop.realm, &shop.customer()).await.unwrap().unwrap();
        assert!(format!("{used:?}").contains("used: Units(200)"), "{on:?}: {used:?}");
        shop.sound().await;
        no_circle(&shop, on).await;
    }
}

/// Lets flushes on PostgreSQL start at one moment. Left to themselves the first is done before the second has a connection.
/// The other connection watches: within a transaction PostgreSQL shows who waits as it was when first asked.
struct Gun(Option<(PgConnection, PgConnection)>);

impl Gun {
    /// Holds what every flush reads first.
    async fn raise(shop: &Shop, on: On) -> Self {
        if on != On::Postgres {
            return Self(None);
        }
        let mut conn = PgConnection::connect(&shop.keep.url()).await.unwrap();
        sqlx::raw_sql("BEGIN; SELECT id FROM nodes FOR UPDATE").execute(&mut conn).await.unwrap();
        Self(Some((conn, PgConnection::connect(&shop.keep.url()).await.unwrap())))
    }

    /// Lets go when so many wait.
    async fn fire_at(self, runners: usize) {
        let Some((mut conn, mut watch)) = self.0 else { return };
        let waiting = "SELECT count(DISTINCT pid) FROM pg_stat_activity \
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watch).await.unwrap() < runners as i64 {}
        sqlx::raw_sql("COMMIT").execute(&mut conn).await.unwrap();
    }
}

/// One of many who do everything that takes locks, at once, on one small tree: carves and ends at every depth, flushes of several
/// gates over several accounts in any order, recalls, sweeps and questions. A circle of waiters would show as a fault after
/// the retries, or as a test that does not end.
struct Rioter {
    shop: Arc<Shop>,
    tree: Arc<Vec<AllocationId>>,
    dice: Dice,
    gate: Incarnation,
    leases: BTreeMap<AccountId, (LeaseId, u64)>,
}

impl Rioter {
    async fn run(mut self) {
        for _ in 0..25 {
            match self.dice.below(6) {
                0 => self.carve_and_end().await,
                1 => drop(self.shop.store.sweep(50).await.unwrap()),
                2 => {
                    let any = self.any();
                    drop(self.shop.statement(any).await);
                }
                3 if self.dice.chance(100) => {
                    let any = self.any();
                    let ended = self.shop.store.end(self.shop.realm, any, AllocationState::Revoked, &author()).await;
                    ended.unwrap();
                }
                _ => self.flush().await,
            }
        }
    }

    fn any(&mut self) -> AllocationId {
        *self.dice.pick(&self.tree).unwrap()
    }

    async fn carve_and_end(&mut self) {
        let any = self.any();
        let request = self.shop.request(Source::Allocation(any), 3);
        let carved = self.shop.store.carve(self.shop.realm, &request).await.unwrap();
        if matches!(carved, CarveAnswer::Carved(_)) && self.dice.chance(700) {
            self.shop.store.end(self.shop.realm, request.id, AllocationState::Closed, &author()).await.unwrap();
        }
    }

    async fn flush(&mut self) {
        let mut batch = LeaseBatch::default();
        for _ in 0..self.dice.between(1, 6) {
            let any = self.any();
            let account = self.shop.statement(any).await.lines[0].account;
            if batch.reports.iter().all(|report| report.account != account) {
                let (lease, seq) = *self.leases.entry(account).or_insert_with(|| (self.shop.new_id(), 0));
                let need = i64::try_from(self.dice.between(1, 4)).unwrap();
                batch.reports.push(raise(lease, account, seq + 1, 0, need));
            }
        }
        let replies = self.shop.settle(self.gate, &batch).await;
        for (report, reply) in batch.reports.iter().zip(replies) {
            assert!(matches!(reply, LeaseReply::Applied { .. }), "{reply:?}");
            self.leases.insert(report.account, (report.lease, report.seq));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_waits_in_a_circle() {
    for on in BOTH {
        let options = StoreOptions { connections_max: 32, ..StoreOptions::default() };
        let shop = Arc::new(Shop::with(on, options).await);
        let mut tree = Vec::new();
        for _ in 0..3 {
            let top = shop.carve(Source::Subject(shop.customer()), 300).await.allocation.id;
            let middle = shop.carve(Source::Allocation(top), 200).await.allocation.id;
            let leaf = shop.carve(Source::Allocation(middle), 100).await.allocation.id;
            tree.extend([top, middle, leaf]);
        }
        let tree = Arc::new(tree);
        let crowd = match on {
            On::Sqlite => 8,
            On::Postgres => 32,
        };
        let mut tasks = Vec::new();
        for seed in 0..crowd {
            let gate = shop.gate(u128::from(100 + seed)).await;
            let (shop, tree) = (Arc::clone(&shop), Arc::clone(&tree));
            tasks.push(tokio::spawn(Rioter { shop, tree, dice: Dice::new(seed), gate, leases: BTreeMap::new() }.run()));
        }
        for task in tasks {
            tokio::time::timeout(Duration::from_secs(120), task).await.expect("it must end").unwrap();
        }
        shop.sound().await;
        no_circle(&shop, on).await;
    }
}

/// PostgreSQL has broken no circle of waiters: a retry would have hidden it. Connections tell when they close.
async fn no_circle(shop: &Shop, on: On) {
    if on != On::Postgres {
        return;
    }
    shop.store.close().await.unwrap();
    let mut conn = PgConnection::connect(&shop.keep.url()).await.unwrap();
    let others =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'almoner'";
    while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut conn).await.unwrap() > 0 {}
    let broken = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(sqlx::query_scalar::<_, i64>(broken).fetch_one(&mut conn).await.unwrap(), 0);
}

/// The caller goes away; the transaction does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_goes_away_leaves_a_whole_transaction() {
    for on in BOTH {
        let shop = Arc::new(Shop::open(on).await);
        let account = shop.account().await;
        let gate = shop.gate(1).await;
        for round in 0..40_u64 {
            let lease = shop.new_id();
            let batch = reports(vec![raise(lease, account, 1, 0, 5)]);
            let asked = shop.store.settle(shop.realm, gate, &batch);
            let gone = tokio::time::timeout(Duration::from_micros(round * 100), asked).await;
            // Whatever the caller saw, a repetition answers for the same one lease.
            let reply = shop.settle(gate, &batch).await;
            assert!(matches!(reply[0], LeaseReply::Applied { n, .. } if n == units(5)), "{gone:?} then {reply:?}");
        }
        let left = shop.store.entitlements(shop.realm, &shop.customer()).await.unwrap().unwrap();
        assert!(format!("{left:?}").contains(&format!("free: Units({})", QUOTA - 200)), "{left:?}");
        shop.sound().await;
    }
}

/// Another process writes the same file while it is served, as `almoner seed` does.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_may_write_one_sqlite_file() {
    let shop = Arc::new(Shop::open(On::Sqlite).await);
    let clock = Arc::new(shop.clock.clone());
    let second = almoner_storage::SqlStore::connect(
        &shop.keep.url(),
        clock,
        Arc::new(almoner_testkit::SeededEntropy::new(99)),
        StoreOptions::default(),
    )
    .await
    .unwrap();
    let parent = shop.carve(Source::Subject(shop.customer()), 500).await.allocation.id;
    let mut tasks = Vec::new();
    for number in 0..40 {
        let (shop, second) = (Arc::clone(&shop), second.clone());
        tasks.push(tokio::spawn(async move {
            let request = shop.request(Source::Allocation(parent), 5);
            let store = if number % 2 == 0 { &shop.store } else { &second };
            store.carve(shop.realm, &request).await.unwrap()
        }));
    }
    for task in tasks {
        assert!(matches!(task.await.unwrap(), CarveAnswer::Carved(_)));
    }
    assert_eq!(shop.statement(parent).await.lines[0].balance.get(Pocket::Carved), units(200));
    shop.sound().await;
}

/// A database that goes away and comes back: faults say so, and nothing is lost or doubled (fault 19).
#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_killed_leaves_an_outcome_that_a_repetition_finds_out() {
    let shop = Arc::new(Shop::open(On::Postgres).await);
    let account = shop.account().await;
    let gate = shop.gate(1).await;
    let killer = {
        let url = shop.keep.url();
        tokio::spawn(async move {
            let mut conn = PgConnection::connect(&url).await.unwrap();
            let sql = "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name = 'almoner' ORDER BY random() LIMIT 1) AS one";
            let mut often = tokio::time::interval(Duration::from_millis(40));
            loop {
                often.tick().await;
                sqlx::query(sql).execute(&mut conn).await.unwrap();
            }
        })
    };
    let mut passing = 0;
    for _ in 0..40 {
        let batch = reports(vec![raise(shop.new_id(), account, 1, 0, 1)]);
        let reply = loop {
            match shop.store.settle(shop.realm, gate, &batch).await {
                Ok(replies) => break replies[0],
                Err(fault) => {
                    assert!(fault.is_passing(), "{fault:?}");
                    passing += 1;
                }
            }
        };
        assert!(matches!(reply, LeaseReply::Applied { n, .. } if n == units(1)), "{reply:?}");
    }
    killer.abort();
    let _ = killer.await;
    // A connection that was killed after the last use shows only at the next.
    while shop.store.ping().await.is_err() {}
    let left = loop {
        if let Ok(left) = shop.store.entitlements(shop.realm, &shop.customer()).await {
            break left.unwrap();
        }
    };
    assert!(format!("{left:?}").contains(&format!("free: Units({})", QUOTA - 40)), "{passing} faults: {left:?}");
    shop.sound().await;
}
