//! Pages: every entry once, in order, whichever way one goes.

use crate::asking::{ask, data};
use almoner_tests::{Carve, Database, Server};
use serde_json::{Value, json};

const CARDS: usize = 23;
const PAGE: &str = "query($first: Int, $after: String, $last: Int, $before: String) {
    allocations(first: $first, after: $after, last: $last, before: $before) {
        edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

pub(crate) async fn pages_tile_a_list_in_both_directions(database: Database) {
    let server = Server::start(database).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    let mut cards = Vec::new();
    for number in 0..CARDS {
        let carve = Carve::of_user("acme-shop", "ada", &format!("page-{number}")).line("image.generate", 1);
        cards.push(server.client().carve(&carve).await.id().to_owned());
    }
    cards.reverse();

    let forward = walk(&staff, "first", "after", "endCursor", "hasNextPage").await;
    assert_eq!(forward, cards, "newest first");
    let mut pages = walk(&staff, "last", "before", "startCursor", "hasPreviousPage").await;
    pages.sort();
    cards.sort();
    assert_eq!(pages, cards, "each once");

    for (variables, code) in [
        (json!({ "first": 1, "last": 1 }), "INVALID_PAGE"),
        (json!({ "first": 101 }), "INVALID_PAGE"),
        (json!({ "after": "somewhere" }), "INVALID_CURSOR"),
    ] {
        let body: Value = serde_json::from_slice(&ask(&staff, PAGE, variables).await.body).expect("JSON");
        assert_eq!(body["errors"][0]["extensions"]["code"], code, "{body}");
    }
    server.end().await;
}

async fn walk(staff: &almoner_tests::Client, count: &str, bound: &str, cursor: &str, more: &str) -> Vec<String> {
    let (mut seen, mut at) = (Vec::new(), Value::Null);
    loop {
        let list = data(staff, PAGE, json!({ count: 5, bound: at })).await["allocations"].clone();
        let edges = list["edges"].as_array().expect("edges").clone();
        assert!(edges.len() <= 5);
        seen.extend(edges.iter().map(|edge| edge["node"]["id"].as_str().expect("an id").to_owned()));
        if list["pageInfo"][more] != true {
            return seen;
        }
        at = list["pageInfo"][cursor].clone();
    }
}
