//! Conditions of an allocation: its hours, its pace, how long it may lie idle. Each denial says when it opens.

use almoner_domain::time::{Clock, DAY, Timestamp};
use almoner_server::SystemClock;
use almoner_tests::{Call, Carve, Database, Server, on_each_database};
use futures::future::join_all;
use serde_json::{Value, json};

const GENERATE: &str = "image.generate";
const WEEK: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

on_each_database! {
    a_call_outside_the_hours_is_denied_with_when_it_opens;
    so_many_calls_are_allowed_at_once_and_no_more;
    what_is_carved_below_is_held_to_the_same;
    a_policys_allocations_have_its_conditions;
    people_say_and_see_conditions;
    conditions_that_cannot_be_are_refused;
}

fn card(session: &str) -> Carve {
    Carve::of_user("acme-shop", "ada", session).line(GENERATE, 50)
}

fn with(mut carve: Carve, member: &str, value: Value) -> Carve {
    carve.0[member] = value;
    carve
}

/// Days since 1970, by UTC.
fn today() -> i64 {
    SystemClock.now().as_micros() / DAY
}

/// Open on the day after tomorrow alone, by UTC.
fn closed_now() -> Value {
    // 1970 began on a Thursday.
    let day = WEEK[usize::try_from((today() + 3 + 2) % 7).expect("a day of the week")];
    json!({ "zone": "UTC", "openings": [{ "days": [day], "from": "00:00", "until": "24:00" }] })
}

fn always() -> Value {
    json!({ "zone": "Pacific/Auckland", "openings": [{ "days": WEEK, "from": "00:00", "until": "24:00" }] })
}

fn uses(allocation: &str) -> Call {
    Call::on(allocation).uses(GENERATE, 1)
}

async fn a_call_outside_the_hours_is_denied_with_when_it_opens(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let open = client.carve(&with(card("open"), "hours", always())).await;
    assert!(client.consume(&uses(open.id())).await.allowed());
    let closed = client.carve(&with(card("closed"), "hours", closed_now())).await;
    let denied = client.consume(&uses(closed.id())).await;
    assert_eq!((denied.reason(), denied.level()), ("outside_schedule", "allocation"));
    let opens = denied.0["resets_at"].as_str().expect("it says when it opens");
    // Midnight may have passed since.
    let ahead = [1, 2].map(|days| Timestamp::from_micros((today() + days) * DAY).to_string());
    assert!(ahead.iter().any(|at| at == opens), "{opens} is none of {ahead:?}");
    assert!(denied.message().contains(opens), "{}", denied.message());
    assert!(denied.0["retry_after_s"].as_u64().is_some_and(|seconds| seconds > 24 * 3_600 - 60), "{denied:?}");
    assert_eq!(client.check(&uses(closed.id())).await.reason(), "outside_schedule");
    assert_eq!(client.statement(closed.id()).await.line(GENERATE).used, 0);
    server.end().await;
}

async fn so_many_calls_are_allowed_at_once_and_no_more(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let card = client.carve(&with(card("fast"), "pace", json!({ "calls": 5, "per_s": 3600 }))).await;
    // What is looked at, and what asks for more than there is, is no call that was allowed.
    assert!(client.check(&uses(card.id())).await.allowed());
    assert_eq!(client.consume(&Call::on(card.id()).uses(GENERATE, 51)).await.reason(), "exhausted");
    let held = client.reserve(&uses(card.id()).key("held")).await;
    assert_eq!(client.reserve(&uses(card.id()).key("held")).await.id(), held.id(), "a retry is no call of its own");
    let calls = (0..20).map(|_| async { client.consume(&uses(card.id())).await });
    let decisions = join_all(calls).await;
    assert_eq!(decisions.iter().filter(|decision| decision.allowed()).count(), 4, "one is held already");
    let denied = decisions.iter().find(|decision| !decision.allowed()).expect("one is denied");
    assert_eq!((denied.reason(), denied.level()), ("rate_limited", "allocation"));
    let seconds = denied.0["retry_after_s"].as_u64().expect("it says how long to wait");
    assert!((3_500..=3_601).contains(&seconds), "{seconds}");
    assert_eq!(client.check(&uses(card.id())).await.reason(), "rate_limited");
    assert_eq!(client.commit(held.hold(), &[]).await.status, 200, "what was begun may be ended");
    // More units are no more calls.
    let mutation = "mutation($input: AdjustAllocationInput!) { topUpAllocation(input: $input) { allocation { id } refusals { message } } }";
    let input = json!({ "id": card.id(), "lines": [{ "feature": GENERATE, "amount": "5" }] });
    let staff = client.with_key(&server.shop.operator_key);
    let topped = staff.graphql(mutation, json!({ "input": input })).await;
    assert_eq!(topped["topUpAllocation"]["refusals"], json!([]), "{topped}");
    assert_eq!(client.consume(&uses(card.id())).await.reason(), "rate_limited");
    assert_eq!(client.statement(card.id()).await.line(GENERATE).used, 5);
    server.end().await;
}

async fn what_is_carved_below_is_held_to_the_same(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let top = client.carve(&with(card("top"), "pace", json!({ "calls": 2, "per_s": 3600 }))).await;
    let below = client.carve(&Carve::from(top.id(), "below").line(GENERATE, 10)).await;
    assert!(client.consume(&uses(below.id())).await.allowed());
    assert!(client.consume(&uses(top.id())).await.allowed());
    let denied = client.consume(&uses(below.id())).await;
    assert_eq!((denied.reason(), denied.level()), ("rate_limited", "parent_allocation"));
    let closed = client.carve(&with(card("shut"), "hours", closed_now())).await;
    let below = with(Carve::from(closed.id(), "open below"), "hours", always()).line(GENERATE, 10);
    let denied = client.consume(&uses(client.carve(&below).await.id())).await;
    assert_eq!((denied.reason(), denied.level()), ("outside_schedule", "parent_allocation"));
    server.end().await;
}

async fn a_policys_allocations_have_its_conditions(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let staff = client.with_key(&server.shop.operator_key);
    let mutation = "mutation($input: AddPolicyInput!) { addPolicy(input: $input) {
        policy { hours { zone openings { days from until } holidays } pace { calls perSeconds } idleTimeoutSeconds }
        refusals { message path } } }";
    let opening = json!({ "days": ["MONDAY"], "from": "08:00", "until": "18:30" });
    let mut input = json!({ "externalId": "chats", "name": "Chats", "sessionKind": "chat", "lifetimeSeconds": 600,
        "lines": [{ "feature": GENERATE, "upTo": "9" }], "pace": { "calls": 1, "perSeconds": 600 },
        "idleTimeoutSeconds": 120 });
    let added = staff.graphql(mutation, json!({ "input": input })).await;
    assert_eq!(added["addPolicy"]["policy"]["idleTimeoutSeconds"], 120, "{added}");
    let mut chat = Call::of_user("acme-shop", "ada").uses(GENERATE, 1);
    chat.0["agent"] = "catalogue".into();
    chat.0["session"] = json!({ "kind": "chat", "key": "C-1" });
    assert!(client.consume(&chat).await.allowed());
    assert_eq!(client.consume(&chat).await.reason(), "rate_limited");
    input["externalId"] = "office".into();
    input["hours"] = json!({ "zone": "Europe/Berlin", "openings": [opening], "holidays": ["2026-12-25"] });
    let added = staff.graphql(mutation, json!({ "input": input })).await;
    assert_eq!(added["addPolicy"]["policy"]["hours"], input["hours"], "{added}");
    server.end().await;
}

async fn people_say_and_see_conditions(database: Database) {
    let server = Server::start(database).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    let mutation = "mutation($input: CarveAllocationInput!) { carveAllocation(input: $input) {
        allocation { id hours { zone openings { days from until } holidays } pace { calls perSeconds } idleTimeoutSeconds }
        refusals { message path } } }";
    let hours = json!({ "zone": "Europe/Berlin", "holidays": [],
        "openings": [{ "days": ["MONDAY", "FRIDAY"], "from": "08:00", "until": "24:00" }] });
    let input = json!({ "customer": "acme-shop", "agent": "catalogue", "session": { "kind": "task", "key": "seen" },
        "lines": [{ "feature": GENERATE, "amount": "5" }], "hours": hours, "idleTimeoutSeconds": 900,
        "pace": { "calls": 10, "perSeconds": 60 } });
    let carved = staff.graphql(mutation, json!({ "input": input })).await;
    let allocation = &carved["carveAllocation"]["allocation"];
    for member in ["hours", "pace", "idleTimeoutSeconds"] {
        assert_eq!(allocation[member], input[member], "{carved}");
    }
    let shown = server.client().statement(allocation["id"].as_str().expect("it has an id")).await;
    assert_eq!(shown.0["pace"], json!({ "calls": 10, "per_s": 60 }));
    assert_eq!(shown.0["idle_timeout_s"], 900);
    assert_eq!(shown.0["hours"]["openings"][0]["days"], json!(["monday", "friday"]));
    server.end().await;
}

async fn conditions_that_cannot_be_are_refused(database: Database) {
    let server = Server::start(database).await;
    let client = server.client();
    let openings = |days: Value, from: &str, until: &str| json!({ "zone": "UTC", "openings": [{ "days": days, "from": from, "until": until }] });
    let monday = json!(["monday"]);
    for (member, value, pointer) in [
        ("hours", json!({ "zone": "Mars/Olympus", "openings": [] }), "/hours/zone"),
        ("hours", json!({ "zone": "UTC", "openings": [] }), "/hours/openings"),
        ("hours", openings(json!([]), "09:00", "10:00"), "/hours/openings/0/days"),
        ("hours", openings(json!(["someday"]), "09:00", "10:00"), "/hours/openings/0/days/0"),
        ("hours", openings(monday.clone(), "9", "10:00"), "/hours/openings/0/from"),
        ("hours", openings(monday.clone(), "22:00", "06:00"), "/hours/openings/0/until"),
        ("pace", json!({ "calls": 0, "per_s": 60 }), "/pace"),
        ("pace", json!({ "calls": 1, "per_s": 90_000 }), "/pace"),
        ("idle_timeout_s", json!(5), "/idle_timeout_s"),
    ] {
        let reply = client.post("/v1/allocations", &with(card("bad"), member, value).0).await;
        let problem = reply.json();
        let pointers: Vec<&Value> =
            problem["errors"].as_array().expect("errors").iter().map(|e| &e["pointer"]).collect();
        assert!(pointers.iter().any(|one| *one == pointer), "{pointer}: {problem}");
        assert_eq!(reply.status, 422, "{problem}");
    }
    let holiday = with(card("bad"), "hours", json!({ "zone": "UTC", "openings": [], "holidays": ["christmas"] }));
    let problem = client.post("/v1/allocations", &holiday.0).await.json();
    assert_eq!(problem["errors"][0]["pointer"], "/hours/holidays/0", "{problem}");
    server.end().await;
}
