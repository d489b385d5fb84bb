//! A crowd: a tool provider with any number of customers, each with users, cards for agents, and calls made on them. Made by the
//! use cases and the ledger, as a server would, without a server.

use almoner_app::{App, agents, customers, features, keys, plans, subscriptions, tenants, users};
use almoner_domain::agent::SessionName;
use almoner_domain::calendar::Calendar;
use almoner_domain::caller::{Caller, Who};
use almoner_domain::customer::Role;
use almoner_domain::decision::{Decision, Operation, Use, UseKind, Verdict};
use almoner_domain::feature::{Durability, ExcessRule, FeatureKind, Meter};
use almoner_domain::id::{AgentId, DecisionId, FeatureId, Id, NodeId};
use almoner_domain::key::KeyKind;
use almoner_domain::lease::Incarnation;
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::{LiveRule, Offer};
use almoner_domain::ports::{CarveAnswer, CarveRequest, LeaseBatch, Ledger, Source, SubjectName};
use almoner_domain::scope::Scope;
use almoner_domain::statement::AllocationStatement;
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::text::{ExternalId, FeatureKey, Name, Named, SessionKey, SessionKind};
use almoner_domain::time::{Clock, Timestamp};
use almoner_domain::units::{Scale, Units};
use almoner_server::{OsEntropy, SystemClock};
use almoner_storage::SqlStore;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The feature that cards are for.
pub const FEATURE: &str = "crowd.unit";
/// Users of each customer.
const USERS: usize = 5;
/// Decisions told to the ledger at once, as many as a busy gate's flush has.
const FLUSH: usize = 2_000;
/// How long cards last: no suite or measurement takes longer.
const LIFE: Duration = Duration::from_secs(12 * 3_600);
/// Hours ago that the last call was made.
const SPREAD: i64 = 29 * 24;

/// How calls are shared out among cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shares {
    /// As agents are: a few busy cards have many calls and most have few, the n-th busiest in proportion to 1/√n.
    Uneven,
    /// Each card has as many as any other.
    Even,
}

impl Shares {
    fn of(self, calls: usize, cards: usize) -> Vec<usize> {
        let weigh = |card: usize| match self {
            Self::Even => 1,
            // Busy ones are not next to each other: the factor has no divisor in common with any number of cards that is used.
            Self::Uneven => 1_000_000_000 / ((card * 7_919 % cards + 1) * 1_000_000).isqrt(),
        };
        let whole: usize = (0..cards).map(weigh).sum();
        let mut shares: Vec<usize> = (0..cards).map(|card| calls * weigh(card) / whole).collect();
        let left = calls - shares.iter().sum::<usize>();
        shares.iter_mut().take(left).for_each(|share| *share += 1);
        shares
    }
}

/// The crowd.
pub struct Crowd {
    /// Where it is.
    pub store: SqlStore,
    /// Its realm.
    pub realm: Realm,
    /// A key of the provider's staff, in plain.
    pub operator_key: String,
    /// All cards, in the order in which they were carved.
    pub cards: Vec<AllocationStatement>,
    app: App,
    staff: Caller,
    feature: FeatureId,
    agents: Vec<AgentId>,
    gate: Incarnation,
    customers: usize,
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn external(text: &str) -> ExternalId {
    ExternalId::parse(text).expect("an id")
}

impl Crowd {
    /// A provider with a plan and agents, and nobody yet.
    ///
    /// # Panics
    /// Panics, as all else here does, when the store refuses.
    pub async fn gather(store: SqlStore) -> Self {
        let app = App { store: Arc::new(store.clone()), clock: Arc::new(SystemClock), entropy: Arc::new(OsEntropy) };
        let tenant = tenants::NewTenant { external_id: external("crowd"), name: name("Crowd") };
        let tenant = tenants::create(&Caller::INSTALLATION, &app, tenant).await.expect("a tenant");
        let realm = Realm { tenant: tenant.id, environment: Environment::Live };
        let staff = Caller::here(Who::Operator { realm, key: None });
        let meter = Meter {
            unit: name("units"),
            scale: Scale::WHOLE,
            durability: Durability::Durable,
            excess: ExcessRule::DenyExcess,
        };
        let key = FeatureKey::parse(FEATURE).expect("a key");
        let feature = features::NewFeature { key: key.clone(), name: name("Unit"), kind: FeatureKind::Metered(meter) };
        let feature = features::define(&staff, &app, feature).await.expect("a feature").id;
        let plan = plans::NewPlan { external_id: external("all"), name: name("All") };
        plans::create(&staff, &app, plan).await.expect("a plan");
        let quota = Offer::Quota {
            amount: Units::new(1_000_000_000).expect("units"),
            period: UsagePeriod::Never,
            beyond: Default::default(),
        };
        let terms =
            plans::NewTerms { effective_from: None, price: None, live_rule: LiveRule::Keep, lines: vec![(key, quota)] };
        plans::publish(&staff, &app, &external("all"), terms).await.expect("a version");
        let mut crowd = Self {
            gate: store.enlist(NodeId::from_uuid(uuid_of(1))).await.expect("a gate"),
            operator_key: String::new(),
            cards: Vec::new(),
            agents: Vec::new(),
            customers: 0,
            store,
            realm,
            app,
            staff,
            feature,
        };
        for number in 0..20 {
            let agent = agents::NewAgent {
                external_id: external(&format!("agent-{number}")),
                name: name("Agent"),
                labels: BTreeSet::new(),
            };
            crowd.agents.push(agents::register(&crowd.staff, &crowd.app, agent).await.expect("an agent").id);
        }
        let key = keys::NewKey { kind: KeyKind::Operator, holder: None, name: name("staff") };
        let key = keys::issue(&crowd.staff, &crowd.app, key).await.expect("a key");
        crowd.operator_key = key.plain.reveal();
        crowd
    }

    /// Customers join, each with five users, a subscription, and so many cards, which are its users' in turn.
    ///
    /// # Panics
    /// See [`Self::gather`].
    pub async fn join(&mut self, customers: usize, cards: usize) {
        for _ in 0..customers {
            let number = self.customers;
            self.customers += 1;
            let id = format!("customer-{number}");
            let new = customers::NewCustomer { external_id: external(&id), name: name("Customer") };
            customers::add(&self.staff, &self.app, new).await.expect("a customer");
            for user in 0..USERS {
                let new = users::NewUser {
                    customer: Named::External(external(&id)),
                    external_id: external(&format!("user-{user}")),
                    name: name("User"),
                    role: Role::Member,
                };
                users::add(&self.staff, &self.app, new).await.expect("a user");
            }
            let calendar = Calendar::new(Timestamp::from_micros(0), "UTC").expect("a calendar");
            let customer = Named::External(external(&id));
            let new = subscriptions::NewSubscription { customer, plan: external("all"), calendar, trial: None };
            subscriptions::subscribe(&self.staff, &self.app, new).await.expect("a subscription");
            for card in 0..cards {
                let of = format!("user-{}", card % USERS);
                let agent = self.agents[(number * 3 + card % 2) % self.agents.len()];
                let source = SubjectName {
                    customer: Named::External(external(&id)),
                    user: Some(Named::External(external(&of))),
                };
                let until = SystemClock.now().saturating_add(LIFE);
                self.carve(Source::Subject(source), agent, &format!("{id}-{card}"), 1_000, until).await;
            }
        }
    }

    /// Carves a card from another.
    ///
    /// # Panics
    /// See [`Self::gather`].
    pub async fn carve_below(&mut self, parent: usize, units: i64) {
        let parent = self.cards[parent].allocation.clone();
        let session = format!("below-{}", self.cards.len());
        self.carve(Source::Allocation(parent.id), parent.agent, &session, units, parent.expires_at).await;
    }

    async fn carve(&mut self, source: Source, agent: AgentId, session: &str, units: i64, until: Timestamp) {
        let now = SystemClock.now();
        let request = CarveRequest {
            id: Id::new(now, &OsEntropy),
            source,
            agent: Named::Id(agent),
            session: SessionName {
                kind: SessionKind::parse("task").expect("a kind"),
                key: SessionKey::parse(session).expect("a key"),
            },
            lines: vec![(self.feature, Units::new(units).expect("units"))],
            scope: Scope::default(),
            not_before: None,
            expires_at: Some(until),
            durability: None,
            conditions: Default::default(),
            key: None,
            by: self.staff.author(),
        };
        match self.store.carve(self.realm, &request).await.expect("a store") {
            CarveAnswer::Carved(statement) => self.cards.push(statement),
            refused => panic!("a card was not carved: {refused:?}"),
        }
    }

    /// Calls on all cards, a unit each, over the last 29 days; each card's within two hours.
    ///
    /// The ledger hears of the decisions alone: what is looked at is what was decided, not what is leased.
    ///
    /// # Panics
    /// See [`Self::gather`].
    pub async fn call(&self, count: usize, shares: Shares) {
        let now = SystemClock.now();
        let of = shares.of(count, self.cards.len());
        let calls = of.iter().enumerate().flat_map(|(card, calls)| (0..*calls).map(move |number| (card, number)));
        let calls: Vec<Decision> = calls.map(|(card, number)| self.decision(now, card, number)).collect();
        for flush in calls.chunks(FLUSH) {
            let batch = LeaseBatch { decisions: flush.to_vec(), ..LeaseBatch::default() };
            self.store.settle(self.realm, self.gate, &batch).await.expect("a store");
        }
    }

    fn decision(&self, now: Timestamp, card: usize, number: usize) -> Decision {
        let allocation = &self.cards[card].allocation;
        let place = i64::try_from(card).expect("a number");
        let back = (place % SPREAD) * 3_600 + i64::try_from(number % 7_000).expect("a number") % 7_200;
        let at = Timestamp::from_micros(now.as_micros() - back * 1_000_000);
        let one = Units::new(1).expect("units");
        let kind = UseKind::Metered {
            account: Some(allocation.lines[0].account),
            requested: one,
            granted: one,
            remaining: one,
            blocked: false,
        };
        Decision {
            id: DecisionId::new(at, &OsEntropy),
            at,
            operation: Operation::Consume,
            verdict: Verdict::Allow,
            on_behalf_of: Some(allocation.principals),
            allocation: Some(allocation.id),
            uses: vec![Use { feature: self.feature, kind }],
            hold: None,
            hold_expires_at: None,
            key: None,
            dimensions: vec![("tool".to_owned(), ["draw", "paint", "print"][number % 3].to_owned())],
        }
    }
}

fn uuid_of(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number)
}
