//! No query is N+1: whatever is asked of a list takes as many statements for fifty entries as for one.

use almoner_server::{OsEntropy, SystemClock};
use almoner_storage::{SqlStore, StoreOptions};
use almoner_tests::crowd::{Crowd, FEATURE, Shares};
use almoner_tests::in_process::door;
use almoner_tests::{Database, on_each_database};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tracing::span::{Attributes, Id};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// Counts what sea-orm sends to the database, by the spans that it opens for it.
#[derive(Clone, Default)]
struct Statements(Arc<AtomicUsize>);

/// The functions of sea-orm's transaction that send a statement.
const SENDING: [&str; 4] = ["execute_raw", "execute_unprepared", "query_one_raw", "query_all_raw"];

impl Layer<Registry> for Statements {
    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, Registry>) {
        let metadata = span.metadata();
        if metadata.target() == "sea_orm::database::transaction" && SENDING.contains(&metadata.name()) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Statements {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Statements by which two answers to one query may differ: what is named by several ways is read in one statement where these
/// come to it at the same time, and in two where they do not. A statement for each entry would be dozens.
const MET_MAX: usize = 4;

/// Everything that a list may show beside its entries: what it is, the query, where its entries are, and the most of them that a
/// request may cost.
fn queries() -> Vec<(&'static str, String, [&'static str; 2], usize)> {
    let allocation = "id state depth customer { id externalId } user { id } agent { id guard { state why rules { stops } } } \
        session { key agent { id } } parent { id } guard { state since why } \
        root { id } lines { feature { key } carved balance { free } movements(first: 2) { edges { node { amount } } } }";
    vec![
        (
            "customers",
            "query($first: Int) { customers(first: $first) { edges { node { id
                users(first: 3) { edges { node { id customer { id } } } }
                subscriptions(first: 2) { edges { node { planVersion { number plan { id } lines { feature { key } } } } } }
                allocations(first: 2) { edges { node { id session { key } } } } } } } }"
                .to_owned(),
            ["customers", "edges"],
            50,
        ),
        (
            "entitlements",
            "query($first: Int) { customers(first: $first) { edges { node { entitlements { feature { key } resetsAt
                balance { free } grants { burnt left grant { amount } }
                allocations(first: 2) { edges { node { user { id } allocation { id } balance { used } } } } } } } } }"
                .to_owned(),
            ["customers", "edges"],
            4,
        ),
        (
            "shares",
            "query($first: Int) { customers(first: $first) { edges { node { users(first: 2) { edges { node {
                entitlements { feature { key } balance { free } } } } } } } } }"
                .to_owned(),
            ["customers", "edges"],
            20,
        ),
        (
            "allocations",
            format!("query($first: Int) {{ allocations(first: $first) {{ edges {{ node {{ {allocation} }} }} }} }}"),
            ["allocations", "edges"],
            50,
        ),
        (
            "what is below allocations",
            "query($first: Int) { allocations(first: $first) { edges { node { children(first: 2) { edges { node { id } } }
                decisions(first: 2) { edges { node { uses { granted feature { key } } agent { id } user { id } } } }
                movements(first: 2) { edges { node { amount cause feature { key } customer { id } } } } } } } }"
                .to_owned(),
            ["allocations", "edges"],
            50,
        ),
        (
            "trees",
            "query($first: Int) { allocations(first: $first) { edges { node { tree { id } } } } }".to_owned(),
            ["allocations", "edges"],
            20,
        ),
        (
            "decisions",
            "query($first: Int) { decisions(first: $first) { edges { node { at agent { id } user { id } dimensions { value }
                uses { granted requested feature { key } } } } } }"
                .to_owned(),
            ["decisions", "edges"],
            50,
        ),
        (
            "movements",
            "query($first: Int) { movements(first: $first) { edges { node { amount cause causeId allocation { id } feature { key }
                customer { id } user { id } agent { id } session { key } } } } }"
                .to_owned(),
            ["movements", "edges"],
            50,
        ),
        (
            "usage",
            format!(
                "query($first: Int!) {{ usage(input: {{ feature: \"{FEATURE}\", groupBy: [CUSTOMER, USER, SESSION], top: $first }}) {{
                    rows {{ units customer {{ id }} user {{ id }} session {{ key }} feature {{ key }} }} }} }}"
            ),
            ["usage", "rows"],
            50,
        ),
        (
            "agents",
            "query($first: Int) { agents(first: $first) { edges { node { guard { state since why rules { stops } }
                sessions(first: 2) { edges { node { key } } } } } } }"
                .to_owned(),
            ["agents", "edges"],
            50,
        ),
        (
            "plans",
            "query($first: Int) { plans(first: $first) { edges { node { latestVersion { number }
                versions(first: 2) { edges { node { lines { feature { key } } } } } } } } }"
                .to_owned(),
            ["plans", "edges"],
            50,
        ),
    ]
}

async fn a_list_takes_as_many_statements_whatever_its_length(database: Database) {
    let statements = Statements::default();
    // For the whole process: what a request starts runs on other threads. Each test has a process of its own.
    tracing::subscriber::set_global_default(Registry::default().with(statements.clone()))
        .expect("the first subscriber");
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let place = database.make().await;
    let url = match place.setting() {
        Some(url) => url.to_owned(),
        None => format!("sqlite://{}?mode=rwc", folder.path().join("almoner.db").display()),
    };
    let store = SqlStore::connect(&url, Arc::new(SystemClock), Arc::new(OsEntropy), StoreOptions::default()).await;
    let store = store.expect("a database");
    store.migrate().await.expect("a schema");
    let mut crowd = Crowd::gather(store.clone()).await;
    crowd.join(50, 2).await;
    for card in 0..50 {
        crowd.carve_below(card, 5).await;
    }
    crowd.call(450, Shares::Even).await;
    // On one thread, as a worker of the server has it.
    let (asked, key) = (store.clone(), crowd.operator_key.clone());
    let asking = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(Box::pin(uneven(&asked, &key, &statements)))
    });
    let uneven = tokio::task::spawn_blocking(move || asking.join()).await.expect("a thread");
    assert_eq!(uneven.expect("all is answered"), Vec::<String>::new());
    store.close().await.expect("a store that closes");
    drop(place);
}

/// Queries that take more statements for more entries.
async fn uneven(store: &SqlStore, key: &str, statements: &Statements) -> Vec<String> {
    let door = door(store, key).await;
    let mut wrong = Vec::new();
    for (what, query, path, most) in queries() {
        let mut counts = Vec::new();
        for first in [1, 2, most / 2, most] {
            let before = statements.count();
            let data = door.data(&query, json!({ "first": first })).await;
            counts.push(statements.count() - before);
            let entries = path.iter().fold(&data, |data, member| &data[*member]);
            let entries = entries.as_array().map_or(0, Vec::len);
            assert!(entries > 0 && entries <= first, "{what}: {entries} of {first}");
        }
        assert!(counts[0] > 1, "{what}: statements are counted: {counts:?}");
        let (least, most_sent) =
            counts.iter().fold((usize::MAX, 0), |(least, most), count| (least.min(*count), most.max(*count)));
        if most_sent > least + MET_MAX {
            wrong.push(format!("{what}: {counts:?} statements for 1, 2, {} and {most} entries", most / 2));
        }
    }
    wrong
}

on_each_database! {
    a_list_takes_as_many_statements_whatever_its_length;
}
