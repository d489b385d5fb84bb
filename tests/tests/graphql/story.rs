//! The image shop without the seed command: a plan, a customer, a card for an agent, and the eleventh call.

use crate::asking::{ask, data, done};
use almoner_tests::{Call, Database, Server, wait::eventually};
use serde_json::{Value, json};

const DEFINE: &str = "mutation($input: DefineFeatureInput!) {
    defineFeature(input: $input) { feature { id key } refusals { message } } }";
const PLAN: &str =
    "mutation($input: CreatePlanInput!) { createPlan(input: $input) { plan { id } refusals { message } } }";
const PUBLISH: &str = "mutation($input: PublishPlanInput!) {
    publishPlan(input: $input) { planVersion { number lines { amount period value feature { key } } } refusals { message } } }";
const CUSTOMER: &str =
    "mutation($input: AddCustomerInput!) { addCustomer(input: $input) { customer { id } refusals { message } } }";
const USER: &str =
    "mutation($input: AddUserInput!) { addUser(input: $input) { user { id role } refusals { message } } }";
const SUBSCRIBE: &str = "mutation($input: SubscribeInput!) {
    subscribe(input: $input) { subscription { zone planVersion { number } } refusals { message } } }";
const SHARE: &str = "mutation($input: SetAsideShareInput!) { setAsideShare(input: $input) { user { externalId } refusals { message } } }";
const AGENT: &str =
    "mutation($input: RegisterAgentInput!) { registerAgent(input: $input) { agent { id } refusals { message } } }";
const KEY: &str = "mutation($input: IssueKeyInput!) { issueKey(input: $input) { issued { secret key { kind hint } } refusals { message } } }";
const CARVE: &str = "mutation($input: CarveAllocationInput!) {
    carveAllocation(input: $input) { allocation { id state expiresAt lines { carved balance { free } } } refusals { message } } }";
const CLOSE: &str = "mutation($id: ID!) { closeAllocation(id: $id) { allocation { state } refusals { message } } }";

pub(crate) async fn the_story_is_told_by_graphql_and_the_gate(database: Database) {
    let server = Server::start(database).await;
    // Another tenant than the seeded shop: one that has nothing yet but the seed's names.
    let staff = server.client().with_key(&server.other.operator_key);
    furnish(&staff).await;
    let secret = done(&staff, "issueKey", KEY, json!({ "input": { "kind": "GATE", "name": "tools" } })).await;
    let gate = staff.with_key(secret["issued"]["secret"].as_str().expect("a key in plain"));

    let card = carve(&staff, json!({ "customer": "gallery", "user": "uma", "amount": "10" })).await;
    for left in (0..10).rev() {
        let decision = gate.consume(&Call::on(&card).uses("print.page", 1)).await;
        assert!(decision.allowed() && decision.remaining("print.page") == left, "{decision:?}");
    }
    let eleventh = gate.consume(&Call::on(&card).uses("print.page", 1)).await;
    assert_eq!(eleventh.reason(), "exhausted", "{eleventh:?}");

    let seen = "query($id: ID!) { node(id: $id) { ... on Allocation {
        customer { externalId } user { externalId } agent { externalId } session { key }
        lines { feature { key } balance { granted used free } }
        decisions(first: 100) { edges { node { allowed reason uses { requested granted } user { externalId } } } } } } }";
    let node = eventually("the ledger has heard of all decisions", async || {
        let node = data(&staff, seen, json!({ "id": card })).await["node"].clone();
        (node["decisions"]["edges"].as_array().map(Vec::len) == Some(11)).then_some(node)
    })
    .await;
    assert_eq!(node["user"]["externalId"], "uma");
    assert_eq!(node["lines"][0]["balance"], json!({ "granted": "10", "used": "10", "free": "0" }));
    let newest = &node["decisions"]["edges"][0]["node"];
    assert_eq!((&newest["allowed"], &newest["reason"]), (&json!(false), &json!("exhausted")), "newest first");

    what_is_left_returns(&staff, &gate).await;
    server.end().await;
}

async fn furnish(staff: &almoner_tests::Client) {
    let page = json!({ "key": "print.page", "name": "Print", "kind": "METERED", "unit": "pages" });
    done(staff, "defineFeature", DEFINE, json!({ "input": page })).await;
    let colour = json!({ "key": "print.colour", "name": "Colour", "kind": "BOOLEAN" });
    done(staff, "defineFeature", DEFINE, json!({ "input": colour })).await;
    done(staff, "createPlan", PLAN, json!({ "input": { "externalId": "atelier", "name": "Atelier" } })).await;
    let lines = json!([{ "feature": "print.page", "amount": "100", "period": "MONTH" }, { "feature": "print.colour" }]);
    let published =
        done(staff, "publishPlan", PUBLISH, json!({ "input": { "plan": "atelier", "lines": lines } })).await;
    assert_eq!(published["planVersion"]["number"], 1);
    assert_eq!(published["planVersion"]["lines"][0]["amount"], "100");
    done(staff, "addCustomer", CUSTOMER, json!({ "input": { "externalId": "gallery", "name": "Gallery" } })).await;
    let user = json!({ "customer": "gallery", "externalId": "uma", "name": "Uma", "role": "MEMBER" });
    done(staff, "addUser", USER, json!({ "input": user })).await;
    let terms = json!({ "customer": "gallery", "plan": "atelier", "zone": "Europe/Paris" });
    done(staff, "subscribe", SUBSCRIBE, json!({ "input": terms })).await;
    let share = json!({ "customer": "gallery", "user": "uma", "feature": "print.page", "amount": "40" });
    done(staff, "setAsideShare", SHARE, json!({ "input": share })).await;
    done(staff, "registerAgent", AGENT, json!({ "input": { "externalId": "printer", "name": "Printer" } })).await;
}

async fn carve(staff: &almoner_tests::Client, asked: Value) -> String {
    let input = json!({
        "customer": asked["customer"], "user": asked["user"], "agent": "printer",
        "session": { "kind": "task", "key": format!("task-{}", asked["amount"]) },
        "lines": [{ "feature": "print.page", "amount": asked["amount"] }],
    });
    let carved = done(staff, "carveAllocation", CARVE, json!({ "input": input })).await;
    assert_eq!(carved["allocation"]["lines"][0]["carved"], asked["amount"]);
    carved["allocation"]["id"].as_str().expect("an id").to_owned()
}

/// Uma's share is 40: 10 are spent, so 30 can be carved and no more; what is closed can be carved again.
async fn what_is_left_returns(staff: &almoner_tests::Client, gate: &almoner_tests::Client) {
    let card = carve(staff, json!({ "customer": "gallery", "user": "uma", "amount": "30" })).await;
    assert!(gate.consume(&Call::on(&card).uses("print.page", 5)).await.allowed());
    let more = json!({ "input": {
        "customer": "gallery", "user": "uma", "agent": "printer", "session": { "kind": "task", "key": "more" },
        "lines": [{ "feature": "print.page", "amount": "1" }],
    } });
    let reply = ask(
        staff,
        "mutation($input: CarveAllocationInput!) { carveAllocation(input: $input) {
        allocation { id } refusals { code path message } } }",
        more.clone(),
    )
    .await;
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let refused = &body["data"]["carveAllocation"];
    assert_eq!(refused["allocation"], Value::Null, "{body}");
    assert_eq!(refused["refusals"][0]["code"], "SHORT", "{body}");
    assert_eq!(refused["refusals"][0]["path"], json!(["lines", "0", "amount"]), "{body}");

    let closed = done(staff, "closeAllocation", CLOSE, json!({ "id": card })).await;
    assert_eq!(closed["allocation"]["state"], "CLOSED");
    eventually("what is left has returned", async || {
        let free = data(
            staff,
            "{ customer(id: \"gallery\") { users { edges { node { entitlements {
            feature { key } balance { free used } } } } } } }",
            json!({}),
        )
        .await;
        let all = free["customer"]["users"]["edges"][0]["node"]["entitlements"].as_array()?.clone();
        let pages = all.into_iter().find(|one| one["feature"]["key"] == "print.page")?;
        (pages["balance"]["free"] == "25").then_some(())
    })
    .await;
    let after = gate.consume(&Call::on(&card).uses("print.page", 1)).await;
    assert!(!after.allowed(), "a closed card pays nothing: {after:?}");
}
