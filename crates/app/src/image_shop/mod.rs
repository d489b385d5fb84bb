//! The example that the documentation, the demonstration and many tests are about: a company that sells image
//! processing, its Pro plan, two customers with their people, two agents; and a second company to be isolated from.
//!
//! Seeding again changes nothing that is there, with one exception: the keys. A key is shown once and kept as a hash, so
//! each run issues fresh ones, and the earlier ones stay valid.

mod catalogue;
mod cast;
mod ensure;
mod policy;

use crate::App;
use crate::keys::PlainKey;
use almoner_domain::agent::Agent;
use almoner_domain::calendar::Calendar;
use almoner_domain::caller::Caller;
use almoner_domain::customer::{Customer, User};
use almoner_domain::feature::Feature;
use almoner_domain::key::KeyKind;
use almoner_domain::period::UsagePeriod;
use almoner_domain::policy::Policy;
use almoner_domain::tenant::{Environment, Tenant};
use almoner_domain::time::Timestamp;
use cast::Cast;
use thiserror::Error;

/// The external id of the company that the story is about.
pub const TENANT: &str = cast::IMAGE_SHOP.tenant.0;

/// One seeded company.
#[derive(Debug)]
pub struct Shop {
    /// The tool provider.
    pub tenant: Tenant,
    /// A fresh key for its staff, live environment.
    pub operator_key: PlainKey,
    /// A fresh key for its servers, live environment.
    pub gate_key: PlainKey,
    /// Its customers, all on the Pro plan.
    pub customers: Vec<Customer>,
    /// The people in them.
    pub users: Vec<User>,
    /// Its customers' agents.
    pub agents: Vec<Agent>,
    /// What its plans grant.
    pub features: Vec<Feature>,
    /// What makes allocations just in time.
    pub policies: Vec<Policy>,
}

/// Both companies.
#[derive(Debug)]
pub struct Seeded {
    /// The one that the story is about.
    pub shop: Shop,
    /// The one to be isolated from.
    pub other: Shop,
}

/// A step of the seeding failed. What came before it stays; seeding again goes on from there.
#[derive(Debug, Error)]
#[error("could not seed the {step}")]
pub struct SeedError {
    step: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// What is done to an error on its way out of a step.
pub(crate) fn at<E>(step: &'static str) -> impl Fn(E) -> SeedError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    move |error| SeedError { step, source: error.into() }
}

/// Seeds both companies. For the installation alone, because it makes tenants.
pub async fn seed(caller: &Caller, app: &App) -> Result<Seeded, SeedError> {
    Ok(Seeded {
        shop: open(caller, app, &cast::IMAGE_SHOP).await?,
        other: open(caller, app, &cast::PRINT_HOUSE).await?,
    })
}

async fn open(caller: &Caller, app: &App, cast: &Cast) -> Result<Shop, SeedError> {
    let tenant = ensure::tenant(caller, app, cast.tenant).await?;
    let staff = crate::tenants::operator_of(&tenant, Environment::Live);
    let features = catalogue::features(&staff, app).await?;
    let plan = catalogue::pro_plan(&staff, app).await?;
    catalogue::prices(&staff, app).await?;
    let calendar = this_month(app.now())?;
    let mut customers = Vec::new();
    let mut users = Vec::new();
    for (customer, people) in cast.customers {
        let customer = ensure::customer(&staff, app, *customer).await?;
        ensure::subscription(&staff, app, &customer, &plan, &calendar).await?;
        for (person, role) in *people {
            users.push(ensure::user(&staff, app, &customer, *person, *role).await?);
        }
        customers.push(customer);
    }
    let mut agents = Vec::new();
    for agent in cast.agents {
        agents.push(ensure::agent(&staff, app, *agent).await?);
    }
    let policies = vec![ensure::policy(&staff, app, policy::for_tickets(cast)?).await?];
    let operator_key = ensure::key(&staff, app, KeyKind::Operator).await?;
    let gate_key = ensure::key(&staff, app, KeyKind::Gate).await?;
    Ok(Shop { tenant, operator_key, gate_key, customers, users, agents, features, policies })
}

/// A calendar whose months start on the first, in UTC, with the current one.
fn this_month(now: Timestamp) -> Result<Calendar, SeedError> {
    let months = Calendar::new(Timestamp::from_micros(0), "UTC").map_err(at("calendar"))?;
    let month = months.window_at(UsagePeriod::MONTH, now).map_err(at("calendar"))?;
    Calendar::new(month.start, "UTC").map_err(at("calendar"))
}
