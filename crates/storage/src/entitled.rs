//! Entitlements of many customers and users, read together.

use crate::store::SqlStore;
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::window::{self, Subject};
use crate::{customer, statement, user};
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::id::{CustomerId, Id, UserId};
use almoner_domain::principal::Principals;
use almoner_domain::statement::EntitlementStatement;
use almoner_domain::tenant::Realm;
use sea_orm::entity::prelude::Uuid;
use std::collections::{BTreeMap, BTreeSet};

/// How often windows may have to be opened before they are found open: once, and once more where one ends just then.
const OPENINGS_MAX: usize = 3;

/// Whose entitlements are asked for.
type Who = (CustomerId, Option<UserId>);

/// What is read: an answer, or whose windows must be opened first.
enum Asked {
    Told(Vec<Option<EntitlementStatement>>),
    Open(BTreeSet<CustomerId>),
}

/// What these may use.
pub(crate) async fn entitlements_of(
    store: &SqlStore,
    realm: Realm,
    of: Vec<Who>,
) -> Result<Vec<Option<EntitlementStatement>>, Fault> {
    for _ in 0..OPENINGS_MAX {
        let asked = of.clone();
        match store.read("entitlements_of", realm, move |tx| Box::pin(read(tx, asked))).await? {
            Asked::Told(told) => return Ok(told),
            Asked::Open(customers) => {
                for customer in customers {
                    store.open_windows(realm, customer).await?;
                }
            }
        }
    }
    Err(Fault { operation: "entitlements_of", kind: FaultKind::Conflict, source: None })
}

async fn read(tx: &Tx, of: Vec<Who>) -> Result<Asked, Trouble> {
    let known = known(tx, &of).await?;
    let subjects = window::subjects(tx, &known).await?;
    let missing = |subject: &(Who, Subject)| subject.1.missing.then_some(subject.0.0);
    let open: BTreeSet<CustomerId> = subjects.iter().filter_map(missing).collect();
    if !open.is_empty() {
        return Ok(Asked::Open(open));
    }
    let principals = |(customer, user): Who| Principals { customer, user, agent: None, session: None };
    let subjects: Vec<(Principals, Subject)> =
        subjects.into_iter().map(|(who, subject)| (principals(who), subject)).collect();
    let told = statement::of_subjects(tx, &subjects).await?;
    let by_whom: BTreeMap<Principals, EntitlementStatement> =
        told.into_iter().map(|statement| (statement.principals, statement)).collect();
    Ok(Asked::Told(of.into_iter().map(|who| by_whom.get(&principals(who)).cloned()).collect()))
}

/// Those of these that the realm has, each once.
async fn known(tx: &Tx, of: &[Who]) -> Result<BTreeSet<Who>, Trouble> {
    let customers: Vec<Uuid> = of.iter().map(|(customer, _)| customer.uuid()).collect();
    let customers = tx.all_among::<customer::Entity, _>(customer::Column::Id, &customers, |rows| rows).await?;
    let customers: BTreeSet<Uuid> = customers.into_iter().map(|row| row.id).collect();
    let users: Vec<Uuid> = of.iter().filter_map(|(_, user)| user.map(Id::uuid)).collect();
    let users = tx.all_among::<user::Entity, _>(user::Column::Id, &users, |rows| rows).await?;
    let users: BTreeSet<(Uuid, Uuid)> = users.into_iter().map(|row| (row.customer_id, row.id)).collect();
    let is_known = |(customer, user): &Who| match user {
        None => customers.contains(&customer.uuid()),
        Some(user) => users.contains(&(customer.uuid(), user.uuid())),
    };
    Ok(of.iter().copied().filter(is_known).collect())
}
