//! A virtual month of the image shop: three customers, twelve agents, tickets under a policy, tasks on cards, months that turn at
//! different times, and a customer that goes to a smaller plan. It ends today, so that the real program can print what came of it.

use actix_web::dev::{Service, ServiceResponse};
use actix_web::{App as Web, test};
use almoner_app::agents::{self, NewAgent};
use almoner_app::customers::{self, NewCustomer};
use almoner_app::plan_changes::{self, NewPlanChange};
use almoner_app::plans::{self, NewPlan, NewTerms};
use almoner_app::policies::{self, NewPolicy, NewPolicyLine, NewSelector};
use almoner_app::subscriptions::{self, NewSubscription};
use almoner_app::{App, image_shop};
use almoner_domain::calendar::Calendar;
use almoner_domain::caller::{Caller, Who};
use almoner_domain::conditions::Conditions;
use almoner_domain::entropy::Entropy;
use almoner_domain::id::{Id, NodeId};
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::{Beyond, LiveRule, Offer};
use almoner_domain::plan_change::When;
use almoner_domain::ports::Ledger;
use almoner_domain::scope::Scope;
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::text::{ExternalId, FeatureKey, Label, Name, Named, SessionKind};
use almoner_domain::time::{Clock, DAY, Timestamp};
use almoner_domain::units::Units;
use almoner_domain::zone::Zone;
use almoner_gate::journal::FolderDisk;
use almoner_gate::{Gate, GateConfig, GateParts};
use almoner_server::SystemClock;
use almoner_storage::{SqlStore, StoreOptions};
use almoner_testkit::{MockClock, SeededEntropy};
use almoner_tests::chance::seed;
use almoner_tests::in_process::desk;
use almoner_tests::{Database, Decision, Dice, books, on_each_database, program};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Days from the first call to the last.
const DAYS: u32 = 32;
/// Times of a day at which agents are at work.
const SHIFTS: u32 = 1;
const SHIFT: Duration = Duration::from_secs(24 * 3_600);
const CREDITS: &str = "credits";
/// Customers, on which day of the month their periods begin, and their four agents; the first of each answers tickets.
const CAST: [(&str, u64, [&str; 4]); 3] = [
    ("acme-shop", 0, ["acme-desk", "acme-catalogue", "acme-writer", "acme-press"]),
    ("bolt-foods", 0, ["bolt-desk", "bolt-menu", "bolt-writer", "bolt-press"]),
    ("corner-books", 11, ["corner-desk", "corner-covers", "corner-writer", "corner-press"]),
];

on_each_database! {
    a_month_ends_with_every_unit_accounted_for;
}

fn external(text: &str) -> ExternalId {
    ExternalId::parse(text).expect("an id")
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// What a client was told it had spent.
struct Spent {
    at: Timestamp,
    customer: &'static str,
    agent: &'static str,
    feature: String,
    hundredths: i64,
}

/// A decimal in hundredths: no feature here has more places.
fn hundredths(text: &Value) -> i64 {
    let text = text.as_str().expect("amounts are texts");
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let rest: i64 = format!("{rest:0<2}").parse().expect("digits");
    whole.parse::<i64>().expect("a number") * 100 + rest
}

/// The shop, its clock, and what clients remember.
struct Month {
    clock: MockClock,
    entropy: Arc<SeededEntropy>,
    store: SqlStore,
    app: App,
    staff: Caller,
    gate_key: String,
    node: NodeId,
    dice: Dice,
    record: Vec<Spent>,
    denied: BTreeMap<String, u64>,
    sessions: u64,
}

impl Month {
    async fn open(url: &str, seed: u64, begin: Timestamp) -> Self {
        let clock = MockClock::at(begin);
        let entropy = Arc::new(SeededEntropy::new(seed));
        let chance: Arc<dyn Entropy> = entropy.clone();
        let options = StoreOptions { connections_max: 4, ..StoreOptions::default() };
        let store = SqlStore::connect(url, Arc::new(clock.clone()), Arc::clone(&chance), options).await;
        let store = store.expect("a database");
        store.migrate().await.expect("a schema");
        let app = App { store: Arc::new(store.clone()), clock: Arc::new(clock.clone()), entropy: chance };
        let seeded = image_shop::seed(&Caller::here(Who::Installation), &app).await.expect("an image shop");
        let realm = Realm { tenant: seeded.shop.tenant.id, environment: Environment::Live };
        let staff = Caller::here(Who::Operator { realm, key: None });
        let node = NodeId::new(begin, &*entropy);
        Self {
            clock,
            entropy,
            store,
            app,
            staff,
            gate_key: seeded.shop.gate_key.reveal(),
            node,
            dice: Dice::new(seed),
            record: Vec::new(),
            denied: BTreeMap::new(),
            sessions: 0,
        }
    }

    /// Brings in the customers that the example does not have, all agents, and the policy that pays for tickets.
    async fn people(&self, begin: Timestamp) {
        for (customer, day, own) in CAST {
            let new = NewCustomer { external_id: external(customer), name: name(customer) };
            // The first is the example's own.
            let _ = customers::add(&self.staff, &self.app, new).await;
            let customer = Named::External(external(customer));
            let none = NewPlanChange { customer: customer.clone(), to: None, when: When::Now };
            let _ = plan_changes::change(&self.staff, &desk(&self.store), none).await;
            // What began a year ago has turned each month since.
            let since = begin.as_micros() - 365 * DAY + i64::try_from(day).unwrap_or_default() * DAY;
            let calendar = Calendar::new(Timestamp::from_micros(since), "Europe/Berlin").expect("a calendar");
            let new = NewSubscription { customer, plan: external("pro"), calendar, trial: None };
            subscriptions::subscribe(&self.staff, &self.app, new).await.expect("it is subscribed");
            for (place, agent) in own.into_iter().enumerate() {
                let labels =
                    if place == 0 { [Label::parse("desk").expect("a label")].into() } else { Default::default() };
                let new = NewAgent { external_id: external(agent), name: name(agent), labels };
                agents::register(&self.staff, &self.app, new).await.expect("it is registered");
            }
        }
        let credits = FeatureKey::parse(CREDITS).expect("a key");
        let policy = NewPolicy {
            external_id: external("desk-tickets"),
            name: name("Tickets at the desk"),
            agents: NewSelector::Labelled(Label::parse("desk").expect("a label")),
            session_kind: SessionKind::parse("ticket").expect("a kind"),
            customer: None,
            lines: vec![NewPolicyLine { feature: credits, up_to: "9.5".to_owned(), a_day: Some("60".to_owned()) }],
            scope: Scope::default(),
            conditions: Conditions::default(),
            lifetime: Duration::from_secs(4 * 3_600),
            live_max: Some(5),
            zone: Zone::parse("Europe/Berlin").expect("a zone"),
        };
        policies::add(&self.staff, &self.app, policy).await.expect("it is in force");
    }

    /// A gate in a new life on the same journal.
    async fn gate(&self, journal: &Path) -> Arc<Gate> {
        let parts = GateParts {
            ledger: Arc::new(self.store.clone()),
            lookup: Arc::new(self.store.clone()),
            clock: Arc::new(self.clock.clone()),
            entropy: self.entropy.clone(),
            disk: Arc::new(FolderDisk::open(journal).expect("a folder")),
            node: self.node,
            config: GateConfig::default(),
        };
        Gate::start(parts).await.expect("the gate starts")
    }

    async fn sweep(&self) {
        for _ in 0..3 {
            self.store.sweep(10_000).await.expect("the ledger sweeps");
        }
    }

    /// Notes what a decision says was spent.
    fn note(&mut self, decision: &Decision, customer: &'static str, agent: &'static str) {
        if !decision.allowed() {
            *self.denied.entry(decision.reason().to_owned()).or_default() += 1;
            return;
        }
        for used in decision.0["uses"].as_array().expect("uses") {
            let (feature, amount) = match used["price"].as_object() {
                None => (&used["feature"], &used["granted"]),
                Some(price) => (&price["feature"], &price["amount"]),
            };
            let feature = feature.as_str().expect("a key").to_owned();
            self.record.push(Spent { at: self.clock.now(), customer, agent, feature, hundredths: hundredths(amount) });
        }
    }

    /// What the agents of all customers do in one shift.
    async fn shift<S>(&mut self, door: &S)
    where
        S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
    {
        for (customer, _, own) in CAST {
            for _ in 0..self.dice.between(1, 4) {
                self.ticket(door, customer, own[0]).await;
            }
            for agent in &own[1..] {
                if self.dice.chance(700) {
                    self.task(door, customer, agent).await;
                }
            }
        }
    }

    /// A ticket, paid for by the policy: replies, and now and then a refund that is looked into.
    async fn ticket<S>(&mut self, door: &S, customer: &'static str, agent: &'static str)
    where
        S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
    {
        self.sessions += 1;
        let key = format!("T-{}", self.sessions);
        for _ in 0..self.dice.between(1, 6) {
            let feature = if self.dice.chance(250) { "support.refund_check" } else { "support.reply" };
            let body = json!({ "subject": { "customer": customer }, "agent": agent,
                "session": { "kind": "ticket", "key": key }, "uses": [{ "feature": feature, "amount": 1 }] });
            let decision = Decision(self.post(door, "/v1/consume", &body, 200).await);
            self.note(&decision, customer, agent);
        }
    }

    /// A task on a card of its own: carved, used, and closed, left, or forgotten with a hold open.
    async fn task<S>(&mut self, door: &S, customer: &'static str, agent: &'static str)
    where
        S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
    {
        self.sessions += 1;
        let until = self.clock.now().saturating_add(Duration::from_secs(self.dice.between(1, 40) * 3_600));
        let body = json!({ "subject": { "customer": customer }, "agent": agent, "expires_at": until.to_string(),
            "session": { "kind": "task", "key": format!("K-{}", self.sessions) },
            "lines": [{ "feature": "image.generate", "amount": 20 }, { "feature": "image.upload", "amount": 8 }] });
        let carved = self.ask(door, "/v1/allocations", &body).await;
        let Some(card) = carved.1["allocation"].as_str().filter(|_| carved.0 == 201).map(str::to_owned) else {
            // The month is out.
            assert_eq!(carved.0, 409, "{}", carved.1);
            return;
        };
        for _ in 0..self.dice.between(1, 9) {
            let amount = self.dice.between(1, 4);
            let uses =
                json!([{ "feature": "image.generate", "amount": amount }, { "feature": "image.upload", "amount": 1 }]);
            let body = json!({ "allocation": card, "uses": uses });
            let decision = Decision(self.post(door, "/v1/consume", &body, 200).await);
            self.note(&decision, customer, agent);
        }
        if self.dice.chance(200) {
            let body =
                json!({ "allocation": card, "uses": [{ "feature": "image.generate", "amount": 1 }], "ttl_s": 600 });
            self.post(door, "/v1/reserve", &body, 200).await;
        } else if self.dice.chance(500) {
            self.post(door, &format!("/v1/allocations/{card}/close"), &json!({}), 200).await;
        }
    }

    async fn post<S>(&self, door: &S, path: &str, body: &Value, status: u16) -> Value
    where
        S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
    {
        let (told, answer) = self.ask(door, path, body).await;
        assert_eq!(told, status, "{path} {body}: {answer}");
        answer
    }

    async fn ask<S>(&self, door: &S, path: &str, body: &Value) -> (u16, Value)
    where
        S: Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error>,
    {
        let request = test::TestRequest::post().uri(path).set_json(body);
        let request = request.insert_header(("authorization", format!("Bearer {}", self.gate_key)));
        let response = test::call_service(door, request.to_request()).await;
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&test::read_body(response).await).expect("JSON"))
    }

    /// What clients remember of one agent, of one feature, within a window.
    fn remembered(&self, customer: &str, agent: &str, feature: &str, window: (Timestamp, Timestamp)) -> i64 {
        let of = |one: &&Spent| one.customer == customer && one.agent == agent && one.feature == feature;
        let within = |one: &&Spent| window.0 <= one.at && one.at < window.1;
        self.record.iter().filter(of).filter(within).map(|one| one.hundredths).sum()
    }
}

async fn a_month_ends_with_every_unit_accounted_for(database: Database) {
    let seed = seed();
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let place = database.make().await;
    let now = SystemClock.now();
    // To the hour, as windows are told; so that the last shift is over now.
    let begin = Timestamp::from_micros((now.as_micros() - i64::from(DAYS) * DAY) / (DAY / 24) * (DAY / 24));
    let mut month = Month::open(&place.url(folder.path()), seed, begin).await;
    month.people(begin).await;
    for shift in 0..DAYS * SHIFTS {
        let gate = month.gate(&journal).await;
        let door = test::init_service(Web::new().configure(almoner_gate::routes(Arc::clone(&gate)))).await;
        month.shift(&door).await;
        gate.stop().await;
        if shift == DAYS * SHIFTS / 2 {
            smaller(&month).await;
        }
        month.clock.advance(SHIFT);
        month.sweep().await;
        books::assert_sound(&month.store).await;
    }
    assert!(month.denied.get("exhausted").is_some_and(|count| *count > 10), "seed {seed}: {:?}", month.denied);
    assert!(month.denied.keys().all(|reason| reason == "exhausted"), "seed {seed}: {:?}", month.denied);
    for (customer, _, own) in CAST {
        compare(&month, customer, &own, folder.path(), place.setting(), seed);
    }
    month.store.close().await.expect("the store closes");
}

/// Fewer images from now on, for one of them; cards that are out shrink.
async fn smaller(month: &Month) {
    let (staff, app) = (&month.staff, &month.app);
    plans::create(staff, app, NewPlan { external_id: external("lite"), name: name("Lite") }).await.expect("a plan");
    let quota = |key: &str, count: i64| {
        let amount = Units::new(count).expect("units");
        let offer = Offer::Quota { amount, period: UsagePeriod::MONTH, beyond: Beyond::default() };
        (FeatureKey::parse(key).expect("a key"), offer)
    };
    let lines = vec![quota("image.generate", 300), quota("image.upload", 500), quota(CREDITS, 500_000)];
    let terms = NewTerms { effective_from: None, price: None, live_rule: LiveRule::Shrink, lines };
    plans::publish(staff, app, &external("lite"), terms).await.expect("terms");
    let customer = Named::External(external("bolt-foods"));
    let new = NewPlanChange { customer, to: Some(external("lite")), when: When::Now };
    let changed = plan_changes::change(staff, &desk(&month.store), new).await.expect("it is changed");
    let lowered = changed.effects.features.iter().any(|feature| !feature.shift.taken_back.is_zero());
    assert!(lowered, "{:?}", changed.effects);
}

/// The statements that the real program prints are what clients remember, agent by agent, and people can read them.
fn compare(month: &Month, customer: &str, own: &[&str], folder: &Path, database: Option<&str>, seed: u64) {
    for period in ["last", "current"] {
        let statement = || {
            let mut command = program::almoner(folder, database);
            command.args(["statement", "--customer", customer, "--period", period]);
            command
        };
        let told = program::run_json(statement().arg("--json"));
        let text = program::run(&mut statement());
        for quota in told["quotas"].as_array().expect("quotas") {
            let feature = quota["feature"].as_str().expect("a key");
            let at = |member: &str| Timestamp::parse(quota[member].as_str().expect("a time")).expect("a time");
            let window = (at("start"), at("end"));
            let mut all = 0;
            for agent in own {
                let rows = quota["agents"].as_array().expect("agents");
                let row = rows.iter().find(|row| row["agent"] == *agent);
                let units = row.map_or(0, |row| hundredths(&row["units"]));
                let remembered = month.remembered(customer, agent, feature, window);
                assert_eq!(units, remembered, "seed {seed}: {customer} {agent} {feature} {period}: {quota}");
                if let Some(row) = row.filter(|_| remembered > 0) {
                    let amount = row["units"].as_str().expect("an amount");
                    assert!(text.lines().any(|line| line.contains(agent) && line.contains(amount)), "{text}");
                }
                all += remembered;
            }
            assert_eq!(hundredths(&quota["spent"]), all, "seed {seed}: {customer} {feature} {period}");
        }
        assert!(text.contains(customer), "{text}");
    }
}
