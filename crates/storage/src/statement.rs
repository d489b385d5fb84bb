//! Statements: where units stand, each read of one committed state.

use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::window::Subject;
use crate::{account, allocation, lease, session};
use almoner_domain::account::Account;
use almoner_domain::allocation::{Allocation, AllocationState};
use almoner_domain::decision::Level;
use almoner_domain::id::{AccountId, AllocationId};
use almoner_domain::plan::Offer;
use almoner_domain::principal::Principals;
use almoner_domain::statement::{AllocationStatement, EntitlementLine, EntitlementStatement, LineStatement, Right};
use almoner_domain::subscription::Entitlement;
use std::collections::BTreeMap;

/// An allocation and where its units stand.
pub(crate) async fn of(tx: &Tx, id: AllocationId) -> Result<Option<AllocationStatement>, Trouble> {
    let Some(allocation) = allocation::find(tx, id).await? else { return Ok(None) };
    let session = allocation.principals.session.ok_or_else(|| Trouble::row("allocation", "it has no session"))?;
    let session = session::name(tx, session).await?;
    let ids: Vec<AccountId> = allocation.lines.iter().map(|line| line.account).collect();
    let accounts = account::by_ids(tx, &ids).await?;
    let in_order: Option<Vec<&Account>> =
        ids.iter().map(|id| accounts.iter().find(|account| account.id == *id)).collect();
    let in_order = in_order.ok_or_else(|| Trouble::row("allocation", "an account of it is missing"))?;
    let lines = lines(tx, &in_order).await?;
    let chain = chain(tx, &allocation).await?;
    Ok(Some(AllocationStatement { allocation, session, lines, chain }))
}

/// The same of an allocation that must be there.
pub(crate) async fn must(tx: &Tx, id: AllocationId) -> Result<AllocationStatement, Trouble> {
    of(tx, id).await?.ok_or_else(|| Trouble::row("allocation", format!("{id} is missing")))
}

/// The allocations that it was carved from, nearest first.
pub(crate) async fn above(tx: &Tx, allocation: &Allocation) -> Result<Vec<Allocation>, Trouble> {
    let mut chain: Vec<Allocation> = Vec::new();
    let mut next = allocation.parent;
    while let Some(id) = next {
        let above = allocation::find(tx, id).await?;
        let above = above.ok_or_else(|| Trouble::row("allocation", format!("{id} is missing")))?;
        next = above.parent;
        chain.push(above);
    }
    Ok(chain)
}

/// Their ids, and what became of them.
pub(crate) async fn chain(tx: &Tx, allocation: &Allocation) -> Result<Vec<(AllocationId, AllocationState)>, Trouble> {
    Ok(above(tx, allocation).await?.into_iter().map(|above| (above.id, above.state)).collect())
}

/// Where the units of accounts stand, in their order.
pub(crate) async fn lines(tx: &Tx, accounts: &[&Account]) -> Result<Vec<LineStatement>, Trouble> {
    let ids: Vec<AccountId> = accounts.iter().map(|account| account.id).collect();
    let figures = lease::shown(tx, &ids).await?;
    let lines = accounts.iter().zip(figures).map(|(account, (_, held_by_gates, in_doubt))| LineStatement {
        feature: account.feature,
        account: account.id,
        balance: account.balance,
        held_by_gates,
        in_doubt,
    });
    Ok(lines.collect())
}

/// What a subject may use: each of the customer's entitlements, or the user's share of it where there is one.
pub(crate) async fn of_subject(
    tx: &Tx,
    principals: Principals,
    subject: &Subject,
) -> Result<EntitlementStatement, Trouble> {
    let told = of_subjects(tx, &[(principals, subject.clone())]).await?.pop();
    Ok(told.unwrap_or(EntitlementStatement { principals, lines: Vec::new() }))
}

/// The same of many subjects.
pub(crate) async fn of_subjects(
    tx: &Tx,
    subjects: &[(Principals, Subject)],
) -> Result<Vec<EntitlementStatement>, Trouble> {
    // Users without a share of their own stand on their customer's account: each is told of once.
    let quotas: BTreeMap<AccountId, &Account> = subjects
        .iter()
        .flat_map(|(_, subject)| roots(subject).filter_map(|root| subject.account(root.feature)))
        .map(|account| (account.id, account))
        .collect();
    let quotas: Vec<&Account> = quotas.into_values().collect();
    let told: BTreeMap<AccountId, LineStatement> =
        lines(tx, &quotas).await?.into_iter().map(|line| (line.account, line)).collect();
    let statement = |(principals, subject): &(Principals, Subject)| {
        let lines = roots(subject).filter_map(|root| {
            let right = match &root.offer {
                Offer::Included => Right::Included,
                Offer::Value(value) => Right::Value(value.clone()),
                Offer::Quota { .. } => {
                    // Before its calendar begins a quota has no window, and nothing to tell.
                    let account = subject.account(root.feature)?;
                    let level = if account.principals.user.is_some() { Level::User } else { Level::Customer };
                    Right::Quota { level, window: account.window, line: told.get(&account.id)?.clone() }
                }
            };
            Some(EntitlementLine { feature: root.feature, right })
        });
        EntitlementStatement { principals: *principals, lines: lines.collect() }
    };
    Ok(subjects.iter().map(statement).collect())
}

fn roots(subject: &Subject) -> impl Iterator<Item = &Entitlement> {
    subject.entitlements.iter().filter(|entitlement| entitlement.user.is_none())
}
