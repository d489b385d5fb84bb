//! Time in a quota, over the API and the gate: grants that begin and expire, what rolls over when a month turns, and what a plan allows
//! beyond it.

use almoner_tests::wait::ahead;
use almoner_tests::{Call, Client, Database, Server, eventually, on_each_database};
use serde_json::{Value, json};
use std::time::Duration;

const GENERATE: &str = "image.generate";
const OFTEN: (&str, &str) = ("worker.sweep_interval_ms", "100");

on_each_database! {
    a_grant_begins_and_expires_by_itself;
    a_month_turns_and_what_was_left_goes_on;
    terms_that_cannot_be_are_refused;
}

async fn issue(staff: &Client, input: Value) -> Value {
    let mutation = "mutation($input: IssueGrantInput!) { issueGrant(input: $input) {
        grant { id stage effectiveAt expiresAt } refusals { code path message } } }";
    staff.graphql(mutation, json!({ "input": input })).await["issueGrant"].clone()
}

fn promotion(amount: &str) -> Value {
    json!({ "customer": "acme-shop", "feature": GENERATE, "kind": "PROMOTION", "amount": amount })
}

async fn remaining(client: &Client, customer: &str) -> i64 {
    client.month(customer).await.remaining(GENERATE)
}

async fn a_grant_begins_and_expires_by_itself(database: Database) {
    let server = Server::start_with(database, &[OFTEN]).await;
    let (client, staff) = (server.client(), server.client().with_key(&server.shop.operator_key));
    let before = remaining(&client, "acme-shop").await;
    let mut input = promotion("250");
    (input["effectiveAt"], input["expiresAt"]) =
        (ahead(Duration::from_secs(2)).into(), ahead(Duration::from_secs(5)).into());
    let issued = issue(&staff, input).await;
    assert_eq!(issued["grant"]["stage"], "PENDING", "{issued}");
    assert_eq!(remaining(&client, "acme-shop").await, before);
    eventually("it begins", async || (remaining(&client, "acme-shop").await == before + 250).then_some(())).await;
    assert!(client.consume(&Call::of("acme-shop").uses(GENERATE, 100)).await.allowed(), "it burns first");
    eventually("it expires", async || (remaining(&client, "acme-shop").await == before).then_some(())).await;
    let read = "query($id: ID!) { node(id: $id) { ... on Grant { stage amount lapsed } } }";
    let grant = staff.graphql(read, json!({ "id": issued["grant"]["id"] })).await;
    assert_eq!(grant["node"], json!({ "stage": "EXPIRED", "amount": "250", "lapsed": "150" }));
    server.end().await;
}

/// A customer on a plan of its own whose month turns so soon.
async fn subscribe(staff: &Client, line: Value, turns_in: Duration) {
    let turn = ahead(turns_in);
    let year: i32 = turn[..4].parse().expect("a year");
    let anchor = format!("{}{}", year - 4, &turn[4..]);
    for (name, kind, input) in [
        ("createPlan", "CreatePlanInput", json!({ "externalId": "rolling", "name": "Rolling" })),
        ("publishPlan", "PublishPlanInput", json!({ "plan": "rolling", "lines": [line] })),
        ("addCustomer", "AddCustomerInput", json!({ "externalId": "turner", "name": "Turner" })),
        ("subscribe", "SubscribeInput", json!({ "customer": "turner", "plan": "rolling", "anchor": anchor })),
    ] {
        let mutation = format!("mutation($input: {kind}!) {{ {name}(input: $input) {{ refusals {{ message }} }} }}");
        let done = staff.graphql(&mutation, json!({ "input": input })).await;
        assert_eq!(done[name]["refusals"], json!([]), "{name}");
    }
}

async fn a_month_turns_and_what_was_left_goes_on(database: Database) {
    let server = Server::start_with(database, &[OFTEN]).await;
    let (client, staff) = (server.client(), server.client().with_key(&server.shop.operator_key));
    let line = json!({ "feature": GENERATE, "amount": "100", "period": "MONTH", "overage": "20",
        "rollover": { "maximum": "30", "expiresAfterDays": 90 } });
    subscribe(&staff, line, Duration::from_secs(5)).await;
    assert_eq!(remaining(&client, "turner").await, 120);
    assert!(client.consume(&Call::of("turner").uses(GENERATE, 60)).await.allowed());
    eventually("the month turns", async || (remaining(&client, "turner").await > 60).then_some(())).await;
    // Forty were left, of which thirty go on; what may be used beyond the quota does not.
    eventually("what was left goes on", async || (remaining(&client, "turner").await == 150).then_some(())).await;
    assert!(client.consume(&Call::of("turner").uses(GENERATE, 150)).await.allowed());
    assert_eq!(client.consume(&Call::of("turner").uses(GENERATE, 1)).await.reason(), "exhausted");
    let read = "query { customer(id: \"turner\") { entitlements { grants { grant { kind amount } burnt left } } } }";
    let told = staff.graphql(read, json!({})).await;
    let mut grants: Vec<String> = told["customer"]["entitlements"][0]["grants"]
        .as_array()
        .expect("grants")
        .iter()
        .map(|one| format!("{} {} {}", one["grant"]["kind"], one["grant"]["amount"], one["burnt"]).replace('"', ""))
        .collect();
    grants.sort();
    assert_eq!(grants, ["OVERAGE 20 20", "RENEWAL 100 100", "ROLLOVER 30 30"]);
    server.end().await;
}

async fn terms_that_cannot_be_are_refused(database: Database) {
    let server = Server::start(database).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    let (past, near, far) =
        ("2020-01-01T00:00:00Z".to_owned(), ahead(Duration::from_secs(60)), ahead(Duration::from_secs(400 * 86_400)));
    for (members, member) in [
        (json!({ "expiresAt": past }), "expiresAt"),
        (json!({ "effectiveAt": near, "expiresAt": near }), "expiresAt"),
        (json!({ "effectiveAt": far }), "effectiveAt"),
        (json!({ "effectiveAt": "tomorrow" }), "effectiveAt"),
    ] {
        let mut input = promotion("5");
        input.as_object_mut().expect("an object").extend(members.as_object().cloned().unwrap_or_default());
        let refused = issue(&staff, input).await;
        assert_eq!(refused["refusals"][0]["path"], json!([member]), "{refused}");
    }
    let mutation = "mutation($input: PublishPlanInput!) { publishPlan(input: $input) { refusals { path message } } }";
    for (members, path) in [
        (json!({ "rollover": { "maximum": "0" } }), json!(["lines", "0", "rollover", "maximum"])),
        (json!({ "rollover": { "minimum": "9", "maximum": "5" } }), json!(["lines", "0", "rollover", "minimum"])),
        (
            json!({ "rollover": { "maximum": "5", "expiresAfterDays": 0 } }),
            json!(["lines", "0", "rollover", "expiresAfterDays"]),
        ),
        (json!({ "overage": "-1" }), json!(["lines", "0", "overage"])),
        (json!({ "overage": "1.5" }), json!(["lines", "0", "overage"])),
    ] {
        let mut line = json!({ "feature": GENERATE, "amount": "10", "period": "MONTH" });
        line.as_object_mut().expect("an object").extend(members.as_object().cloned().unwrap_or_default());
        let refused = staff.graphql(mutation, json!({ "input": { "plan": "pro", "lines": [line] } })).await;
        assert_eq!(refused["publishPlan"]["refusals"][0]["path"], path, "{refused}");
    }
    let line = json!({ "feature": "image.background_removal", "overage": "5" });
    let refused = staff.graphql(mutation, json!({ "input": { "plan": "pro", "lines": [line] } })).await;
    assert_eq!(refused["publishPlan"]["refusals"][0]["path"], json!(["lines", "0", "amount"]), "{refused}");
    server.end().await;
}
