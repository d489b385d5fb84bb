//! Bad input: a refusal with a code, the member and a sentence; nothing is changed by it.

use crate::asking::data;
use almoner_tests::{Database, Server};
use serde_json::{Value, json};

/// A mutation, its input, and where the refusal points with which code.
type Case = (&'static str, Value, &'static str, &'static [&'static str]);

fn cases() -> Vec<Case> {
    let carve = |change: Value| {
        let mut input = json!({
            "customer": "acme-shop", "user": "ada", "agent": "catalogue", "session": { "kind": "task", "key": "t" },
            "lines": [{ "feature": "image.generate", "amount": "1" }],
        });
        for (name, value) in change.as_object().expect("members") {
            input[name] = value.clone();
        }
        input
    };
    let line = |feature: &str, amount: &str| json!({ "lines": [{ "feature": feature, "amount": amount }] });
    vec![
        ("defineFeature", json!({ "key": "", "name": "x", "kind": "BOOLEAN" }), "INVALID", &["key"]),
        ("defineFeature", json!({ "key": "image.generate", "name": "x", "kind": "BOOLEAN" }), "TAKEN", &["key"]),
        ("defineFeature", json!({ "key": "a.b", "name": "x", "kind": "METERED" }), "INVALID", &["unit"]),
        ("defineFeature", json!({ "key": "a.b", "name": "x", "kind": "BOOLEAN", "unit": "y" }), "INVALID", &["unit"]),
        (
            "defineFeature",
            json!({ "key": "a.b", "name": "x", "kind": "METERED", "unit": "y", "scale": 10 }),
            "INVALID",
            &["scale"],
        ),
        ("createPlan", json!({ "externalId": "pro", "name": "x" }), "TAKEN", &["externalId"]),
        ("addCustomer", json!({ "externalId": "cus_x", "name": "x" }), "INVALID", &["externalId"]),
        (
            "publishPlan",
            json!({ "plan": "none", "lines": [{ "feature": "image.background_removal" }] }),
            "NOT_FOUND",
            &["plan"],
        ),
        ("publishPlan", json!({ "plan": "pro", "lines": [] }), "LIMIT", &["lines"]),
        (
            "publishPlan",
            json!({ "plan": "pro", "lines": [{ "feature": "no.such" }] }),
            "NOT_FOUND",
            &["lines", "0", "feature"],
        ),
        (
            "publishPlan",
            json!({ "plan": "pro", "lines": [{ "feature": "image.generate" }] }),
            "INVALID",
            &["lines", "0", "feature"],
        ),
        (
            "publishPlan",
            json!({ "plan": "pro", "lines": [{ "feature": "image.generate", "amount": "1.5", "period": "MONTH" }] }),
            "INVALID",
            &["lines", "0", "amount"],
        ),
        (
            "publishPlan",
            json!({ "plan": "pro", "lines": [{ "feature": "image.generate", "amount": "1" }] }),
            "INVALID",
            &["lines", "0"],
        ),
        ("addCustomer", json!({ "externalId": "acme-shop", "name": "x" }), "TAKEN", &["externalId"]),
        (
            "addUser",
            json!({ "customer": "nobody", "externalId": "u", "name": "x", "role": "MEMBER" }),
            "NOT_FOUND",
            &["customer"],
        ),
        (
            "addUser",
            json!({ "customer": "acme-shop", "externalId": "ada", "name": "x", "role": "OWNER" }),
            "TAKEN",
            &["externalId"],
        ),
        ("subscribe", json!({ "customer": "acme-shop", "plan": "pro" }), "CONFLICT", &["customer"]),
        ("subscribe", json!({ "customer": "acme-shop", "plan": "pro", "zone": "Mars/Olympus" }), "INVALID", &["zone"]),
        (
            "subscribe",
            json!({ "customer": "acme-shop", "plan": "pro", "anchor": "2999-01-01T00:00:00Z" }),
            "INVALID",
            &["anchor"],
        ),
        ("subscribe", json!({ "customer": "acme-shop", "plan": "none" }), "CONFLICT", &["customer"]),
        (
            "setAsideShare",
            json!({ "customer": "acme-shop", "user": "ada", "feature": "image.generate", "amount": "0" }),
            "INVALID",
            &["amount"],
        ),
        (
            "setAsideShare",
            json!({ "customer": "acme-shop", "user": "ada", "feature": "image.generate", "amount": "1001" }),
            "SHORT",
            &["amount"],
        ),
        (
            "setAsideShare",
            json!({ "customer": "acme-shop", "user": "cy", "feature": "image.generate", "amount": "1" }),
            "NOT_FOUND",
            &["user"],
        ),
        ("registerAgent", json!({ "externalId": "catalogue", "name": "x" }), "TAKEN", &["externalId"]),
        ("issueKey", json!({ "kind": "GATE", "name": "" }), "INVALID", &["name"]),
        ("carveAllocation", carve(json!({ "customer": "nobody" })), "NOT_FOUND", &["customer"]),
        ("carveAllocation", carve(json!({ "user": "cy" })), "NOT_FOUND", &["user"]),
        ("carveAllocation", carve(json!({ "agent": "nobody" })), "NOT_FOUND", &["agent"]),
        (
            "carveAllocation",
            carve(json!({ "customer": null, "user": null, "parent": "alc_00000000000000000000000000" })),
            "NOT_FOUND",
            &["parent"],
        ),
        (
            "carveAllocation",
            carve(json!({ "customer": null, "user": null, "parent": "cus_1" })),
            "INVALID",
            &["parent"],
        ),
        ("carveAllocation", carve(json!({ "customer": null, "user": null })), "INVALID", &["customer"]),
        ("carveAllocation", carve(line("image.generate", "0")), "INVALID", &["lines", "0", "amount"]),
        ("carveAllocation", carve(line("image.generate", "-1")), "INVALID", &["lines", "0", "amount"]),
        ("carveAllocation", carve(line("image.generate", "9223372036854775808")), "INVALID", &["lines", "0", "amount"]),
        ("carveAllocation", carve(line("image.generate", "1001")), "SHORT", &["lines", "0", "amount"]),
        ("carveAllocation", carve(line("image.background_removal", "1")), "NOT_FOUND", &["lines", "0", "feature"]),
        ("carveAllocation", carve(json!({ "lines": [] })), "CONFLICT", &["lines"]),
        ("carveAllocation", carve(json!({ "expiresAt": "2001-01-01T00:00:00Z" })), "CONFLICT", &["expiresAt"]),
        ("carveAllocation", carve(json!({ "notBefore": "yesterday" })), "INVALID", &["notBefore"]),
        ("carveAllocation", carve(json!({ "tools": [""] })), "INVALID", &["tools", "0"]),
    ]
}

pub(crate) async fn bad_input_is_refused_by_member_and_changes_nothing(database: Database) {
    let server = Server::start(database).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    let before = everything(&staff).await;
    for (name, input, code, path) in cases() {
        let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let query =
            format!("mutation($input: {kind}!) {{ {name}(input: $input) {{ refusals {{ code path message }} }} }}");
        let payload = data(&staff, &query, json!({ "input": input })).await[name].clone();
        let refusal = &payload["refusals"][0];
        assert_eq!((&refusal["code"], &refusal["path"]), (&json!(code), &json!(path)), "{name} {input}: {payload}");
        assert!(refusal["message"].as_str().is_some_and(|text| text.len() > 10), "{payload}");
    }
    assert_eq!(everything(&staff).await, before, "bad input changed something");
    server.end().await;
}

async fn everything(staff: &almoner_tests::Client) -> Value {
    let query = "{ features { edges { node { key name } } } plans { edges { node { name versions { edges { node { number } } } } } }
        agents { edges { node { name } } } allocations { edges { node { id } } } apiKeys { hint revokedAt }
        customers { edges { node { name entitlements { balance { granted free carved } } users { edges { node { role } } } } } } }";
    data(staff, query, json!({})).await
}
