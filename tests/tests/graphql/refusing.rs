//! Bad input: a refusal with a code, the member and a sentence; nothing is changed by it.

use crate::asking::{ask, data};
use almoner_tests::{Call, Carve, Database, Server};
use serde_json::{Value, json};

/// A mutation, its input, and where the refusal points with which code.
type Case = (&'static str, Value, &'static str, &'static [&'static str]);

/// An input with members set or changed.
fn with(mut input: Value, change: Value) -> Value {
    for (name, value) in change.as_object().expect("members") {
        input[name] = value.clone();
    }
    input
}

fn cases() -> Vec<Case> {
    let carve = |change: Value| {
        let input = json!({
            "customer": "acme-shop", "user": "ada", "agent": "catalogue", "session": { "kind": "task", "key": "t" },
            "lines": [{ "feature": "image.generate", "amount": "1" }],
        });
        with(input, change)
    };
    let terms =
        |change: Value| with(json!({ "plan": "pro", "lines": [{ "feature": "image.background_removal" }] }), change);
    let grant = |change: Value| {
        let input = json!({ "customer": "acme-shop", "feature": "image.generate", "kind": "PROMOTION", "amount": "1" });
        with(input, change)
    };
    let replay = |change: Value| with(json!({ "endpoint": format!("whe_{}", "0".repeat(26)) }), change);
    let adjust =
        |feature: &str, amount: &str| json!({ "id": "CARD", "lines": [{ "feature": feature, "amount": amount }] });
    let renewing = |change: Value| {
        let line = with(json!({ "feature": "image.generate", "amount": "1" }), change);
        json!({ "plan": "pro", "lines": [line] })
    };
    let anchored = |change: Value| with(json!({ "customer": "acme-shop", "plan": "pro" }), change);
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
            renewing(json!({ "period": "DAY", "periodCount": 0 })),
            "INVALID",
            &["lines", "0", "periodCount"],
        ),
        (
            "publishPlan",
            renewing(json!({ "period": "HOUR", "periodCount": 25, "aligned": true })),
            "INVALID",
            &["lines", "0", "periodCount"],
        ),
        (
            "publishPlan",
            renewing(json!({ "period": "WEEK", "weekStart": "SUNDAY" })),
            "INVALID",
            &["lines", "0", "weekStart"],
        ),
        ("publishPlan", renewing(json!({ "period": "NEVER", "aligned": true })), "INVALID", &["lines", "0", "period"]),
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
        ("subscribe", anchored(json!({ "localAnchor": "2026-02-30T09:00" })), "INVALID", &["localAnchor"]),
        ("subscribe", anchored(json!({ "localAnchor": "2026-01-31T09:00Z" })), "INVALID", &["localAnchor"]),
        (
            "subscribe",
            anchored(json!({ "localAnchor": "2026-01-31T09:00", "anchor": "2026-01-31T09:00:00Z" })),
            "INVALID",
            &["localAnchor"],
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
        (
            "setAgentGuard",
            json!({ "agent": "nobody", "repeats": { "spanSeconds": 60, "watch": 9 } }),
            "NOT_FOUND",
            &["agent"],
        ),
        (
            "setAgentGuard",
            json!({ "agent": "support", "repeats": { "spanSeconds": 0, "watch": 9 } }),
            "INVALID",
            &["repeats", "spanSeconds"],
        ),
        ("setAgentGuard", json!({ "agent": "support", "denials": { "spanSeconds": 60 } }), "INVALID", &["denials"]),
        (
            "setAgentGuard",
            json!({ "agent": "support", "burn": { "spanSeconds": 60, "watch": 900, "suspend": 800 } }),
            "INVALID",
            &["burn"],
        ),
        (
            "setAgentGuard",
            json!({ "agent": "support", "repeats": { "spanSeconds": 60, "watch": -1 } }),
            "INVALID",
            &["repeats"],
        ),
        ("setAgentGuard", json!({ "agent": "support", "intervalSeconds": 3601 }), "INVALID", &["intervalSeconds"]),
        ("publishPlan", terms(json!({ "effectiveFrom": "2001-01-01T00:00:00Z" })), "INVALID", &["effectiveFrom"]),
        ("publishPlan", terms(json!({ "effectiveFrom": "soon" })), "INVALID", &["effectiveFrom"]),
        (
            "publishPlan",
            terms(json!({ "price": { "amount": "1.23456", "currency": "EUR" } })),
            "INVALID",
            &["price", "amount"],
        ),
        (
            "publishPlan",
            terms(json!({ "price": { "amount": "1", "currency": "euro" } })),
            "INVALID",
            &["price", "currency"],
        ),
        ("issueGrant", grant(json!({ "customer": "nobody" })), "NOT_FOUND", &["customer"]),
        ("issueGrant", grant(json!({ "feature": "no.such" })), "NOT_FOUND", &["feature"]),
        ("issueGrant", grant(json!({ "feature": "image.background_removal" })), "NOT_FOUND", &["feature"]),
        ("issueGrant", grant(json!({ "amount": "0" })), "INVALID", &["amount"]),
        ("issueGrant", grant(json!({ "amount": "0.5" })), "INVALID", &["amount"]),
        ("issueGrant", grant(json!({ "amount": "9223372036854775807" })), "LIMIT", &["amount"]),
        ("issueGrant", grant(json!({ "priority": 1001 })), "INVALID", &["priority"]),
        ("issueGrant", grant(json!({ "externalId": "" })), "INVALID", &["externalId"]),
        ("changeRole", json!({ "customer": "acme-shop", "user": "cy", "role": "ADMIN" }), "NOT_FOUND", &["user"]),
        ("changeRole", json!({ "customer": "acme-shop", "user": "ada", "role": "ADMIN" }), "CONFLICT", &["role"]),
        ("topUpAllocation", adjust("image.generate", "1000"), "SHORT", &["lines", "0", "amount"]),
        ("topUpAllocation", adjust("image.describe", "1"), "NOT_FOUND", &["lines", "0", "feature"]),
        ("topUpAllocation", adjust("image.generate", "0"), "INVALID", &["lines", "0", "amount"]),
        ("topUpAllocation", json!({ "id": "CARD", "lines": [] }), "CONFLICT", &["lines"]),
        ("topUpAllocation", json!({ "id": "alc_1", "lines": [] }), "NOT_FOUND", &["id"]),
        // Four of its ten are used: what is used is not given back.
        ("shrinkAllocation", adjust("image.generate", "7"), "SHORT", &["lines", "0", "amount"]),
        ("issueKey", json!({ "kind": "GATE", "name": "" }), "INVALID", &["name"]),
        ("addWebhookEndpoint", json!({ "url": "hooks.example.com" }), "INVALID", &["url"]),
        ("addWebhookEndpoint", json!({ "url": "https://a:b@hooks.example.com/" }), "INVALID", &["url"]),
        ("addWebhookEndpoint", json!({ "url": "http://10.1.2.3/" }), "INVALID", &["url"]),
        ("addWebhookEndpoint", json!({ "url": "http://0x7f000001/" }), "INVALID", &["url"]),
        ("addWebhookEndpoint", json!({ "url": "https://hooks.example.com:25/" }), "INVALID", &["url"]),
        (
            "addWebhookEndpoint",
            json!({ "url": "https://hooks.example.com/", "description": "" }),
            "INVALID",
            &["description"],
        ),
        ("changeWebhookEndpoint", json!({ "id": "whe_1", "enabled": true }), "NOT_FOUND", &["id"]),
        (
            "replayDeliveries",
            json!({ "endpoint": "whe_1", "since": "2026-01-01T00:00:00Z" }),
            "NOT_FOUND",
            &["endpoint"],
        ),
        ("replayDeliveries", replay(json!({ "since": "2026-01-01T00:00:00Z" })), "NOT_FOUND", &["endpoint"]),
        (
            "replayDeliveries",
            replay(json!({ "since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z" })),
            "INVALID",
            &["until"],
        ),
        ("replayDeliveries", replay(json!({ "since": "yesterday" })), "INVALID", &["since"]),
        ("replayDeliveries", replay(json!({ "event": "dec_1" })), "INVALID", &["event"]),
        ("replayDeliveries", replay(json!({})), "INVALID", &["since"]),
        (
            "addWebhookEndpoint",
            json!({ "url": "https://hooks.example.com/", "events": ["allocation.created", "card.eaten"] }),
            "INVALID",
            &["events", "1"],
        ),
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
    let carve = Carve::of_user("acme-shop", "ada", "used").line("image.generate", 10);
    let card = server.client().carve(&carve).await.id().to_owned();
    assert!(server.client().consume(&Call::on(&card).uses("image.generate", 4)).await.allowed());
    let before = everything(&staff).await;
    named_by_arguments(&staff).await;
    for (name, mut input, code, path) in cases() {
        // A case that is about an allocation of its own says so.
        if input["id"] == "CARD" {
            input["id"] = json!(card);
        }
        let kind = match name {
            "topUpAllocation" | "shrinkAllocation" => "AdjustAllocationInput".to_owned(),
            _ => format!("{}{}Input", name[..1].to_uppercase(), &name[1..]),
        };
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

/// Mutations that name a thing by plain arguments: what is not there, what is in use, and what is no name at all.
async fn named_by_arguments(staff: &almoner_tests::Client) {
    let none = "0".repeat(26);
    let cases = [
        ("removeFeature(key: \"\")".to_owned(), "INVALID", "key"),
        ("removeFeature(key: \"no.such\")".to_owned(), "NOT_FOUND", "key"),
        ("removeFeature(key: \"image.generate\")".to_owned(), "CONFLICT", "key"),
        ("removePlan(externalId: \"none\")".to_owned(), "NOT_FOUND", "externalId"),
        ("removePlan(externalId: \"pro\")".to_owned(), "CONFLICT", "externalId"),
        ("removeCustomer(id: \"nobody\")".to_owned(), "NOT_FOUND", "id"),
        ("removeCustomer(id: \"acme-shop\")".to_owned(), "CONFLICT", "id"),
        ("removeUser(customer: \"acme-shop\", user: \"cy\")".to_owned(), "NOT_FOUND", "user"),
        ("removeUser(customer: \"acme-shop\", user: \"ada\")".to_owned(), "CONFLICT", "user"),
        ("removeAgent(id: \"nobody\")".to_owned(), "NOT_FOUND", "id"),
        ("removeAgent(id: \"catalogue\")".to_owned(), "CONFLICT", "id"),
        ("cancelSubscription(customer: \"nobody\")".to_owned(), "NOT_FOUND", "customer"),
        ("withdrawPlanChange(customer: \"nobody\")".to_owned(), "NOT_FOUND", "customer"),
        ("withdrawPlanChange(customer: \"acme-shop\")".to_owned(), "CONFLICT", "customer"),
        ("pauseSubscription(customer: \"nobody\")".to_owned(), "NOT_FOUND", "customer"),
        ("resumeSubscription(customer: \"acme-shop\")".to_owned(), "CONFLICT", "customer"),
        (format!("voidGrant(id: \"grt_{none}\")"), "NOT_FOUND", "id"),
        ("voidGrant(id: \"acme-shop\")".to_owned(), "NOT_FOUND", "id"),
        (format!("closeAllocation(id: \"alc_{none}\")"), "NOT_FOUND", "id"),
        (format!("resendDelivery(id: \"whd_{none}\")"), "NOT_FOUND", "id"),
        (format!("rotateWebhookSecret(id: \"whe_{none}\")"), "NOT_FOUND", "id"),
        (format!("removeWebhookEndpoint(id: \"whe_{none}\")"), "NOT_FOUND", "id"),
        (format!("sendTestEvent(id: \"whe_{none}\")"), "NOT_FOUND", "id"),
        ("resendDelivery(id: \"acme-shop\")".to_owned(), "NOT_FOUND", "id"),
    ];
    for (mutation, code, member) in cases {
        let name = mutation.split('(').next().unwrap_or_default();
        let payload =
            data(staff, &format!("mutation {{ {mutation} {{ refusals {{ code path message }} }} }}"), json!({})).await
                [name]
                .clone();
        let refusal = &payload["refusals"][0];
        assert_eq!((&refusal["code"], &refusal["path"]), (&json!(code), &json!([member])), "{mutation}: {payload}");
    }
    let many = format!("mutation {{ closeAllocations(ids: [{}]) {{ refusals {{ code }} }} }}", "\"x\",".repeat(51));
    let body: Value = serde_json::from_slice(&ask(staff, &many, json!({})).await.body).expect("JSON");
    assert_eq!(body["errors"][0]["extensions"]["code"], "TOO_MANY", "{body}");
}

async fn everything(staff: &almoner_tests::Client) -> Value {
    let query = "{ features { edges { node { key name } } } plans { edges { node { name versions { edges { node { number } } } } } }
        agents { edges { node { name } } } allocations { edges { node { id } } } apiKeys { hint revokedAt } webhookEndpoints { url }
        customers { edges { node { name entitlements { balance { granted free carved } } users { edges { node { role } } } } } } }";
    data(staff, query, json!({})).await
}
