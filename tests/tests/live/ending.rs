//! Streams end with the right to them, and with the server.

use crate::asking::data;
use crate::scene::{BALANCE, Scene};
use almoner_tests::follow::{Events, Heard, Socket};
use almoner_tests::wait::{Stopwatch, within};
use almoner_tests::{Database, Server};
use serde_json::json;
use std::time::Duration;

pub(crate) async fn a_key_that_changes_ends_its_streams(database: Database) {
    let scene = Scene::set(Server::start(database).await).await;
    let (program_key, program) = scene.customer_key("customer: \"mill\"").await;
    let (_, una) = scene.customer_key("customer: \"mill\", user: \"una\"").await;
    let mut by_socket = Socket::admitted(&program).await;
    by_socket.subscribe("a", BALANCE, json!({ "id": scene.card })).await;
    by_socket.heard().await.data();
    let mut by_events = Events::open(&program, BALANCE, json!({ "id": scene.card })).await.expect("a stream");
    by_events.heard().await.data();
    let mut of_una = Socket::admitted(&una).await;
    of_una.subscribe("a", BALANCE, json!({ "id": scene.card })).await;
    of_una.heard().await.data();

    let revoke = "mutation($id: ID!) { revokeKey(id: $id) { refusals { message } } }";
    assert_eq!(data(&scene.staff, revoke, json!({ "id": program_key })).await["revokeKey"]["refusals"], json!([]));
    assert!(matches!(by_socket.heard().await, Heard::Closed(4403, _)), "the socket's key is revoked");
    let told = by_events.heard().await;
    assert_eq!(told.code(), "UNAUTHORIZED", "{told:?}");
    assert_eq!(by_events.heard().await, Heard::Complete);

    // Una's own goes on until she becomes somebody else.
    let role =
        "mutation { changeRole(input: { customer: \"mill\", user: \"una\", role: VIEWER }) { refusals { message } } }";
    assert_eq!(data(&scene.staff, role, json!({})).await["changeRole"]["refusals"], json!([]));
    assert!(matches!(of_una.heard().await, Heard::Closed(4403, _)), "her role has changed");
    scene.server.end().await;
}

pub(crate) async fn a_stop_ends_all_streams(database: Database) {
    let mut scene = Scene::set(Server::start(database).await).await;
    let mut socket = Socket::admitted(&scene.staff).await;
    socket.subscribe("a", BALANCE, json!({ "id": scene.card })).await;
    socket.heard().await.data();
    let mut events = Events::open(&scene.staff, BALANCE, json!({ "id": scene.card })).await.expect("a stream");
    events.heard().await.data();
    let watch = Stopwatch::start();
    scene.server.ask_to_stop();
    assert!(matches!(socket.heard().await, Heard::Closed(1001, _)), "going away");
    // Cut off without an event `complete`: so its client connects again.
    assert!(matches!(events.heard().await, Heard::Closed(..)));
    let status = within("the end of the process", scene.server.gone()).await;
    assert!(status.success());
    assert!(watch.elapsed() < Duration::from_secs(10), "open streams held the stop up for {:?}", watch.elapsed());
    scene.server.restart().await;
    scene.server.end().await;
}
