//! The runaway guard on the real binary: an agent in a loop is watched, slowed down and stopped, step by step and told to a real
//! receiver; a person lets it go on; and whoever does not run away is left alone.

use almoner_tests::receiver::{Language, Receiver};
use almoner_tests::wait::ahead;
use almoner_tests::{Call, Carve, Client, Database, Decision, Server, eventually, on_each_database};
use serde_json::{Value, json};
use std::time::Duration;

const GENERATE: &str = "image.generate";
const DESCRIBE: &str = "image.describe";

on_each_database! {
    a_loop_is_watched_slowed_down_and_stopped_until_a_person_lets_it_go_on;
    who_does_not_run_away_is_left_alone;
    who_is_stopped_stays_stopped_through_a_restart_and_a_crash;
    what_is_stopped_is_stopped_with_all_below_it_and_its_owner_lets_it_go_on;
    an_agent_that_hammers_denials_is_stopped_in_all_that_it_does;
    units_used_up_faster_than_forecast_stop_an_allocation;
}

/// Quick enough for a test; the receiver is on this machine.
const QUICK: [(&str, &str); 5] = [
    ("gate.flush_interval_ms", "20"),
    ("worker.poll_interval_ms", "20"),
    ("webhooks.allow_private", "true"),
    ("webhooks.interval_ms", "50"),
    ("webhooks.timeout_ms", "1000"),
];

/// The same call three, five and eight times within an hour. Slowed down, the next call is admitted in an hour.
const LOOPS: &str = "intervalSeconds: 3600, repeats: { spanSeconds: 3600, watch: 3, throttle: 5, suspend: 8 }";

/// The steps of that.
const STEPS: &str = "watch: 3, throttle: 5, suspend: 8";

/// A tenant's staff, or whoever else asks.
struct Asker(Client);

impl Asker {
    fn staff(server: &Server) -> Self {
        Self(server.client().with_key(&server.shop.operator_key))
    }

    async fn ask(&self, query: &str) -> Value {
        self.0.graphql(query, json!({})).await
    }

    /// One mutation that is done; its payload.
    async fn done(&self, field: &str, asked: &str) -> Value {
        let payload = self.ask(&format!("mutation {{ {asked} }}")).await[field].clone();
        assert_eq!(payload["refusals"], json!([]), "{asked}");
        payload
    }

    async fn guard(&self, agent: &str, rules: &str) {
        let asked = format!(
            "setAgentGuard(input: {{ agent: \"{agent}\", {rules} }}) {{ agent {{ id }} refusals {{ message path }} }}"
        );
        self.done("setAgentGuard", &asked).await;
    }

    async fn resume(&self, card: &str) {
        let asked = format!("resumeAllocation(id: \"{card}\") {{ allocation {{ id }} refusals {{ message }} }}");
        self.done("resumeAllocation", &asked).await;
    }

    async fn resume_agent(&self, agent: &str) {
        let asked = format!("resumeAgent(agent: \"{agent}\") {{ agent {{ id }} refusals {{ message }} }}");
        self.done("resumeAgent", &asked).await;
    }

    /// How far the guard has gone with an allocation: state and why.
    async fn stands(&self, card: &str) -> (String, Value) {
        let query = format!("{{ node(id: \"{card}\") {{ ... on Allocation {{ guard {{ state since why }} }} }} }}");
        let guard = self.ask(&query).await["node"]["guard"].clone();
        (guard["state"].as_str().expect("a state").to_owned(), guard["why"].clone())
    }

    /// Waits until the store has it so.
    async fn comes_to_stand(&self, card: &str, state: &str) {
        eventually(&format!("it is {state}"), async || (self.stands(card).await.0 == state).then_some(())).await;
    }
}

async fn card(client: &Client, session: &str) -> String {
    card_of(client, session, 100).await
}

async fn card_of(client: &Client, session: &str, units: i64) -> String {
    client.carve(&Carve::of("acme-shop", session).line(GENERATE, units).line(DESCRIBE, units)).await.id().to_owned()
}

/// So many calls, each the same: the reasons of those that were denied, in their order.
async fn again(client: &Client, call: &Call, times: usize) -> Vec<String> {
    let mut reasons = Vec::new();
    for _ in 0..times {
        let decision = client.consume(call).await;
        reasons.push(if decision.allowed() { "allowed".to_owned() } else { decision.reason().to_owned() });
    }
    reasons
}

async fn a_loop_is_watched_slowed_down_and_stopped_until_a_person_lets_it_go_on(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let (client, staff) = (server.client(), Asker::staff(&server));
    let mut receiver = Receiver::start(Language::JavaScript).await;
    let add = format!(
        "addWebhookEndpoint(input: {{ url: \"{}\", events: [\"agent.watched\", \"agent.throttled\", \"agent.suspended\", \
         \"agent.resumed\"] }}) {{ webhook {{ secret }} refusals {{ message }} }}",
        receiver.url()
    );
    let added = staff.done("addWebhookEndpoint", &add).await;
    receiver.secret(added["webhook"]["secret"].as_str().expect("a secret")).await;
    let card = card(&client, "loop").await;
    let call = Call::on(&card).uses(GENERATE, 1).tool("render");
    assert_eq!(again(&client, &call, 20).await, ["allowed"; 20], "nobody is guarded unless somebody says so");
    assert_eq!(staff.stands(&card).await, ("CALM".to_owned(), Value::Null));
    staff.guard("catalogue", LOOPS).await;

    let is_told = async |count: usize, kind: &str, state: &str| {
        let heard = receiver.has_heard(count).await;
        let event = heard.last().expect("an event");
        assert!(event.genuine, "{event:?}");
        assert_eq!((heard.len(), event.kind()), (count, kind));
        let data = &event.body["data"];
        assert_eq!((&data["state"], &data["stopped"]), (&json!(state), &json!("allocation")));
        assert_eq!(data["allocation"]["id"], json!(card));
        let whom = [&data["agent"]["external_id"], &data["customer"]["external_id"], &data["session"]["key"]];
        assert_eq!(whom, ["catalogue", "acme-shop", "loop"]);
        data["why"].as_str().expect("a reason").to_owned()
    };
    assert_eq!(again(&client, &call, 3).await, ["allowed"; 3]);
    assert_eq!(is_told(1, "agent.watched", "watch").await, "the same call came 3 times within an hour");
    assert_eq!(again(&client, &call, 2).await, ["allowed"; 2]);
    is_told(2, "agent.throttled", "throttled").await;
    staff.comes_to_stand(&card, "THROTTLED").await;
    let slowed = client.consume(&call).await;
    assert_eq!((slowed.reason(), slowed.level()), ("rate_limited", "allocation"), "{slowed:?}");
    let wait = slowed.0["retry_after_s"].as_i64().expect("when to come again");
    assert!((3_000..=3_601).contains(&wait), "{slowed:?}");
    assert_eq!(client.check(&call).await.reason(), "rate_limited", "as a call would be answered");
    let other = Call::on(&card).uses(DESCRIBE, 1);
    assert_eq!(client.consume(&other).await.reason(), "rate_limited", "whatever it asks for");
    assert_eq!(again(&client, &call, 2).await, ["rate_limited"; 2]);
    let stopped = client.consume(&call).await;
    assert_eq!((stopped.reason(), stopped.level()), ("suspended", "allocation"), "{stopped:?}");
    assert!(stopped.message().contains("the same call came 8 times within an hour"), "{}", stopped.message());
    let why = is_told(3, "agent.suspended", "suspended").await;
    staff.comes_to_stand(&card, "SUSPENDED").await;
    assert_eq!(staff.stands(&card).await.1, json!(why));
    assert_eq!(client.check(&call).await.reason(), "suspended");
    assert_eq!(again(&client, &other, 3).await, ["suspended"; 3]);

    staff.resume(&card).await;
    assert_eq!(again(&client, &call, 2).await, ["allowed"; 2], "at once, and what came before is not counted again");
    assert_eq!(is_told(4, "agent.resumed", "calm").await, why);
    assert_eq!(staff.stands(&card).await.0, "CALM");
    assert_eq!(again(&client, &call, 1).await, ["allowed"]);
    assert_eq!(is_told(5, "agent.watched", "watch").await, "the same call came 3 times within an hour");
    let signed = staff.ask("{ audit(first: 1) { edges { node { action subject note } } } }").await;
    let entry = &signed["audit"]["edges"][0]["node"];
    assert_eq!((&entry["action"], &entry["subject"]), (&json!("allocation.resume"), &json!(card)), "{entry}");
    server.end().await;
}

async fn who_does_not_run_away_is_left_alone(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let (client, staff) = (server.client(), Asker::staff(&server));
    let rules = "intervalSeconds: 3600, repeats: { spanSeconds: 3600, watch: 3, suspend: 4 },
        denials: { spanSeconds: 3600, watch: 2, suspend: 3 },
        burn: { spanSeconds: 3600, watch: 101, suspend: 102 }, burnUnitsMin: 31";
    staff.guard("catalogue", rules).await;
    let first = card(&client, "varied").await;
    for number in 0..30 {
        let call = Call::on(&first).uses(GENERATE, 1).resource(&format!("sku-{number}"));
        assert!(client.consume(&call).await.allowed(), "call {number}");
    }
    // The same in ten allocations is no loop in any.
    for number in 0..10 {
        let card = card_of(&client, &format!("same-{number}"), 10).await;
        assert_eq!(again(&client, &Call::on(&card).uses(GENERATE, 2), 2).await, ["allowed"; 2]);
    }
    // A retry is no other call, and a denial now and then is none too many.
    let keyed = Call::on(&first).uses(DESCRIBE, 1).key("once");
    assert_eq!(again(&client, &keyed, 20).await, ["allowed"; 20]);
    assert_eq!(again(&client, &Call::on(&first).uses(GENERATE, 99), 1).await, ["exhausted"]);
    // What is held and not spent burns nothing.
    let held = client.reserve(&Call::on(&first).uses(DESCRIBE, 90)).await;
    assert!(client.release(held.hold(), &json!({})).await.decision().allowed());
    assert_eq!(staff.stands(&first).await, ("CALM".to_owned(), Value::Null));
    // Another agent has no rules.
    let mut carve = Carve::of("acme-shop", "unguarded").line(GENERATE, 50);
    carve.0["agent"] = "support".into();
    let unguarded = client.carve(&carve).await.id().to_owned();
    assert_eq!(again(&client, &Call::on(&unguarded).uses(GENERATE, 1), 20).await, ["allowed"; 20]);
    staff.guard("catalogue", "intervalSeconds: 1").await;
    assert_eq!(again(&client, &Call::on(&first).uses(DESCRIBE, 1), 20).await, ["allowed"; 20], "without rules");
    server.end().await;
}

async fn who_is_stopped_stays_stopped_through_a_restart_and_a_crash(database: Database) {
    let mut server = Server::start_with(database, &QUICK).await;
    let (client, staff) = (server.client(), Asker::staff(&server));
    staff.guard("catalogue", &LOOPS.replace(STEPS, "suspend: 3")).await;
    let stopped = card(&client, "stopped").await;
    let call = Call::on(&stopped).uses(GENERATE, 1);
    // A graceful stop tells the ledger whatever it has not heard.
    assert_eq!(again(&client, &call, 3).await, ["allowed"; 3]);
    server.stop().await;
    server.restart().await;
    assert_eq!(again(&client, &call, 2).await, ["suspended"; 2]);
    server.restart().await;
    assert_eq!(again(&client, &call, 2).await, ["suspended"; 2]);
    staff.resume(&stopped).await;
    assert_eq!(again(&client, &call, 2).await, ["allowed"; 2]);
    staff.guard("catalogue", &LOOPS.replace(STEPS, "throttle: 3")).await;
    let slowed = card(&client, "slowed").await;
    let call = Call::on(&slowed).uses(GENERATE, 1);
    assert_eq!(again(&client, &call, 4).await, ["allowed", "allowed", "allowed", "rate_limited"]);
    staff.comes_to_stand(&slowed, "THROTTLED").await;
    server.restart().await;
    // Another gate, as this one is now, admits one call and then none for the stated time.
    assert_eq!(again(&client, &call, 3).await, ["allowed", "rate_limited", "rate_limited"]);
    server.end().await;
}

async fn what_is_stopped_is_stopped_with_all_below_it_and_its_owner_lets_it_go_on(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let (client, staff) = (server.client(), Asker::staff(&server));
    staff.guard("catalogue", &LOOPS.replace(STEPS, "suspend: 3")).await;
    let top = client.carve(&Carve::of_user("acme-shop", "ada", "top").line(GENERATE, 50)).await.id().to_owned();
    let mut below = Carve::from(&top, "below").line(GENERATE, 20);
    below.0["agent"] = "support".into();
    let below = client.carve(&below).await.id().to_owned();
    let (above, under) = (Call::on(&top).uses(GENERATE, 1), Call::on(&below).uses(GENERATE, 1));
    assert!(client.consume(&under).await.allowed());
    assert_eq!(again(&client, &above, 4).await, ["allowed", "allowed", "allowed", "suspended"]);
    let denied = eventually("what is below is stopped", async || {
        Some(client.consume(&under).await).filter(|decision| !decision.allowed())
    });
    let denied: Decision = denied.await;
    assert_eq!((denied.reason(), denied.level()), ("suspended", "allocation"), "{denied:?}");

    let key = async |holder: &str| {
        let asked = format!(
            "issueKey(input: {{ kind: CUSTOMER, name: \"x\", {holder} }}) {{ issued {{ secret }} refusals {{ message }} }}"
        );
        let issued = staff.done("issueKey", &asked).await;
        Asker(staff.0.with_key(issued["issued"]["secret"].as_str().expect("a secret")))
    };
    let (member, other) = (key("customer: \"acme-shop\", user: \"ben\"").await, key("customer: \"bolt-store\"").await);
    let resume =
        format!("mutation {{ resumeAllocation(id: \"{top}\") {{ allocation {{ id }} refusals {{ code }} }} }}");
    let asked = json!({ "query": resume });
    let refused = member.0.post("/graphql", &asked).await.json();
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN", "a member does not let go on: {refused}");
    let refused = other.0.post("/graphql", &asked).await.json();
    assert_eq!(refused["data"]["resumeAllocation"]["refusals"][0]["code"], "NOT_FOUND", "another's: {refused}");
    assert_eq!(client.consume(&above).await.reason(), "suspended");
    let owner = key("customer: \"acme-shop\"").await;
    owner.resume(&top).await;
    assert_eq!(again(&client, &above, 1).await, ["allowed"]);
    assert_eq!(again(&client, &under, 1).await, ["allowed"], "and all below it, at once");
    let rules = owner.ask("{ agents { edges { node { guard { state rules { stops } } } } } }").await;
    let nodes = rules["agents"]["edges"].as_array().expect("agents");
    assert!(nodes.iter().all(|edge| edge["node"]["guard"]["rules"].is_null()), "bounds are staff's to see: {rules}");
    server.end().await;
}

async fn an_agent_that_hammers_denials_is_stopped_in_all_that_it_does(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let (client, staff) = (server.client(), Asker::staff(&server));
    staff.guard("support", "stops: AGENT, denials: { spanSeconds: 600, watch: 2, suspend: 5 }").await;
    let ticket = |key: &str, units: i64| {
        let mut call = Call::of_user("acme-shop", "ada").uses("support.reply", units);
        call.0["agent"] = "support".into();
        call.0["session"] = json!({ "kind": "support_ticket", "key": key });
        call
    };
    assert_eq!(again(&client, &ticket("T-1", 1), 3).await, ["allowed"; 3]);
    assert_eq!(again(&client, &ticket("T-2", 1), 1).await, ["allowed"]);
    // Each another one, so that no loop is meant.
    for number in 0..5 {
        assert_eq!(client.consume(&ticket("T-1", 1_000 + number)).await.reason(), "exhausted");
    }
    let stopped = client.consume(&ticket("T-1", 1)).await;
    assert_eq!((stopped.reason(), stopped.level()), ("suspended", "tenant"), "{stopped:?}");
    assert!(stopped.message().contains("5 of its calls were denied within 600 seconds"), "{}", stopped.message());
    eventually("the other session is stopped", async || {
        (client.consume(&ticket("T-2", 1)).await.reason() == "suspended").then_some(())
    })
    .await;
    let look = "{ agent(id: \"support\") { guard { state why rules { stops denials { suspend } } } } }";
    let guard = eventually("the store has it", async || {
        let guard = staff.ask(look).await["agent"]["guard"].clone();
        (guard["state"] == "SUSPENDED").then_some(guard)
    });
    assert_eq!(guard.await["rules"], json!({ "stops": "AGENT", "denials": { "suspend": 5 } }));
    let fresh = client.consume(&ticket("T-3", 1)).await;
    assert_eq!(fresh.reason(), "suspended", "{fresh:?}");
    assert!(fresh.0["allocation"].is_null(), "nothing is made for it: {fresh:?}");
    let other = card(&client, "other").await;
    assert_eq!(again(&client, &Call::on(&other).uses(GENERATE, 1), 1).await, ["allowed"], "another agent goes on");
    staff.resume_agent("support").await;
    assert_eq!(again(&client, &ticket("T-1", 1), 1).await, ["allowed"]);
    assert_eq!(again(&client, &ticket("T-3", 1), 1).await, ["allowed"]);
    server.end().await;
}

async fn units_used_up_faster_than_forecast_stop_an_allocation(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let (client, staff) = (server.client(), Asker::staff(&server));
    // A hundred units until the month ends at least an hour from now: a few a minute are forecast, at most.
    let burn = "burn: { spanSeconds: 60, watch: 300, suspend: 2000 }, burnUnitsMin: 5";
    staff.guard("catalogue", burn).await;
    let carve = Carve::of("acme-shop", "burning").line(GENERATE, 100).until(ahead(Duration::from_secs(3_600)));
    let card = client.carve(&carve).await.id().to_owned();
    assert_eq!(again(&client, &Call::on(&card).uses(GENERATE, 4), 1).await, ["allowed"]);
    assert_eq!(staff.stands(&card).await.0, "CALM", "fewer units than say anything");
    // A hold burns when it is settled, by what it comes to.
    let held = client.reserve(&Call::on(&card).uses(GENERATE, 60)).await;
    assert!(client.commit(held.hold(), &[(GENERATE, 2)]).await.decision().allowed());
    staff.comes_to_stand(&card, "WATCH").await;
    assert_eq!(again(&client, &Call::on(&card).uses(GENERATE, 50), 1).await, ["allowed"]);
    let stopped = client.consume(&Call::on(&card).uses(GENERATE, 1)).await;
    assert_eq!(stopped.reason(), "suspended", "{stopped:?}");
    assert!(stopped.message().contains("56 image generations were used within a minute"), "{}", stopped.message());
    server.end().await;
}
