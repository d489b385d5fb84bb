//! What people look at, measured: each list, balance and usage query of the GraphQL door, in process, over as many rows as a busy
//! installation has; and what hostile documents cost.

#![expect(clippy::print_stdout, reason = "the figures are what this is for")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use almoner_server::{OsEntropy, SystemClock};
use almoner_storage::{SqlStore, StoreOptions};
use almoner_tests::crowd::{Crowd, FEATURE, Shares};
use almoner_tests::hostile::documents;
use almoner_tests::in_process::door;
use almoner_tests::{Database, database::Place};
use anyhow::{Context, ensure};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The promise for each query at p99.
const QUERY_MAX: Duration = Duration::from_millis(50);
/// The promise for each hostile document, in time of one processor.
const HOSTILE_MAX: Duration = Duration::from_millis(10);
/// Times that each hostile document is sent.
const HOSTILE_RUNS: usize = 20;

struct Size {
    cards: usize,
    calls: usize,
    runs: usize,
    shares: Shares,
}

fn main() -> anyhow::Result<()> {
    let shares = if read("EVEN", 0)? == 0 { Shares::Uneven } else { Shares::Even };
    let (cards, calls, runs) = (read("CARDS", 10_000)?, read("CALLS", 1_000_000)?, read("RUNS", 200)?);
    let size = Size { cards, calls, runs, shares };
    // One thread asks, so that its processor time is that of the door; the databases' drivers have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut missed = Vec::new();
    for database in [Database::Sqlite, Database::Postgres] {
        missed.extend(runtime.block_on(Box::pin(measure(database, &size)))?);
    }
    ensure!(missed.is_empty(), "missed: {}", missed.join(", "));
    Ok(())
}

fn read(name: &str, default: usize) -> anyhow::Result<usize> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is a number")),
        Err(_) => Ok(default),
    }
}

async fn measure(database: Database, size: &Size) -> anyhow::Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let place: Place = database.make().await;
    let url = match place.setting() {
        Some(url) => url.to_owned(),
        None => format!("sqlite://{}?mode=rwc", folder.path().join("almoner.db").display()),
    };
    let store = SqlStore::connect(&url, Arc::new(SystemClock), Arc::new(OsEntropy), StoreOptions::default()).await?;
    store.migrate().await?;
    let begin = Instant::now();
    let mut crowd = Crowd::gather(store.clone()).await;
    let customers = (size.cards / 100).max(1);
    crowd.join(customers, size.cards / customers).await;
    println!("{database:?}: {} allocations made in {:.0?}", crowd.cards.len(), begin.elapsed());
    let begin = Instant::now();
    crowd.call(size.calls, size.shares).await;
    println!("{database:?}: {} decisions told in {:.0?}", size.calls, begin.elapsed());

    let door = door(&store, &crowd.operator_key).await;
    let mut missed = Vec::new();
    println!("{:<44} {:>9} {:>9} {:>9}", "query", "p50 ms", "p99 ms", "max ms");
    for (what, query, variables) in queries(&crowd) {
        let mut times = Vec::with_capacity(size.runs);
        for run in 0..size.runs + 5 {
            let begin = Instant::now();
            door.data(&query, variables.clone()).await;
            // The first ones read the pages of the file that all others find in memory.
            if run >= 5 {
                times.push(begin.elapsed());
            }
        }
        times.sort_unstable();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        let (middle, most) = (at(50), at(99));
        let mark = if most > QUERY_MAX { " MISSED" } else { "" };
        println!("{what:<44} {:>9.2} {:>9.2} {:>9.2}{mark}", ms(middle), ms(most), ms(times[times.len() - 1]));
        if most > QUERY_MAX {
            missed.push(format!("{database:?} {what}"));
        }
    }
    println!("{:<44} {:>9} {:>9}", "hostile document", "p50 ms", "max ms");
    for (what, document) in documents() {
        let mut times = Vec::with_capacity(HOSTILE_RUNS);
        for _ in 0..HOSTILE_RUNS {
            let begin = processor();
            door.ask(&document, json!({})).await;
            times.push(processor().saturating_sub(begin));
        }
        times.sort_unstable();
        let most = times[times.len() - 1];
        let mark = if most > HOSTILE_MAX { " MISSED" } else { "" };
        println!("{what:<44} {:>9.2} {:>9.2}{mark}", ms(times[times.len() / 2]), ms(most));
        if most > HOSTILE_MAX {
            missed.push(format!("{database:?} {what}"));
        }
    }
    store.close().await?;
    Ok(missed)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Time that this thread has had of a processor.
fn processor() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn queries(crowd: &Crowd) -> Vec<(&'static str, String, Value)> {
    let card = &crowd.cards[crowd.cards.len() / 2].allocation;
    let whom = card.principals;
    let text = |id: Option<String>| json!(id);
    let ids = json!({
        "card": card.id.to_string(),
        "customer": whom.customer.to_string(),
        "user": text(whom.user.map(|id| id.to_string())),
        "agent": card.agent.to_string(),
        "session": text(whom.session.map(|id| id.to_string())),
    });
    let lists = [
        ("features", "{ features(first: 100) { edges { node { id key } } } }"),
        ("plans", "{ plans(first: 100) { edges { node { id latestVersion { lines { amount } } } } } }"),
        ("customers, a page", "{ customers(first: 100) { edges { node { id name } } } }"),
        (
            "customers with users",
            "{ customers(first: 50) { edges { node { users(first: 5) { edges { node { name } } } } } } }",
        ),
        ("agents", "{ agents(first: 100) { edges { node { id } } } }"),
        ("allocations, a page", "{ allocations(first: 100) { edges { node { id state lines { carved } } } } }"),
        (
            "allocations with balances",
            "{ allocations(first: 50) { edges { node { agent { name } session { key } user { name } lines { carved balance { free used } } } } } }",
        ),
        (
            "allocations of an agent",
            "query($agent: ID) { allocations(filter: { agent: $agent }, first: 100) { edges { node { id } } } }",
        ),
        (
            "allocations of a customer's user",
            "query($customer: ID, $user: ID) { allocations(filter: { customer: $customer, user: $user }, first: 100) { edges { node { id } } } }",
        ),
        (
            "an allocation's balance",
            "query($card: ID!) { node(id: $card) { ... on Allocation { lines { balance { free used } } tree { id } root { id } } } }",
        ),
        ("decisions, a page", "{ decisions(first: 100) { edges { node { at allowed uses { granted } } } } }"),
        (
            "decisions of a customer",
            "query($customer: ID) { decisions(filter: { customer: $customer }, first: 100) { edges { node { at agent { name } uses { granted } } } } }",
        ),
        (
            "decisions of an allocation",
            "query($card: ID) { decisions(filter: { allocation: $card }, first: 100) { edges { node { at uses { granted } } } } }",
        ),
        ("movements, a page", "{ movements(first: 100) { edges { node { amount cause } } } }"),
        (
            "movements of a customer",
            "query($customer: ID) { movements(filter: { customer: $customer }, first: 100) { edges { node { amount cause } } } }",
        ),
        (
            "movements of an allocation",
            "query($card: ID) { movements(filter: { allocation: $card }, first: 100) { edges { node { amount } } } }",
        ),
        (
            "sessions of an agent",
            "query($agent: ID!) { node(id: $agent) { ... on Agent { sessions(first: 100) { edges { node { key } } } } } }",
        ),
        (
            "a customer's entitlements, explained",
            "query($customer: ID!) { node(id: $customer) { ... on Customer { entitlements { resetsAt balance { free } grants { burnt left } allocations(first: 50) { edges { node { balance { used } } } } } } } }",
        ),
        (
            "entitlements of 20 customers",
            "{ customers(first: 20) { edges { node { entitlements { balance { free used } } } } } }",
        ),
        ("audit", "{ audit(first: 100) { edges { node { id } } } }"),
    ];
    let usage = [
        ("usage: one sum", ""),
        ("usage: by customer, top 100", "groupBy: [CUSTOMER], top: 100"),
        ("usage: by user and agent, top 100", "groupBy: [USER, AGENT], top: 100"),
        ("usage: by tool", "groupByDimensions: [\"tool\"]"),
        ("usage: by tool and customer", "groupBy: [CUSTOMER], groupByDimensions: [\"tool\"], top: 100"),
        ("usage: of a tool", "dimensions: [{ name: \"tool\", value: \"draw\" }]"),
        ("usage: by session, top 100", "groupBy: [SESSION], top: 100"),
        ("usage: by session and tool, top 100", "groupBy: [SESSION], groupByDimensions: [\"tool\"], top: 100"),
        ("usage: by session and day, top 30", "groupBy: [SESSION], bucket: DAY, top: 30"),
        ("usage: a series by day", "bucket: DAY"),
        ("usage: a series by hour", "bucket: HOUR"),
        ("usage: by customer and day", "groupBy: [CUSTOMER], bucket: DAY, top: 30"),
        ("usage: of a customer by session", "customer: CUSTOMER, groupBy: [SESSION], top: 100"),
        ("usage: of a customer by user and day", "customer: CUSTOMER, groupBy: [USER], bucket: DAY, top: 30"),
        ("usage: of a session by tool", "session: SESSION, groupByDimensions: [\"tool\"]"),
        ("usage: of an allocation", "allocation: CARD"),
        ("usage: a year by month", "since: \"SINCE\", until: \"UNTIL\", bucket: MONTH"),
    ];
    let quoted = |name: &str| ids[name].to_string();
    let year = year();
    let usage = usage.map(|(what, members)| {
        let members = members
            .replace("customer: CUSTOMER", &format!("customer: {}", quoted("customer")))
            .replace("session: SESSION", &format!("session: {}", quoted("session")))
            .replace("allocation: CARD", &format!("allocation: {}", quoted("card")))
            .replace("SINCE", &year.0)
            .replace("UNTIL", &year.1);
        let query = format!(
            "{{ usage(input: {{ feature: \"{FEATURE}\", {members} }}) {{ rows {{ start units calls denied customer {{ name }} user {{ name }} \
             session {{ key }} dimensions {{ value }} }} }} }}"
        );
        (what, query, json!({}))
    });
    // Variables that a query does not define are passed over.
    let lists = lists.map(|(what, query)| (what, query.to_owned(), ids.clone()));
    lists.into_iter().chain(usage).collect()
}

/// The year up to the end of today.
fn year() -> (String, String) {
    use almoner_domain::time::{Clock, DAY, Timestamp};
    let today = SystemClock.now().as_micros().div_euclid(DAY) * DAY;
    let at = |micros: i64| Timestamp::from_micros(micros).to_string();
    (at(today - 364 * DAY), at(today + DAY))
}
