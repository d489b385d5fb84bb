//! The scene that bad requests come into: two companies, cards in each state, an open hold, and what of it anybody sees.

use almoner_tests::wait::{ahead, now};
use almoner_tests::{Call, Carve, Client, Database, Reply, Server, eventually};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The feature that most of it is about.
pub(crate) const GENERATE: &str = "image.generate";
/// A key that was used before, for a call on the card.
pub(crate) const USED_KEY: &str = "used-before";

/// The scene.
pub(crate) struct Scene {
    server: Server,
    pub(crate) client: Client,
    stranger: Client,
    /// A card with units of [`GENERATE`].
    pub(crate) card: String,
    /// One whose window is over.
    pub(crate) expired: String,
    /// One that was closed.
    pub(crate) closed: String,
    /// An open hold on the card.
    pub(crate) hold: String,
    /// The other company's card and hold.
    pub(crate) foreign_card: String,
    pub(crate) foreign_hold: String,
    /// A key of the other company, an operator's, and one of the shop's test environment.
    pub(crate) foreign_key: String,
    pub(crate) operator_key: String,
    pub(crate) test_key: String,
    secrets: Vec<String>,
    foreign: Vec<String>,
}

impl Scene {
    /// Sets it.
    pub(crate) async fn set(database: Database) -> Self {
        let server = Server::start(database).await;
        let client = server.client();
        let stranger = client.with_key(&server.other.gate_key);
        let card =
            client.carve(&Carve::of_user("acme-shop", "ada", "bad-input").line(GENERATE, 10)).await.id().to_owned();
        assert!(client.consume(&Call::on(&card).uses(GENERATE, 1).key(USED_KEY)).await.allowed());
        let carve = Carve::of("acme-shop", "carved-before").line(GENERATE, 1).key(USED_KEY.to_owned() + "-to-carve");
        let closed = client.carve(&carve).await.id().to_owned();
        client.close(&closed).await;
        let end = now().saturating_add(Duration::from_millis(300));
        let expired = client
            .carve(&Carve::of("acme-shop", "over").line(GENERATE, 1).until(end.to_string()))
            .await
            .id()
            .to_owned();
        let hold = client.reserve(&Call::on(&card).uses(GENERATE, 2).ttl_s(900)).await.hold().to_owned();
        let foreign_card = stranger.carve(&Carve(foreign_carve())).await.id().to_owned();
        let foreign_hold =
            stranger.reserve(&Call::on(&foreign_card).uses(GENERATE, 2).ttl_s(900)).await.hold().to_owned();
        let issue = ["keys", "issue", "--tenant", "image-shop", "--environment", "test", "--kind", "gate", "--json"];
        let issued = almoner_tests::program::run_json(&mut server.almoner(&issue));
        let test_key = issued["key"].as_str().expect("a key").to_owned();
        eventually("the card expires", async || (client.statement(&expired).await.state() == "expired").then_some(()))
            .await;

        let keys = [
            &server.shop.gate_key,
            &server.shop.operator_key,
            &server.other.gate_key,
            &server.other.operator_key,
            &test_key,
        ];
        let hash = |key: &&String| Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let hashes: Vec<String> = keys.iter().map(hash).collect();
        let secrets = keys.iter().map(|key| (*key).clone()).chain(hashes).collect();
        let mut foreign = server.other.ids();
        foreign.extend([foreign_card.clone(), foreign_hold.clone()]);
        let (foreign_key, operator_key) = (server.other.gate_key.clone(), server.shop.operator_key.clone());
        Self {
            server,
            client,
            stranger,
            card,
            expired,
            closed,
            hold,
            foreign_card,
            foreign_hold,
            foreign_key,
            operator_key,
            test_key,
            secrets,
            foreign,
        }
    }

    /// The shop's own things.
    pub(crate) fn id(&self, nouns: &str, external_id: &str) -> String {
        self.server.shop.id(nouns, external_id)
    }

    /// The other company's.
    pub(crate) fn foreign_id(&self, nouns: &str, external_id: &str) -> String {
        self.server.other.id(nouns, external_id)
    }

    /// What both companies see, byte for byte.
    pub(crate) async fn views(&self) -> Vec<(String, String)> {
        let mut views = Vec::new();
        let months =
            ["customer=acme-shop", "customer=acme-shop&user=ada", "customer=acme-shop&user=ben", "customer=bolt-store"];
        for query in months {
            views.push(self.view(&self.client, &format!("/v1/entitlements?{query}")).await);
        }
        for card in [&self.card, &self.closed, &self.expired] {
            views.push(self.view(&self.client, &format!("/v1/allocations/{card}")).await);
        }
        for query in ["customer=acme-shop", "customer=delta-prints"] {
            views.push(self.view(&self.stranger, &format!("/v1/entitlements?{query}")).await);
        }
        views.push(self.view(&self.stranger, &format!("/v1/allocations/{}", self.foreign_card)).await);
        views
    }

    async fn view(&self, client: &Client, path: &str) -> (String, String) {
        let reply = client.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        (path.to_owned(), reply.text())
    }

    /// Settles the hold, which must still be there with all its units, and lets it be as if it had not been.
    pub(crate) async fn hold_is_open(&self) -> bool {
        let reply = self.client.release(&self.hold, &json!({})).await;
        let foreign = self.stranger.release(&self.foreign_hold, &json!({})).await;
        reply.status == 200 && foreign.status == 200
    }

    /// A secret, or an id of the other company that the request did not name itself.
    pub(crate) fn leak(&self, reply: &Reply, sent: &str) -> Option<String> {
        let told = format!("{:?} {}", reply.headers, reply.text());
        let secret = self.secrets.iter().find(|secret| told.contains(*secret)).map(|_| "it tells a secret".to_owned());
        let foreign = || {
            self.foreign
                .iter()
                .find(|id| told.contains(*id) && !sent.contains(*id))
                .map(|id| format!("it tells of {id}"))
        };
        secret.or_else(foreign)
    }

    /// Well-formed calls that nobody may serve, and the reason.
    pub(crate) fn denied(&self) -> Vec<(String, &'static str)> {
        let uses = json!([{ "feature": GENERATE, "amount": 1 }]);
        let subject = |customer: &str, user: Option<&str>| {
            let subject = user
                .map_or_else(|| json!({ "customer": customer }), |user| json!({ "customer": customer, "user": user }));
            json!({ "subject": subject, "uses": uses }).to_string()
        };
        let on = |card: &str| json!({ "allocation": card, "uses": uses }).to_string();
        let foreign_customer = self.foreign_id("customers", "delta-prints");
        vec![
            (on(&self.expired), "expired"),
            (on(&self.closed), "expired"),
            (subject("nobody", None), "unknown_subject"),
            (subject("acme-shop", Some("nobody")), "unknown_subject"),
            (subject("acme-shop", Some("cy")), "unknown_subject"),
            (subject(&foreign_customer, None), "unknown_subject"),
            (subject("delta-prints", None), "unknown_subject"),
            (subject("acme-shop", Some(&self.foreign_id("users", "dan"))), "unknown_subject"),
            (subject("cus_00000000000000000000000000", None), "unknown_subject"),
            (json!({ "token": self.foreign_key, "uses": uses }).to_string(), "invalid_token"),
            (json!({ "token": "x", "dpop": { "proof": "", "method": "", "url": "" }, "uses": uses }).to_string(), "invalid_token"),
            (json!({ "subject": { "customer": "acme-shop" }, "agent": "support", "session": { "kind": "chat", "key": "1" }, "uses": uses }).to_string(), "not_entitled"),
        ]
    }

    /// The end of the scene.
    pub(crate) async fn end(self) {
        self.server.end().await;
    }
}

fn foreign_carve() -> serde_json::Value {
    json!({
        "subject": { "customer": "acme-shop", "user": "ada" },
        "agent": "support",
        "session": { "kind": "task", "key": "bad-input" },
        "lines": [{ "feature": GENERATE, "amount": 10 }],
        "expires_at": ahead(Duration::from_secs(3_600)),
    })
}
