//! Webhooks on the real binary: what happens reaches a real receiver, which knows by the unmodified libraries of two languages that
//! it comes from us; at least once, under one id, through a receiver that fails and a server that dies.

use almoner_tests::program::run_json;
use almoner_tests::receiver::{Heard, Language, Receiver};
use almoner_tests::{Call, Carve, Client, Database, Server, Shop, eventually, on_each_database};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const GENERATE: &str = "image.generate";

on_each_database! {
    four_fifths_and_the_last_unit_are_told_once_and_verified_by_two_libraries;
    a_card_tells_of_its_beginning_and_its_end;
    a_receiver_that_fails_is_tried_again_under_the_same_id;
    each_endpoint_hears_what_it_wants_by_its_own_key;
    what_was_missed_is_listed_and_replayed_under_the_same_id;
    each_attempt_is_in_the_log;
    a_receiver_that_is_gone_hears_no_more_until_it_is_enabled_again;
    a_server_killed_before_it_could_record_sends_again_under_the_same_id;
    a_proxy_of_the_environment_is_not_asked;
    private_addresses_are_refused_where_they_are_set_and_where_they_are_called;
    a_rotated_secret_signs_beside_its_successor_and_neither_can_be_read;
}

/// Quick enough for a test; the receivers are on this machine.
const QUICK: [(&str, &str); 6] = [
    ("gate.flush_interval_ms", "20"),
    ("worker.poll_interval_ms", "20"),
    ("webhooks.allow_private", "true"),
    ("webhooks.interval_ms", "50"),
    ("webhooks.timeout_ms", "1000"),
    ("webhooks.retry_first_ms", "50"),
];

/// A tenant's staff.
struct Staff(Client);

impl Staff {
    fn of(server: &Server, shop: &Shop) -> Self {
        Self(server.client().with_key(&shop.operator_key))
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

    /// One mutation that is refused: code, path and message.
    async fn refused(&self, field: &str, asked: &str) -> (String, Value, String) {
        let refusal = self.ask(&format!("mutation {{ {asked} }}")).await[field]["refusals"][0].clone();
        let text = |name: &str| refusal[name].as_str().unwrap_or_else(|| panic!("{asked} was not refused")).to_owned();
        (text("code"), refusal["path"].clone(), text("message"))
    }

    /// Adds an endpoint; its id, and what its receiver verifies by.
    async fn add(&self, url: &str, more: &str) -> (String, String) {
        let payload = self.done("addWebhookEndpoint", &add(url, more)).await;
        let webhook = &payload["webhook"];
        assert_eq!(webhook["endpoint"]["url"], url);
        let key = [&webhook["secret"], &webhook["endpoint"]["publicKey"]].into_iter().find_map(Value::as_str);
        (webhook["endpoint"]["id"].as_str().expect("an id").to_owned(), key.expect("a key").to_owned())
    }

    /// Adds an endpoint where a receiver is, and gives it the secret; its id.
    async fn add_to(&self, receiver: &mut Receiver, more: &str) -> String {
        let (id, secret) = self.add(&receiver.url(), more).await;
        receiver.secret(&secret).await;
        id
    }

    async fn change(&self, id: &str, more: &str) -> Value {
        let asked = format!(
            "changeWebhookEndpoint(input: {{ id: \"{id}\", {more} }}) {{
            endpoint {{ id url enabled disabledReason allowsPrivate events }} refusals {{ message }} }}"
        );
        self.done("changeWebhookEndpoint", &asked).await["endpoint"].clone()
    }

    /// Sends a test event; the event's id.
    async fn test(&self, id: &str) -> String {
        let payload = self.done("sendTestEvent", &test(id)).await;
        payload["eventId"].as_str().expect("an id").to_owned()
    }

    async fn endpoint(&self, id: &str) -> Value {
        let query = format!(
            "{{ webhookEndpoint(id: \"{id}\") {{ url events enabled disabledAt disabledReason previousSecretUntil }} }}"
        );
        self.ask(&query).await["webhookEndpoint"].clone()
    }

    /// All deliveries, newest first.
    async fn deliveries(&self) -> Vec<Value> {
        let query = "{ webhookDeliveries(first: 100) { edges { node {
            id eventId endpointId event state body attempts lastStatus lastError nextAttemptAt finishedAt } } } }";
        let edges = self.ask(query).await["webhookDeliveries"]["edges"].clone();
        edges.as_array().expect("edges").iter().map(|edge| edge["node"].clone()).collect()
    }

    /// Waits until the delivery of an event stands so.
    async fn stands(&self, event: &str, state: &str) -> Value {
        eventually(&format!("the delivery is {state}"), async || {
            self.deliveries().await.into_iter().find(|one| one["eventId"] == event && one["state"] == state)
        })
        .await
    }

    /// The log of a delivery, newest first.
    async fn log(&self, delivery: &Value) -> Vec<Value> {
        let id = delivery["id"].as_str().expect("an id");
        let query = format!(
            "{{ webhookAttempts(delivery: \"{id}\") {{
            number at durationMs host requestHeaders {{ name value }} status responseBody error }} }}"
        );
        self.ask(&query).await["webhookAttempts"].as_array().expect("a list").clone()
    }
}

fn add(url: &str, more: &str) -> String {
    format!(
        "addWebhookEndpoint(input: {{ url: \"{url}\"{more} }}) {{
        webhook {{ endpoint {{ id url publicKey allowsPrivate }} secret }} refusals {{ code path message }} }}"
    )
}

fn test(id: &str) -> String {
    format!("sendTestEvent(id: \"{id}\") {{ eventId refusals {{ code path message }} }}")
}

fn ids(heard: &[Heard]) -> BTreeSet<&str> {
    heard.iter().map(|one| one.id.as_str()).collect()
}

async fn spend(gate: &Client, card: &str, times: usize) {
    for _ in 0..times {
        assert!(gate.consume(&Call::on(card).uses(GENERATE, 1)).await.allowed());
    }
}

async fn four_fifths_and_the_last_unit_are_told_once_and_verified_by_two_libraries(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let marks = ", events: [\"allocation.threshold\", \"allocation.exhausted\"]";
    for (language, shop) in [(Language::JavaScript, &server.shop), (Language::Python, &server.other)] {
        let staff = Staff::of(&server, shop);
        let mut receiver = Receiver::start(language).await;
        staff.add_to(&mut receiver, marks).await;
        let gate = server.client().with_key(&shop.gate_key);
        // An agent that both tenants have.
        let mut carve = Carve::of_user("acme-shop", "ada", "catalog-2026-11").line(GENERATE, 10);
        carve.0["agent"] = json!("support");
        let card = gate.carve(&carve).await;

        spend(&gate, card.id(), 8).await;
        let first = receiver.has_heard(1).await.remove(0);
        assert_eq!(first.kind(), "allocation.threshold", "{language:?}");
        let data = &first.body["data"];
        assert_eq!(
            (&data["feature"], &data["granted"], &data["used"], &data["remaining"]),
            (&json!(GENERATE), &json!("10"), &json!("8"), &json!("2")),
        );
        assert_eq!(
            (&data["allocation"]["id"], &data["sequence"]),
            (&json!(card.id()), &json!(2)),
            "created comes first"
        );
        let named = ["customer", "user", "agent"].map(|noun| data[noun]["external_id"].clone());
        assert_eq!(named, ["acme-shop", "ada", "support"]);
        assert_eq!((&data["session"]["key"], &data["window_end"]), (&json!("catalog-2026-11"), &card.0["expires_at"]));

        spend(&gate, card.id(), 2).await;
        let heard = receiver.has_heard(2).await;
        assert_eq!(heard[1].kind(), "allocation.exhausted");
        assert_eq!((&heard[1].body["data"]["used"], &heard[1].body["data"]["remaining"]), (&json!("10"), &json!("0")));
        for one in &heard {
            assert!(one.genuine, "{language:?} takes it for ours: {one:?}");
            assert!(!one.tampered, "{language:?} refuses it with a space more: {one:?}");
            assert!(!one.late, "{language:?} refuses it after five minutes: {one:?}");
        }
        for one in &heard {
            let delivery = staff.stands(&one.id, "DELIVERED").await;
            assert_eq!((&delivery["attempts"], &delivery["lastStatus"]), (&json!(1), &json!(200)));
            let body: Value = serde_json::from_str(delivery["body"].as_str().expect("a text")).expect("JSON");
            assert_eq!(body, one.body);
        }
        assert_eq!(staff.deliveries().await.len(), 2, "nothing else was to be told");
        assert_eq!((receiver.heard().len(), ids(&heard).len()), (2, 2), "each once");
    }
    server.end().await;
}

async fn a_card_tells_of_its_beginning_and_its_end(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let staff = Staff::of(&server, &server.shop);
    let mut receiver = Receiver::start(Language::JavaScript).await;
    let marks = ", events: [\"allocation.created\", \"allocation.closed\"]";
    let endpoint = staff.add_to(&mut receiver, marks).await;
    let client = server.client();
    let card = client.carve(&Carve::of("acme-shop", "whole").line(GENERATE, 10).line("image.upload", 5)).await;
    let of_card = |heard: &[Heard], kind: &str| {
        let mine = |one: &&Heard| one.kind() == kind && one.body["data"]["allocation"]["id"] == card.id();
        heard.iter().find(mine).cloned()
    };
    let created = eventually("a beginning is told", async || of_card(&receiver.heard(), "allocation.created")).await;
    let lines = |heard: &Heard| heard.body["data"]["lines"].as_array().map_or(0, Vec::len);
    assert_eq!((lines(&created), &created.body["data"]["user"]), (2, &Value::Null));
    spend(&client, card.id(), 3).await;
    client.close(card.id()).await;
    let closed = eventually("an end is told", async || of_card(&receiver.heard(), "allocation.closed")).await;
    assert_eq!((lines(&closed), &closed.body["data"]["allocation"]["state"]), (2, &json!("closed")));
    assert!(receiver.heard().iter().all(|one| one.genuine));

    let sequences = [&created, &closed].map(|one| one.body["data"]["sequence"].clone());
    assert_eq!(sequences, [json!(1), json!(2)]);

    // What an endpoint has not subscribed to is not told it, and a removed one is told nothing.
    let told = receiver.heard().len();
    staff.change(&endpoint, "events: [\"allocation.revoked\"]").await;
    client.carve(&Carve::of("acme-shop", "unheard").line(GENERATE, 1)).await;
    let trial = staff.test(&endpoint).await;
    staff.stands(&trial, "DELIVERED").await;
    assert_eq!(receiver.heard().len(), told + 1);
    let remove = format!("removeWebhookEndpoint(id: \"{endpoint}\") {{ removed refusals {{ message }} }}");
    staff.done("removeWebhookEndpoint", &remove).await;
    assert_eq!(staff.endpoint(&endpoint).await, Value::Null);
    let gone = staff.refused("sendTestEvent", &test(&endpoint)).await;
    assert_eq!((gone.0.as_str(), gone.1), ("NOT_FOUND", json!(["id"])));
    server.end().await;
}

async fn each_endpoint_hears_what_it_wants_by_its_own_key(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let staff = Staff::of(&server, &server.shop);
    let (mut first, mut second) =
        (Receiver::start(Language::JavaScript).await, Receiver::start(Language::Python).await);
    staff.add_to(&mut first, ", events: [\"subscription.changed\"]").await;
    // Signed by a key pair, verified by another implementation of Ed25519 with the public key alone.
    let asked = ", signature: V1A, description: \"all there is\"";
    let (paired, key) = staff.add(&second.url(), asked).await;
    assert!(key.starts_with("whpk_"), "{key}");
    second.secret(&key).await;
    staff.done("cancelSubscription", "cancelSubscription(customer: \"acme-shop\") { refusals { message } }").await;
    // How it began may still be on its way.
    let ended = async |receiver: &Receiver| {
        let is_it = |one: &Heard| one.body["data"]["subscription"]["state"] == "ended";
        eventually("an end is told", async || receiver.heard().into_iter().find(is_it)).await
    };
    let (one, other) = (ended(&first).await, ended(&second).await);
    assert_eq!((one.kind(), &one.id, &one.body), ("subscription.changed", &other.id, &other.body), "one event, one id");
    assert_eq!(one.body["data"]["subscription"]["plan"]["external_id"], "pro");
    assert!(one.signature.starts_with("v1,") && other.signature.starts_with("v1a,"), "{other:?}");
    for heard in [&one, &other] {
        assert!(heard.genuine && !heard.tampered && !heard.late, "{heard:?}");
    }

    let rotate = format!(
        "rotateWebhookSecret(id: \"{paired}\") {{ webhook {{ endpoint {{ publicKey }} secret }} refusals {{ message }} }}"
    );
    let rotated = staff.done("rotateWebhookSecret", &rotate).await["webhook"].clone();
    let next = rotated["endpoint"]["publicKey"].as_str().expect("a key").to_owned();
    assert!(next != key && rotated["secret"].is_null(), "the secret half is nobody's");
    for key in [&key, &next] {
        second.secret(key).await;
        let event = staff.test(&paired).await;
        let last =
            eventually("the trial is heard", async || second.heard().into_iter().find(|heard| heard.id == event));
        let last = last.await;
        assert!(last.genuine && last.signature.split(' ').count() == 2, "{last:?}");
    }
    assert!(first.heard().iter().all(|one| one.kind() == "subscription.changed"), "a trial is for who is tried");
    server.end().await;
}

async fn what_was_missed_is_listed_and_replayed_under_the_same_id(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let staff = Staff::of(&server, &server.shop);
    let (mut receiver, mut other) =
        (Receiver::start(Language::Python).await, Receiver::start(Language::JavaScript).await);
    let id = staff.add_to(&mut receiver, ", events: [\"allocation.created\"]").await;
    staff.add_to(&mut other, ", events: [\"webhook.endpoint_disabled\"]").await;
    let since = "2026-01-01T00:00:00Z";
    let disabled = staff.change(&id, "enabled: false").await;
    assert_eq!((&disabled["enabled"], &disabled["disabledReason"]), (&json!(false), &json!("PERSON")));
    let told = other.has_heard(1).await.remove(0);
    assert_eq!((told.kind(), &told.body["data"]["endpoint"]["id"]), ("webhook.endpoint_disabled", &json!(id)));
    assert_eq!(told.body["data"]["endpoint"]["reason"], "person");

    let client = server.client();
    for task in ["one", "two"] {
        client.carve(&Carve::of("acme-shop", task).line(GENERATE, 1)).await;
    }
    let missed = eventually("what is missed is listed", async || {
        let all = staff.deliveries().await;
        let missed: Vec<Value> = all.into_iter().filter(|one| one["endpointId"] == *id).collect();
        (missed.len() == 2).then_some(missed)
    })
    .await;
    assert!(missed.iter().all(|one| one["state"] == "FAILED" && one["attempts"] == 0), "{missed:?}");
    let replay = |which: &str| {
        format!(
            "replayDeliveries(input: {{ endpoint: \"{id}\", {which} }}) {{ count refusals {{ code path message }} }}"
        )
    };
    let range = replay(&format!("since: \"{since}\", onlyFailed: true"));
    assert_eq!(staff.refused("replayDeliveries", &range).await.0, "CONFLICT", "it is disabled");
    assert_eq!(staff.change(&id, "enabled: true").await["enabled"], true);
    assert_eq!(staff.done("replayDeliveries", &range).await["count"], 2);
    let heard = receiver.has_heard(2).await;
    assert!(heard.iter().all(|one| one.genuine), "{heard:?}");
    let events: BTreeSet<&str> = missed.iter().filter_map(|one| one["eventId"].as_str()).collect();
    assert_eq!(ids(&heard), events);
    let event = heard[0].id.clone();
    staff.stands(&event, "DELIVERED").await;
    assert_eq!(staff.done("replayDeliveries", &replay(&format!("event: \"{event}\""))).await["count"], 1);
    assert_eq!(receiver.has_heard(3).await[2].id, event);
    server.end().await;
}

async fn each_attempt_is_in_the_log(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let staff = Staff::of(&server, &server.shop);
    let mut receiver = Receiver::start(Language::Python).await;
    let id = staff.add_to(&mut receiver, ", events: [\"allocation.revoked\"]").await;
    receiver.answers("503 200").await;
    let delivery = staff.stands(&staff.test(&id).await, "DELIVERED").await;
    let log = staff.log(&delivery).await;
    let [last, first] = &log[..] else { panic!("{log:?}") };
    assert_eq!((&first["number"], &first["status"], &first["host"]), (&json!(1), &json!(503), &json!("127.0.0.1")));
    assert!(first["error"].as_str().is_some_and(|why| why.contains("503")), "{first}");
    assert_eq!((&last["number"], &last["status"], &last["error"]), (&json!(2), &json!(200), &Value::Null));
    assert!(last["durationMs"].as_f64().is_some_and(|took| took > 0.0) && last["responseBody"] == "", "{last}");
    let header = |name: &str| {
        let all = last["requestHeaders"].as_array().expect("headers");
        all.iter().find(|header| header["name"] == name).map(|header| header["value"].clone()).unwrap_or_default()
    };
    assert_eq!((header("webhook-id"), header("webhook-signature")), (delivery["eventId"].clone(), json!("v1,...")));
    server.end().await;
}

async fn a_receiver_that_fails_is_tried_again_under_the_same_id(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let staff = Staff::of(&server, &server.shop);
    let mut receiver = Receiver::start(Language::Python).await;
    let endpoint = staff.add_to(&mut receiver, ", events: [\"allocation.revoked\"]").await;
    receiver.answers("500 302 200").await;
    let id = staff.test(&endpoint).await;
    let delivery = staff.stands(&id, "DELIVERED").await;
    let attempts = receiver.heard().into_iter().filter(|one| one.id == id).count();
    assert_eq!(delivery["attempts"], json!(attempts), "{delivery}");
    assert_eq!((&delivery["lastStatus"], &delivery["lastError"]), (&json!(200), &Value::Null));
    assert!(receiver.heard().len() >= 3 && receiver.heard().iter().all(|one| one.genuine));

    receiver.answers("500").await;
    let id = staff.test(&endpoint).await;
    let failing = eventually("it fails", async || {
        staff.deliveries().await.into_iter().find(|one| one["eventId"] == *id && one["attempts"].as_u64() >= Some(2))
    })
    .await;
    assert_eq!((&failing["state"], &failing["lastStatus"]), (&json!("PENDING"), &json!(500)));
    assert!(
        failing["nextAttemptAt"].is_string() && failing["lastError"].as_str().is_some_and(|why| why.contains("500"))
    );
    let delivery = failing["id"].as_str().expect("an id");
    let resend = format!("resendDelivery(id: \"{delivery}\") {{ delivery {{ id }} refusals {{ code path message }} }}");
    let refused = staff.refused("resendDelivery", &resend).await;
    assert_eq!((refused.0.as_str(), refused.1), ("CONFLICT", json!(["id"])));
    server.end().await;
}

async fn a_receiver_that_is_gone_hears_no_more_until_it_is_enabled_again(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let staff = Staff::of(&server, &server.shop);
    let (mut receiver, mut other) =
        (Receiver::start(Language::JavaScript).await, Receiver::start(Language::Python).await);
    let endpoint = staff.add_to(&mut receiver, ", events: [\"allocation.revoked\"]").await;
    staff.add_to(&mut other, ", events: [\"webhook.endpoint_disabled\"]").await;
    receiver.answers("410").await;
    let id = staff.test(&endpoint).await;
    let failed = staff.stands(&id, "FAILED").await;
    assert_eq!((&failed["attempts"], &failed["lastStatus"]), (&json!(1), &json!(410)));
    let found = staff.endpoint(&endpoint).await;
    assert!(
        found["disabledAt"].is_string() && found["disabledReason"] == "GONE" && found["enabled"] == false,
        "{found}"
    );
    let told = other.has_heard(1).await.remove(0);
    assert_eq!((told.kind(), &told.body["data"]["endpoint"]["reason"]), ("webhook.endpoint_disabled", &json!("gone")));
    let trail = staff.ask("{ audit(first: 5) { edges { node { action role subject note } } } }").await.to_string();
    assert!(trail.contains("webhook.disable") && trail.contains("runner") && trail.contains(&endpoint), "{trail}");
    assert_eq!(staff.refused("sendTestEvent", &test(&endpoint)).await.0, "CONFLICT");
    let delivery = failed["id"].as_str().expect("an id");
    let resend =
        format!("resendDelivery(id: \"{delivery}\") {{ delivery {{ eventId }} refusals {{ code path message }} }}");
    assert_eq!(staff.refused("resendDelivery", &resend).await.0, "CONFLICT");

    receiver.answers("204").await;
    assert_eq!(staff.change(&endpoint, "enabled: true").await["enabled"], true);
    assert_eq!(staff.endpoint(&endpoint).await["disabledAt"], Value::Null);
    assert_eq!(staff.done("resendDelivery", &resend).await["delivery"]["eventId"], id);
    assert_eq!(staff.stands(&id, "DELIVERED").await["lastStatus"], 204);
    let heard = receiver.heard();
    assert_eq!((heard.len(), ids(&heard).len()), (2, 1), "the same id both times");
    assert!(heard.iter().all(|one| one.genuine), "it keeps its secret");
    server.end().await;
}

async fn a_server_killed_before_it_could_record_sends_again_under_the_same_id(database: Database) {
    let mut server = Server::start_with(database, &QUICK).await;
    let staff = Staff::of(&server, &server.shop);
    let mut receiver = Receiver::start(Language::Python).await;
    let endpoint = staff.add_to(&mut receiver, ", events: [\"allocation.revoked\"]").await;
    receiver.answers("hold 200").await;
    let id = staff.test(&endpoint).await;
    // The receiver has it, and nobody knows: the answer is still to come when the server dies.
    receiver.has_heard(1).await;
    server.kill9();
    server.restart().await;
    let delivery = staff.stands(&id, "DELIVERED").await;
    let heard = receiver.heard();
    assert_eq!(ids(&heard), BTreeSet::from([id.as_str()]));
    assert!(heard.len() >= 2 && heard.iter().all(|one| one.genuine), "{heard:?}");
    assert_eq!(delivery["attempts"], json!(heard.len()));
    assert_eq!(staff.deliveries().await.len(), 1);
    server.end().await;
}

async fn private_addresses_are_refused_where_they_are_set_and_where_they_are_called(database: Database) {
    let mut server = Server::start_with(database, &QUICK).await;
    let staff = Staff::of(&server, &server.shop);
    let receiver = Receiver::start(Language::JavaScript).await;
    let (endpoint, _) = staff.add(&receiver.url(), ", events: [\"allocation.revoked\"]").await;
    let before = staff.test(&endpoint).await;
    staff.stands(&before, "DELIVERED").await;

    // Whoever runs the installation takes the leave back: what is set already is not called any more.
    server.stop().await;
    server.set("webhooks.allow_private", "false");
    server.restart().await;
    let after = staff.test(&endpoint).await;
    let refused = eventually("an attempt that is not made", async || {
        staff.deliveries().await.into_iter().find(|one| one["eventId"] == *after && one["lastError"].is_string())
    })
    .await;
    let why = refused["lastError"].as_str().unwrap_or_default();
    assert!(why.contains("private network") && refused["lastStatus"].is_null(), "{refused}");
    assert_eq!(receiver.heard().len(), 1, "it was not called");
    for url in [receiver.url(), receiver.url_by_name(), "http://169.254.169.254/".into(), "http://[::1]:8080/".into()] {
        let (code, path, message) = staff.refused("addWebhookEndpoint", &add(&url, "")).await;
        assert_eq!((code.as_str(), path), ("INVALID", json!(["url"])), "{url}");
        assert!(message.contains("private network"), "{message}");
    }

    // Who has the machine gives one endpoint leave; no key of the tenant's takes that elsewhere.
    let webhook = ["webhook", "add", "--url", &receiver.url(), "--allow-private", "--json"];
    let allowed = run_json(&mut server.almoner(&webhook));
    let id = allowed["id"].as_str().expect("an id").to_owned();
    staff.stands(&staff.test(&id).await, "DELIVERED").await;
    let elsewhere = staff.change(&id, "url: \"https://hooks.example.com/\"").await;
    assert_eq!(elsewhere["allowsPrivate"], false, "leave was for the address before");
    server.end().await;
}

async fn a_rotated_secret_signs_beside_its_successor_and_neither_can_be_read(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let staff = Staff::of(&server, &server.shop);
    let mut receiver = Receiver::start(Language::Python).await;
    let (endpoint, old) = staff.add(&receiver.url(), ", events: [\"allocation.revoked\"]").await;
    receiver.secret(&old).await;
    staff.test(&endpoint).await;
    assert_eq!(receiver.has_heard(1).await[0].signature.split(' ').count(), 1);
    let rotate = format!(
        "rotateWebhookSecret(id: \"{endpoint}\") {{
        webhook {{ endpoint {{ previousSecretUntil }} secret }} refusals {{ message }} }}"
    );
    let rotated = staff.done("rotateWebhookSecret", &rotate).await;
    let new = rotated["webhook"]["secret"].as_str().expect("a new secret").to_owned();
    assert_ne!(new, old);
    assert!(rotated["webhook"]["endpoint"]["previousSecretUntil"].is_string());
    for secret in [&old, &new] {
        receiver.secret(secret).await;
        let already = receiver.heard().len();
        staff.test(&endpoint).await;
        let heard = receiver.has_heard(already + 1).await;
        let last = &heard[already];
        assert!(last.genuine && !last.tampered, "{last:?}");
        assert_eq!(last.signature.split(' ').count(), 2);
    }

    let told = format!("{} {:?} {}", staff.endpoint(&endpoint).await, staff.deliveries().await, server.log());
    for secret in [old, new] {
        let text = secret.trim_start_matches("whsec_").to_owned();
        assert!(!told.contains(&text), "a secret can be read");
        if database == Database::Sqlite {
            for file in ["almoner.db", "almoner.db-wal"] {
                let bytes = std::fs::read(server.data_dir().join(file)).unwrap_or_default();
                assert!(!bytes.windows(text.len()).any(|part| part == text.as_bytes()), "{file} holds a secret");
            }
        }
    }
    server.end().await;
}

async fn a_proxy_of_the_environment_is_not_asked(database: Database) {
    let trap = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    trap.set_nonblocking(true).expect("a listener that does not wait");
    let proxy = format!("http://{}", trap.local_addr().expect("an address"));
    let mut server = Server::prepare(database.make().await, &QUICK);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        server.export(name, &proxy);
    }
    server.restart().await;
    let mut receiver = Receiver::start(Language::JavaScript).await;
    let staff = Staff::of(&server, &server.shop);
    let endpoint = staff.add_to(&mut receiver, "").await;
    let event = staff.test(&endpoint).await;
    staff.stands(&event, "DELIVERED").await;
    let asked = trap.accept().expect_err("nobody has asked the proxy");
    assert_eq!(asked.kind(), std::io::ErrorKind::WouldBlock);
    server.end().await;
}
