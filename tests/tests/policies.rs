//! Policies: a session appears and has its allocation, in the call that brings it, once, and within the day's cap.

use almoner_tests::eventually;
use almoner_tests::wait::ahead;
use almoner_tests::{Call, Client, Database, Decision, Server, on_each_database};
use futures::StreamExt;
use futures::future::join_all;
use futures::stream;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const REPLY: &str = "support.reply";
const CREDITS: &str = "credits";

on_each_database! {
    a_ticket_has_its_credits_in_the_call_that_brings_it;
    a_thousand_first_calls_make_one_allocation;
    a_day_ends_at_its_cap_to_the_unit_and_what_returns_counts_no_more;
    ten_thousand_sessions_keep_the_day_to_the_unit;
    as_many_are_live_as_may_be;
    looking_makes_nothing;
    a_retired_policy_makes_no_new_ones_and_a_label_finds_an_agent;
    who_has_no_policy_or_nothing_left_is_told_so;
    a_policy_is_tried_on_what_was_used;
}

/// A call of the support agent's for a ticket of a customer's user.
fn ticket(key: &str, units: i64) -> Call {
    of_session("support", "support_ticket", key, units)
}

fn of_session(agent: &str, kind: &str, key: &str, units: i64) -> Call {
    let mut call = Call::of_user("acme-shop", "ada").uses(REPLY, units);
    call.0["agent"] = agent.into();
    call.0["session"] = json!({ "kind": kind, "key": key });
    call
}

fn allocation(decision: &Decision) -> String {
    decision.0["allocation"].as_str().unwrap_or_else(|| panic!("no allocation: {decision:?}")).to_owned()
}

async fn add(staff: &Client, input: Value) -> Value {
    let mutation = "mutation($input: AddPolicyInput!) { addPolicy(input: $input) { policy { id } refusals { code message path } } }";
    staff.graphql(mutation, json!({ "input": input })).await["addPolicy"].clone()
}

async fn retire(staff: &Client, policy: &str) {
    let mutation = "mutation($input: RetirePolicyInput!) { retirePolicy(input: $input) { policy { retiredAt } refusals { message } } }";
    let retired = staff.graphql(mutation, json!({ "input": { "policy": policy } })).await;
    assert!(retired["retirePolicy"]["policy"]["retiredAt"].is_string(), "{retired}");
}

async fn a_ticket_has_its_credits_in_the_call_that_brings_it(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let before = client.month("acme-shop").await.remaining(CREDITS);
    let first = client.consume(&ticket("T-1", 2).key("first")).await;
    assert!(first.allowed(), "{first:?}");
    assert_eq!(first.remaining(REPLY), 48);
    let card = allocation(&first);
    assert_eq!(allocation(&client.consume(&ticket("T-1", 1)).await), card, "the session has it already");
    assert_ne!(allocation(&client.consume(&ticket("T-2", 1)).await), card);
    let statement = client.statement(&card).await;
    assert_eq!((statement.line(CREDITS).granted, statement.line(CREDITS).used), (50, 3));
    assert_eq!(client.month("acme-shop").await.remaining(CREDITS), before - 100);
    let whom = &first.0["on_behalf_of"];
    assert!(["customer", "user", "agent", "session"].iter().all(|who| whom[who].is_string()), "{whom}");

    let over = client.consume(&ticket("T-1", 48)).await;
    assert_eq!((over.reason(), over.level(), over.remaining(REPLY)), ("exhausted", "allocation", 47));
    // The same session of another user of the customer is another one.
    let mut bens = ticket("T-1", 1);
    bens.0["subject"]["user"] = "ben".into();
    assert_ne!(allocation(&client.consume(&bens).await), card);
    // Closed with its task, it stays closed: a session is new once.
    client.close(&card).await;
    assert_eq!(client.consume(&ticket("T-1", 1)).await.reason(), "expired");
    let again = client.consume(&ticket("T-1", 2).key("first")).await;
    assert_eq!(again.id(), first.id(), "a retry is answered as the first was");
    server.end().await;
}

async fn a_thousand_first_calls_make_one_allocation(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let staff = client.with_key(&server.shop.operator_key);
    let calls = (0..1_000).map(|_| {
        let client = client.clone();
        async move { client.consume(&ticket("T-race", 1)).await }
    });
    let decisions = join_all(calls).await;
    let cards: BTreeSet<String> =
        decisions.iter().filter_map(|d| d.0["allocation"].as_str()).map(str::to_owned).collect();
    assert_eq!(cards.len(), 1, "one session, one allocation");
    let allowed = decisions.iter().filter(|decision| decision.allowed()).count();
    assert_eq!(allowed, 50, "all that it has is served, and no more");
    let count = staff.graphql("{ allocations(first: 100) { edges { node { id } } } }", json!({})).await;
    assert_eq!(count["allocations"]["edges"].as_array().map(Vec::len), Some(1));
    server.end().await;
}

async fn a_day_ends_at_its_cap_to_the_unit_and_what_returns_counts_no_more(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let staff = client.with_key(&server.shop.operator_key);
    retire(&staff, "support-tickets").await;
    let line = json!({ "feature": CREDITS, "upTo": "50", "aDay": "120.5" });
    let input = json!({ "externalId": "day", "name": "A day", "agents": ["support"], "sessionKind": "support_ticket",
        "lines": [line], "lifetimeSeconds": 7200, "zone": "Europe/Berlin" });
    assert_eq!(add(&staff, input).await["refusals"], json!([]));
    let calls = (0..40).map(|number| {
        let client = client.clone();
        async move { client.consume(&ticket(&format!("D-{number}"), 1)).await }
    });
    let decisions = join_all(calls).await;
    let cards: Vec<String> = decisions.iter().filter(|d| d.allowed()).map(allocation).collect();
    assert_eq!(cards.len(), 3, "two have all of it, one has the rest");
    let mut granted = Vec::new();
    for card in &cards {
        let statement = client.statement(card).await;
        let line = statement.0["lines"][0].clone();
        granted.push(line["granted"].as_str().expect("an amount").to_owned());
    }
    granted.sort();
    assert_eq!(granted, ["20.5", "50", "50"]);
    let denied = decisions.iter().find(|decision| !decision.allowed()).expect("the day is out");
    assert_eq!((denied.reason(), denied.level()), ("exhausted", "customer"), "{denied:?}");
    assert!(
        denied.message().contains("\"A day\"") && denied.message().contains("120.5 credits"),
        "{}",
        denied.message()
    );
    assert!(denied.0["resets_at"].is_string() && denied.0["retry_after_s"].is_number(), "{denied:?}");
    assert!(denied.0["on_behalf_of"]["agent"].is_string(), "a denial ends in somebody as well: {denied:?}");

    // One of the tickets is done: it spent one credit, and the others count no more.
    let returned = client.close(&cards[0]).await;
    assert!(returned.line(CREDITS).used >= 1, "{returned:?}");
    assert!(client.consume(&ticket("D-after", 1)).await.allowed(), "what returned may be handed out again");
    server.end().await;
}

const SESSIONS: usize = 10_000;
/// Sessions that come at the same time.
const AT_ONCE: usize = 64;

/// A call that is repeated for as long as the gate says that it cannot know, as a client does: a busy machine keeps a crowd waiting.
async fn decided(client: &Client, call: &Call) -> Decision {
    loop {
        let decision = client.consume(call).await;
        if decision.allowed() || decision.reason() != "unavailable" {
            return decision;
        }
    }
}

async fn ten_thousand_sessions_keep_the_day_to_the_unit(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let staff = client.with_key(&server.shop.operator_key);
    retire(&staff, "support-tickets").await;
    // Every session gets all of its one and a half credits, but the last that gets any: it gets the one and a quarter that are left.
    let line = json!({ "feature": CREDITS, "upTo": "1.5", "aDay": "1000.25" });
    let input = json!({ "externalId": "crowd", "name": "A crowd", "agents": ["support"], "sessionKind": "support_ticket",
        "lines": [line], "lifetimeSeconds": 7200, "zone": "UTC" });
    assert_eq!(add(&staff, input).await["refusals"], json!([]));
    let answered = stream::iter(0..SESSIONS)
        .map(|number| {
            let client = client.clone();
            async move { decided(&client, &ticket(&format!("S-{number}"), 1)).await }
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<Decision>>()
        .await;
    let (allowed, denied): (Vec<_>, Vec<_>) = answered.iter().partition(|decision| decision.allowed());
    let other = denied.iter().find(|decision| decision.reason() != "exhausted");
    assert!(other.is_none(), "{other:?}");
    assert_eq!((allowed.len(), denied.len()), (667, SESSIONS - 667));
    let cards: BTreeSet<String> =
        answered.iter().filter_map(|d| d.0["allocation"].as_str()).map(str::to_owned).collect();
    assert_eq!(cards.len(), 667);
    let carved = client.month("acme-shop").await.feature(CREDITS)["line"]["carved"].clone();
    assert_eq!(carved, "1000.25", "the day's cap, and not a hundredth more or less");
    server.end().await;
}

async fn as_many_are_live_as_may_be(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let staff = client.with_key(&server.shop.operator_key);
    let input = json!({ "externalId": "two", "name": "Two at once", "sessionKind": "chat", "customer": "acme-shop",
        "lines": [{ "feature": CREDITS, "upTo": "5" }], "lifetimeSeconds": 600, "liveMax": 2, "tools": ["draw"] });
    assert_eq!(add(&staff, input).await["refusals"], json!([]));
    let chat = |key: &str| of_session("catalogue", "chat", key, 1).tool("draw");
    let calls = (0..20).map(|number| {
        let (client, call) = (client.clone(), chat(&format!("C-{number}")));
        async move { client.consume(&call).await }
    });
    let decisions = join_all(calls).await;
    let cards: Vec<String> = decisions.iter().filter(|d| d.allowed()).map(allocation).collect();
    assert_eq!(cards.len(), 2);
    let denied = client.consume(&chat("C-late")).await;
    assert_eq!(denied.reason(), "exhausted");
    assert!(denied.message().contains("2 sessions"), "{}", denied.message());
    client.close(&cards[0]).await;
    let next = client.consume(&chat("C-late")).await;
    assert!(next.allowed(), "{next:?}");
    let paint = of_session("catalogue", "chat", "C-late", 1).tool("paint");
    let outside = client.consume(&paint).await;
    assert_eq!(outside.reason(), "out_of_scope", "the policy's scope is the allocation's");
    let looked = client.check(&paint).await;
    assert_eq!(looked.reason(), "out_of_scope");
    for decision in [&outside, &looked] {
        assert!(decision.used(REPLY)["blocked"].is_null(), "units did not stop it: {decision:?}");
    }
    server.end().await;
}

async fn looking_makes_nothing(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let before = client.month("acme-shop").await.remaining(CREDITS);
    let looked = client.check(&ticket("T-look", 50)).await;
    assert!(looked.allowed() && looked.remaining(REPLY) == 50, "{looked:?}");
    assert!(looked.0["allocation"].is_null(), "there is none yet: {looked:?}");
    assert_eq!(client.check(&ticket("T-look", 51)).await.reason(), "exhausted");
    assert_eq!(client.month("acme-shop").await.remaining(CREDITS), before);
    assert!(client.consume(&ticket("T-look", 50)).await.allowed());
    assert_eq!(client.check(&ticket("T-look", 1)).await.reason(), "exhausted");
    server.end().await;
}

async fn a_retired_policy_makes_no_new_ones_and_a_label_finds_an_agent(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let staff = client.with_key(&server.shop.operator_key);
    assert!(client.consume(&ticket("T-old", 1)).await.allowed());
    retire(&staff, "support-tickets").await;
    assert!(client.consume(&ticket("T-old", 1)).await.allowed(), "what it made stays");
    assert_eq!(client.consume(&ticket("T-new", 1)).await.reason(), "not_entitled");

    let input = json!({ "externalId": "labelled", "name": "Labelled", "agentLabel": "triage",
        "sessionKind": "support_ticket", "lines": [{ "feature": CREDITS, "upTo": "7" }], "lifetimeSeconds": 600 });
    assert_eq!(add(&staff, input.clone()).await["refusals"], json!([]));
    assert_eq!(client.consume(&ticket("T-new", 1)).await.reason(), "not_entitled", "it does not bear the label yet");
    let label = "mutation { labelAgent(input: { agent: \"support\", labels: [\"triage\"] }) { agent { labels } refusals { message } } }";
    assert_eq!(staff.graphql(label, json!({})).await["labelAgent"]["agent"]["labels"], json!(["triage"]));
    assert_eq!(client.consume(&ticket("T-new", 1)).await.remaining(REPLY), 6);
    assert_eq!(add(&staff, input).await["refusals"][0]["code"], "TAKEN");
    let all = staff.graphql("{ policies { externalId retiredAt agentLabel sessionKind lines { upTo aDay feature { key } } agents { externalId } } }",
        json!({}),
    )
    .await;
    assert_eq!(all["policies"][0]["externalId"], "labelled");
    let retired = &all["policies"][1];
    assert_eq!(retired["lines"], json!([{ "upTo": "50", "aDay": "500", "feature": { "key": CREDITS } }]));
    assert_eq!((retired["retiredAt"].is_string(), &retired["agents"][0]["externalId"]), (true, &json!("support")));
    server.end().await;
}

async fn who_has_no_policy_or_nothing_left_is_told_so(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let staff = client.with_key(&server.shop.operator_key);
    assert_eq!(client.consume(&of_session("catalogue", "support_ticket", "T", 1)).await.reason(), "not_entitled");
    assert_eq!(client.consume(&of_session("nobody", "support_ticket", "T", 1)).await.reason(), "unknown_subject");
    let mut call = ticket("T", 1);
    call.0["subject"]["customer"] = "nobody".into();
    assert_eq!(client.consume(&call).await.reason(), "unknown_subject");
    call.0["session"] = Value::Null;
    assert_eq!(client.post("/v1/consume", &call.0).await.status, 422, "an agent goes with its session");

    // The quota is nearly out: a session gets what there is, and the next is told when there is more.
    let rest = client.month("acme-shop").await.remaining(CREDITS) - 30;
    let spend = Call::of("acme-shop").uses(REPLY, rest);
    assert!(client.consume(&spend).await.allowed());
    let last = client.consume(&ticket("T-rest", 1)).await;
    assert!(last.allowed() && last.remaining(REPLY) == 29, "{last:?}");
    let denied = client.consume(&ticket("T-none", 1)).await;
    assert_eq!((denied.reason(), denied.level()), ("exhausted", "customer"), "{denied:?}");
    assert!(denied.0["resets_at"].is_string(), "{denied:?}");

    for (change, path) in [
        (json!({ "lines": [] }), json!(["lines"])),
        (json!({ "lines": [{ "feature": "nothing", "upTo": "1" }] }), json!(["lines", "0", "feature"])),
        (
            json!({ "lines": [{ "feature": "image.background_removal", "upTo": "1" }] }),
            json!(["lines", "0", "feature"]),
        ),
        (json!({ "lines": [{ "feature": CREDITS, "upTo": "0" }] }), json!(["lines", "0", "upTo"])),
        (json!({ "lines": [{ "feature": CREDITS, "upTo": "1.001" }] }), json!(["lines", "0", "upTo"])),
        (json!({ "lines": [{ "feature": CREDITS, "upTo": "5", "aDay": "4" }] }), json!(["lines", "0", "aDay"])),
        (json!({ "lifetimeSeconds": 0 }), json!(["lifetimeSeconds"])),
        (json!({ "liveMax": 0 }), json!(["liveMax"])),
        (json!({ "zone": "Mars/Olympus" }), json!(["zone"])),
        (json!({ "agents": ["nobody"] }), json!(["agents", "0"])),
        (json!({ "agents": [] }), json!(["agents"])),
        (json!({ "agents": ["support"], "agentLabel": "x" }), json!(["agentLabel"])),
        (json!({ "customer": "nobody" }), json!(["customer"])),
    ] {
        let mut input = json!({ "externalId": "bad", "name": "Bad", "sessionKind": "chat",
            "lines": [{ "feature": CREDITS, "upTo": "1" }], "lifetimeSeconds": 60 });
        for (member, value) in change.as_object().expect("an object") {
            input[member] = value.clone();
        }
        let refused = add(&staff, input).await;
        assert_eq!((&refused["policy"], &refused["refusals"][0]["path"]), (&Value::Null, &path), "{refused}");
    }
    server.end().await;
}

async fn a_policy_is_tried_on_what_was_used(database: Database) {
    let server = Server::start_with(database, &[("gate.flush_interval_ms", "20")]).await;
    let client = server.client();
    let staff = client.with_key(&server.shop.operator_key);
    let (from, to) = (ahead(Duration::ZERO), ahead(Duration::from_secs(600)));
    for (key, replies) in [("T-1", 6), ("T-1", 5), ("T-2", 3), ("T-2", 7), ("T-3", 1)] {
        assert!(client.consume(&ticket(key, replies)).await.allowed());
    }
    // A hold counts by what it came to, and a call that was denied by what it asked for.
    let held = client.reserve(&ticket("T-3", 40)).await;
    assert!(client.commit(held.hold(), &[(REPLY, 2)]).await.decision().allowed());
    assert_eq!(client.consume(&ticket("T-1", 99)).await.reason(), "exhausted");
    let query = "query($input: AddPolicyInput!, $from: String!, $to: String!) { tryPolicy(input: $input, from: $from, to: $to) {
        sessions servedSessions deniedSessions
        denied { session { kind key } agent { externalId } customer { externalId } user { externalId } cap firstAt
            units { feature { key } amount } }
        days { sessions calls deniedCalls served { amount } denied { amount } } refusals { code path message } } }";
    let input = json!({ "externalId": "support-tickets", "name": "Tried", "agents": ["support"],
        "sessionKind": "support_ticket", "lines": [{ "feature": CREDITS, "upTo": "10" }], "lifetimeSeconds": 3600 });
    let tried = async |change: Value, to: &str| {
        let mut input = input.clone();
        for (member, value) in change.as_object().expect("an object") {
            input[member] = value.clone();
        }
        staff.graphql(query, json!({ "input": input, "from": from, "to": to })).await["tryPolicy"].clone()
    };
    let told = eventually("the ledger has heard of all", async || {
        let told = tried(json!({}), &to).await;
        let calls: u64 = told["days"].as_array()?.iter().filter_map(|day| day["calls"].as_u64()).sum();
        (calls == 7).then_some(told)
    })
    .await;
    let counts = ["sessions", "servedSessions", "deniedSessions"].map(|name| told[name].as_i64());
    assert_eq!(counts, [Some(3), Some(2), Some(1)], "{told}");
    let denied = &told["denied"][0];
    assert_eq!(denied["session"], json!({ "kind": "support_ticket", "key": "T-1" }));
    let whom = ["agent", "customer", "user"].map(|who| denied[who]["externalId"].clone());
    assert_eq!(whom, ["support", "acme-shop", "ada"]);
    assert_eq!((&denied["cap"], &denied["units"][0]["amount"]), (&json!("SESSION"), &json!("104")), "{denied}");
    let total = |member: &str| -> f64 {
        let days = told["days"].as_array().into_iter().flatten();
        days.filter_map(|day| day[member][0]["amount"].as_str()?.parse::<f64>().ok()).sum()
    };
    assert_eq!((total("served"), total("denied")), (19.0, 104.0), "{told}");

    let caps = async |change: Value| {
        let told = tried(change, &to).await;
        let denied = told["denied"].as_array().unwrap_or_else(|| panic!("{told}")).clone();
        let cap = |one: &Value| format!("{} {}", one["session"]["key"], one["cap"]).replace('"', "");
        denied.iter().map(cap).collect::<Vec<_>>()
    };
    let day = json!({ "lines": [{ "feature": CREDITS, "upTo": "60", "aDay": "70" }] });
    assert_eq!(caps(day).await, ["T-3 DAY", "T-1 SESSION"], "two get all that the day has");
    assert_eq!(caps(json!({ "liveMax": 1 })).await, ["T-1 SESSION", "T-2 LIVE", "T-3 LIVE"]);
    let other = json!({ "lines": [{ "feature": "image.generate", "upTo": "10" }] });
    assert_eq!(caps(other).await, ["T-1 FEATURE", "T-2 FEATURE", "T-3 FEATURE"]);
    assert_eq!(caps(json!({ "agentLabel": "nobody", "agents": null })).await, [""; 0]);
    assert_eq!(caps(json!({ "customer": "bolt-store" })).await, [""; 0]);

    let long = tried(json!({}), &ahead(Duration::from_secs(32 * 86_400))).await;
    assert_eq!(
        (&long["refusals"][0]["code"], &long["refusals"][0]["path"]),
        (&json!("LIMIT"), &json!(["to"])),
        "{long}"
    );
    assert_eq!(long["sessions"], Value::Null);
    let wrong = tried(json!({ "lines": [] }), &to).await;
    assert_eq!(wrong["refusals"][0]["path"], json!(["lines"]), "{wrong}");
    let policies = staff.graphql("{ policies { externalId } }", json!({})).await;
    assert_eq!(policies["policies"].as_array().map(Vec::len), Some(1), "nothing was made: {policies}");
    server.end().await;
}
