//! Decisions: all of them, at least once, whatever comes between; and nobody waits for who does not read.

use crate::scene::{BALANCE, Scene, used};
use almoner_tests::follow::{Heard, Opening, Socket};
use almoner_tests::wait::within;
use almoner_tests::{Call, Client, Database, Server};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const DECISIONS: &str = "subscription($filter: DecisionsFilter! = {}, $after: ID) { decisions(filter: $filter, after: $after) \
    { cursor decisions { id operation allowed agent { externalId } uses { feature { key } granted } } } }";

/// Takes so many decisions, each answered and so acknowledged.
async fn consume(gate: &Client, card: &str, count: usize) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for _ in 0..count {
        let decision = gate.consume(&Call::on(card).uses("tokens", 1)).await;
        assert!(decision.allowed());
        ids.insert(decision.0["decision_id"].as_str().unwrap_or_else(|| panic!("an id: {decision:?}")).to_owned());
    }
    ids
}

/// Hears until all of these have come. Answers the last cursor, and the ids in the order that they came in.
async fn hear_all(socket: &mut Socket, wanted: &BTreeSet<String>) -> (String, Vec<String>) {
    let (mut cursor, mut come) = (String::new(), Vec::new());
    while !wanted.iter().all(|id| come.contains(id)) {
        let update = socket.heard().await;
        let update = &update.data()["decisions"];
        let decisions = update["decisions"].as_array().expect("a list").clone();
        assert!(decisions.len() <= 200);
        come.extend(decisions.iter().map(|one| one["id"].as_str().expect("an id").to_owned()));
        cursor = update["cursor"].as_str().expect("a cursor").to_owned();
    }
    (cursor, come)
}

pub(crate) async fn decisions_are_resumed_and_none_is_missed(database: Database) {
    let mut scene = Scene::set(Server::start(database).await).await;
    let (gate, card) = (scene.gate.clone(), scene.card.clone());
    let mut socket = Socket::admitted(&scene.staff).await;
    let filter = json!({ "allocation": card });
    socket.subscribe("a", DECISIONS, json!({ "filter": filter })).await;
    let first = socket.heard().await;
    assert_eq!(first.data()["decisions"]["decisions"], json!([]), "the first says from where on");
    let begun = first.data()["decisions"]["cursor"].as_str().expect("a cursor").to_owned();

    let live = consume(&gate, &card, 40).await;
    let (cursor, come) = hear_all(&mut socket, &live).await;
    assert_eq!(come.len(), 40, "each once while nothing breaks");
    drop(socket);

    // While nobody follows, and just before the process dies without a word.
    let mut missed = consume(&gate, &card, 30).await;
    scene.server.kill9();
    scene.server.restart().await;
    missed.extend(consume(&gate, &card, 30).await);
    let mut socket = Socket::admitted(&scene.staff).await;
    socket.subscribe("b", DECISIONS, json!({ "filter": filter, "after": cursor })).await;
    hear_all(&mut socket, &missed).await;
    let after = consume(&gate, &card, 5).await;
    let (_, come) = hear_all(&mut socket, &after).await;
    assert_eq!(come.iter().filter(|id| after.contains(*id)).count(), 5, "what comes does not come twice: {come:?}");

    // From the very beginning, in pages.
    socket.subscribe("c", DECISIONS, json!({ "filter": filter, "after": begun })).await;
    let all: BTreeSet<String> = live.iter().chain(&missed).chain(&after).cloned().collect();
    let (_, come) = hear_all(&mut socket, &all).await;
    assert_eq!(come.len(), 105, "of this card there are no others");

    // Another filter, another stream.
    socket.say(json!({ "id": "b", "type": "complete" })).await;
    socket.say(json!({ "id": "c", "type": "complete" })).await;
    socket.subscribe("d", DECISIONS, json!({ "filter": { "allowed": false } })).await;
    let denied = gate.consume(&Call::on(&card).uses("image.upload", 1)).await;
    assert!(!denied.allowed());
    loop {
        let (id, heard) = socket.heard_of().await;
        if id != "d" {
            continue;
        }
        let decisions = heard.data()["decisions"]["decisions"].as_array().expect("a list").clone();
        if let Some(one) = decisions.first() {
            assert_eq!((decisions.len(), &one["allowed"]), (1, &json!(false)));
            break;
        }
    }
    scene.server.end().await;
}

/// Calls at once.
const ABREAST: usize = 8;
/// Calls of one batch, each with as much to say as a call may have.
const BATCH: usize = 25;

/// A call with some kilobytes of dimensions.
fn talkative(card: &str) -> Value {
    let said: serde_json::Map<String, Value> =
        (0..30).map(|n| (format!("note{n}"), Value::from("x".repeat(200)))).collect();
    json!({ "op": "consume", "allocation": card, "uses": [{ "feature": "tokens", "amount": 1 }], "dimensions": said })
}

async fn talk(gate: Client, card: String) {
    let batch = json!({ "operations": vec![talkative(&card); BATCH] });
    loop {
        let reply = gate.post("/v1/batch", &batch).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

/// A socket that follows all decisions with all that was said of them. What it has room for without being read is little.
async fn follower(client: &Client) -> Socket {
    let opening = Opening { receives: Some(65_536), ..Opening::default() };
    let mut socket = Socket::open(client, opening).await.expect("a handshake");
    socket.init(client).await;
    let query = "subscription { decisions { cursor decisions { id dimensions { name value } } } }";
    socket.subscribe("s", query, json!({})).await;
    assert_eq!(socket.heard().await.data()["decisions"]["decisions"], json!([]));
    socket
}

fn cursor_of(update: &Heard) -> String {
    update.data()["decisions"]["cursor"].as_str().expect("a cursor").to_owned()
}

pub(crate) async fn who_does_not_read_is_dropped_and_others_go_on(database: Database) {
    let scene = Scene::set(Server::start(database).await).await;
    let mut other = Socket::admitted(&scene.staff).await;
    other.subscribe("a", BALANCE, json!({ "id": scene.card })).await;
    assert_eq!(used(other.heard().await.data()), 0);
    let (mut slow, mut stalled) = (follower(&scene.staff).await, follower(&scene.staff).await);
    let talking: Vec<_> = (0..ABREAST).map(|_| tokio::spawn(talk(scene.gate.clone(), scene.card.clone()))).collect();
    // So much that it cannot all be waiting for them: 4,096 decisions here, some megabytes in the connection. Meanwhile one
    // takes a little now and then, and the other nothing.
    let mut latest = 0;
    let mut cursor = String::new();
    for least in (1_000..=9_000).step_by(1_000) {
        while latest < least {
            latest = used(other.heard().await.data());
        }
        cursor = cursor_of(&slow.heard().await);
    }
    talking.iter().for_each(tokio::task::JoinHandle::abort);
    let ended = loop {
        match slow.heard().await {
            Heard::Next(update) if update.get("errors").is_none() => cursor = cursor_of(&Heard::Next(update)),
            heard => break heard,
        }
    };
    assert_eq!(ended.code(), "TOO_SLOW", "{ended:?}");
    let Heard::Next(told) = ended else { unreachable!("it has a code") };
    assert_eq!(told["errors"][0]["extensions"]["cursor"], cursor.as_str(), "where to resume");
    assert_eq!(slow.heard().await, Heard::Complete);
    // Who takes nothing for ten seconds does not even hear why.
    let ended = loop {
        match stalled.heard().await {
            Heard::Next(update) if update.get("errors").is_none() => {}
            heard => break heard,
        }
    };
    assert!(ended.code() == "TOO_SLOW" || matches!(ended, Heard::Closed(..)), "{ended:?}");

    // The others go on, and so can it.
    assert!(scene.gate.consume(&Call::on(&scene.card).uses("tokens", 1)).await.allowed());
    assert!(used(within("the other", other.heard()).await.data()) >= latest);
    let mut again = Socket::admitted(&scene.staff).await;
    let resume = "subscription($after: ID) { decisions(after: $after) { cursor decisions { id } } }";
    again.subscribe("r", resume, json!({ "after": cursor })).await;
    let update = again.heard().await;
    assert!(!update.data()["decisions"]["decisions"].as_array().expect("a list").is_empty());
    scene.server.end().await;
}
