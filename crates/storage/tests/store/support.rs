//! A shop to test with: a tenant whose customer has a plan with 1,000 image generations a month.

use almoner_domain::agent::{Agent, SessionName};
use almoner_domain::calendar::Calendar;
use almoner_domain::customer::{Customer, Role, User};
use almoner_domain::decision::{Decision, KeyMark, Operation, Use, UseKind, Verdict};
use almoner_domain::entropy::Entropy;
use almoner_domain::feature::{Durability, ExcessRule, Feature, FeatureKind, Meter, StaticValue};
use almoner_domain::id::{AccountId, AllocationId, FeatureId, Id, KeyId, LeaseId, NodeId};
use almoner_domain::lease::{Incarnation, LeaseReply, LeaseReport, Wish};
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::{LiveRule, Offer, Plan, PlanLine, PlanVersion};
use almoner_domain::ports::{
    CarveAnswer, CarveRequest, LeaseBatch, Ledger, Lookup, Source, Store, SubjectName, SubjectStanding,
};
use almoner_domain::principal::Principals;
use almoner_domain::scope::Scope;
use almoner_domain::standing::Standing;
use almoner_domain::statement::AllocationStatement;
use almoner_domain::subscription::{Entitlement, Subscription};
use almoner_domain::tenant::{Environment, Realm, Tenant};
use almoner_domain::text::{ExternalId, FeatureKey, Name, Named, SessionKey, SessionKind};
use almoner_domain::time::{Clock, Timestamp};
use almoner_domain::units::{Scale, Units};
use almoner_migrations::{Migrator, MigratorTrait};
use almoner_storage::{SqlStore, StoreOptions};
use almoner_testkit::author;
use almoner_testkit::postgres::{TestDatabase, postgres};
use almoner_testkit::sqlite::TestSqlite;
use almoner_testkit::{MockClock, SeededEntropy};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// Both of them.
pub(crate) const BOTH: [On; 2] = [On::Sqlite, On::Postgres];

/// Keeps a database until the test is over.
pub(crate) enum Keep {
    Sqlite(TestSqlite),
    Postgres(TestDatabase),
}

impl Keep {
    pub(crate) async fn new(on: On) -> Self {
        match on {
            On::Sqlite => Self::Sqlite(TestSqlite::new()),
            On::Postgres => Self::Postgres(postgres().await),
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(file) => file.url(),
            Self::Postgres(database) => database.url().to_owned(),
        }
    }
}

/// How many steps down take a migration away, and all after it.
pub(crate) fn down_to(migration: &str) -> u32 {
    let later = Migrator::migrations().iter().rev().position(|one| one.name().ends_with(migration)).unwrap();
    u32::try_from(later).unwrap() + 1
}

/// The number of a thing.
pub(crate) fn id<I: Id>(number: u128) -> I {
    I::from_uuid(uuid::Uuid::from_u128(number))
}

pub(crate) fn units(count: i64) -> Units {
    Units::new(count).unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn external(text: &str) -> ExternalId {
    ExternalId::parse(text).unwrap()
}

/// A shop on a migrated database.
pub(crate) struct Shop {
    pub(crate) store: SqlStore,
    pub(crate) clock: MockClock,
    pub(crate) entropy: Arc<SeededEntropy>,
    pub(crate) realm: Realm,
    pub(crate) keep: Arc<Keep>,
}

pub(crate) const GENERATE: u128 = 0x11;
pub(crate) const DESCRIBE: u128 = 0x12;
pub(crate) const BACKGROUND: u128 = 0x13;
pub(crate) const RESOLUTION: u128 = 0x14;
pub(crate) const CUSTOMER: u128 = 0x21;
pub(crate) const ADA: u128 = 0x31;
pub(crate) const BOB: u128 = 0x32;
pub(crate) const AGENT: u128 = 0x41;
pub(crate) const SUBSCRIPTION: u128 = 0x51;
pub(crate) const QUOTA: i64 = 1_000;

/// When the shop's first month began. Its clock stands ten days later.
pub(crate) fn month() -> Timestamp {
    Timestamp::parse("2026-11-01T00:00:00Z").unwrap()
}

impl Shop {
    pub(crate) async fn open(on: On) -> Self {
        Self::with(on, StoreOptions::default()).await
    }

    pub(crate) async fn with(on: On, options: StoreOptions) -> Self {
        let keep = Arc::new(Keep::new(on).await);
        let clock = MockClock::default();
        let entropy = Arc::new(SeededEntropy::new(7));
        let store = SqlStore::connect(&keep.url(), Arc::new(clock.clone()), entropy.clone(), options).await.unwrap();
        store.migrate().await.unwrap();
        let shop = Self { store, clock, entropy, realm: realm(1), keep };
        shop.stock().await;
        shop
    }

    /// The same shop for another tenant on the same database.
    pub(crate) async fn beside(&self, tenant: u128) -> Self {
        let shop = Self {
            store: self.store.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            realm: realm(tenant),
            keep: Arc::clone(&self.keep),
        };
        shop.stock().await;
        shop
    }

    async fn stock(&self) {
        let mut installation = self.store.installation().await.unwrap();
        let tenant = Tenant {
            id: self.realm.tenant,
            external_id: external(&format!("tenant-{}", self.realm.tenant.uuid().as_u128())),
            name: name("Pixel Works"),
        };
        installation.add_tenant(&tenant).await.unwrap();
        installation.commit().await.unwrap();

        let mut work = self.store.begin(self.realm).await.unwrap();
        for feature in features() {
            work.features().add(&feature).await.unwrap();
        }
        work.plans().add(&Plan { id: id(0x61), external_id: external("pro"), name: name("Pro") }).await.unwrap();
        let lines = offers().map(|(feature, offer)| PlanLine { feature, offer }).to_vec();
        work.plans()
            .publish(&PlanVersion {
                id: id(0x62),
                plan: id(0x61),
                number: 1,
                effective_from: Timestamp::from_micros(0),
                price: None,
                live_rule: LiveRule::Keep,
                lines,
            })
            .await
            .unwrap();
        let customer = Customer { id: id(CUSTOMER), external_id: external("acme-shop"), name: name("Acme") };
        work.customers().add(&customer).await.unwrap();
        for (number, person, role) in [(ADA, "ada", Role::Member), (BOB, "bob", Role::Owner)] {
            let user = User {
                id: id(number),
                customer: id(CUSTOMER),
                external_id: external(person),
                name: name(person),
                role,
            };
            work.customers().add_user(&user).await.unwrap();
        }
        let agent = Agent {
            id: id(AGENT),
            external_id: external("catalogue"),
            name: name("Catalogue"),
            labels: BTreeSet::new(),
        };
        work.agents().add(&agent).await.unwrap();
        work.subscriptions().add(&subscription(), &entitlements()).await.unwrap();
        work.commit().await.unwrap();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn new_id<I: Id>(&self) -> I {
        I::new(self.now(), &*self.entropy as &dyn Entropy)
    }

    pub(crate) fn customer(&self) -> SubjectName {
        SubjectName { customer: Named::External(external("acme-shop")), user: None }
    }

    pub(crate) fn ada(&self) -> SubjectName {
        SubjectName { customer: Named::External(external("acme-shop")), user: Some(Named::External(external("ada"))) }
    }

    pub(crate) async fn standing(&self, subject: &SubjectName) -> Standing {
        match self.store.subject(self.realm, subject).await.unwrap() {
            SubjectStanding::Known(standing) => *standing,
            other => panic!("{other:?}"),
        }
    }

    /// The account of the customer's image generations.
    pub(crate) async fn account(&self) -> AccountId {
        self.standing(&self.customer()).await.lines.iter().find(|line| line.feature == id(GENERATE)).unwrap().account
    }

    pub(crate) fn request(&self, source: Source, amount: i64) -> CarveRequest {
        CarveRequest {
            id: self.new_id(),
            source,
            agent: Named::External(external("catalogue")),
            session: session("catalog-2026-11"),
            lines: vec![(id(GENERATE), units(amount))],
            scope: Scope::default(),
            not_before: None,
            expires_at: Some(self.now().saturating_add(Duration::from_secs(3_600))),
            durability: None,
            conditions: Default::default(),
            key: None,
            by: author(),
        }
    }

    pub(crate) async fn carve(&self, source: Source, amount: i64) -> AllocationStatement {
        match self.store.carve(self.realm, &self.request(source, amount)).await.unwrap() {
            CarveAnswer::Carved(statement) => statement,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn gate(&self, node: u128) -> Incarnation {
        self.store.enlist(id::<NodeId>(node)).await.unwrap()
    }

    pub(crate) async fn settle(&self, by: Incarnation, batch: &LeaseBatch) -> Vec<LeaseReply> {
        self.store.settle(self.realm, by, batch).await.unwrap()
    }

    pub(crate) async fn report(&self, by: Incarnation, report: LeaseReport) -> LeaseReply {
        self.settle(by, &reports(vec![report])).await[0]
    }

    /// Opens a lease of `count` units.
    pub(crate) async fn lease(&self, by: Incarnation, account: AccountId, count: i64) -> LeaseId {
        let lease = self.new_id();
        let reply = self.report(by, raise(lease, account, 1, 0, count)).await;
        assert!(matches!(reply, LeaseReply::Applied { n, .. } if n == units(count)), "{reply:?}");
        lease
    }

    pub(crate) async fn sound(&self) {
        assert_eq!(self.store.check_books().await.unwrap(), Vec::<String>::new());
    }

    pub(crate) async fn statement(&self, allocation: AllocationId) -> AllocationStatement {
        self.store.statement(self.realm, allocation).await.unwrap().unwrap()
    }

    /// A decision that consumed.
    pub(crate) fn consumed(&self, account: AccountId, count: i64, key: Option<KeyMark>) -> Decision {
        Decision {
            id: self.new_id(),
            at: self.now(),
            operation: Operation::Consume,
            verdict: Verdict::Allow,
            on_behalf_of: Some(Principals { customer: id(CUSTOMER), user: None, agent: None, session: None }),
            allocation: None,
            uses: vec![Use {
                feature: id(GENERATE),
                kind: UseKind::Metered {
                    account: Some(account),
                    requested: units(count),
                    granted: units(count),
                    remaining: units(0),
                    blocked: false,
                },
            }],
            hold: None,
            hold_expires_at: None,
            key,
            dimensions: vec![("tool".to_owned(), "render".to_owned())],
        }
    }
}

pub(crate) fn realm(tenant: u128) -> Realm {
    Realm { tenant: id(tenant), environment: Environment::Live }
}

pub(crate) fn session(key: &str) -> SessionName {
    SessionName { kind: SessionKind::parse("task").unwrap(), key: SessionKey::parse(key).unwrap() }
}

pub(crate) fn mark(key: u8, body: u8) -> KeyMark {
    KeyMark { principal: id::<KeyId>(0x71), key: [key; 16], body: [body; 16] }
}

pub(crate) fn reports(reports: Vec<LeaseReport>) -> LeaseBatch {
    LeaseBatch { reports, ..LeaseBatch::default() }
}

pub(crate) fn report(lease: LeaseId, account: AccountId, seq: u64, used: i64, wish: Wish) -> LeaseReport {
    LeaseReport { lease, account, seq, used: units(used), held: units(0), wish }
}

pub(crate) fn raise(lease: LeaseId, account: AccountId, seq: u64, used: i64, need: i64) -> LeaseReport {
    report(lease, account, seq, used, Wish::Raise { need: units(need), want: units(need) })
}

fn features() -> Vec<Feature> {
    let meter = |unit| {
        FeatureKind::Metered(Meter {
            unit: name(unit),
            scale: Scale::WHOLE,
            durability: Durability::Durable,
            excess: ExcessRule::DenyExcess,
        })
    };
    [
        (GENERATE, "image.generate", meter("image generations")),
        (DESCRIBE, "image.describe", meter("image descriptions")),
        (BACKGROUND, "background.remove", FeatureKind::Boolean),
        (RESOLUTION, "resolution.max", FeatureKind::Static),
    ]
    .into_iter()
    .map(|(number, key, kind)| Feature { id: id(number), key: FeatureKey::parse(key).unwrap(), name: name(key), kind })
    .collect()
}

fn quota(amount: i64) -> Offer {
    Offer::Quota { amount: units(amount), period: UsagePeriod::MONTH, beyond: Default::default() }
}

fn offers() -> [(FeatureId, Offer); 4] {
    [
        (id(GENERATE), quota(QUOTA)),
        (id(DESCRIBE), quota(2 * QUOTA)),
        (id(BACKGROUND), Offer::Included),
        (id(RESOLUTION), Offer::Value(StaticValue::Integer(4_096))),
    ]
}

pub(crate) fn subscription() -> Subscription {
    Subscription {
        id: id(SUBSCRIPTION),
        customer: id(CUSTOMER),
        plan_version: id(0x62),
        calendar: Calendar::new(month(), "Europe/Paris").unwrap(),
        started_at: month(),
        ended_at: None,
        paused_at: None,
        changes_at: None,
    }
}

fn entitlements() -> Vec<Entitlement> {
    let entitlement = |(number, (feature, offer)): (u128, (FeatureId, Offer))| Entitlement {
        id: id(0x80 + number),
        customer: id(CUSTOMER),
        user: None,
        feature,
        subscription: id(SUBSCRIPTION),
        offer,
        calendar: subscription().calendar,
    };
    (0..).zip(offers()).map(entitlement).collect()
}

/// Ada's share of the customer's image generations.
pub(crate) fn share(number: u128, user: u128, amount: i64) -> Entitlement {
    Entitlement {
        id: id(number),
        customer: id(CUSTOMER),
        user: Some(id(user)),
        feature: id(GENERATE),
        subscription: id(SUBSCRIPTION),
        offer: quota(amount),
        calendar: subscription().calendar,
    }
}
