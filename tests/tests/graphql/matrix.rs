//! Isolation: every field of the roots, as the schema lists them, asked with ids of one tenant by another and by the tenant's
//! other kind of key. A field that this suite does not cover fails it.

use crate::asking::{ask, data};
use almoner_tests::client::Raw;
use almoner_tests::follow::{Events, Heard};
use almoner_tests::program::{almoner, run};
use almoner_tests::wait::ahead;
use almoner_tests::{Call, Carve, Client, Database, Server, eventually};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A field of a root with arguments that name what the first tenant has, and whether a stranger's answer is a list, which must
/// hold nothing of the first tenant's.
fn asked(field: &str, ids: &Ids) -> Option<Vec<String>> {
    let Ids { card, customer, user, agent, feature, key, session, grant, delivery, endpoint, policy } = ids;
    let list = |field: &str, inner: &str| vec![format!("{field} {{ edges {{ node {{ {inner} }} }} }}")];
    let order = |from: &str| {
        format!(
            "{{ {from}, agent: \"{agent}\", session: {{ kind: \"task\", key: \"x\" }}, \
            lines: [{{ feature: \"image.generate\", amount: \"1\" }}] }}"
        )
    };
    let orders = [
        format!("customer: \"{customer}\""),
        format!("customer: \"{customer}\", user: \"{user}\""),
        format!("customer: \"acme-shop\", user: \"{user}\""),
        format!("parent: \"{card}\""),
        "customer: \"acme-shop\"".to_owned(),
    ];
    let carve = |from: &String| {
        format!("carveAllocation(input: {}) {{ allocation {{ id }} refusals {{ code }} }}", order(from))
    };
    let preview = |from: &String| {
        format!("previewAllocation(input: {}) {{ lines {{ amount fromAllocation }} refusals {{ code }} }}", order(from))
    };
    let end_many =
        |field: &str| vec![format!("{field}(ids: [\"{card}\"]) {{ allocation {{ id }} refusals {{ code }} }}")];
    let adjust = |field: &str| {
        vec![format!(
            "{field}(input: {{ id: \"{card}\", lines: [{{ feature: \"image.generate\", amount: \"1\" }}] }}) \
             {{ allocation {{ id }} refusals {{ code }} }}"
        )]
    };
    let id_of = |field: &str, id: &str, inner: &str| vec![format!("{field}(id: \"{id}\") {{ {inner} }}")];
    Some(match field {
        "node" => {
            [card, customer, user, agent, feature, session, grant].map(|id| format!("node(id: \"{id}\") {{ id }}")).into()
        }
        "features" => list("features", "id"),
        "plans" => list("plans", "id"),
        "customers" => list("customers", "id users { edges { node { id } } } allocations { edges { node { id } } }"),
        "agents" => list("agents", "id guard { state since why rules { stops } } sessions { edges { node { id } } }"),
        "allocations" => [
            list("allocations", "id"),
            list(&format!("allocations(filter: {{ customer: \"{customer}\" }})"), "id"),
            list(&format!("allocations(filter: {{ user: \"{user}\", agent: \"{agent}\" }})"), "id"),
            list(&format!("allocations(filter: {{ session: \"{session}\", parent: \"{card}\" }})"), "id"),
            list(&format!("allocations(after: \"{}\")", "0".repeat(32)), "id"),
        ]
        .concat(),
        "decisions" => [
            list("decisions", "id"),
            list(&format!("decisions(filter: {{ customer: \"{customer}\" }})"), "id"),
            list(&format!("decisions(filter: {{ allocation: \"{card}\" }})"), "id"),
            list(
                &format!("decisions(filter: {{ user: \"{user}\", agent: \"{agent}\", session: \"{session}\" }})"),
                "id",
            ),
        ]
        .concat(),
        "movements" => [
            list("movements", "id customer { id } user { id } allocation { id } causeId"),
            list(&format!("movements(filter: {{ customer: \"{customer}\" }})"), "id"),
            list(&format!("movements(filter: {{ allocation: \"{card}\" }})"), "id"),
        ]
        .concat(),
        "usage" => [
            "groupBy: [USER, SESSION, ALLOCATION]".to_owned(),
            "groupBy: [CUSTOMER, AGENT, FEATURE]".to_owned(),
            format!("customer: \"{customer}\""),
            format!("user: \"{user}\", agent: \"{agent}\""),
            format!("session: \"{session}\", allocation: \"{card}\""),
        ]
        .map(|members| {
            format!(
                "usage(input: {{ feature: \"image.generate\", {members} }}) {{ rows {{ units customer {{ id }} user {{ id }} \
                 agent {{ externalId }} session {{ id }} allocation {{ id }} }} }}"
            )
        })
        .into(),
        // These names the other tenant has as well: it sees its own.
        "feature" => vec!["feature(key: \"image.generate\") { id }".to_owned()],
        "plan" => vec!["plan(externalId: \"pro\") { id }".to_owned()],
        "priceList" => vec!["priceList(currency: \"credits\") { id }".to_owned()],
        "policies" => vec!["policies { id externalId agents { id } customer { id } }".to_owned()],
        "tryPolicy" => {
            let span = format!("from: \"{}\", to: \"{}\"", ahead(Duration::ZERO), ahead(Duration::from_secs(600)));
            [format!("agents: [\"{agent}\"],"), format!("customer: \"{customer}\","), String::new()]
                .map(|of| {
                    format!(
                        "tryPolicy(input: {{ externalId: \"theirs\", name: \"x\", sessionKind: \"task\", {of} \
                         lifetimeSeconds: 60, lines: [{{ feature: \"image.generate\", upTo: \"1\" }}] }}, {span}) \
                         {{ sessions denied {{ session {{ id }} customer {{ id }} }} refusals {{ code }} }}"
                    )
                })
                .into()
        }
        "policy" => id_of("policy", policy, "id"),
        "customer" => id_of("customer", customer, "id"),
        "agent" => id_of("agent", agent, "id"),
        "apiKeys" => vec!["apiKeys { id }".to_owned()],
        // Counts of the installation, and nothing of whose they are.
        "queues" => vec!["queues { name waiting running failed done oldestAgeS }".to_owned()],
        "schedules" => vec!["schedules { name periodMs nextAt runningAgeS successAgeS runs failures lastError }".to_owned()],
        "carveAllocation" => orders.iter().map(carve).collect(),
        "previewAllocation" => orders.iter().map(preview).collect(),
        "carveAllocations" => orders
            .iter()
            .map(|from| {
                format!("carveAllocations(inputs: [{}]) {{ allocation {{ id }} refusals {{ code }} }}", order(from))
            })
            .collect(),
        "topUpAllocation" | "shrinkAllocation" => adjust(field),
        "closeAllocations" | "revokeAllocations" => end_many(field),
        "audit" => [
            list("audit", "id subject customer { id } user { id }"),
            list(&format!("audit(filter: {{ customer: \"{customer}\" }})"), "id"),
            list(&format!("audit(filter: {{ subject: \"{card}\" }})"), "id"),
            list(&format!("audit(filter: {{ user: \"{user}\", key: \"{key}\" }})"), "id"),
        ]
        .concat(),
        "voidGrant" => id_of(field, grant, "grant { id } refusals { code }"),
        "issueGrant" => vec![format!(
            "issueGrant(input: {{ customer: \"{customer}\", feature: \"image.generate\", kind: TOP_UP, amount: \"1\" }}) \
             {{ grant {{ id }} refusals {{ code }} }}"
        )],
        "cancelSubscription" => {
            vec![format!(
                "cancelSubscription(customer: \"{customer}\") {{ subscription {{ id }} refusals {{ code }} }}"
            )]
        }
        "changePlan" => vec![format!(
            "changePlan(input: {{ customer: \"{customer}\", plan: \"pro\" }}) \
             {{ planChange {{ subscription {{ id }} }} refusals {{ code }} }}"
        )],
        "withdrawPlanChange" | "pauseSubscription" | "resumeSubscription" => {
            vec![format!("{field}(customer: \"{customer}\") {{ subscription {{ id }} refusals {{ code }} }}")]
        }
        "previewPlanChange" => ["", ", plan: \"pro\"", ", when: PERIOD_END"]
            .map(|how| {
                format!(
                    "previewPlanChange(customer: \"{customer}\"{how}) {{ takesEffectAt refusals {{ code }} \
                     features {{ granted takenBack allocations {{ allocation {{ id }} }} }} }}"
                )
            })
            .into(),
        "changeRole" => [customer.as_str(), "acme-shop"]
            .map(|at| {
                format!(
                    "changeRole(input: {{ customer: \"{at}\", user: \"{user}\", role: VIEWER }}) \
                     {{ user {{ id }} refusals {{ code }} }}"
                )
            })
            .into(),
        "removeCustomer" => id_of(field, customer, "removed refusals { code }"),
        "removeAgent" => id_of(field, agent, "removed refusals { code }"),
        "removeUser" => [customer.as_str(), "acme-shop"]
            .map(|at| format!("removeUser(customer: \"{at}\", user: \"{user}\") {{ removed refusals {{ code }} }}"))
            .into(),
        "webhookDeliveries" => [
            list("webhookDeliveries", "id body endpointId"),
            list(&format!("webhookDeliveries(endpoint: \"{endpoint}\")"), "id body endpointId"),
            list("webhookDeliveries(state: PENDING, last: 100)", "id body"),
        ]
        .concat(),
        "webhookAttempts" => vec![format!("webhookAttempts(delivery: \"{delivery}\") {{ id host responseBody }}")],
        "webhookEventTypes" => vec!["webhookEventTypes { name meaning schema example }".to_owned()],
        "webhookEndpoints" => vec!["webhookEndpoints { id url }".to_owned()],
        "webhookEndpoint" => id_of(field, endpoint, "id url"),
        "resendDelivery" => id_of(field, delivery, "delivery { id } refusals { code }"),
        "changeWebhookEndpoint" => vec![format!(
            "changeWebhookEndpoint(input: {{ id: \"{endpoint}\", url: \"https://thief.invalid/\", enabled: true }}) \
             {{ endpoint {{ id }} refusals {{ code }} }}"
        )],
        "rotateWebhookSecret" => id_of(field, endpoint, "webhook { secret } refusals { code }"),
        "removeWebhookEndpoint" => id_of(field, endpoint, "removed refusals { code }"),
        "sendTestEvent" => id_of(field, endpoint, "eventId refusals { code }"),
        "replayDeliveries" => vec![format!(
            "replayDeliveries(input: {{ endpoint: \"{endpoint}\", since: \"2026-01-01T00:00:00Z\" }}) \
             {{ count refusals {{ code }} }}"
        )],
        // The asker's own.
        "addWebhookEndpoint" => Vec::new(),
        // These take the asker's own names alone; another's cannot be said.
        "removeFeature" | "removePlan" => Vec::new(),
        "closeAllocation" | "revokeAllocation" => id_of(field, card, "allocation { id } refusals { code }"),
        "rotateKey" => id_of(field, key, "issued { secret } refusals { code }"),
        "revokeKey" => id_of(field, key, "id refusals { code }"),
        "retirePolicy" => vec![format!(
            "retirePolicy(input: {{ policy: \"{policy}\" }}) {{ policy {{ id }} refusals {{ code }} }}"
        )],
        "setAgentGuard" => vec![format!(
            "setAgentGuard(input: {{ agent: \"{agent}\", repeats: {{ spanSeconds: 60, suspend: 2 }} }}) \
             {{ agent {{ id }} refusals {{ code }} }}"
        )],
        "resumeAgent" => {
            vec![format!("resumeAgent(agent: \"{agent}\") {{ agent {{ id }} refusals {{ code }} }}")]
        }
        "resumeAllocation" => id_of(field, card, "allocation { id guard { why } } refusals { code }"),
        "labelAgent" => vec![format!(
            "labelAgent(input: {{ agent: \"{agent}\", labels: [] }}) {{ agent {{ id }} refusals {{ code }} }}"
        )],
        "addPolicy" => [format!("agents: [\"{agent}\"]"), format!("customer: \"{customer}\"")]
            .map(|of| {
                format!(
                    "addPolicy(input: {{ externalId: \"theirs\", name: \"x\", sessionKind: \"chat\", {of}, lifetimeSeconds: 60, \
                     lines: [{{ feature: \"credits\", upTo: \"1\" }}] }}) {{ policy {{ id }} refusals {{ code }} }}"
                )
            })
            .into(),
        "addUser" => vec![format!(
            "addUser(input: {{ customer: \"{customer}\", externalId: \"eve\", name: \"Eve\", role: OWNER }}) \
             {{ user {{ id }} refusals {{ code }} }}"
        )],
        "subscribe" => vec![format!(
            "subscribe(input: {{ customer: \"{customer}\", plan: \"pro\" }}) {{ subscription {{ id }} refusals {{ code }} }}"
        )],
        "setAsideShare" => vec![format!(
            "setAsideShare(input: {{ customer: \"{customer}\", user: \"{user}\", feature: \"image.generate\", amount: \"1\" }}) \
             {{ user {{ id }} refusals {{ code }} }}"
        )],
        // These name nothing that could be another's: what they make is the asker's own.
        "defineFeature" | "createPlan" | "publishPlan" | "publishPrices" | "addCustomer" | "registerAgent" | "issueKey" => Vec::new(),
        _ => return None,
    })
}

/// The same for a field of the subscription root. Whoever may follow it hears one of the ids in the first update.
fn followed(field: &str, ids: &Ids) -> Option<Vec<String>> {
    let Ids { card, customer, user, agent, session, .. } = ids;
    let quotas = "{ entitlements { feature { id } } }";
    Some(match field {
        "allocationBalance" => vec![format!("allocationBalance(id: \"{card}\") {{ allocation {{ id }} }}")],
        "entitlementBalances" => vec![
            format!("entitlementBalances(customer: \"{customer}\") {quotas}"),
            format!("entitlementBalances(customer: \"{customer}\", user: \"{user}\") {quotas}"),
        ],
        "decisions" => {
            // Of all that there were: an update then tells at once what there is to see.
            let all = format!("after: \"dec_{}\"", "0".repeat(26));
            let inner = "{ decisions { agent { id } user { id } uses { feature { id } } } }";
            let filters = ["", "customer", "user", "agent", "session", "allocation"];
            let ids = ["", customer, user, agent, session, card];
            let each = |(name, id): (&str, &str)| match name {
                "" => format!("decisions({all}) {inner}"),
                _ => format!("decisions({all}, filter: {{ {name}: \"{id}\" }}) {inner}"),
            };
            filters.into_iter().zip(ids).map(each).collect()
        }
        _ => return None,
    })
}

/// The first that is heard of a subscription.
async fn follow(client: &Client, one: &str) -> String {
    let mut events = Events::open(client, &format!("subscription {{ {one} }}"), json!({})).await.expect("a stream");
    match events.heard().await {
        Heard::Next(value) => value.to_string(),
        Heard::Complete => String::new(),
        Heard::Closed(_, reason) => panic!("{one}: cut off: {reason}"),
    }
}

/// What the first tenant has, by ids that a stranger could have got hold of.
struct Ids {
    card: String,
    customer: String,
    user: String,
    agent: String,
    feature: String,
    key: String,
    session: String,
    grant: String,
    delivery: String,
    endpoint: String,
    policy: String,
}

impl Ids {
    async fn of(server: &Server, staff: &Client) -> Self {
        let carve = Carve::of_user("acme-shop", "ada", "mine").line("image.generate", 10);
        let card = server.client().carve(&carve).await.id().to_owned();
        assert!(server.client().consume(&Call::on(&card).uses("image.generate", 1)).await.allowed());
        let seen = data(
            staff,
            "query($id: ID!) { apiKeys { id } node(id: $id) { ... on Allocation { session { id } } } }",
            json!({ "id": card }),
        )
        .await;
        let granted = data(
            staff,
            "mutation { issueGrant(input: { customer: \"acme-shop\", feature: \"image.generate\", kind: TOP_UP, amount: \"1\" }) \
             { grant { id } } }",
            json!({}),
        )
        .await;
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        let (endpoint, delivery) = delivery(staff).await;
        let id = |nouns, name| server.shop.id(nouns, name);
        Self {
            card,
            customer: id("customers", "acme-shop"),
            user: id("users", "ada"),
            agent: id("agents", "catalogue"),
            feature: id("features", "image.generate"),
            key: text(&seen["apiKeys"][0]["id"]),
            session: text(&seen["node"]["session"]["id"]),
            grant: text(&granted["issueGrant"]["grant"]["id"]),
            delivery,
            endpoint,
            policy: id("policies", "support-tickets"),
        }
    }

    fn all(&self) -> Vec<&str> {
        let Self { card, customer, user, agent, feature, key, session, grant, delivery, endpoint, policy } = self;
        vec![card, customer, user, agent, feature, key, session, grant, delivery, endpoint, policy]
    }
}

/// An endpoint, and a delivery that is on its way there, to nobody.
async fn delivery(staff: &Client) -> (String, String) {
    let add =
        "mutation { addWebhookEndpoint(input: { url: \"https://hooks.invalid/\" }) { webhook { endpoint { id } } } }";
    let added = data(staff, add, json!({})).await["addWebhookEndpoint"]["webhook"]["endpoint"]["id"].clone();
    let endpoint = added.as_str().expect("an id").to_owned();
    let test = format!("mutation {{ sendTestEvent(id: \"{endpoint}\") {{ eventId refusals {{ message }} }} }}");
    let event = data(staff, &test, json!({})).await["sendTestEvent"]["eventId"].clone();
    let event = event.as_str().expect("an id");
    let query = format!("{{ webhookDeliveries(event: \"{event}\") {{ edges {{ node {{ id }} }} }} }}");
    let delivery = eventually("the delivery is there", async || {
        let found = data(staff, &query, json!({})).await;
        found["webhookDeliveries"]["edges"][0]["node"]["id"].as_str().map(str::to_owned)
    });
    (endpoint, delivery.await)
}

/// The fields of a root, as the schema lists them.
fn fields(root: &str) -> BTreeSet<String> {
    let printed = run(almoner(std::path::Path::new("nowhere"), None).args(["schema", "graphql"]));
    let body = printed
        .split(&format!("type {root} {{"))
        .nth(1)
        .expect("the root")
        .split("\n}")
        .next()
        .unwrap_or_default()
        .to_owned();
    let mut quoted = false;
    let field = |line: &str| {
        if line.trim() == "\"\"\"" {
            quoted = !quoted;
            return None;
        }
        let name: String = line.trim().chars().take_while(char::is_ascii_alphanumeric).collect();
        let is_field = line.starts_with('\t') && !line.starts_with("\t\t") && !quoted;
        (is_field && !name.is_empty()).then_some(name)
    };
    body.lines().filter_map(field).collect()
}

/// Somebody who may ask, and which of the ids are beyond what they see.
struct Stranger<'i> {
    who: &'static str,
    client: Client,
    hidden: Vec<&'i str>,
}

/// A customer's key, issued by staff.
pub(crate) async fn customer_key(staff: &Client, holder: &str) -> Client {
    let query = format!(
        "mutation {{ issueKey(input: {{ kind: CUSTOMER, name: \"test\", {holder} }}) {{ issued {{ secret }} refusals {{ message }} }} }}"
    );
    let payload = data(staff, &query, json!({})).await;
    let secret = payload["issueKey"]["issued"]["secret"].as_str().unwrap_or_else(|| panic!("{payload}")).to_owned();
    staff.with_key(&secret)
}

pub(crate) async fn every_field_asked_by_a_stranger_finds_nothing(database: Database) {
    let server = Server::start(database).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    let ids = Ids::of(&server, &staff).await;
    let Ids { card, customer, user, key, session, grant, delivery, endpoint, policy, .. } = &ids;
    let strangers = [
        Stranger {
            who: "another tenant's operator",
            client: server.client().with_key(&server.other.operator_key),
            hidden: ids.all(),
        },
        Stranger {
            who: "another customer's program",
            client: customer_key(&staff, "customer: \"bolt-store\"").await,
            hidden: vec![card, customer, user, key, session, grant, delivery, endpoint, policy],
        },
        Stranger {
            who: "another customer's user",
            client: customer_key(&staff, "customer: \"bolt-store\", user: \"cy\"").await,
            hidden: vec![card, customer, user, key, session, grant, delivery, endpoint, policy],
        },
        Stranger {
            who: "a member of the same customer",
            client: customer_key(&staff, "customer: \"acme-shop\", user: \"ben\"").await,
            hidden: vec![card, user, key, session, grant, delivery, endpoint, policy],
        },
    ];
    let before = view(&staff).await;
    for (root, word) in [("Query", "query"), ("Mutation", "mutation")] {
        let fields = fields(root);
        assert!(fields.len() >= 10, "{root} has fields: {fields:?}");
        for field in fields {
            let asked = asked(&field, &ids).unwrap_or_else(|| panic!("{root}.{field} is not covered; add it here"));
            for stranger in &strangers {
                for one in &asked {
                    stranger.finds_nothing(word, &field, one).await;
                }
            }
        }
    }
    let live = fields("Subscription");
    assert!(live.len() >= 3, "Subscription has fields: {live:?}");
    for field in live {
        let asked =
            followed(&field, &ids).unwrap_or_else(|| panic!("Subscription.{field} is not covered; add it here"));
        for one in &asked {
            let seen = follow(&staff, one).await;
            assert!(ids.all().iter().any(|id| seen.contains(*id)), "staff follow {one}: {seen}");
            for stranger in &strangers {
                stranger.follows_nothing(&field, one).await;
            }
        }
    }
    assert_eq!(view(&staff).await, before, "a stranger changed something");
    server.end().await;
}

impl Stranger<'_> {
    async fn follows_nothing(&self, field: &str, one: &str) {
        let (who, said) = (self.who, follow(&self.client, one).await);
        let found = self.hidden.iter().find(|id| said.contains(**id));
        assert_eq!(found, None, "{one} tells {who}: {said}");
        let names_hidden = self.hidden.iter().any(|id| one.contains(id));
        let update: Value = serde_json::from_str(&said).unwrap_or_default();
        if field == "decisions" {
            let code = &update["errors"][0]["extensions"]["code"];
            assert!(code.is_null(), "{one} by {who}: {said}");
        } else if names_hidden {
            assert_eq!(update["errors"][0]["extensions"]["code"], "NOT_FOUND", "{one} by {who}: {said}");
        }
    }

    async fn finds_nothing(&self, word: &str, field: &str, one: &str) {
        let names_hidden = self.hidden.iter().any(|id| one.contains(id));
        if word == "mutation" && !names_hidden {
            // It names what this one may use.
            return;
        }
        let who = self.who;
        let reply = ask(&self.client, &format!("{word} {{ {one} }}"), json!({})).await;
        assert_eq!(reply.status, 200, "{one}: {}", reply.text());
        let said = reply.text();
        let found = self.hidden.iter().find(|id| said.contains(**id));
        assert_eq!(found, None, "{one} tells {who}: {said}");
        let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let code = &body["errors"][0]["extensions"]["code"];
        let payload = &body["data"][field];
        // A bulk mutation answers a list of payloads.
        let payload = payload.get(0).unwrap_or(payload);
        let refused = &payload["refusals"][0]["code"];
        match word {
            "mutation" => assert!(refused == "NOT_FOUND" || code == "FORBIDDEN", "{one} by {who}: {said}"),
            _ => assert!(code.is_null() || code == "FORBIDDEN", "{one} by {who}: {said}"),
        }
    }
}

async fn view(staff: &Client) -> Value {
    data(
        staff,
        "{ apiKeys { id revokedAt } allocations { edges { node { id state } } } customers { edges { node {
        users { edges { node { id } } } subscriptions { edges { node { id } } } } } } }",
        json!({}),
    )
    .await
}

pub(crate) async fn no_other_key_opens_it(database: Database) {
    let server = Server::start(database).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    let query = "{ plans { edges { node { id } } } }";
    assert_eq!(ask(&staff, query, json!({})).await.status, 200);
    assert_eq!(ask(&server.client(), query, json!({})).await.status, 403, "a gate key");
    assert_eq!(ask(&staff.with_key("alm_live_operator_x"), query, json!({})).await.status, 401, "nobody's key");
    assert_eq!(staff.get("/graphql?query=%7Bplans%7Bedges%7Bcursor%7D%7D%7D").await.status, 405, "no queries by GET");
    let form = Raw {
        method: reqwest::Method::POST,
        path: "/graphql".to_owned(),
        headers: vec![staff.authorization(), ("content-type".to_owned(), "text/plain".to_owned())],
        body: json!({ "query": query }).to_string().into_bytes(),
    };
    assert_eq!(staff.raw(form).await.expect("an answer").status, 415, "what a page elsewhere could send");
    server.end().await;
}

/// What each role may do for its customer, and that a role that changes is changed at the next request.
pub(crate) async fn each_role_does_what_it_may(database: Database) {
    let server = Server::start(database).await;
    let staff = server.client().with_key(&server.shop.operator_key);
    for (id, role) in [("vera", "VIEWER"), ("max", "MEMBER"), ("olga", "OWNER")] {
        let query = format!(
            "mutation {{ addUser(input: {{ customer: \"acme-shop\", externalId: \"{id}\", name: \"{id}\", role: {role} }}) {{ refusals {{ message }} }} }}"
        );
        assert_eq!(data(&staff, &query, json!({})).await["addUser"]["refusals"], json!([]));
    }
    let of = async |user: &str| customer_key(&staff, &format!("customer: \"acme-shop\", user: \"{user}\"")).await;
    let (viewer, member, owner) = (of("vera").await, of("max").await, of("olga").await);
    let program = customer_key(&staff, "customer: \"acme-shop\"").await;
    let code = async |client: &Client, mutation: &str| {
        let body: Value =
            serde_json::from_slice(&ask(client, &format!("mutation {{ {mutation} }}"), json!({})).await.body)
                .expect("JSON");
        let field = mutation.split('(').next().unwrap_or_default();
        let first = body["data"][field]["refusals"][0]["code"].as_str().map(str::to_owned);
        first
            .or(body["errors"][0]["extensions"]["code"].as_str().map(str::to_owned))
            .unwrap_or_else(|| "done".to_owned())
    };
    let carve = |user: &str, task: &str| {
        format!(
            "carveAllocation(input: {{ customer: \"acme-shop\"{user}, agent: \"catalogue\", session: {{ kind: \"task\", key: \"{task}\" }}, \
            lines: [{{ feature: \"image.generate\", amount: \"1\" }}] }}) {{ allocation {{ user {{ externalId }} }} refusals {{ code }} }}"
        )
    };
    let own_user = ", user: \"max\"";
    assert_eq!(code(&viewer, &carve("", "v")).await, "FORBIDDEN", "a viewer looks");
    assert_eq!(code(&member, &carve(own_user, "m1")).await, "done");
    assert_eq!(code(&member, &carve("", "m2")).await, "done", "who names nobody means themselves");
    assert_eq!(code(&member, &carve(", user: \"ada\"", "m3")).await, "NOT_FOUND", "not on behalf of others");
    assert_eq!(code(&owner, &carve(", user: \"ada\"", "o1")).await, "done");
    assert_eq!(code(&program, &carve("", "p1")).await, "done");
    for client in [&viewer, &member, &owner, &program] {
        let feature = "defineFeature(input: { key: \"a.b\", name: \"x\", kind: BOOLEAN }) { refusals { code } }";
        assert_eq!(code(client, feature).await, "FORBIDDEN", "the catalogue is the tenant's");
        let gate = "issueKey(input: { kind: GATE, name: \"x\" }) { refusals { code } }";
        assert_eq!(code(client, gate).await, "FORBIDDEN", "so are gates");
        let hook = "addWebhookEndpoint(input: { url: \"https://hooks.invalid/\" }) { refusals { code } }";
        assert_eq!(code(client, hook).await, "FORBIDDEN", "and what its systems hear");
    }
    let user = |id: &str| {
        format!(
            "addUser(input: {{ customer: \"acme-shop\", externalId: \"{id}\", name: \"x\", role: MEMBER }}) {{ refusals {{ code }} }}"
        )
    };
    assert_eq!(code(&viewer, &user("n1")).await, "FORBIDDEN");
    assert_eq!(code(&member, &user("n2")).await, "FORBIDDEN");
    assert_eq!(code(&owner, &user("n3")).await, "done");

    let seen = async |client: &Client| {
        let list = data(
            client,
            "{ customers { edges { node { externalId users { edges { node { externalId } } } } } }
            allocations(first: 100) { edges { node { user { externalId } session { key } } } } }",
            json!({}),
        )
        .await;
        let customers = list["customers"]["edges"].as_array().map_or(0, Vec::len);
        let users = list["customers"]["edges"][0]["node"]["users"]["edges"].as_array().map_or(0, Vec::len);
        let tasks: BTreeSet<String> = list["allocations"]["edges"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|edge| edge["node"]["session"]["key"].as_str().map(str::to_owned))
            .collect();
        (customers, users > 1, tasks.into_iter().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(seen(&member).await, (1, false, "m1 m2".to_owned()));
    assert_eq!(seen(&viewer).await, (1, true, "m1 m2 o1 p1".to_owned()));
    assert_eq!(seen(&owner).await, (1, true, "m1 m2 o1 p1".to_owned()));
    server.end().await;
}
