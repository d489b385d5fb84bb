//! The database refuses, hangs, or hears and does not answer: the gate serves what it holds, says `unavailable` for the rest,
//! comes back by itself, and loses no unit. A cable between server and database is pulled for that.

use almoner_tests::chance::seed;
use almoner_tests::proxy::{Cable, Proxy};
use almoner_tests::traffic::{Nerve, Record, Worker};
use almoner_tests::wait::Stopwatch;
use almoner_tests::{Call, Carve, Client, Database, Dice, Reply, Server, books, eventually, let_run};
use futures::future::join_all;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const GENERATE: &str = "image.generate";
const TOKENS: &str = "assistant.input_tokens";
/// Units of the card that is spent from.
const CARD: i64 = 4_000;
/// The longest that an answer from memory may take, on a busy machine. A database is waited for longer.
const FROM_MEMORY: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_refuses_the_gate_serves_what_it_holds() {
    Box::pin(serves_on_while(Cable::Cut)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_hangs_the_gate_serves_what_it_holds() {
    Box::pin(serves_on_while(Cable::Stuck)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_does_what_it_is_told_and_does_not_say_so_the_gate_serves_what_it_holds() {
    Box::pin(serves_on_while(Cable::Deaf)).await;
}

/// A server that reaches its PostgreSQL by a cable, and does not wait for it for long.
async fn cabled() -> (Server, Proxy) {
    let place = Database::Postgres.make().await;
    let url = place.setting().expect("a database that is elsewhere").to_owned();
    let proxy = Proxy::to(&url).await;
    let by_cable = proxy.url(&url);
    let settings = [
        ("database.url", &*by_cable),
        ("gate.lease_patience_ms", "400"),
        // So short that the key's trust runs out while the database is away.
        ("gate.credential_ttl_ms", "50"),
        ("http.shutdown_timeout_s", "5"),
    ];
    let mut server = Server::prepare(place, &settings);
    server.restart().await;
    (server, proxy)
}

async fn serves_on_while(cable: Cable) {
    let (server, proxy) = cabled().await;
    let client = server.client();
    let card = client.carve(&Carve::of_user("acme-shop", "ada", "warm").line(TOKENS, CARD)).await.id().to_owned();
    let cold = client.carve(&Carve::of("acme-shop", "cold").line(TOKENS, 10)).await.id().to_owned();
    let mut spent = 20;
    for _ in 0..spent {
        assert!(client.consume(&Call::on(&card).uses(TOKENS, 1)).await.allowed());
    }
    let held = client.reserve(&Call::on(&card).uses(TOKENS, 2).ttl_s(900)).await;
    proxy.set(cable);

    spent += spend_what_is_held(&client, &card).await;
    assert_eq!(
        client.commit(held.hold(), &[(TOKENS, 1)]).await.decision().granted(TOKENS),
        1,
        "a hold needs no database"
    );
    assert!(client.consume(&Call::on(&card).uses(TOKENS, 1)).await.allowed(), "what the commit gave back is there");
    spent += 2;
    let (more, unknown) = (Call::on(&card).uses(TOKENS, 9), Call::on(&cold).uses(TOKENS, 1));
    for reply in join_all((0..32).map(|_| client.post("/v1/consume", &more.0))).await {
        assert!(is_unavailable(&reply), "{}", reply.text());
    }
    assert!(is_unavailable(&client.post("/v1/consume", &unknown.0).await));
    assert!(is_unavailable(&client.post("/v1/reserve", &unknown.0).await));
    assert_rest_is_503(&client, &card).await;
    assert_eq!(client.get("/healthz").await.status, 200);

    proxy.set(Cable::Whole);
    let whole = Call::on(&cold).uses(TOKENS, 10);
    eventually("the gate comes back by itself", async || client.consume(&whole).await.allowed().then_some(())).await;
    let first = Call::on(&card).uses(TOKENS, 1).key(format!("{card}-0"));
    assert!(client.post("/v1/consume", &first.0).await.replayed(), "answers of the outage are remembered");
    let line = client.statement(&card).await.line(TOKENS);
    assert_eq!((line.used, line.held, line.free), (spent, 0, CARD - spent), "no unit is lost, none is found");
    assert!(client.consume(&Call::on(&card).uses(TOKENS, line.free)).await.allowed());
    server.end().await;
}

/// Spends one by one, without waiting for the database, until the gate cannot know any more; how many were allowed.
async fn spend_what_is_held(client: &Client, card: &str) -> i64 {
    let mut allowed = 0;
    loop {
        let (call, watch) = (Call::on(card).uses(TOKENS, 1).key(format!("{card}-{allowed}")), Stopwatch::start());
        let reply = client.post("/v1/consume", &call.0).await;
        if !reply.decision().allowed() {
            assert!(is_unavailable(&reply), "it cannot know that nothing is left: {}", reply.text());
            assert!(allowed > 0, "nothing was held after a warm-up");
            return allowed;
        }
        assert!(watch.elapsed() < FROM_MEMORY, "an answer from memory took {:?}", watch.elapsed());
        allowed += 1;
    }
}

/// A decision, and no 5xx: try again.
fn is_unavailable(reply: &Reply) -> bool {
    let decision = reply.decision();
    !decision.allowed() && decision.reason() == "unavailable" && decision.0["retry_after_s"].as_u64().is_some()
}

/// What is no decision says that it cannot be had now.
async fn assert_rest_is_503(client: &Client, card: &str) {
    let carve = Carve::of("acme-shop", "during").line(GENERATE, 1).0;
    let (none, statement) = (json!({}), format!("/v1/allocations/{card}"));
    let close = format!("{statement}/close");
    let (carved, closed) = (client.post("/v1/allocations", &carve), client.post(&close, &none));
    let (month, statement) = (client.get("/v1/entitlements?customer=acme-shop"), client.get(&statement));
    let (carved, closed, month, statement) = tokio::join!(carved, closed, month, statement);
    for reply in [carved, closed, month, statement] {
        assert_eq!((reply.status, reply.header("content-type")), (503, "application/problem+json"), "{}", reply.text());
        assert!(!reply.header("retry-after").is_empty(), "it says when to come again");
    }
}

const CLIENTS: u64 = 12;
const PULLS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cable_pulled_again_and_again_under_load_loses_no_unit() {
    let seed = seed();
    say(&format!("ALMONER_SEED={seed}"));
    let mut dice = Dice::new(seed);
    let (server, proxy) = cabled().await;
    let (record, stop) = (Arc::new(Record::default()), Arc::new(AtomicBool::new(false)));
    let workers = (0..CLIENTS).map(|number| {
        let (dice, name, stop) = (Dice::new(dice.roll()), format!("client-{number}"), stop.clone());
        let mut worker = Worker::new(server.client(), record.clone(), dice, Nerve::Stormy, name);
        tokio::spawn(async move {
            while !stop.load(Ordering::Acquire) {
                worker.act().await;
            }
            worker.finish().await;
        })
    });
    let workers: Vec<_> = workers.collect();
    for _ in 0..PULLS {
        let_run(Duration::from_millis(dice.between(100, 500))).await;
        for _ in 0..dice.between(1, 3) {
            proxy.set(*dice.pick(&[Cable::Cut, Cable::Stuck, Cable::Deaf]).expect("one of three"));
            let_run(Duration::from_millis(dice.between(20, 400))).await;
        }
        proxy.set(Cable::Whole);
    }
    stop.store(true, Ordering::Release);
    for worker in join_all(workers).await {
        worker.expect("a client's record was contradicted");
    }
    let client = server.client();
    record.resolve(&client).await;
    record.assert_remembered(&client, record.answered_since(0)).await;
    record.settle_up(&client).await;
    say(&record.counts().to_string());
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_without_the_database_ends_in_time_and_the_next_start_tells_the_rest() {
    let (mut server, proxy) = cabled().await;
    let client = server.client();
    let card = client.carve(&Carve::of("acme-shop", "stopped").line(TOKENS, CARD)).await.id().to_owned();
    for _ in 0..10 {
        assert!(client.consume(&Call::on(&card).uses(TOKENS, 1)).await.allowed());
    }
    proxy.set(Cable::Cut);
    assert!(client.consume(&Call::on(&card).uses(TOKENS, 1)).await.allowed());
    server.ask_to_stop();
    server.gone().await;

    let refused = almoner_tests::program::output(
        server.almoner(&["serve", "--listen", "127.0.0.1:0"]).args(server.set_arguments()),
    );
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && refused.stdout.is_empty(), "it does not serve without its database: {said}");
    assert!(said.lines().last().unwrap_or_default().contains("database"), "it says what is missing: {said}");

    proxy.set(Cable::Whole);
    server.restart().await;
    let line = client.statement(&card).await.line(TOKENS);
    assert_eq!((line.used, line.free), (11, CARD - 11));
    books::assert_sound(&books::open(&server.database_url()).await).await;
    server.end().await;
}

#[expect(clippy::print_stdout, reason = "what a failed run is told by")]
fn say(line: &str) {
    println!("{line}");
}
