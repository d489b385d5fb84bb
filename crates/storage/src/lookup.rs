//! The lookup port: what gates read, each from one committed state.

use crate::store::SqlStore;
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::window::{self, Subject};
use crate::{change, customer, decision, feature, hold, key, price_list, standing, statement, user};
use almoner_domain::customer::{Customer, User};
use almoner_domain::decision::{Decision, Operation};
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::feature::Feature;
use almoner_domain::id::{AllocationId, CustomerId, HoldId};
use almoner_domain::key::{ApiKey, KeyHash};
use almoner_domain::notice::Change;
use almoner_domain::ports::{HoldStanding, Lookup, SubjectName, SubjectStanding};
use almoner_domain::price::PriceList;
use almoner_domain::principal::Principals;
use almoner_domain::standing::Standing;
use almoner_domain::statement::{AllocationStatement, EntitlementStatement};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use sea_orm::ConnectionTrait;
use std::sync::Arc;

#[async_trait]
impl Lookup for SqlStore {
    async fn credential(&self, hash: KeyHash) -> Result<Option<ApiKey>, Fault> {
        self.read_everywhere("credential", move |tx| Box::pin(key::by_hash(tx, hash))).await
    }

    async fn features(&self, realm: Realm) -> Result<Vec<Feature>, Fault> {
        self.read("features", realm, |tx| Box::pin(feature::all(tx))).await
    }

    async fn prices(&self, realm: Realm) -> Result<Vec<PriceList>, Fault> {
        self.read("prices", realm, |tx| Box::pin(price_list::current(tx))).await
    }

    async fn allocation(&self, realm: Realm, id: AllocationId) -> Result<Option<Standing>, Fault> {
        self.read("allocation", realm, move |tx| Box::pin(standing::of_allocation(tx, id))).await
    }

    async fn subject(&self, realm: Realm, subject: &SubjectName) -> Result<SubjectStanding, Fault> {
        for _ in 0..OPENINGS_MAX {
            let name = subject.clone();
            let found = self.read("subject", realm, move |tx| Box::pin(subject_standing(tx, name))).await?;
            match found {
                Asked::Told(told) => return Ok(told),
                Asked::Open(customer) => self.open_windows(realm, customer).await?,
            }
        }
        Err(Fault { operation: "subject", kind: FaultKind::Conflict, source: None })
    }

    async fn statement(&self, realm: Realm, id: AllocationId) -> Result<Option<AllocationStatement>, Fault> {
        self.read("statement", realm, move |tx| Box::pin(statement::of(tx, id))).await
    }

    async fn entitlements(&self, realm: Realm, subject: &SubjectName) -> Result<Option<EntitlementStatement>, Fault> {
        for _ in 0..OPENINGS_MAX {
            let name = subject.clone();
            let found = self.read("entitlements", realm, move |tx| Box::pin(subject_statement(tx, name))).await?;
            match found {
                Asked::Told(told) => return Ok(told),
                Asked::Open(customer) => self.open_windows(realm, customer).await?,
            }
        }
        Err(Fault { operation: "entitlements", kind: FaultKind::Conflict, source: None })
    }

    async fn answered(&self, realm: Realm, key: [u8; 16]) -> Result<Option<Decision>, Fault> {
        self.read("answered", realm, move |tx| Box::pin(decision::answered(tx, key))).await
    }

    async fn hold(&self, realm: Realm, id: HoldId) -> Result<HoldStanding, Fault> {
        self.read("hold", realm, move |tx| Box::pin(hold_standing(tx, id))).await
    }

    async fn keys_since(
        &self,
        since: Timestamp,
        after: Option<(Timestamp, [u8; 16])>,
        limit: u64,
    ) -> Result<Vec<(Timestamp, [u8; 16])>, Fault> {
        self.read_everywhere("keys_since", move |tx| Box::pin(decision::keys_since(tx, since, after, limit))).await
    }

    async fn changes(&self, after: Option<i64>, limit: u64) -> Result<Vec<(i64, Realm, Change)>, Fault> {
        self.read_everywhere("changes", move |tx| Box::pin(change::after(tx, after, limit))).await
    }

    async fn ping(&self) -> Result<(), Fault> {
        let inner = Arc::clone(self.inner());
        let ask = async move { Ok(inner.database.bare().execute_unprepared("SELECT 1").await.map(drop)?) };
        self.finish("ping", ask).await
    }
}

/// How often windows may have to be opened before they are found open: once, and once more where one ends just then.
const OPENINGS_MAX: usize = 3;

/// What a question about a subject comes to.
enum Asked<T> {
    /// An answer.
    Told(T),
    /// The customer's current windows must be opened first.
    Open(CustomerId),
}

/// Whom a name means.
enum Named {
    Known(Box<(Customer, Option<User>, Subject)>),
    UnknownCustomer,
    UnknownUser,
}

async fn resolve(tx: &Tx, name: &SubjectName) -> Result<Named, Trouble> {
    let Some(customer) = customer::named(tx, &name.customer).await? else { return Ok(Named::UnknownCustomer) };
    let user = match &name.user {
        None => None,
        Some(name) => match user::named(tx, customer.id, name).await? {
            None => return Ok(Named::UnknownUser),
            found => found,
        },
    };
    let subject = window::subject(tx, customer.id, user.as_ref().map(|user| user.id)).await?;
    Ok(Named::Known(Box::new((customer, user, subject))))
}

async fn subject_standing(tx: &Tx, name: SubjectName) -> Result<Asked<SubjectStanding>, Trouble> {
    Ok(match resolve(tx, &name).await? {
        Named::UnknownCustomer => Asked::Told(SubjectStanding::UnknownCustomer),
        Named::UnknownUser => Asked::Told(SubjectStanding::UnknownUser),
        Named::Known(known) => {
            let (customer, user, subject) = *known;
            if subject.missing {
                return Ok(Asked::Open(customer.id));
            }
            let standing = standing::of_subject(tx, &customer, user.as_ref(), &subject).await?;
            Asked::Told(SubjectStanding::Known(Box::new(standing)))
        }
    })
}

async fn subject_statement(tx: &Tx, name: SubjectName) -> Result<Asked<Option<EntitlementStatement>>, Trouble> {
    Ok(match resolve(tx, &name).await? {
        Named::UnknownCustomer | Named::UnknownUser => Asked::Told(None),
        Named::Known(known) => {
            let (customer, user, subject) = *known;
            if subject.missing {
                return Ok(Asked::Open(customer.id));
            }
            let user = user.map(|user| user.id);
            let principals = Principals { customer: customer.id, user, agent: None, session: None };
            Asked::Told(Some(statement::of_subject(tx, principals, &subject).await?))
        }
    })
}

async fn hold_standing(tx: &Tx, id: HoldId) -> Result<HoldStanding, Trouble> {
    let standing = hold::by_ids(tx, &[id]).await?.pop();
    let opened = async || {
        let told = decision::of_hold(tx, id).await?;
        Ok::<_, Trouble>(told.into_iter().find(|decision| decision.operation == Operation::Reserve))
    };
    if let Some(hold) = standing.clone().filter(|hold| hold.open) {
        if hold.expires_at <= tx.now() {
            return Ok(HoldStanding::Expired);
        }
        return Ok(HoldStanding::Open(hold, opened().await?.map(Box::new)));
    }
    if let Some(decision) = decision::that_ended(tx, id).await? {
        let expired = decision.operation == Operation::Expire;
        return Ok(if expired { HoldStanding::Expired } else { HoldStanding::Settled(decision) });
    }
    if standing.is_some() {
        return Ok(HoldStanding::Expired);
    }
    Ok(opened().await?.map_or(HoldStanding::Unknown, HoldStanding::Elsewhere))
}
