//! Usage of the image shop's story: by agent, session, user and tool it is what the ledger charged; movements tell how.

use crate::asking::{ask, data};
use almoner_tests::{Call, Carve, Client, Database, Server, wait::eventually};
use serde_json::{Value, json};

const USAGE: &str = "query($input: UsageInput!) { usage(input: $input) { since until rows {
    start end calls denied units feature { key } user { externalId } agent { externalId } session { key } allocation { id }
    dimensions { name value isOther } } } }";

async fn rows(client: &Client, change: Value) -> Vec<Value> {
    let mut input = json!({ "feature": "image.generate" });
    for (name, value) in change.as_object().expect("members") {
        input[name] = value.clone();
    }
    let rows = data(client, USAGE, json!({ "input": input })).await["usage"]["rows"].clone();
    rows.as_array().expect("rows").clone()
}

fn told(rows: &[Value], key: impl Fn(&Value) -> Value) -> Vec<(String, String)> {
    let text = |value: Value| value.as_str().unwrap_or("nobody").to_owned();
    let mut told: Vec<_> = rows.iter().map(|row| (text(key(row)), text(row["units"].clone()))).collect();
    told.sort();
    told
}

pub(crate) async fn usage_is_what_the_ledger_charged(database: Database) {
    let server = Server::start(database).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    let gate = server.client();
    let card = async |user: &str, session: &str| {
        gate.carve(&Carve::of_user("acme-shop", user, session).line("image.generate", 10)).await.id().to_owned()
    };
    let (ada, ben) = (card("ada", "summer").await, card("ben", "winter").await);
    for (tool, units) in [("draw", 3), ("paint", 2)] {
        assert!(gate.consume(&Call::on(&ada).uses("image.generate", units).tool(tool)).await.allowed());
    }
    let again = Call::on(&ben).uses("image.generate", 4).tool("draw").key("once");
    assert!(gate.consume(&again).await.allowed() && gate.consume(&again).await.allowed(), "one call, told twice");
    assert!(!gate.consume(&Call::on(&ben).uses("image.generate", 100).tool("draw")).await.allowed());
    let held = gate.reserve(&Call::on(&ada).uses("image.generate", 4).tool("paint")).await;
    let released = gate.reserve(&Call::on(&ada).uses("image.generate", 1).tool("paint")).await;
    gate.commit(held.hold(), &[("image.generate", 1)]).await;
    gate.release(released.hold(), &json!({})).await;

    let all = eventually("the ledger has heard of all decisions", async || {
        let all = rows(&staff, json!({})).await;
        (all.first()?["units"] == "10" && all[0]["calls"] == 5).then_some(all)
    })
    .await;
    assert_eq!((&all[0]["denied"], all.len()), (&json!(1), 1), "{all:?}");
    let by = async |key: Value| rows(&staff, key).await;
    let users = by(json!({ "groupBy": ["USER"] })).await;
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(told(&users, |row| row["user"]["externalId"].clone()), [pair("ada", "6"), pair("ben", "4")]);
    let sessions = by(json!({ "groupBy": ["SESSION", "AGENT"] })).await;
    assert_eq!(told(&sessions, |row| row["session"]["key"].clone()), [pair("summer", "6"), pair("winter", "4")]);
    assert!(sessions.iter().all(|row| row["agent"]["externalId"] == "catalogue"), "{sessions:?}");
    let tools = by(json!({ "groupByDimensions": ["tool"], "bucket": "DAY" })).await;
    assert_eq!(told(&tools, |row| row["dimensions"][0]["value"].clone()), [pair("draw", "7"), pair("paint", "3")]);
    let drawn = by(json!({ "dimensions": [{ "name": "tool", "value": "draw" }], "allocation": ada })).await;
    assert_eq!(drawn[0]["units"], "3", "{drawn:?}");

    own_alone(&staff, &ada).await;
    movements_tell_how(&staff, &ada).await;
    bad_questions_are_refused(&staff).await;
    server.end().await;
}

/// A member sees what is their own, and the explanation of their quota.
async fn own_alone(staff: &Client, card: &str) {
    let issue =
        "mutation { issueKey(input: { kind: CUSTOMER, name: \"ben\", customer: \"acme-shop\", user: \"ben\" }) {
        issued { secret } } }";
    let secret = data(staff, issue, json!({})).await["issueKey"]["issued"]["secret"].clone();
    let ben = staff.with_key(secret.as_str().expect("a key in plain"));
    let own = rows(&ben, json!({ "groupBy": ["USER"] })).await;
    assert_eq!(told(&own, |row| row["user"]["externalId"].clone()), [("ben".to_owned(), "4".to_owned())]);
    assert_eq!(rows(&ben, json!({ "allocation": card })).await, Vec::<Value>::new());
    let seen = data(
        &ben,
        "{ agents { edges { node { sessions { edges { node { key } } } } } }
        movements { edges { node { user { externalId } } } } }",
        json!({}),
    )
    .await;
    let sessions = seen.to_string();
    assert!(sessions.contains("winter") && !sessions.contains("summer") && !sessions.contains("ada"), "{sessions}");
    let explained = data(
        staff,
        "{ customer(id: \"acme-shop\") { entitlements { feature { key } resetsAt balance { granted carved }
            grants { burnt left grant { amount kind } }
            allocations(first: 10) { edges { node { user { externalId } allocation { id } balance { granted } } } }
            movements(first: 5) { edges { node { cause amount from to } } } } } }",
        json!({}),
    )
    .await;
    let all = explained["customer"]["entitlements"].as_array().expect("entitlements").clone();
    let images = all.into_iter().find(|one| one["feature"]["key"] == "image.generate").expect("the quota");
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<i64>().ok()).expect("a number");
    let grant = &images["grants"][0];
    assert_eq!(number(&grant["burnt"]) + number(&grant["left"]), number(&images["balance"]["granted"]), "{images}");
    let handed = images["allocations"]["edges"].as_array().expect("edges");
    let sum: i64 = handed.iter().map(|edge| number(&edge["node"]["balance"]["granted"])).sum();
    assert_eq!(sum, number(&images["balance"]["carved"]), "what is allocated to whom is all that is carved: {images}");
}

/// What moved into pockets less what moved out is what is in them; trees are told from the root down.
async fn movements_tell_how(staff: &Client, card: &str) {
    let below = "mutation($input: CarveAllocationInput!) { carveAllocation(input: $input) { allocation { id } refusals { message } } }";
    let input = json!({ "parent": card, "agent": "catalogue", "session": { "kind": "task", "key": "part" },
        "lines": [{ "feature": "image.generate", "amount": "1" }] });
    let child = data(staff, below, json!({ "input": input })).await["carveAllocation"]["allocation"]["id"].clone();
    let query = "query($id: ID!, $child: ID!) {
        card: node(id: $id) { ... on Allocation { depth root { id } tree { id depth parent { id } }
            lines { balance { granted used carved } movements(first: 100) { edges { node { from to amount cause causeId } } } } } }
        child: node(id: $child) { ... on Allocation { depth root { id } tree { id } } } }";
    let seen = data(staff, query, json!({ "id": card, "child": child })).await;
    assert_eq!(seen["card"]["tree"][0]["id"], child, "{seen}");
    assert_eq!(seen["child"]["root"]["id"], json!(card), "{seen}");
    assert_eq!(seen["child"]["tree"], json!([]), "{seen}");
    let line = &seen["card"]["lines"][0];
    let sum = |pocket: &str| -> i64 {
        let edges = line["movements"]["edges"].as_array().expect("edges").iter();
        edges
            .map(|edge| {
                let amount: i64 = edge["node"]["amount"].as_str().and_then(|text| text.parse().ok()).expect("a number");
                let side = |side: &str| i64::from(edge["node"][side] == pocket);
                amount * (side("to") - side("from"))
            })
            .sum()
    };
    assert_eq!(line["balance"]["used"], sum("USED").to_string(), "{line}");
    assert_eq!(line["balance"]["carved"], sum("CARVED").to_string(), "{line}");
    let carved = data(
        staff,
        "query($id: ID!) { movements(filter: { allocation: $id, cause: \"carve\" }) { edges { node { cause causeId } } } }",
        json!({ "id": card }),
    )
    .await;
    let text = carved.to_string();
    assert!(text.contains("\"carve\"") && !text.contains("\"lease\""), "{text}");
}

async fn bad_questions_are_refused(staff: &Client) {
    let feature = "image.generate";
    for (input, code) in [
        (json!({}), "INVALID_FEATURE"),
        (json!({ "feature": "no.such" }), "INVALID_FEATURE"),
        (json!({ "feature": "No Such" }), "INVALID_FEATURE"),
        (json!({ "groupBy": ["FEATURE"], "orderBy": "UNITS" }), "INVALID_ORDER"),
        (json!({ "feature": feature, "since": "2026-11-01T00:00:00Z" }), "INVALID_SPAN"),
        (
            json!({ "feature": feature, "since": "2026-11-01T00:30:00Z", "until": "2026-11-02T00:00:00Z" }),
            "INVALID_SPAN",
        ),
        (json!({ "feature": feature, "since": "yesterday", "until": "today" }), "INVALID_SPAN"),
        (json!({ "feature": feature, "groupBy": ["USER", "USER"] }), "INVALID_GROUPING"),
        (
            json!({ "feature": feature, "groupBy": ["USER", "AGENT", "SESSION"], "groupByDimensions": ["tool"] }),
            "INVALID_GROUPING",
        ),
        (json!({ "feature": feature, "top": 0 }), "INVALID_TOP"),
        (json!({ "feature": feature, "top": 101 }), "INVALID_TOP"),
        (json!({ "feature": feature, "groupBy": ["USER"], "bucket": "HOUR", "top": 10 }), "INVALID_TOP"),
        (json!({ "feature": feature, "dimensions": [{ "name": "", "value": "x" }] }), "INVALID_DIMENSION"),
        (json!({ "feature": feature, "user": "cus_1" }), "INVALID_ID"),
    ] {
        let body: Value =
            serde_json::from_slice(&ask(staff, USAGE, json!({ "input": input })).await.body).expect("JSON");
        let error = &body["errors"][0];
        assert_eq!(error["extensions"]["code"], code, "{input}: {body}");
        assert!(error["message"].as_str().is_some_and(|text| text.len() > 20), "{body}");
    }
    let query = "{ movements(filter: { cause: \"magic\" }) { edges { cursor } } }";
    let body: Value = serde_json::from_slice(&ask(staff, query, json!({})).await.body).expect("JSON");
    assert_eq!(body["errors"][0]["extensions"]["code"], "INVALID_CAUSE", "{body}");
}
