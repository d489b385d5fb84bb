//! Usage told afterwards, as CloudEvents in the three modes of their HTTP binding: counted once, and nothing is debited.

use almoner_tests::client::Raw;
use almoner_tests::wait::{ahead, now};
use almoner_tests::{Call, Carve, Client, Database, Reply, Server, on_each_database};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const GENERATE: &str = "image.generate";

on_each_database! {
    events_come_in_three_modes_and_are_counted_once;
    telling_of_usage_debits_nothing;
    a_batch_with_a_mistake_counts_nothing;
    what_was_told_is_known_over_a_kill;
}

fn event(id: &str) -> Value {
    json!({
        "specversion": "1.0", "type": "com.example.image.made", "source": "/shop/renderer", "id": id,
        "time": now().to_string(), "subject": "acme-shop", "datacontenttype": "application/json", "traceparent": "00-an-extension",
        "data": { "uses": [{ "feature": GENERATE, "amount": 2 }], "dimensions": { "tool": "render" } },
    })
}

async fn send(client: &Client, headers: &[(&str, &str)], body: &Value) -> Reply {
    let mut all = vec![client.authorization()];
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let raw =
        Raw { method: Method::POST, path: "/v1/events".to_owned(), headers: all, body: body.to_string().into_bytes() };
    client.raw(raw).await.expect("an answer")
}

async fn structured(client: &Client, event: &Value) -> Reply {
    send(client, &[("content-type", "application/cloudevents+json; charset=utf-8")], event).await
}

async fn batched(client: &Client, events: &[Value]) -> Reply {
    send(client, &[("content-type", "application/cloudevents-batch+json")], &json!(events)).await
}

async fn binary(client: &Client, event: &Value) -> Reply {
    let attribute = |name: &str| event[name].as_str().expect("a text").to_owned();
    let (id, source, kind, subject) = (attribute("id"), attribute("source"), attribute("type"), attribute("subject"));
    let headers = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", &*id),
        ("ce-source", &*source),
        ("ce-type", &*kind),
        ("ce-subject", &*subject),
    ];
    send(client, &headers, &event["data"]).await
}

/// What became of the events: accepted now, and known before.
fn counted(reply: &Reply) -> (u64, u64) {
    assert_eq!(reply.status, 202, "{}", reply.text());
    let body = reply.json();
    let count = |name: &str| body[name].as_u64().expect("a count");
    (count("accepted"), count("duplicates"))
}

async fn events_come_in_three_modes_and_are_counted_once(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    assert_eq!(counted(&structured(&client, &event("a")).await), (1, 0));
    assert_eq!(counted(&binary(&client, &event("b")).await), (1, 0));
    assert_eq!(
        counted(&batched(&client, &[event("c"), event("d"), event("c")]).await),
        (2, 1),
        "once within a batch as well"
    );
    assert_eq!(counted(&batched(&client, &[]).await), (0, 0));

    // Known by source and id, in whatever mode and with whatever it says.
    assert_eq!(counted(&binary(&client, &event("a")).await), (0, 1));
    let mut other = event("a");
    other["data"]["uses"][0]["amount"] = 7.into();
    assert_eq!(counted(&structured(&client, &other).await), (0, 1));
    other["source"] = "/shop/another".into();
    assert_eq!(counted(&structured(&client, &other).await), (1, 0), "another source is another event");
    assert_eq!(counted(&batched(&client, &["a", "b", "c", "d", "e"].map(event)).await), (1, 4));

    let at_once = join_all((0..50).map(|_| async { counted(&structured(&client, &event("at-once")).await) })).await;
    assert_eq!(at_once.iter().map(|(accepted, _)| accepted).sum::<u64>(), 1);
    let stranger = client.with_key(&server.other.gate_key);
    assert_eq!(counted(&structured(&stranger, &event("a")).await), (1, 0), "another tenant's events are its own");
    server.end().await;
}

async fn telling_of_usage_debits_nothing(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = client
        .carve(&Carve::of_user("acme-shop", "ada", "told").line(GENERATE, 3).until(ahead(Duration::from_secs(600))))
        .await;
    let before = (client.month("acme-shop").await, client.statement(card.id()).await);
    let mut on_card = event("card");
    on_card["data"]["allocation"] = card.id().into();
    let mut on_user = event("user");
    on_user["data"]["subject"] = json!({ "customer": "acme-shop", "user": "ada" });
    let mut beyond = event("beyond");
    beyond["data"]["uses"][0]["amount"] = 1_000_000.into();
    assert_eq!(counted(&batched(&client, &[event("month"), on_card, on_user, beyond]).await), (4, 0));
    assert_eq!((client.month("acme-shop").await, client.statement(card.id()).await), before);
    assert!(client.consume(&Call::on(card.id()).uses(GENERATE, 3)).await.allowed(), "all of it is there");
    server.end().await;
}

async fn a_batch_with_a_mistake_counts_nothing(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let mut wrong = event("wrong");
    wrong["data"]["uses"][0]["feature"] = "image.nothing".into();
    let refused = batched(&client, &[event("x"), event("y"), wrong]).await;
    assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!("/2/data/uses/0/feature")));
    assert_eq!(counted(&batched(&client, &[event("x"), event("y")]).await), (2, 0));
    server.end().await;
}

async fn what_was_told_is_known_over_a_kill(database: Database) {
    let mut server = Server::start(database).await;
    let client = server.client();
    let events: Vec<_> = (0..100).map(|number| event(&number.to_string())).collect();
    assert_eq!(counted(&batched(&client, &events).await), (100, 0));
    server.restart().await;
    assert_eq!(counted(&batched(&client, &events).await), (0, 100));
    server.stop().await;
    server.restart().await;
    assert_eq!(counted(&batched(&client, &events).await), (0, 100));
    server.end().await;
}
