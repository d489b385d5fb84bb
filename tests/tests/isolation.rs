//! Isolation: each route that the server describes, asked by another tenant and by the tenant's other environment with every id
//! of the first one, finds nothing and changes nothing. A route that this suite does not cover fails it.

use almoner_tests::program::{run, run_json};
use almoner_tests::{Call, Carve, Client, Database, Reply, Server, on_each_database};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const GENERATE: &str = "image.generate";

on_each_database! {
    every_route_asked_by_a_stranger_finds_nothing_and_changes_nothing;
    the_same_names_in_two_tenants_are_different_things;
    the_same_idempotency_key_in_two_tenants_is_two_keys;
    what_one_tenant_spends_another_does_not_see;
}

/// What the first tenant has, with an id that a stranger could have got hold of.
struct Owned {
    card: String,
    hold: String,
    customer: String,
    user: String,
    agent: String,
    feature: String,
    tenant: String,
}

impl Owned {
    async fn make(server: &Server) -> Self {
        let client = server.client();
        let card = client.carve(&Carve::of_user("acme-shop", "ada", "mine").line(GENERATE, 10)).await.id().to_owned();
        let hold = client.reserve(&Call::on(&card).uses(GENERATE, 4).ttl_s(900)).await.hold().to_owned();
        let id = |nouns, name| server.shop.id(nouns, name);
        Self {
            card,
            hold,
            customer: id("customers", "acme-shop"),
            user: id("users", "ada"),
            agent: id("agents", "catalogue"),
            feature: id("features", GENERATE),
            tenant: server.shop.tenant(),
        }
    }

    fn ids(&self) -> [&str; 7] {
        [&self.card, &self.hold, &self.customer, &self.user, &self.agent, &self.feature, &self.tenant]
    }

    /// The same shape with ids that nobody has.
    fn nobodys(&self) -> Self {
        let none = |id: &String| format!("{}{}", &id[..4], "0".repeat(26));
        Self {
            card: none(&self.card),
            hold: none(&self.hold),
            customer: none(&self.customer),
            user: none(&self.user),
            agent: none(&self.agent),
            feature: none(&self.feature),
            tenant: none(&self.tenant),
        }
    }
}

/// A request that names something of the first tenant.
type Asked = (Method, String, Value);

/// What a stranger asks at a route. None where the suite does not know the route.
fn asked(method: &str, path: &str, owned: &Owned) -> Option<Vec<Asked>> {
    let post = |body: Value| (Method::POST, path.replace("{id}", &owned.hold), body);
    let on = |id: &str, body: Value| (Method::POST, path.replace("{id}", id), body);
    let uses = json!([{ "feature": GENERATE, "amount": 1 }]);
    let calls = || {
        vec![
            json!({ "allocation": owned.card, "uses": uses }),
            json!({ "subject": { "customer": owned.customer }, "uses": uses }),
            json!({ "subject": { "customer": owned.customer, "user": owned.user }, "uses": uses }),
            json!({ "subject": { "customer": "acme-shop", "user": owned.user }, "uses": uses }),
            json!({ "subject": { "customer": owned.tenant }, "uses": uses }),
            json!({ "allocation": owned.card, "uses": [{ "feature": owned.feature, "amount": 1 }] }),
            json!({ "token": owned.card, "uses": uses }),
        ]
    };
    let settles = [json!({}), json!({ "uses": [{ "feature": GENERATE, "amount": 1 }] }), json!({ "floor": uses })];
    Some(match (method, path) {
        ("post", "/v1/check" | "/v1/consume" | "/v1/reserve") => calls().into_iter().map(post).collect(),
        ("post", "/v1/holds/{id}/commit" | "/v1/holds/{id}/release") => settles.into_iter().map(post).collect(),
        ("post", "/v1/holds/{id}/extend") => vec![post(json!({ "ttl_s": 3_600 }))],
        ("post", "/v1/batch") => batch(owned, calls()).into_iter().map(post).collect(),
        ("post", "/v1/events") => events(owned).into_iter().map(post).collect(),
        ("post", "/v1/allocations") => carvings(owned).into_iter().map(post).collect(),
        ("post", "/v1/allocations/{id}/close") => vec![on(&owned.card, json!({}))],
        ("get", "/v1/allocations/{id}") => vec![(Method::GET, path.replace("{id}", &owned.card), Value::Null)],
        ("get", "/v1/entitlements") => months(owned),
        _ => return None,
    })
}

fn batch(owned: &Owned, calls: Vec<Value>) -> Vec<Value> {
    let with_op = |op: &str, mut body: Value| {
        body["op"] = op.into();
        body
    };
    let mut operations: Vec<Value> = Vec::new();
    for op in ["check", "consume", "reserve"] {
        operations.extend(calls.iter().map(|call| with_op(op, call.clone())));
    }
    operations.extend(["commit", "release"].map(|op| json!({ "op": op, "hold": owned.hold })));
    operations.push(json!({ "op": "extend", "hold": owned.hold, "ttl_s": 60 }));
    operations.into_iter().map(|one| json!({ "operations": [one] })).collect()
}

fn events(owned: &Owned) -> Vec<Value> {
    let uses = json!([{ "feature": GENERATE, "amount": 1 }]);
    let event =
        |data: Value| json!({ "specversion": "1.0", "type": "made", "source": "/stranger", "id": "1", "data": data });
    vec![
        event(json!({ "allocation": owned.card, "uses": uses })),
        event(json!({ "subject": { "customer": owned.customer }, "uses": uses })),
        event(json!({ "subject": { "customer": "acme-shop", "user": owned.user }, "uses": uses })),
    ]
}

fn carvings(owned: &Owned) -> Vec<Value> {
    let carve = |change: &dyn Fn(&mut Value)| {
        let mut body = json!({
            "subject": { "customer": "acme-shop" }, "agent": "support", "session": { "kind": "task", "key": "stolen" },
            "lines": [{ "feature": GENERATE, "amount": 1 }],
        });
        change(&mut body);
        body
    };
    vec![
        carve(&|body| body["subject"]["customer"] = owned.customer.as_str().into()),
        carve(&|body| body["subject"]["user"] = owned.user.as_str().into()),
        carve(&|body| body["agent"] = owned.agent.as_str().into()),
        carve(&|body| body["lines"][0]["feature"] = owned.feature.as_str().into()),
        carve(&|body| {
            body.as_object_mut().expect("an object").remove("subject");
            body["parent"] = owned.card.as_str().into();
        }),
    ]
}

fn months(owned: &Owned) -> Vec<Asked> {
    let get = |query: String| (Method::GET, format!("/v1/entitlements?{query}"), Value::Null);
    vec![
        get(format!("customer={}", owned.customer)),
        get(format!("customer={}&user={}", owned.customer, owned.user)),
        get(format!("customer=acme-shop&user={}", owned.user)),
    ]
}

async fn every_route_asked_by_a_stranger_finds_nothing_and_changes_nothing(database: Database) {
    let server = Server::start(database).await;
    let owned = Owned::make(&server).await;
    let before = views(&server.client(), &owned).await;
    let test_key = issue(&server, &["--environment", "test", "--kind", "gate"]);
    let strangers = [
        ("another tenant", server.client().with_key(&server.other.gate_key)),
        ("the test environment", server.client().with_key(&test_key)),
        ("an operator", server.client().with_key(&server.shop.operator_key)),
        ("another tenant's operator", server.client().with_key(&server.other.operator_key)),
    ];
    let mut routes = 0;
    for (method, path) in described(&server) {
        let asked_of = |owned| asked(&method, &path, owned);
        let Some(theirs) = asked_of(&owned) else {
            panic!("{method} {path} is not covered: add what a stranger asks there")
        };
        let nobodys = asked_of(&owned.nobodys()).unwrap_or_default();
        for (who, stranger) in &strangers {
            for (request, control) in theirs.iter().zip(&nobodys) {
                let reply = send(stranger, request).await;
                let unheard = send(stranger, control).await;
                let what =
                    format!("{who} asks {} {} {}: {} {}", request.0, request.1, request.2, reply.status, reply.text());
                assert!(is_nothing(&reply), "{what}");
                assert_eq!(
                    bare(&reply, &owned),
                    bare(&unheard, &owned.nobodys()),
                    "it is told apart from what nobody has: {what}"
                );
                let told =
                    owned.ids().iter().find(|id| reply.text().contains(**id) && !sent(request).contains(**id)).copied();
                assert_eq!(told, None, "{what}");
            }
        }
        routes += 1;
    }
    assert!(routes >= 12, "only {routes} routes are described");
    assert_eq!(views(&server.client(), &owned).await, before, "a stranger changed something");
    assert_eq!(server.client().commit(&owned.hold, &[(GENERATE, 4)]).await.decision().granted(GENERATE), 4);
    server.end().await;
}

/// The routes that the program itself describes.
fn described(server: &Server) -> BTreeSet<(String, String)> {
    let text = run(&mut server.almoner(&["schema", "openapi"]));
    let document: Value = serde_json::from_str(&text).expect("an OpenAPI document");
    let paths = document["paths"].as_object().expect("paths");
    let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
    let of_path = |(path, item): (&String, &Value)| {
        let known = methods.iter().filter(|method| item.get(**method).is_some());
        known.map(|method| ((*method).to_owned(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

fn issue(server: &Server, arguments: &[&str]) -> String {
    let issued = run_json(server.almoner(&["keys", "issue", "--tenant", "image-shop", "--json"]).args(arguments));
    issued["key"].as_str().expect("a key").to_owned()
}

async fn send(client: &Client, (method, path, body): &Asked) -> Reply {
    if *method == Method::GET {
        return client.get(path).await;
    }
    let mut headers = vec![client.authorization()];
    let media = if path == "/v1/events" { "application/cloudevents+json" } else { "application/json" };
    headers.push(("content-type".to_owned(), media.to_owned()));
    let body = body.to_string().into_bytes();
    let raw = almoner_tests::client::Raw { method: method.clone(), path: path.clone(), headers, body };
    client.raw(raw).await.expect("an answer")
}

fn sent((_, path, body): &Asked) -> String {
    format!("{path} {body}")
}

/// A problem, a denial that knows nobody, or a batch of them.
fn is_nothing(reply: &Reply) -> bool {
    if (400..500).contains(&reply.status) {
        return true;
    }
    let body = reply.json();
    let one = |answer: &Value| {
        let denied =
            answer["decision"] == "deny" && answer.get("on_behalf_of").is_none() && answer.get("allocation").is_none();
        denied || answer["status"].as_u64().is_some_and(|status| (400..500).contains(&status))
    };
    reply.status == 200 && body["answers"].as_array().map_or_else(|| one(&body), |all| all.iter().all(one))
}

/// The answer without what differs from call to call: its id and the ids that were sent.
fn bare(reply: &Reply, owned: &Owned) -> (u16, String) {
    let mut text = reply.text();
    for id in owned.ids() {
        text = text.replace(id, "(id)");
    }
    while let Some(at) = text.find("dec_") {
        text.replace_range(at..(at + 30).min(text.len()), "(decision)");
    }
    (reply.status, text)
}

async fn views(client: &Client, owned: &Owned) -> Vec<String> {
    let mut views = Vec::new();
    for path in ["/v1/entitlements?customer=acme-shop&user=ada".to_owned(), format!("/v1/allocations/{}", owned.card)] {
        views.push(client.get(&path).await.text());
    }
    views
}

async fn the_same_names_in_two_tenants_are_different_things(database: Database) {
    let server = Server::start(database).await;
    let (shop, other) = (server.client(), server.client().with_key(&server.other.gate_key));
    for (nouns, name) in [("customers", "acme-shop"), ("users", "ada"), ("agents", "support"), ("features", GENERATE)] {
        assert_ne!(server.shop.id(nouns, name), server.other.id(nouns, name), "both have {name}");
    }
    let before = other.month("acme-shop").await;
    let carve = Carve::of_user("acme-shop", "ada", "same-session").line(GENERATE, 7);
    let card = shop.carve(&carve).await;
    assert!(shop.consume(&Call::of_user("acme-shop", "ada").uses(GENERATE, 5)).await.allowed());
    assert_eq!(other.month("acme-shop").await, before);

    let mut theirs = carve;
    theirs.0["agent"] = "support".into();
    let foreign = other.carve(&theirs).await;
    assert_ne!(foreign.0["on_behalf_of"]["session"], card.0["on_behalf_of"]["session"], "sessions of one name are two");
    assert_eq!(shop.month("acme-shop").await.remaining(GENERATE), 988);
    assert_eq!(other.month("acme-shop").await.remaining(GENERATE), 993);
    other.close(foreign.id()).await;
    assert_eq!(shop.statement(card.id()).await.state(), "active");
    server.end().await;
}

async fn the_same_idempotency_key_in_two_tenants_is_two_keys(database: Database) {
    let server = Server::start(database).await;
    let second = issue(&server, &["--kind", "gate"]);
    let clients =
        [server.client(), server.client().with_key(&server.other.gate_key), server.client().with_key(&second)];
    let call = Call::of_user("acme-shop", "ada").uses(GENERATE, 1).key("the-same");
    let carve = Carve::of_user("acme-shop", "ada", "the-same").line(GENERATE, 1).key("the-same");
    let mut ids = BTreeSet::new();
    for client in &clients {
        let reply = client.post("/v1/consume", &call.0).await;
        assert!(!reply.replayed(), "another caller's answer: {}", reply.text());
        assert!(reply.decision().allowed());
        ids.insert(reply.decision().id().to_owned());
        let mut carve = carve.clone();
        carve.0["agent"] = "support".into();
        let carved = client.post("/v1/allocations", &carve.0).await;
        assert_eq!((carved.status, carved.replayed()), (201, false), "{}", carved.text());
        ids.insert(carved.json()["allocation"].as_str().expect("an id").to_owned());
    }
    assert_eq!(ids.len(), 6);
    assert_eq!(clients[0].month("acme-shop").await.remaining(GENERATE), 996, "two callers of the shop");
    assert_eq!(clients[1].month("acme-shop").await.remaining(GENERATE), 998);
    server.end().await;
}

/// An answer to one tenant does not change when another one's data does.
async fn what_one_tenant_spends_another_does_not_see(database: Database) {
    let server = Server::start(database).await;
    let (shop, other) = (server.client(), server.client().with_key(&server.other.gate_key));
    let all = Call::of("acme-shop").uses(GENERATE, 1_000);
    assert!(shop.consume(&all).await.allowed());
    assert_eq!(shop.consume(&Call::of("acme-shop").uses(GENERATE, 1)).await.reason(), "exhausted");
    let theirs = other.consume(&all).await;
    assert!(theirs.allowed() && theirs.remaining(GENERATE) == 0, "{theirs:?}");
    assert!(shop.consume(&Call::of("bolt-store").uses(GENERATE, 1_000)).await.allowed(), "nor does another customer");
    server.end().await;
}
