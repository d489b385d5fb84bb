//! Webhooks on the real binary: what happens reaches a real receiver, which knows by the unmodified libraries of two languages that
//! it comes from us; at least once, under one id, through a receiver that fails and a server that dies.

use almoner_tests::receiver::{Heard, Language, Receiver};
use almoner_tests::{Call, Carve, Client, Database, Server, Shop, eventually, on_each_database};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const GENERATE: &str = "image.generate";

on_each_database! {
    four_fifths_and_the_last_unit_are_told_once_and_verified_by_two_libraries;
    a_card_tells_of_its_beginning_and_its_end;
    a_receiver_that_fails_is_tried_again_under_the_same_id;
    a_receiver_that_is_gone_hears_no_more_until_it_is_set_again;
    a_server_killed_before_it_could_record_sends_again_under_the_same_id;
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
        let body = self.0.post("/graphql", &json!({ "query": query })).await.json();
        assert!(body.get("errors").is_none(), "{query}: {body}");
        body["data"].clone()
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

    /// Sets the endpoint and answers its secret; none where it kept its own.
    async fn set(&self, url: &str, events: &str) -> Option<String> {
        let payload = self.done("setWebhookEndpoint", &set(url, events)).await;
        assert_eq!(payload["webhook"]["endpoint"]["url"], url);
        payload["webhook"]["secret"].as_str().map(str::to_owned)
    }

    /// Sets the endpoint to a receiver, and gives it the secret.
    async fn set_to(&self, receiver: &mut Receiver, events: &str) -> String {
        let secret = self.set(&receiver.url(), events).await.expect("a new endpoint has a new secret");
        receiver.secret(&secret).await;
        secret
    }

    /// Sends a test event; the id of its delivery.
    async fn test(&self) -> String {
        let payload = self.done("sendTestEvent", "sendTestEvent { deliveryId refusals { message } }").await;
        payload["deliveryId"].as_str().expect("an id").to_owned()
    }

    async fn endpoint(&self) -> Value {
        self.ask("{ webhookEndpoint { url events goneAt previousSecretUntil } }").await["webhookEndpoint"].clone()
    }

    /// All deliveries, newest first.
    async fn deliveries(&self) -> Vec<Value> {
        let query = "{ webhookDeliveries(first: 100) { edges { node {
            id event state body attempts lastStatus lastError nextAttemptAt finishedAt } } } }";
        let edges = self.ask(query).await["webhookDeliveries"]["edges"].clone();
        edges.as_array().expect("edges").iter().map(|edge| edge["node"].clone()).collect()
    }

    /// Waits until a delivery stands so.
    async fn stands(&self, id: &str, state: &str) -> Value {
        eventually(&format!("the delivery is {state}"), async || {
            self.deliveries().await.into_iter().find(|one| one["id"] == id && one["state"] == state)
        })
        .await
    }
}

fn set(url: &str, events: &str) -> String {
    format!(
        "setWebhookEndpoint(input: {{ url: \"{url}\"{events} }}) {{
        webhook {{ endpoint {{ url }} secret }} refusals {{ code path message }} }}"
    )
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
        staff.set_to(&mut receiver, marks).await;
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
        assert_eq!(data["allocation"]["id"], card.id());
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
    staff.set_to(&mut receiver, "").await;
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

    // What an endpoint has not subscribed to is not told it, and a removed one is told nothing.
    let told = receiver.heard().len();
    staff.set(&receiver.url(), ", events: [\"allocation.revoked\"]").await;
    client.carve(&Carve::of("acme-shop", "unheard").line(GENERATE, 1)).await;
    let test = staff.test().await;
    staff.stands(&test, "DELIVERED").await;
    assert_eq!(receiver.heard().len(), told + 1);
    staff.done("removeWebhookEndpoint", "removeWebhookEndpoint { removed refusals { message } }").await;
    assert_eq!(staff.endpoint().await, Value::Null);
    let gone = staff.refused("sendTestEvent", "sendTestEvent { refusals { code path message } }").await;
    assert_eq!((gone.0.as_str(), gone.1), ("NOT_FOUND", json!([])));
    server.end().await;
}

async fn a_receiver_that_fails_is_tried_again_under_the_same_id(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let staff = Staff::of(&server, &server.shop);
    let mut receiver = Receiver::start(Language::Python).await;
    staff.set_to(&mut receiver, "").await;
    receiver.answers("500 302 200").await;
    // Not the first of all: what happened before it may be on its way.
    let id = staff.test().await;
    let delivery = staff.stands(&id, "DELIVERED").await;
    let attempts = receiver.heard().into_iter().filter(|one| one.id == id).count();
    assert_eq!(delivery["attempts"], json!(attempts), "{delivery}");
    assert_eq!((&delivery["lastStatus"], &delivery["lastError"]), (&json!(200), &Value::Null));
    assert!(receiver.heard().len() >= 3 && receiver.heard().iter().all(|one| one.genuine));

    receiver.answers("500").await;
    let id = staff.test().await;
    let failing = eventually("it fails", async || {
        staff.deliveries().await.into_iter().find(|one| one["id"] == *id && one["attempts"].as_u64() >= Some(2))
    })
    .await;
    assert_eq!((&failing["state"], &failing["lastStatus"]), (&json!("PENDING"), &json!(500)));
    assert!(
        failing["nextAttemptAt"].is_string() && failing["lastError"].as_str().is_some_and(|why| why.contains("500"))
    );
    let resend = format!("resendDelivery(id: \"{id}\") {{ delivery {{ id }} refusals {{ code path message }} }}");
    let refused = staff.refused("resendDelivery", &resend).await;
    assert_eq!((refused.0.as_str(), refused.1), ("CONFLICT", json!(["id"])));
    server.end().await;
}

async fn a_receiver_that_is_gone_hears_no_more_until_it_is_set_again(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let staff = Staff::of(&server, &server.shop);
    let mut receiver = Receiver::start(Language::JavaScript).await;
    staff.set_to(&mut receiver, ", events: [\"allocation.revoked\"]").await;
    receiver.answers("410").await;
    let id = staff.test().await;
    let failed = staff.stands(&id, "FAILED").await;
    assert_eq!((&failed["attempts"], &failed["lastStatus"]), (&json!(1), &json!(410)));
    assert!(staff.endpoint().await["goneAt"].is_string());
    let refused = staff.refused("sendTestEvent", "sendTestEvent { refusals { code path message } }").await;
    assert_eq!(refused.0, "CONFLICT");
    let resend = format!("resendDelivery(id: \"{id}\") {{ delivery {{ id state }} refusals {{ code path message }} }}");
    assert_eq!(staff.refused("resendDelivery", &resend).await.0, "CONFLICT");

    receiver.answers("204").await;
    assert_eq!(staff.set(&receiver.url(), ", events: [\"allocation.revoked\"]").await, None, "it keeps its secret");
    assert_eq!(staff.endpoint().await["goneAt"], Value::Null);
    assert_eq!(staff.done("resendDelivery", &resend).await["delivery"]["id"], id);
    assert_eq!(staff.stands(&id, "DELIVERED").await["lastStatus"], 204);
    let heard = receiver.heard();
    assert_eq!((heard.len(), ids(&heard).len()), (2, 1), "the same id both times");
    assert!(heard.iter().all(|one| one.genuine));
    server.end().await;
}

async fn a_server_killed_before_it_could_record_sends_again_under_the_same_id(database: Database) {
    let mut server = Server::start_with(database, &QUICK).await;
    let staff = Staff::of(&server, &server.shop);
    let mut receiver = Receiver::start(Language::Python).await;
    staff.set_to(&mut receiver, ", events: [\"allocation.revoked\"]").await;
    receiver.answers("hold 200").await;
    let id = staff.test().await;
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
    staff.set(&receiver.url(), ", events: [\"allocation.revoked\"]").await;
    let before = staff.test().await;
    staff.stands(&before, "DELIVERED").await;

    // Whoever runs the installation takes the leave back: what is set already is not called any more.
    server.stop().await;
    server.set("webhooks.allow_private", "false");
    server.restart().await;
    let after = staff.test().await;
    let refused = eventually("an attempt that is not made", async || {
        staff.deliveries().await.into_iter().find(|one| one["id"] == *after && one["lastError"].is_string())
    })
    .await;
    let why = refused["lastError"].as_str().unwrap_or_default();
    assert!(why.contains("private network") && refused["lastStatus"].is_null(), "{refused}");
    assert_eq!(receiver.heard().len(), 1, "it was not called");
    for url in [receiver.url(), receiver.url_by_name(), "http://169.254.169.254/".into(), "http://[::1]:8080/".into()] {
        let (code, path, message) = staff.refused("setWebhookEndpoint", &set(&url, "")).await;
        assert_eq!((code.as_str(), path), ("INVALID", json!(["url"])), "{url}");
        assert!(message.contains("private network"), "{message}");
    }
    server.end().await;
}

async fn a_rotated_secret_signs_beside_its_successor_and_neither_can_be_read(database: Database) {
    let server = Server::start_with(database, &QUICK).await;
    let staff = Staff::of(&server, &server.shop);
    let mut receiver = Receiver::start(Language::Python).await;
    let old = staff.set_to(&mut receiver, ", events: [\"allocation.revoked\"]").await;
    staff.test().await;
    assert_eq!(receiver.has_heard(1).await[0].signature.split(' ').count(), 1);
    let rotate = "rotateWebhookSecret { webhook { endpoint { previousSecretUntil } secret } refusals { message } }";
    let rotated = staff.done("rotateWebhookSecret", rotate).await;
    let new = rotated["webhook"]["secret"].as_str().expect("a new secret").to_owned();
    assert_ne!(new, old);
    assert!(rotated["webhook"]["endpoint"]["previousSecretUntil"].is_string());
    for secret in [&old, &new] {
        receiver.secret(secret).await;
        let already = receiver.heard().len();
        staff.test().await;
        let heard = receiver.has_heard(already + 1).await;
        let last = &heard[already];
        assert!(last.genuine && !last.tampered, "{last:?}");
        assert_eq!(last.signature.split(' ').count(), 2);
    }

    let told = format!("{} {:?} {}", staff.endpoint().await, staff.deliveries().await, server.log());
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
