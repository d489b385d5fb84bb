//! The background runner, as real processes on real databases: what is due happens once however many run and whenever they die,
//! a gate that is gone keeps what it may have spent, and everybody sees how the work stands.

use almoner_tests::chance::seed;
use almoner_tests::rows::rows;
use almoner_tests::server::Peer;
use almoner_tests::wait::{ahead, now};
use almoner_tests::{Call, Carve, Client, Database, Dice, Server, books, eventually, let_run, on_each_database};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::watch;

const GENERATE: &str = "image.generate";
/// Often, so that many slots are claimed while runners die.
const OFTEN: (&str, &str) = ("worker.sweep_interval_ms", "100");

on_each_database! {
    what_is_due_happens_once_though_runners_race_and_die;
    what_a_dead_gate_may_have_spent_stays_charged_until_it_returns;
    a_runner_alone_ends_what_a_gate_alone_serves;
    everybody_sees_how_the_work_stands;
}

/// Asks the API, and answers the whole response.
async fn ask(client: &Client, query: &str) -> Value {
    let reply = client.post("/graphql", &json!({ "query": query })).await;
    serde_json::from_slice(&reply.body).unwrap_or_else(|why| panic!("{why}: {}", reply.text()))
}

/// Asks the API what has an answer.
async fn data(client: &Client, query: &str) -> Value {
    let body = ask(client, query).await;
    assert!(body.get("errors").is_none(), "{query}: {body}");
    body["data"].clone()
}

/// A number that a statement answers.
async fn number(server: &Server, statement: &str) -> i64 {
    let text = rows(server, statement).await;
    text.parse().unwrap_or_else(|_| panic!("{statement}: {text:?} is no number"))
}

/// A client of a process beside the server.
fn client_of(address: String, key: &str) -> Client {
    let (tell, at) = watch::channel(None);
    tell.send_replace(Some(address));
    // It stays there for as long as the test lives.
    std::mem::forget(tell);
    Client::new(at, key)
}

// ---- racing and dying

/// Runners beside the server, which is one as well.
const RUNNERS: usize = 7;
const CARDS: u64 = 60;
const KILLS: usize = 12;

/// A customer whose month turns so far from now: its periods began years ago, on the same day and at the same time.
async fn subscribe(staff: &Client, customer: &str, turns_in: Duration) {
    let turn = ahead(turns_in);
    let year: i32 = turn[..4].parse().expect("a year");
    let anchor = format!("{}{}", year - 4, &turn[4..]);
    for mutation in [
        format!("addCustomer(input: {{ externalId: \"{customer}\", name: \"x\" }})"),
        format!("subscribe(input: {{ customer: \"{customer}\", plan: \"pro\", anchor: \"{anchor}\" }})"),
    ] {
        let name = mutation.split('(').next().unwrap_or_default().to_owned();
        let done = data(staff, &format!("mutation {{ {mutation} {{ refusals {{ message }} }} }}")).await;
        assert_eq!(done[name]["refusals"], json!([]));
    }
}

async fn what_is_due_happens_once_though_runners_race_and_die(database: Database) {
    let seed = seed();
    let mut dice = Dice::new(seed);
    let server = Server::start_with(database, &[OFTEN]).await;
    let (client, staff) = (server.client(), server.client().with_key(&server.shop.operator_key));
    let store = books::open(&server.database_url()).await;
    let mut peers: Vec<Peer> = (0..RUNNERS).map(|_| server.beside("worker")).collect();
    for peer in &mut peers {
        peer.up().await;
    }
    let whole = client.month("acme-shop").await;
    for card in 0..CARDS {
        let carve = Carve::of("acme-shop", &format!("brief-{card}")).line(GENERATE, 2);
        let id = client.carve(&carve.until(ahead(Duration::from_millis(2_000 + 100 * card)))).await.id().to_owned();
        if card % 3 == 0 {
            assert!(client.consume(&Call::on(&id).uses(GENERATE, 1)).await.allowed());
        }
    }
    subscribe(&staff, "turner", Duration::from_secs(5)).await;
    client.month("turner").await;
    let of_turner = "FROM accounts a JOIN customers c ON c.id = a.customer_id WHERE c.external_id = 'turner'";
    let quotas = number(&server, &format!("SELECT count(*) {of_turner}")).await;
    assert!(quotas >= 3, "its windows are open: {quotas}");

    for _ in 0..KILLS {
        let_run(Duration::from_millis(dice.between(50, 700))).await;
        let which = usize::try_from(dice.between(0, RUNNERS as u64 - 1)).expect("a small number");
        let fresh = server.beside("worker");
        std::mem::replace(&mut peers[which], fresh).kill9();
        books::assert_sound(&store).await;
    }
    let expired = "SELECT count(*) FROM outbox WHERE event = 'allocation.expired'";
    eventually("every card expires", async || (number(&server, expired).await >= CARDS as i64).then_some(())).await;
    let resets = "SELECT count(*) FROM outbox WHERE event = 'entitlement.reset'";
    eventually("the month turns", async || (number(&server, resets).await >= quotas).then_some(())).await;
    let active = "SELECT count(*) FROM accounts WHERE NOT closed AND entitlement_id IS NOT NULL AND window_end <= ";
    let over = format!("{active}{}", now().as_micros());
    eventually("old windows close", async || (number(&server, &over).await == 0).then_some(())).await;

    // Now that all is done: nothing of it twice.
    let twice =
        |event: &str| format!("SELECT count(*) - count(DISTINCT subject_id) FROM outbox WHERE event = '{event}'");
    assert_eq!(number(&server, expired).await, CARDS as i64, "seed {seed}");
    assert_eq!(number(&server, &twice("allocation.expired")).await, 0, "seed {seed}");
    assert_eq!(number(&server, resets).await, quotas, "seed {seed}");
    assert_eq!(number(&server, &twice("entitlement.reset")).await, 0, "seed {seed}");
    assert_eq!(number(&server, &format!("SELECT count(*) {of_turner}")).await, 2 * quotas, "one new window each");
    let renewals = "SELECT count(*) FROM grants g JOIN accounts a ON a.id = g.account_id \
        JOIN customers c ON c.id = a.customer_id WHERE c.external_id = 'turner' AND g.kind = 'renewal'";
    assert_eq!(number(&server, renewals).await, 2 * quotas, "one renewal each");
    eventually("gates give back what was unused", async || {
        let line = client.month("acme-shop").await.line(GENERATE);
        let spent = CARDS.div_ceil(3) as i64;
        (line.carved == spent && line.free == whole.line(GENERATE).free - spent).then_some(())
    })
    .await;
    for peer in peers {
        peer.kill9();
    }
    books::assert_sound(&store).await;
    server.end().await;
}

// ---- a gate that dies

async fn what_a_dead_gate_may_have_spent_stays_charged_until_it_returns(database: Database) {
    let mut server = Server::start_with(database, &[OFTEN]).await;
    let client = server.client();
    let card = client.carve(&Carve::of("acme-shop", "lost").line(GENERATE, 10)).await.id().to_owned();
    assert!(client.consume(&Call::on(&card).uses(GENERATE, 3)).await.allowed());
    let out = "SELECT count(*) FROM leases WHERE state IN ('active', 'recalling')";
    eventually("units are leased", async || (number(&server, out).await > 0).then_some(())).await;
    server.kill9();
    // Its term is minutes: this is the clock of the ledger going on.
    rows(&server, "UPDATE leases SET deadline = 0").await;
    let mut runner = server.beside("worker");
    runner.up().await;
    let doubted = "SELECT count(*) FROM leases WHERE state = 'in_doubt'";
    let doubt = eventually("the lease goes in doubt", async || {
        let count = number(&server, doubted).await;
        (count > 0).then_some(count)
    })
    .await;
    assert_eq!(number(&server, "SELECT count(*) FROM outbox WHERE event = 'lease.in_doubt'").await, doubt, "once each");
    let charged = "SELECT sum(leased) FROM accounts WHERE allocation_id IS NOT NULL";
    assert!(number(&server, charged).await >= 1, "what may be spent is charged");
    server.restart().await;
    assert_eq!(number(&server, doubted).await, 0, "it came back with its journal");
    let line = server.client().statement(&card).await.line(GENERATE);
    assert_eq!((line.used, line.free), (3, 7));
    runner.kill9();
    server.end().await;
}

// ---- roles

async fn a_runner_alone_ends_what_a_gate_alone_serves(database: Database) {
    let server = Server::start_with(database, &[("role", "gate"), OFTEN]).await;
    let client = server.client();
    assert_eq!(client.get("/graphql").await.status, 404, "a gate alone has no API");
    let carve = Carve::of("acme-shop", "brief").line(GENERATE, 5).until(ahead(Duration::from_millis(500)));
    let card = client.carve(&carve).await.id().to_owned();
    let call = Call::on(&card).uses(GENERATE, 1);
    eventually("its time is over", async || (!client.consume(&call).await.allowed()).then_some(())).await;
    let ended = "SELECT count(*) FROM allocations WHERE state <> 'active'";
    assert_eq!(number(&server, ended).await, 0, "a gate ends nothing by itself");

    let mut runner = server.beside("worker");
    let alone = client_of(runner.up().await, &server.shop.gate_key);
    eventually("the runner ends it", async || (number(&server, ended).await == 1).then_some(())).await;
    assert_eq!(alone.get("/readyz").await.status, 200);
    assert_eq!(alone.get("/healthz").await.status, 200);
    for path in ["/graphql", "/v1/entitlements?customer=acme-shop"] {
        assert_eq!(alone.get(path).await.status, 404, "a runner alone answers nobody: {path}");
    }
    runner.kill9();
    server.end().await;
}

async fn everybody_sees_how_the_work_stands(database: Database) {
    let server = Server::start_with(database, &[OFTEN]).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    let query = "{ queues { name waiting running failed done oldestAgeS } \
        schedules { name periodMs nextAt successAgeS runs failures lastError } }";
    let seen = async |client: &Client| {
        eventually("the sweep ran a few times", async || {
            let seen = data(client, query).await;
            let sweep = seen["schedules"].as_array()?.iter().find(|one| one["name"] == "sweep")?.clone();
            let chores = seen["queues"].as_array()?.iter().find(|one| one["name"] == "chores")?.clone();
            let enough = sweep["runs"].as_u64() >= Some(3) && chores["done"].as_u64() >= Some(3);
            enough.then_some((seen.clone(), sweep))
        })
        .await
    };
    let (all, sweep) = seen(&staff).await;
    assert_eq!((&sweep["periodMs"], &sweep["failures"], &sweep["lastError"]), (&json!(100), &json!(0), &Value::Null));
    assert!(sweep["successAgeS"].as_u64().is_some_and(|age| age < 30), "{sweep}");
    let names: Vec<&Value> = all["queues"].as_array().expect("a list").iter().map(|queue| &queue["name"]).collect();
    assert_eq!(names, ["chores", "deliver"], "{all}");

    // An API without a gate or a runner of its own tells the same.
    let mut api = server.beside("api");
    let elsewhere = client_of(api.up().await, &server.shop.operator_key);
    seen(&elsewhere).await;
    let issue =
        "mutation { issueKey(input: { kind: CUSTOMER, name: \"x\", customer: \"acme-shop\" }) { issued { secret } } }";
    let secret = data(&staff, issue).await["issueKey"]["issued"]["secret"].as_str().expect("a key").to_owned();
    for field in ["queues { name }", "schedules { name }"] {
        let body = ask(&staff.with_key(&secret), &format!("{{ {field} }}")).await;
        assert_eq!(body["errors"][0]["extensions"]["code"], "FORBIDDEN", "{field} by a customer: {body}");
    }
    api.kill9();

    let shown = [
        "almoner_queue_tasks{queue=\"chores\",state=\"done\"}",
        "almoner_queue_oldest_age_seconds{queue=\"chores\"}",
        "almoner_schedule_success_age_seconds{schedule=\"sweep\"}",
        "almoner_schedule_failures{schedule=\"sweep\"}",
    ];
    let mut runner = server.beside("worker");
    let alone = client_of(runner.up().await, &server.shop.gate_key);
    for client in [&server.client(), &alone] {
        eventually("the meters show it", async || {
            let text = client.get("/metrics").await.text();
            shown.iter().all(|line| text.contains(line)).then_some(())
        })
        .await;
    }
    runner.kill9();
    server.end().await;
}
