//! Many clients at once on cards that are carved and closed under them: every equation of the ledger holds in each state that
//! anybody sees, no card pays more than it was given, and in the end every unit is where the clients' record says.

use almoner_storage::SqlStore;
use almoner_tests::chance::seed;
use almoner_tests::traffic::{CUSTOMERS, Card, Nerve, Record, WARES, Worker};
use almoner_tests::{Database, Dice, Server, books, let_run, on_each_database};
use futures::future::try_join_all;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

on_each_database! {
    a_thousand_cards_under_random_traffic_keep_every_equation;
}

const CARDS: usize = 1_000;
const CLIENTS: u64 = 32;
/// Each look reads all there is, and must not be most of what the machine does.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// The least number of states looked at for the run to say anything.
const STATES_MIN: usize = 10;

async fn a_thousand_cards_under_random_traffic_keep_every_equation(database: Database) {
    let seed = seed();
    println_seed(seed);
    let server = Server::start(database).await;
    let store = books::open(&server.database_url()).await;
    let record = Arc::new(Record::default());
    let done = Arc::new(AtomicBool::new(false));
    let looks = tokio::spawn(look_until(store.clone(), done.clone()));

    let mut dice = Dice::new(seed);
    let clients = (0..CLIENTS).map(|number| {
        let dice = Dice::new(dice.roll());
        let worker = Worker::new(server.client(), record.clone(), dice, Nerve::Calm, format!("client-{number}"));
        tokio::spawn(work(worker, record.clone()))
    });
    try_join_all(clients).await.expect("a client's record was contradicted");
    done.store(true, Ordering::Release);
    let states = looks.await.expect("the books hold in each state");
    assert!(states >= STATES_MIN, "only {states} states were looked at");

    assert_families_within(&record.cards());
    record.settle_up(&server.client()).await;
    books::assert_sound(&store).await;
    tell(&record, states);
    assert_eq!(record.counts().could_not_know, 0, "nothing was away, so nothing was unavailable");
    server.end().await;
}

/// Acts until there are enough cards, and settles what is open.
async fn work(mut worker: Worker, record: Arc<Record>) {
    while record.cards_count() < CARDS {
        worker.act().await;
    }
    worker.finish().await;
}

/// Looks at one committed state after another from a second connection.
async fn look_until(store: SqlStore, done: Arc<AtomicBool>) -> usize {
    let mut states = 0;
    while !done.load(Ordering::Acquire) {
        books::assert_sound(&store).await;
        states += 1;
        let_run(BETWEEN_LOOKS).await;
    }
    states
}

/// What was spent on a card and on all cards carved from it is not more than it was given.
fn assert_families_within(cards: &[Arc<Card>]) {
    let mut spent: HashMap<(&str, &str), i64> = HashMap::new();
    for card in cards {
        for tab in &card.tabs {
            let mut above = Some(card);
            while let Some(card) = above {
                *spent.entry((&card.id, tab.ware.feature)).or_default() += tab.spent();
                above = card.parent.as_ref();
            }
        }
    }
    for card in cards {
        for tab in &card.tabs {
            let spent = spent[&(card.id.as_str(), tab.ware.feature)];
            assert!(spent <= tab.granted, "{}: {spent} {} of {}", card.id, tab.ware.feature, tab.granted);
        }
    }
}

#[expect(clippy::print_stdout, reason = "a failed run is told from another one by its seed")]
fn println_seed(seed: u64) {
    println!("ALMONER_SEED={seed}");
}

#[expect(clippy::print_stdout, reason = "how much was looked at is part of what the run says")]
fn tell(record: &Record, states: usize) {
    let parts = record.cards().iter().filter(|card| card.parent.is_some()).count();
    println!("{}, {parts} of them parts of others; {states} states looked at", record.counts());
    for (customer, name) in CUSTOMERS.iter().enumerate() {
        let spent: Vec<_> =
            (0..WARES.len()).map(|at| (WARES[at].feature, record.spent_of_month(customer, at).0)).collect();
        println!("{name}: {spent:?}");
    }
}
