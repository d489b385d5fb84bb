//! Balances: each change is seen, soon, and not more often than is of use.

use crate::asking::data;
use crate::scene::{BALANCE, Scene, used};
use almoner_tests::follow::{Events, Heard, Socket};
use almoner_tests::wait::{Stopwatch, within};
use almoner_tests::{Call, Carve, Client, Database, Server};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Decisions of one batch; one batch every ten milliseconds makes a thousand a second.
const BATCH: i64 = 10;
/// How often a batch is sent.
const BEAT: Duration = Duration::from_millis(10);
/// How long the load lasts.
const SPAN: Duration = Duration::from_secs(6);
/// What is promised on a machine that has nothing else to do, printed; and what is asserted on any.
const PROMISED: Duration = Duration::from_millis(200);
const ANYWHERE: Duration = Duration::from_secs(2);

/// For each batch that was answered: when, and how much was used by then.
type Answered = Arc<Mutex<Vec<(Duration, i64)>>>;

async fn load(gate: Client, card: String, watch: Stopwatch, answered: Answered) {
    let one = json!({ "op": "consume", "allocation": card, "uses": [{ "feature": "tokens", "amount": 1 }] });
    let batch = json!({ "operations": vec![one; BATCH as usize] });
    let mut beats = tokio::time::interval(BEAT);
    while watch.elapsed() < SPAN {
        beats.tick().await;
        let reply = gate.post("/v1/batch", &batch).await;
        let answers = reply.json()["answers"].clone();
        let allowed = answers.as_array().into_iter().flatten().filter(|one| one["decision"] == "allow").count();
        assert_eq!(allowed as i64, BATCH, "{}", reply.text());
        let mut answered = answered.lock().expect("a list");
        let so_far = answered.last().map_or(0, |(_, used)| *used);
        answered.push((watch.elapsed(), so_far + BATCH));
    }
}

pub(crate) async fn a_balance_is_seen_as_it_changes_under_load(database: Database) {
    let scene = Scene::set(Server::start(database).await).await;
    let mut socket = Socket::admitted(&scene.staff).await;
    socket.subscribe("a", BALANCE, json!({ "id": scene.card })).await;
    let mut events = Events::open(&scene.staff, BALANCE, json!({ "id": scene.card })).await.expect("a stream");
    assert_eq!(used(socket.heard().await.data()), 0, "first the present state");
    assert_eq!(used(events.heard().await.data()), 0);

    let watch = Stopwatch::start();
    let answered = Answered::default();
    let loading = tokio::spawn(load(scene.gate.clone(), scene.card.clone(), watch, answered.clone()));
    let goal = Arc::new(AtomicI64::new(i64::MAX));
    let wanted = goal.clone();
    let beside =
        tokio::spawn(async move { while used(events.heard().await.data()) != wanted.load(Ordering::Acquire) {} });
    let mut seen: Vec<(Duration, i64)> = Vec::new();
    loop {
        let update = socket.heard().await;
        seen.push((watch.elapsed(), used(update.data())));
        let total = answered.lock().expect("a list").last().map_or(0, |(_, used)| *used);
        if loading.is_finished() && seen.last().is_some_and(|(_, used)| *used == total) {
            break;
        }
    }
    loading.await.expect("a load that was answered");
    let answered = answered.lock().expect("a list").clone();
    let total = answered.last().map_or(0, |(_, used)| *used);
    // One more, so that the other stream has something to hear once it knows what for.
    goal.store(total + 1, Ordering::Release);
    assert!(scene.gate.consume(&Call::on(&scene.card).uses("tokens", 1)).await.allowed());
    within("the last state at the other stream", beside).await.expect("a stream");
    report(&answered, &seen, database);
    scene.server.end().await;
}

#[expect(clippy::print_stdout, reason = "the figures are for whoever reads the run")]
fn report(answered: &[(Duration, i64)], seen: &[(Duration, i64)], database: Database) {
    let mut waits: Vec<Duration> = answered
        .iter()
        .map(|(at, used)| {
            let first = seen.iter().find(|(_, seen)| seen >= used).expect("each change is seen");
            first.0.saturating_sub(*at)
        })
        .collect();
    waits.sort();
    let in_time = waits.iter().filter(|wait| **wait <= PROMISED).count() * 100 / waits.len();
    let rate = answered.last().map_or(0.0, |(at, used)| *used as f64 / at.as_secs_f64());
    let at = |percent: usize| waits[(waits.len() - 1) * percent / 100];
    println!(
        "{database:?}: {rate:.0} decisions/s, {} updates; seen within {PROMISED:?}: {in_time} %; p50 {:?}, p99 {:?}, last {:?}",
        seen.len(),
        at(50),
        at(99),
        at(100)
    );
    assert!(at(100) <= ANYWHERE, "a change was seen after {:?}", at(100));
    let span = seen.last().map_or(Duration::ZERO, |(at, _)| *at);
    assert!(seen.len() as f64 <= span.as_secs_f64() * 10.0 + 2.0, "{} updates in {span:?}", seen.len());
}

pub(crate) async fn an_end_is_seen_and_is_the_last(database: Database) {
    let scene = Scene::set(Server::start(database).await).await;
    let mut socket = Socket::admitted(&scene.staff).await;
    socket.subscribe("a", BALANCE, json!({ "id": scene.card })).await;
    assert_eq!(socket.heard().await.data()["allocationBalance"]["allocation"]["state"], "ACTIVE");
    assert!(scene.gate.consume(&Call::on(&scene.card).uses("tokens", 3)).await.allowed());
    scene.gate.close(&scene.card).await;
    let mut last = Value::Null;
    loop {
        match socket.heard().await {
            Heard::Next(update) => last = update["data"].clone(),
            Heard::Complete => break,
            Heard::Closed(code, reason) => panic!("closed with {code}: {reason}"),
        }
    }
    assert_eq!(last["allocationBalance"]["allocation"]["state"], "CLOSED", "{last}");
    assert_eq!(used(&last), 3);
    // Whoever comes later sees it as it ended.
    socket.subscribe("b", BALANCE, json!({ "id": scene.card })).await;
    assert_eq!(socket.heard().await.data()["allocationBalance"]["allocation"]["state"], "CLOSED");
    assert_eq!(socket.heard().await, Heard::Complete);
    scene.server.end().await;
}

pub(crate) async fn quotas_are_followed(database: Database) {
    let scene = Scene::set(Server::start(database).await).await;
    let query = "subscription { entitlementBalances(customer: \"mill\", user: \"una\") { cursor entitlements { \
        feature { key } isOwnShare resetsAt balance { granted free carved used } } } }";
    let (_, una) = scene.customer_key("customer: \"mill\", user: \"una\"").await;
    let mut events = Events::open(&una, query, json!({})).await.expect("a stream");
    let balance = |update: &Value| update["entitlementBalances"]["entitlements"][0].clone();
    let first = balance(events.heard().await.data());
    assert_eq!((&first["feature"]["key"], &first["isOwnShare"]), (&json!("tokens"), &json!(false)));
    assert_eq!(first["balance"]["carved"], "1000000");
    assert!(first["resetsAt"].is_string());

    let until = async |events: &mut Events, what: &dyn Fn(&Value) -> bool| {
        within("an update", async {
            loop {
                let one = balance(events.heard().await.data());
                if what(&one) {
                    return;
                }
            }
        })
        .await;
    };
    assert!(scene.gate.consume(&Call::of_user("mill", "una").uses("tokens", 7)).await.allowed());
    until(&mut events, &|one| one["balance"]["used"] == "7").await;
    scene.gate.carve(&Carve::of_user("mill", "una", "more").line("tokens", 500)).await;
    until(&mut events, &|one| one["balance"]["carved"] == "1000500").await;
    // A share of their own takes the place of the customer's quota.
    let share = "mutation { setAsideShare(input: { customer: \"mill\", user: \"una\", feature: \"tokens\", amount: \"50\" }) \
        { refusals { message } } }";
    assert_eq!(data(&scene.staff, share, json!({})).await["setAsideShare"]["refusals"], json!([]));
    until(&mut events, &|one| one["isOwnShare"] == true && one["balance"]["granted"] == "50").await;
    scene.server.end().await;
}
