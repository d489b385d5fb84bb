//! Standings: all that a gate must know to decide without asking again.

use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::window::{self, Subject};
use crate::{account, allocation, guard, session, statement, user};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::{Allocation, AllocationState};
use almoner_domain::customer::{Customer, User};
use almoner_domain::decision::Level;
use almoner_domain::feature::StaticValue;
use almoner_domain::id::{AccountId, AllocationId, FeatureId, UserId};
use almoner_domain::plan::Offer;
use almoner_domain::principal::Principals;
use almoner_domain::scope::Scope;
use almoner_domain::standing::{Standing, StandingLine, Suspension};

/// The most people named as able to raise something: more is a crowd that nobody asks.
pub(crate) const RAISE_MAX: usize = 8;

/// What gates keep of an allocation.
pub(crate) async fn of_allocation(tx: &Tx, id: AllocationId) -> Result<Option<Standing>, Trouble> {
    let Some(allocation) = allocation::find(tx, id).await? else { return Ok(None) };
    let session = allocation.principals.session.ok_or_else(|| Trouble::row("allocation", "it has no session"))?;
    let name = session::name(tx, session).await?;
    let lines = allocation_lines(tx, &allocation).await?;
    let subject = window::subject(tx, allocation.principals.customer, None).await?;
    let ancestors = statement::ancestors(tx, &allocation).await?;
    let conditions = std::iter::once(&allocation).chain(&ancestors).filter(|one| !one.conditions.is_empty());
    let conditions = conditions.map(|one| (one.id, one.conditions.clone())).collect();
    let (guarded, guard) = guard::of_allocation(tx, &allocation, &ancestors).await?;
    Ok(Some(Standing {
        principals: allocation.principals,
        allocation: Some(id),
        ancestors: ancestors.into_iter().map(|above| above.id).collect(),
        label: format!("The allocation for session {}", name.key),
        raise: raise(tx, allocation.principals).await?,
        scope: allocation.scope,
        not_before: allocation.not_before,
        expires_at: Some(allocation.expires_at),
        state: allocation.state,
        conditions,
        suspension: suspension(&subject).or(guarded),
        changes_at: None,
        guard,
        durability: allocation.durability,
        lines,
        rights: rights(&subject),
    }))
}

async fn allocation_lines(tx: &Tx, allocation: &Allocation) -> Result<Vec<StandingLine>, Trouble> {
    let ids: Vec<AccountId> = allocation.lines.iter().map(|line| line.account).collect();
    let accounts = account::by_ids(tx, &ids).await?;
    let mut lines = Vec::with_capacity(ids.len());
    for line in &allocation.lines {
        let account = accounts.iter().find(|account| account.id == line.account);
        let account = account.ok_or_else(|| Trouble::row("allocation", "an account of it is missing"))?;
        lines.push(StandingLine {
            feature: line.feature,
            account: line.account,
            level: Level::Allocation,
            granted: account.balance.granted(),
            free: account.balance.get(Pocket::Free),
            window: account.window,
            // An allocation does not renew.
            resets_at: None,
        });
    }
    Ok(lines)
}

/// What gates keep of a customer, or of one of its users.
pub(crate) async fn of_subject(
    tx: &Tx,
    customer: &Customer,
    user: Option<&User>,
    subject: &Subject,
) -> Result<Standing, Trouble> {
    let principals = Principals { customer: customer.id, user: user.map(|user| user.id), agent: None, session: None };
    let lines = subject_lines(subject);
    let label = match user {
        Some(user) if lines.iter().any(|line| line.level == Level::User) => {
            format!("{}'s share at {}", user.external_id, customer.external_id)
        }
        _ => format!("The quota of {}", customer.external_id),
    };
    Ok(Standing {
        principals,
        allocation: None,
        ancestors: Vec::new(),
        label,
        scope: Scope::default(),
        not_before: None,
        expires_at: subject.subscription.as_ref().and_then(|subscription| subscription.ended_at),
        state: AllocationState::Active,
        conditions: Vec::new(),
        suspension: suspension(subject),
        changes_at: subject.subscription.as_ref().and_then(|subscription| subscription.changes_at),
        guard: None,
        durability: None,
        lines,
        rights: rights(subject),
        // People cannot raise their own share: those who manage the customer's can.
        raise: user::who_raise(tx, customer.id, RAISE_MAX).await?,
    })
}

fn subject_lines(subject: &Subject) -> Vec<StandingLine> {
    let roots = subject.entitlements.iter().filter(|entitlement| entitlement.user.is_none());
    let accounts = roots.filter_map(|root| subject.account(root.feature));
    let line = |account: &almoner_domain::account::Account| StandingLine {
        feature: account.feature,
        account: account.id,
        level: if account.principals.user.is_some() { Level::User } else { Level::Customer },
        granted: account.balance.granted(),
        free: account.balance.get(Pocket::Free),
        window: account.window,
        resets_at: account.window.end,
    };
    accounts.map(line).collect()
}

/// What is paused gives nothing.
fn suspension(subject: &Subject) -> Option<Suspension> {
    subject.is_paused().then_some(Suspension::Paused)
}

fn rights(subject: &Subject) -> Vec<(FeatureId, Option<StaticValue>)> {
    let right = |offer: &Offer| match offer {
        Offer::Included => Some(None),
        Offer::Value(value) => Some(Some(value.clone())),
        Offer::Quota { .. } => None,
    };
    let all = subject.entitlements.iter().filter(|entitlement| entitlement.user.is_none());
    all.filter_map(|entitlement| Some((entitlement.feature, right(&entitlement.offer)?))).collect()
}

/// Who can raise an allocation: the user it was carved for, then those who manage the customer's.
async fn raise(tx: &Tx, principals: Principals) -> Result<Vec<UserId>, Trouble> {
    let mut people: Vec<UserId> = principals.user.into_iter().collect();
    for manager in user::who_raise(tx, principals.customer, RAISE_MAX).await? {
        if !people.contains(&manager) {
            people.push(manager);
        }
    }
    people.truncate(RAISE_MAX);
    Ok(people)
}
