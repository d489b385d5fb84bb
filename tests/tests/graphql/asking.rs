//! A console, as it talks to the API.

use almoner_tests::{Client, Reply};
use serde_json::{Value, json};

/// Asks, and answers the whole response.
pub(crate) async fn ask(client: &Client, query: &str, variables: Value) -> Reply {
    client.post("/graphql", &json!({ "query": query, "variables": variables })).await
}

/// Asks what has an answer, and answers the data.
pub(crate) async fn data(client: &Client, query: &str, variables: Value) -> Value {
    let reply = ask(client, query, variables).await;
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_else(|why| panic!("{why}: {}", reply.text()));
    assert!(reply.status == 200 && body.get("errors").is_none(), "{query}: {}", reply.text());
    body["data"].clone()
}

/// Asks for one mutation, and answers its payload, which must have no refusals.
pub(crate) async fn done(client: &Client, name: &str, query: &str, variables: Value) -> Value {
    let payload = data(client, query, variables).await[name].clone();
    assert_eq!(payload["refusals"], json!([]), "{name}");
    payload
}
