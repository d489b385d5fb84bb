//! Documents that cost more to answer than to send.

use crate::asking::ask;
use almoner_tests::hostile::documents;
use almoner_tests::{Database, Server};
use serde_json::{Value, json};

pub(crate) async fn hostile_documents_are_refused_before_they_are_run(database: Database) {
    let server = Server::start(database).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    for (what, document) in documents() {
        let reply = ask(&staff, &document, json!({})).await;
        assert!(reply.status < 500, "{what}: {}", reply.text());
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_else(|why| panic!("{what}: {why}"));
        let refused =
            reply.status >= 400 || (body["data"].is_null() && !body["errors"].as_array().is_none_or(Vec::is_empty));
        assert!(refused, "{what} was answered: {}", &reply.text()[..reply.text().len().min(300)]);
    }
    let schema = ask(&staff, "{ __schema { types { name } } }", json!({})).await;
    assert_eq!(schema.text(), "{\"data\":{\"__schema\":null}}", "the schema is not for asking");
    let batch = Value::Array(vec![json!({ "query": "{ plans { edges { cursor } } }" }); 1_000]);
    assert_eq!(staff.post("/graphql", &batch).await.status, 400, "a batch");
    server.end().await;
}
