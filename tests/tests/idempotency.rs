//! A call that is asked again: one debit, one answer, byte for byte, whatever happens in between.

use almoner_tests::wait::ahead;
use almoner_tests::{Call, Carve, Client, Database, Reply, Server, eventually, on_each_database};
use futures::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

const GENERATE: &str = "image.generate";
const DESCRIBE: &str = "image.describe";

on_each_database! {
    asked_again_a_call_is_answered_byte_for_byte_and_debited_once;
    a_hundred_calls_at_once_with_one_key_are_one_debit;
    a_key_with_another_body_is_refused_and_costs_nothing;
    an_answer_outlives_the_process_that_gave_it;
    a_denial_is_an_answer_too;
    the_order_of_members_is_no_other_body;
}

async fn card(client: &Client, units: i64) -> String {
    let carve = Carve::of_user("acme-shop", "ada", "keys").line(GENERATE, units).line(DESCRIBE, units);
    client.carve(&carve.until(ahead(Duration::from_secs(3_600)))).await.id().to_owned()
}

/// Each kind of keyed request, with the status of its answer.
async fn keyed(client: &Client, card: &str) -> Vec<(String, Value, u16)> {
    let hold = client.reserve(&Call::on(card).uses(GENERATE, 2).ttl_s(900)).await.hold().to_owned();
    let release = client.reserve(&Call::on(card).uses(GENERATE, 2).ttl_s(900)).await.hold().to_owned();
    let both = Call::on(card).uses(GENERATE, 1).uses(DESCRIBE, 2).tool("render");
    let path = |path: &str| path.to_owned();
    vec![
        (path("/v1/consume"), both.key("consume").0, 200),
        (path("/v1/reserve"), Call::on(card).uses(GENERATE, 2).ttl_s(60).key("reserve").0, 200),
        (
            format!("/v1/holds/{hold}/commit"),
            json!({ "uses": [{ "feature": GENERATE, "amount": 1 }], "idempotency_key": "commit" }),
            200,
        ),
        (format!("/v1/holds/{release}/release"), json!({ "idempotency_key": "release" }), 200),
        (path("/v1/allocations"), Carve::from(card, "part").line(GENERATE, 1).key("carve").0, 201),
        (path("/v1/allocations"), Carve::of("bolt-store", "whole").line(GENERATE, 10).key("carve-whole").0, 201),
    ]
}

async fn first_answers(client: &Client, requests: &[(String, Value, u16)]) -> Vec<Reply> {
    let mut replies = Vec::new();
    for (path, body, status) in requests {
        let reply = client.post(path, body).await;
        assert_eq!((reply.status, reply.replayed()), (*status, false), "{path} {body}: {}", reply.text());
        replies.push(reply);
    }
    replies
}

async fn assert_again(client: &Client, requests: &[(String, Value, u16)], first: &[Reply]) {
    for ((path, body, status), first) in requests.iter().zip(first) {
        let again = client.post(path, body).await;
        assert_eq!((again.status, again.text()), (*status, first.text()), "{path} {body}");
        assert!(again.replayed(), "{path} {body} was answered anew");
        assert_eq!(again.header("content-type"), first.header("content-type"));
    }
}

async fn asked_again_a_call_is_answered_byte_for_byte_and_debited_once(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = card(&client, 20).await;
    let requests = keyed(&client, &card).await;
    let first = first_answers(&client, &requests).await;
    let (month, statement) = (client.month("acme-shop").await, client.statement(&card).await);
    for _ in 0..3 {
        assert_again(&client, &requests, &first).await;
    }
    assert_eq!((client.month("acme-shop").await, client.statement(&card).await), (month, statement));

    // What has happened since does not change what was answered then.
    client.close(&card).await;
    assert_again(&client, &requests, &first).await;
    server.end().await;
}

async fn a_hundred_calls_at_once_with_one_key_are_one_debit(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = card(&client, 20).await;
    let call = Call::on(&card).uses(GENERATE, 1).key("one");
    let carve = Carve::of("bolt-store", "one").line(GENERATE, 1).key("one-card");
    for (path, body) in [
        ("/v1/consume", &call.0),
        ("/v1/reserve", &Call::on(&card).uses(DESCRIBE, 1).key("one-hold").0),
        ("/v1/allocations", &carve.0),
    ] {
        let replies = join_all((0..100).map(|_| client.post(path, body))).await;
        assert!(replies.iter().all(|reply| reply.body == replies[0].body), "{path}: different answers");
        let anew = replies.iter().filter(|reply| !reply.replayed()).count();
        assert_eq!(anew, 1, "{path}: one is the first");
    }
    let statement = client.statement(&card).await;
    assert_eq!((statement.line(GENERATE).used, statement.line(DESCRIBE).held), (1, 1));
    assert_eq!(client.month("bolt-store").await.line(GENERATE).carved, 1);
    server.end().await;
}

async fn a_key_with_another_body_is_refused_and_costs_nothing(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = card(&client, 20).await;
    let requests = keyed(&client, &card).await;
    let first = first_answers(&client, &requests).await;
    let statement = client.statement(&card).await;
    let others = [
        ("/v1/consume", Call::on(&card).uses(GENERATE, 2).uses(DESCRIBE, 2).tool("render").key("consume").0),
        ("/v1/consume", Call::on(&card).uses(GENERATE, 1).uses(DESCRIBE, 2).tool("other").key("consume").0),
        ("/v1/reserve", Call::on(&card).uses(GENERATE, 1).uses(DESCRIBE, 2).tool("render").key("consume").0),
        ("/v1/reserve", Call::on(&card).uses(GENERATE, 2).ttl_s(61).key("reserve").0),
        ("/v1/allocations", Carve::from(&card, "part").line(GENERATE, 2).key("carve").0),
        ("/v1/allocations", Carve::from(&card, "another part").line(GENERATE, 1).key("carve").0),
    ];
    for (path, body) in others {
        let refused = client.post(path, &body).await;
        assert_eq!(refused.status, 422, "{path} {body}: {}", refused.text());
        assert_eq!(refused.json()["errors"][0]["pointer"], "/idempotency_key");
        assert_eq!(refused.json()["type"], "urn:almoner:problem:idempotency_key_reused");
    }
    assert_eq!(client.statement(&card).await, statement);
    assert_again(&client, &requests, &first).await;
    server.end().await;
}

async fn an_answer_outlives_the_process_that_gave_it(database: Database) {
    let mut server = Server::start(database).await;
    let client = server.client();
    let card = card(&client, 20).await;
    let requests = keyed(&client, &card).await;
    let first = first_answers(&client, &requests).await;
    // At once, before anything can have been told to the ledger; then after a graceful stop; then from the ledger alone.
    server.restart().await;
    assert_again(&client, &requests, &first).await;
    let statement = client.statement(&card).await;
    server.stop().await;
    server.restart().await;
    assert_again(&client, &requests, &first).await;
    server.restart().await;
    assert_again(&client, &requests, &first).await;
    assert_eq!(client.statement(&card).await, statement, "no unit more or less");
    let other = client.post("/v1/consume", &Call::on(&card).uses(GENERATE, 2).key("consume").0).await;
    assert_eq!(other.status, 422, "the body is remembered as well");
    server.end().await;
}

async fn a_denial_is_an_answer_too(database: Database) {
    let mut server = Server::start(database).await;
    let client = server.client();
    let card = card(&client, 2).await;
    let requests: Vec<_> = [
        Call::on(&card).uses(GENERATE, 3).key("exhausted"),
        Call::on(&card).uses("image.upload", 1).key("not-entitled"),
        Call::of_user("acme-shop", "nobody").uses(GENERATE, 1).key("unknown"),
    ]
    .into_iter()
    .map(|call| ("/v1/consume".to_owned(), call.0, 200))
    .collect();
    let first = first_answers(&client, &requests).await;
    assert!(first.iter().all(|reply| !reply.decision().allowed()));
    // Units come back, and the answer stays what it was; a new key is a new question.
    let bigger = client.carve(&Carve::of("acme-shop", "bigger").line(GENERATE, 3)).await;
    assert!(client.consume(&Call::on(bigger.id()).uses(GENERATE, 3)).await.allowed());
    assert_again(&client, &requests, &first).await;
    server.restart().await;
    assert_again(&client, &requests, &first).await;
    eventually("the ledger has the denials", async || Some(client.statement(&card).await)).await;
    server.stop().await;
    server.restart().await;
    assert_again(&client, &requests, &first).await;
    server.end().await;
}

async fn the_order_of_members_is_no_other_body(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = card(&client, 20).await;
    let texts = [
        format!(
            r#"{{"allocation":"{card}","uses":[{{"feature":"image.generate","amount":1}}],"dimensions":{{"tool":"a","model":"b"}},"idempotency_key":"k"}}"#
        ),
        format!(
            r#"{{ "idempotency_key": "k", "dimensions": {{ "model": "b", "tool": "a" }}, "uses": [ {{ "amount": "1", "feature": "image.generate" }} ], "allocation": "{card}" }}"#
        ),
        format!(
            r#"{{"allocation":"{card}","uses":[{{"feature":"image.generate","amount":1}}],"dimensions":{{"\u0074ool":"a","model":"b"}},"idempotency_key":"k","token":null}}"#
        ),
    ];
    let mut replies = Vec::new();
    for text in &texts {
        let headers = vec![client.authorization(), ("content-type".to_owned(), "application/json".to_owned())];
        let (path, body) = ("/v1/consume".to_owned(), text.clone().into_bytes());
        let raw = almoner_tests::client::Raw { method: reqwest::Method::POST, path, headers, body };
        replies.push(client.raw(raw).await.expect("an answer"));
    }
    assert!(replies[0].decision().allowed());
    for (text, reply) in texts.iter().zip(&replies).skip(1) {
        assert_eq!((reply.status, reply.text(), reply.replayed()), (200, replies[0].text(), true), "{text}");
    }
    assert_eq!(client.statement(&card).await.line(GENERATE).used, 1);
    server.end().await;
}
