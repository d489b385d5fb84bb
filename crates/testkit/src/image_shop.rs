//! The image shop: a company that sells image processing, two customers with their people, two agents. The example that
//! the whole documentation is about, made through the `Store` port in one go.

use crate::author;
use almoner_domain::agent::{Agent, SessionName};
use almoner_domain::calendar::Calendar;
use almoner_domain::customer::{Customer, Role, User};
use almoner_domain::entropy::Entropy;
use almoner_domain::fault::Fault;
use almoner_domain::feature::{Durability, ExcessRule, Feature, FeatureKind, Meter, StaticValue};
use almoner_domain::id::{AgentId, AllocationId, FeatureId, Id, KeyId, PlanId};
use almoner_domain::key::{self, ApiKey, KeyHash, KeyKind};
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::{LiveRule, Offer, Plan, PlanLine, PlanVersion};
use almoner_domain::ports::{CarveRequest, Source, Store, SubjectName, Work};
use almoner_domain::scope::Scope;
use almoner_domain::subscription::{Entitlement, Subscription};
use almoner_domain::tenant::{Environment, Realm, Tenant};
use almoner_domain::text::{ExternalId, FeatureKey, Name, Named, SessionKey, SessionKind, ToolName};
use almoner_domain::time::{Clock, Timestamp};
use almoner_domain::units::{Scale, Units};
use std::collections::BTreeSet;

/// Image generations a customer has each month.
pub const GENERATIONS: i64 = 1_000;
/// Image descriptions a customer has each month.
pub const DESCRIPTIONS: i64 = 2_000;
/// Uploads a customer has each month.
pub const UPLOADS: i64 = 500;
/// The resolution that the plan permits.
pub const RESOLUTION_MAX: i64 = 4_096;
/// Where the customers' months begin.
pub const ANCHOR: &str = "2026-11-01T00:00:00Z";
/// Where the first month ends.
pub const MONTH_END: &str = "2026-12-01T00:00:00Z";

/// Everything there is of the shop in one realm.
#[derive(Debug, Clone)]
pub struct ImageShop {
    /// The tool provider's, and which of its two worlds.
    pub realm: Realm,
    /// A gate key as it was shown, and as it is kept.
    pub gate_key: (String, ApiKey),
    /// An operator key as it was shown, and as it is kept.
    pub operator_key: (String, ApiKey),
    /// Image generations; a commit above its hold is cut.
    pub generate: Feature,
    /// Image descriptions; a commit above its hold takes the excess from what is free.
    pub describe: Feature,
    /// Uploads.
    pub upload: Feature,
    /// Background removal: there or not.
    pub remove_background: Feature,
    /// The maximum resolution: a value.
    pub max_resolution: Feature,
    /// The Pro plan.
    pub plan: Plan,
    /// Its terms.
    pub terms: PlanVersion,
    /// A customer.
    pub acme: Customer,
    /// Owner at acme.
    pub ada: User,
    /// Member at acme.
    pub ben: User,
    /// Another customer.
    pub bolt: Customer,
    /// Owner at bolt.
    pub cy: User,
    /// The agent of the story.
    pub catalogue: Agent,
    /// Another agent.
    pub support: Agent,
    /// Acme's subscription.
    pub acme_subscription: Subscription,
    /// What it gives.
    pub acme_entitlements: Vec<Entitlement>,
}

/// What new things are made of.
struct Maker<'m> {
    now: Timestamp,
    entropy: &'m dyn Entropy,
}

impl ImageShop {
    /// Opens the shop as a new tenant, in its live environment.
    pub async fn open(store: &dyn Store, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<Self, Fault> {
        Self::open_as("image-shop", store, clock, entropy).await
    }

    /// Opens such a shop as the tenant of this name, in its live environment.
    pub async fn open_as(
        tenant: &str,
        store: &dyn Store,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Self, Fault> {
        let tenant = Tenant { id: Id::new(clock.now(), entropy), external_id: external(tenant), name: name(tenant) };
        let mut installation = store.installation().await?;
        installation.add_tenant(&tenant).await?;
        installation.commit().await?;
        Self::furnish(Realm { tenant: tenant.id, environment: Environment::Live }, store, clock, entropy).await
    }

    /// Furnishes a realm of a tenant that exists.
    pub async fn furnish(
        realm: Realm,
        store: &dyn Store,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Self, Fault> {
        Self::furnish_with(realm, [GENERATIONS, DESCRIPTIONS, UPLOADS], store, clock, entropy).await
    }

    /// Furnishes a realm with other quotas of generations, descriptions and uploads.
    pub async fn furnish_with(
        realm: Realm,
        quotas: [i64; 3],
        store: &dyn Store,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Self, Fault> {
        let shop = Maker { now: clock.now(), entropy }.shop(realm, quotas);
        let mut work = store.begin(realm).await?;
        shop.write(&mut *work).await?;
        work.commit().await?;
        Ok(shop)
    }

    async fn write(&self, work: &mut dyn Work) -> Result<(), Fault> {
        for feature in [&self.generate, &self.describe, &self.upload, &self.remove_background, &self.max_resolution] {
            work.features().add(feature).await?;
        }
        work.plans().add(&self.plan).await?;
        work.plans().publish(&self.terms).await?;
        for customer in [&self.acme, &self.bolt] {
            work.customers().add(customer).await?;
        }
        for user in [&self.ada, &self.ben, &self.cy] {
            work.customers().add_user(user).await?;
        }
        for agent in [&self.catalogue, &self.support] {
            work.agents().add(agent).await?;
        }
        work.subscriptions().add(&self.acme_subscription, &self.acme_entitlements).await?;
        let maker = Maker { now: self.acme_subscription.started_at, entropy: &crate::SeededEntropy::new(2) };
        let (bolts, entitlements) = maker.subscribe(&self.bolt, &self.terms);
        work.subscriptions().add(&bolts, &entitlements).await?;
        work.keys().add(&self.gate_key.1).await?;
        work.keys().add(&self.operator_key.1).await
    }

    /// Acme, without naming anybody in it.
    pub fn acme(&self) -> SubjectName {
        SubjectName { customer: Named::Id(self.acme.id), user: None }
    }

    /// Ada of acme.
    pub fn ada(&self) -> SubjectName {
        SubjectName { customer: Named::Id(self.acme.id), user: Some(Named::Id(self.ada.id)) }
    }

    /// Ben of acme.
    pub fn ben(&self) -> SubjectName {
        SubjectName { customer: Named::Id(self.acme.id), user: Some(Named::Id(self.ben.id)) }
    }

    /// Bolt, without naming anybody in it.
    pub fn bolt(&self) -> SubjectName {
        SubjectName { customer: Named::Id(self.bolt.id), user: None }
    }

    /// The task of the story for the catalogue agent, by Ada: 10 generations, 20 descriptions, 10 uploads.
    pub fn task(&self, id: AllocationId) -> CarveRequest {
        let lines = [(self.generate.id, 10), (self.describe.id, 20), (self.upload.id, 10)];
        self.carve(id, Source::Subject(self.ada()), &lines)
    }

    /// A request to carve for the catalogue agent, until the end of what it is carved from.
    pub fn carve(&self, id: AllocationId, source: Source, lines: &[(FeatureId, i64)]) -> CarveRequest {
        CarveRequest {
            id,
            source,
            agent: Named::Id::<AgentId>(self.catalogue.id),
            session: session("task", "catalog-2026-11"),
            lines: lines.iter().map(|(feature, amount)| (*feature, units(*amount))).collect(),
            scope: Scope::default(),
            not_before: None,
            expires_at: None,
            durability: None,
            conditions: Default::default(),
            key: None,
            by: author(),
        }
    }
}

impl Maker<'_> {
    fn id<I: Id>(&self) -> I {
        I::new(self.now, self.entropy)
    }

    fn shop(&self, realm: Realm, quotas: [i64; 3]) -> ImageShop {
        let metered = |unit: &str, excess| {
            let durability = Durability::Durable;
            FeatureKind::Metered(Meter { unit: name(unit), scale: Scale::WHOLE, durability, excess })
        };
        let generate = self.feature("image.generate", metered("image generations", ExcessRule::DenyExcess));
        let describe = self.feature("image.describe", metered("image descriptions", ExcessRule::Overage));
        let upload = self.feature("image.upload", metered("uploads", ExcessRule::DenyExcess));
        let remove_background = self.feature("image.remove_background", FeatureKind::Boolean);
        let max_resolution = self.feature("image.max_resolution", FeatureKind::Static);
        let quota =
            |amount| Offer::Quota { amount: units(amount), period: UsagePeriod::MONTH, beyond: Default::default() };
        let offers = [
            (&generate, quota(quotas[0])),
            (&describe, quota(quotas[1])),
            (&upload, quota(quotas[2])),
            (&remove_background, Offer::Included),
            (&max_resolution, Offer::Value(StaticValue::Integer(RESOLUTION_MAX))),
        ];
        let plan = Plan { id: self.id::<PlanId>(), external_id: external("pro"), name: name("Pro") };
        let lines = offers.into_iter().map(|(feature, offer)| PlanLine { feature: feature.id, offer }).collect();
        let terms = PlanVersion {
            id: self.id(),
            plan: plan.id,
            number: 1,
            effective_from: Timestamp::from_micros(0),
            price: None,
            live_rule: LiveRule::Keep,
            lines,
        };
        let (acme, bolt) = (self.customer("acme-shop"), self.customer("bolt-store"));
        let (acme_subscription, acme_entitlements) = self.subscribe(&acme, &terms);
        ImageShop {
            realm,
            gate_key: self.key(realm, KeyKind::Gate),
            operator_key: self.key(realm, KeyKind::Operator),
            ada: self.user(&acme, "ada", Role::Owner),
            ben: self.user(&acme, "ben", Role::Member),
            cy: self.user(&bolt, "cy", Role::Owner),
            catalogue: self.agent("catalogue"),
            support: self.agent("support"),
            generate,
            describe,
            upload,
            remove_background,
            max_resolution,
            plan,
            terms,
            acme,
            bolt,
            acme_subscription,
            acme_entitlements,
        }
    }

    fn feature(&self, key: &str, kind: FeatureKind) -> Feature {
        let key = FeatureKey::parse(key).expect("a feature key");
        Feature { id: self.id(), name: name(key.as_str()), key, kind }
    }

    fn customer(&self, called: &str) -> Customer {
        Customer { id: self.id(), external_id: external(called), name: name(called) }
    }

    fn user(&self, of: &Customer, called: &str, role: Role) -> User {
        User { id: self.id(), customer: of.id, external_id: external(called), name: name(called), role }
    }

    fn agent(&self, called: &str) -> Agent {
        Agent { id: self.id(), external_id: external(called), name: name(called), labels: BTreeSet::new() }
    }

    fn key(&self, realm: Realm, kind: KeyKind) -> (String, ApiKey) {
        let shown = key::generate(realm.environment, kind, self.entropy);
        let kept = ApiKey {
            id: self.id::<KeyId>(),
            realm,
            kind,
            holder: None,
            name: name(kind.as_str()),
            hash: KeyHash::of(&shown),
            hint: key::hint(&shown),
            created_at: self.now,
            revoked_at: None,
        };
        (shown, kept)
    }

    fn subscribe(&self, customer: &Customer, terms: &PlanVersion) -> (Subscription, Vec<Entitlement>) {
        let subscription = Subscription {
            id: self.id(),
            customer: customer.id,
            plan_version: terms.id,
            calendar: Calendar::new(at(ANCHOR), "UTC").expect("a calendar"),
            started_at: at(ANCHOR),
            ended_at: None,
            paused_at: None,
            changes_at: None,
        };
        let entitle = |line: &PlanLine| Entitlement {
            id: self.id(),
            customer: customer.id,
            user: None,
            feature: line.feature,
            subscription: subscription.id,
            offer: line.offer.clone(),
            calendar: subscription.calendar.clone(),
        };
        let entitlements = terms.lines.iter().map(entitle).collect();
        (subscription, entitlements)
    }
}

/// An instant, written as RFC 3339.
pub fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an RFC 3339 time")
}

/// An amount of the smallest unit.
pub fn units(count: i64) -> Units {
    Units::new(count).expect("an amount that is not negative")
}

/// What people call a thing.
pub fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// The provider's own id of a thing.
pub fn external(text: &str) -> ExternalId {
    ExternalId::parse(text).expect("an external id")
}

/// The name of a session.
pub fn session(kind: &str, key: &str) -> SessionName {
    SessionName { kind: SessionKind::parse(kind).expect("a kind"), key: SessionKey::parse(key).expect("a key") }
}

/// A scope of these tools alone.
pub fn tools(names: &[&str]) -> Scope {
    let names = names.iter().map(|tool| ToolName::parse(tool).expect("a tool name"));
    Scope { tools: Some(names.collect()), resources: None }
}
