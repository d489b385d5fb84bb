//! The trail: each change that is made is signed, in its role, from where, and read by whom it concerns alone.

use crate::asking::{data, done};
use crate::matrix::customer_key;
use almoner_tests::{Call, Carve, Client, Database, Server};
use serde_json::{Value, json};

const TRAIL: &str = "{ audit(first: 100) { edges { node { action subject role note address request key
    user { externalId } customer { externalId } } } } }";

async fn trail(client: &Client) -> Vec<Value> {
    let edges = data(client, TRAIL, json!({})).await["audit"]["edges"].as_array().expect("edges").clone();
    edges.into_iter().map(|edge| edge["node"].clone()).collect()
}

/// Makes a change and answers the entry that it left, which must be one.
async fn signed(staff: &Client, by: &Client, name: &str, mutation: &str) -> Value {
    let before = trail(staff).await.len();
    done(by, name, &format!("mutation {{ {mutation} }}"), json!({})).await;
    let after = trail(staff).await;
    assert_eq!(after.len(), before + 1, "{mutation} leaves one entry");
    after[0].clone()
}

/// Every mutation that a story makes, and the action that it is signed as.
fn changes(card: &str) -> Vec<(&'static str, String, &'static str)> {
    let kept = "refusals { message }";
    let adjust = format!("(input: {{ id: \"{card}\", lines: [{{ feature: \"image.generate\", amount: \"1\" }}] }})");
    vec![
        (
            "defineFeature",
            format!("defineFeature(input: {{ key: \"a.b\", name: \"x\", kind: BOOLEAN }}) {{ {kept} }}"),
            "feature.define",
        ),
        ("removeFeature", format!("removeFeature(key: \"a.b\") {{ {kept} }}"), "feature.remove"),
        ("createPlan", format!("createPlan(input: {{ externalId: \"p\", name: \"x\" }}) {{ {kept} }}"), "plan.create"),
        (
            "publishPlan",
            format!(
                "publishPlan(input: {{ plan: \"p\", lines: [{{ feature: \"image.background_removal\" }}] }}) {{ {kept} }}"
            ),
            "plan.publish",
        ),
        ("removePlan", format!("removePlan(externalId: \"p\") {{ {kept} }}"), "plan.remove"),
        (
            "publishPrices",
            format!(
                "publishPrices(input: {{ currency: \"credits\", prices: [{{ feature: \"support.reply\", cost: \"2\" }}] }}) {{ {kept} }}"
            ),
            "prices.publish",
        ),
        (
            "addPolicy",
            format!(
                "addPolicy(input: {{ externalId: \"q\", name: \"x\", sessionKind: \"chat\", lifetimeSeconds: 60, \
                 lines: [{{ feature: \"credits\", upTo: \"1\" }}] }}) {{ {kept} }}"
            ),
            "policy.add",
        ),
        ("retirePolicy", format!("retirePolicy(input: {{ policy: \"q\" }}) {{ {kept} }}"), "policy.retire"),
        (
            "labelAgent",
            format!("labelAgent(input: {{ agent: \"support\", labels: [\"x\"] }}) {{ {kept} }}"),
            "agent.label",
        ),
        (
            "setAgentGuard",
            format!(
                "setAgentGuard(input: {{ agent: \"support\", denials: {{ spanSeconds: 60, suspend: 9 }} }}) {{ {kept} }}"
            ),
            "agent.guard",
        ),
        (
            "addCustomer",
            format!("addCustomer(input: {{ externalId: \"c\", name: \"x\" }}) {{ {kept} }}"),
            "customer.add",
        ),
        (
            "addUser",
            format!("addUser(input: {{ customer: \"c\", externalId: \"u\", name: \"x\", role: MEMBER }}) {{ {kept} }}"),
            "user.add",
        ),
        (
            "changeRole",
            format!("changeRole(input: {{ customer: \"c\", user: \"u\", role: ADMIN }}) {{ {kept} }}"),
            "user.role",
        ),
        ("removeUser", format!("removeUser(customer: \"c\", user: \"u\") {{ {kept} }}"), "user.remove"),
        (
            "subscribe",
            format!("subscribe(input: {{ customer: \"c\", plan: \"pro\" }}) {{ {kept} }}"),
            "subscription.start",
        ),
        (
            "issueGrant",
            format!(
                "issueGrant(input: {{ customer: \"c\", feature: \"image.generate\", kind: TOP_UP, amount: \"5\" }}) {{ {kept} }}"
            ),
            "grant.issue",
        ),
        ("pauseSubscription", format!("pauseSubscription(customer: \"c\") {{ {kept} }}"), "subscription.pause"),
        ("resumeSubscription", format!("resumeSubscription(customer: \"c\") {{ {kept} }}"), "subscription.resume"),
        (
            "cancelSubscription",
            format!("cancelSubscription(customer: \"c\", when: PERIOD_END) {{ {kept} }}"),
            "subscription.cancel",
        ),
        ("withdrawPlanChange", format!("withdrawPlanChange(customer: \"c\") {{ {kept} }}"), "subscription.withdraw"),
        ("cancelSubscription", format!("cancelSubscription(customer: \"c\") {{ {kept} }}"), "subscription.cancel"),
        (
            "registerAgent",
            format!("registerAgent(input: {{ externalId: \"a\", name: \"x\" }}) {{ {kept} }}"),
            "agent.register",
        ),
        ("removeAgent", format!("removeAgent(id: \"a\") {{ {kept} }}"), "agent.remove"),
        (
            "setAsideShare",
            format!(
                "setAsideShare(input: {{ customer: \"acme-shop\", user: \"ben\", feature: \"image.upload\", amount: \"5\" }}) {{ {kept} }}"
            ),
            "share.set_aside",
        ),
        ("issueKey", format!("issueKey(input: {{ kind: GATE, name: \"x\" }}) {{ {kept} }}"), "key.issue"),
        ("topUpAllocation", format!("topUpAllocation{adjust} {{ {kept} }}"), "allocation.top_up"),
        ("shrinkAllocation", format!("shrinkAllocation{adjust} {{ {kept} }}"), "allocation.shrink"),
        ("revokeAllocation", format!("revokeAllocation(id: \"{card}\") {{ {kept} }}"), "allocation.revoke"),
    ]
}

pub(crate) async fn each_change_is_signed_and_read_by_whom_it_concerns(database: Database) {
    let server = Server::start(database).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    let seeded = trail(&staff).await;
    assert!(seeded.iter().any(|entry| entry["action"] == "customer.add" && entry["role"] == "operator"), "{seeded:?}");

    let carve = Carve::of_user("acme-shop", "ada", "signed").line("image.generate", 10);
    let card = server.client().carve(&carve).await.id().to_owned();
    assert!(server.client().consume(&Call::on(&card).uses("image.generate", 1)).await.allowed());
    let by_gate = trail(&staff).await[0].clone();
    assert_eq!((&by_gate["action"], &by_gate["role"]), (&json!("allocation.carve"), &json!("gate")), "{by_gate}");
    assert_eq!((&by_gate["subject"], &by_gate["address"]), (&json!(card), &json!("127.0.0.1")), "{by_gate}");

    for (name, mutation, action) in changes(&card) {
        let entry = signed(&staff, &staff, name, &mutation).await;
        assert_eq!((&entry["action"], &entry["role"]), (&json!(action), &json!("operator")), "{entry}");
        assert_eq!(entry["address"], "127.0.0.1", "{entry}");
        assert!(entry["request"].as_str().is_some_and(|id| id.len() >= 16), "{entry}");
        assert!(entry["key"].as_str().is_some_and(|key| key.starts_with("key_")), "{entry}");
    }

    let ada = customer_key(&staff, "customer: \"acme-shop\", user: \"ada\"").await;
    let ben = customer_key(&staff, "customer: \"acme-shop\", user: \"ben\"").await;
    let cy = customer_key(&staff, "customer: \"bolt-store\", user: \"cy\"").await;
    let order = "carveAllocation(input: { customer: \"acme-shop\", agent: \"catalogue\", session: { kind: \"task\", key: \"b\" },
        lines: [{ feature: \"image.generate\", amount: \"1\" }] }) { refusals { message } }";
    let entry = signed(&staff, &ben, "carveAllocation", order).await;
    assert_eq!((&entry["role"], &entry["user"]["externalId"]), (&json!("member"), &json!("ben")), "{entry}");

    let own = trail(&ben).await;
    assert!(own.iter().all(|entry| entry["user"]["externalId"] == "ben") && own.len() == 1, "{own:?}");
    let hers = trail(&ada).await;
    assert!(hers.len() > 3 && hers.iter().all(|entry| entry["customer"]["externalId"] == "acme-shop"), "{hers:?}");
    assert!(trail(&cy).await.iter().all(|entry| entry["customer"]["externalId"] == "bolt-store"));
    let said = serde_json::to_string(&trail(&staff).await).expect("JSON");
    assert!(!said.contains("alm_live"), "a key is never told");
    server.end().await;
}
