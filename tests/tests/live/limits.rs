//! What is not let in: other pages, other keys, other protocols, and documents that cost more than they are worth.

use crate::scene::{BALANCE, Scene};
use almoner_tests::follow::{Events, Heard, Opening, Socket};
use almoner_tests::{Client, Database, Server};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

/// Opens a socket, says this first, and answers how it ends.
async fn said_first(client: &Client, first: Option<Message>) -> (u16, String) {
    let mut socket = Socket::open(client, Opening::default()).await.expect("a handshake");
    if let Some(first) = first {
        socket.send(first).await;
    }
    match socket.heard().await {
        Heard::Closed(code, reason) => (code, reason),
        other => panic!("not closed: {other:?}"),
    }
}

fn init(authorization: &str) -> Message {
    Message::text(json!({ "type": "connection_init", "payload": { "authorization": authorization } }).to_string())
}

pub(crate) async fn nobody_follows_without_a_good_key(database: Database) {
    let scene = Scene::set(Server::start(database).await).await;
    let staff = &scene.staff;
    let variables = || json!({ "id": scene.card });
    let by = |client: &Client| init(&client.authorization().1);
    assert_eq!(said_first(staff, Some(init("Bearer alm_live_operator_x"))).await.0, 4401, "nobody's key");
    assert_eq!(said_first(staff, Some(init("nothing"))).await.0, 4401, "no key");
    assert_eq!(said_first(staff, Some(Message::text("{\"type\":\"connection_init\"}"))).await.0, 4401, "none at all");
    assert_eq!(said_first(staff, Some(by(&scene.gate))).await.0, 4403, "a gate's key");
    assert_eq!(said_first(staff, None).await.0, 4408, "not a word");
    assert_eq!(said_first(staff, Some(Message::text("{}"))).await.0, 4400, "no message of the protocol");
    assert_eq!(said_first(staff, Some(Message::binary(vec![0u8; 8]))).await.0, 4400, "no text");
    let subscribe =
        json!({ "id": "a", "type": "subscribe", "payload": { "query": BALANCE, "variables": variables() } });
    assert_eq!(said_first(staff, Some(Message::text(subscribe.to_string()))).await.0, 4401, "before it says who it is");
    assert_eq!(Events::open(&scene.gate, BALANCE, variables()).await.expect_err("refused"), 403);
    assert_eq!(Events::open(&staff.with_key("x"), BALANCE, variables()).await.expect_err("refused"), 401);

    let open = async |headers: Vec<(&'static str, String)>| {
        Socket::open(staff, Opening { headers, ..Opening::default() }).await.map(drop)
    };
    assert_eq!(open(vec![("origin", "https://elsewhere.example".to_owned())]).await, Err(403), "another site's page");
    assert_eq!(open(vec![("origin", "null".to_owned())]).await, Err(403), "a page of no site");
    assert_eq!(open(vec![("sec-websocket-protocol", "graphql-ws".to_owned())]).await, Err(400), "an old protocol");
    let own = staff.address().await.expect("an address");
    assert_eq!(open(vec![("origin", own)]).await, Ok(()), "our own page");

    // The header does as well as the payload.
    let headers = vec![("authorization", staff.authorization().1)];
    let mut socket = Socket::open(staff, Opening { headers, ..Opening::default() }).await.expect("a handshake");
    socket.say(json!({ "type": "connection_init" })).await;
    socket.send(Message::text("{\"type\":\"ping\"}")).await;
    socket.say(json!({ "type": "connection_init" })).await;
    assert!(matches!(within_ack(&mut socket).await, Heard::Closed(4429, _)), "once is enough");
    scene.server.end().await;
}

/// What comes after the acknowledgement.
async fn within_ack(socket: &mut Socket) -> Heard {
    socket.acknowledged().await;
    socket.heard().await
}

fn documents() -> Vec<(&'static str, String)> {
    let many = |count: usize, each: &dyn Fn(usize) -> String| (0..count).map(each).collect::<String>();
    let follow = |inner: &str| format!("subscription {{ decisions {{ decisions {{ {inner} }} }} }}");
    vec![
        ("a thousand aliases", follow(&many(1_000, &|n| format!("a{n}: id ")))),
        ("forty aliases", follow(&many(40, &|n| format!("a{n}: id ")))),
        ("ten directives", follow(&format!("id {}", many(10, &|_| "@skip(if: false) ".to_owned())))),
        ("field duplication", follow(&"id ".repeat(5_000))),
        (
            "depth 20",
            format!(
                "subscription {{ allocationBalance(id: \"x\") {{ allocation {}id{} }} }}",
                "{ parent ".repeat(20),
                " }".repeat(20)
            ),
        ),
        (
            "pages within updates",
            "subscription { allocationBalance(id: \"x\") { allocation { children(first: 100) { edges { node { \
             decisions(first: 100) { edges { node { id } } } } } } } } }"
                .to_owned(),
        ),
        (
            "circular fragments",
            format!("{} fragment A on Decision {{ ...B }} fragment B on Decision {{ ...A }}", follow("...A")),
        ),
        ("no end", "subscription { decisions { cursor }".to_owned()),
        ("no document", String::new()),
        ("a query", "{ plans { edges { cursor } } }".to_owned()),
        ("a mutation", "mutation { revokeKey(id: \"x\") { id } }".to_owned()),
        ("no such field", "subscription { everything { id } }".to_owned()),
        ("the schema", "subscription { __schema { types { name } } }".to_owned()),
    ]
}

pub(crate) async fn hostile_streams_are_refused(database: Database) {
    let scene = Scene::set(Server::start(database).await).await;
    let mut socket = Socket::admitted(&scene.staff).await;
    for (what, document) in documents() {
        socket.subscribe("x", &document, json!({})).await;
        let heard = socket.heard().await;
        assert!(matches!(&heard, Heard::Next(value) if !value["errors"].is_null()), "{what}: {heard:?}");
        assert_eq!(socket.heard().await, Heard::Complete, "{what}");
        match Events::open(&scene.staff, &document, json!({})).await {
            Ok(mut events) => {
                let heard = events.heard().await;
                assert!(matches!(&heard, Heard::Next(value) if !value["errors"].is_null()), "{what}: {heard:?}");
                assert_eq!(events.heard().await, Heard::Complete, "{what}");
            }
            Err(status) => assert_eq!(status, 400, "{what}"),
        }
    }
    // A connection carries so many and no more; one that is completed makes room.
    for n in 0..16 {
        socket.subscribe(&n.to_string(), BALANCE, json!({ "id": scene.card })).await;
        socket.heard().await.data();
    }
    socket.subscribe("more", BALANCE, json!({ "id": scene.card })).await;
    assert_eq!(socket.heard().await.code(), "TOO_MANY_SUBSCRIPTIONS");
    assert_eq!(socket.heard().await, Heard::Complete);
    socket.say(json!({ "id": "3", "type": "complete" })).await;
    assert_eq!(socket.heard().await, Heard::Complete);
    socket.subscribe("room", BALANCE, json!({ "id": scene.card })).await;
    socket.heard().await.data();
    // What is larger than any document ends the connection.
    socket.subscribe("x", &"x".repeat(1024 * 1024), json!({})).await;
    assert!(matches!(socket.heard().await, Heard::Closed(..)), "a megabyte");
    scene.server.end().await;
}
