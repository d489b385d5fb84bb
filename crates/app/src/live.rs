//! What is followed live: balances of an allocation or of entitlements, and decisions.
//!
//! Who may follow what is decided here, by the same reach as questions are. What comes of it is a topic. Only a use case makes
//! one, so whoever has one may look at what it is about, and many who follow the same share one.

use crate::authority::{self, FindError};
use crate::desk::Desk;
use crate::directory::narrow;
use almoner_domain::account::Account;
use almoner_domain::allocation::{Allocation, AllocationState};
use almoner_domain::caller::Caller;
use almoner_domain::decision::{Decision, Verdict};
use almoner_domain::fault::Fault;
use almoner_domain::feature::Feature;
use almoner_domain::id::{AccountId, AllocationId, CustomerId, DecisionId, FeatureId, UserId};
use almoner_domain::notice::Change;
use almoner_domain::ports::{DecisionFilter, SubjectName};
use almoner_domain::statement::Right;
use almoner_domain::tenant::Realm;
use almoner_domain::text::Named;
use almoner_domain::time::Timestamp;

/// Balances that somebody may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BalanceTopic {
    realm: Realm,
    of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    Allocation(AllocationId),
    Subject(CustomerId, Option<UserId>),
}

/// Decisions that somebody may follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionTopic {
    realm: Realm,
    filter: DecisionFilter,
}

/// Balances as they stood when they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The allocation whose balances they are, where they are one's.
    pub allocation: Option<Allocation>,
    /// One for each metered feature.
    pub lines: Vec<PictureLine>,
}

/// One balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureLine {
    /// Of which feature.
    pub feature: Feature,
    /// Where its units stand.
    pub account: Account,
}

/// Balances of an allocation; `None` where there is no such allocation.
pub async fn allocation(caller: &Caller, desk: &Desk, id: AllocationId) -> Result<Option<BalanceTopic>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let found = desk.directory.allocations_among(realm, vec![id]).await?.pop();
    let seen = found.is_some_and(|allocation| reach.has(&allocation.principals));
    Ok(seen.then_some(BalanceTopic { realm, of: Of::Allocation(id) }))
}

/// Balances of what a customer, or one of its users, may use; `None` where there is no such customer or user.
pub async fn entitlements(
    caller: &Caller,
    desk: &Desk,
    subject: &SubjectName,
) -> Result<Option<BalanceTopic>, FindError> {
    let (realm, _) = authority::looks(caller)?;
    let Some(found) = crate::entitlements::of(caller, desk, subject).await? else { return Ok(None) };
    let of = Of::Subject(found.principals.customer, found.principals.user);
    Ok(Some(BalanceTopic { realm, of }))
}

/// Decisions; `None` where the filter leaves nothing that the caller sees.
pub fn decisions(caller: &Caller, mut filter: DecisionFilter) -> Result<Option<DecisionTopic>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let any = narrow(reach, &mut filter.customer, &mut filter.user);
    Ok(any.then_some(DecisionTopic { realm, filter }))
}

impl BalanceTopic {
    /// Where it is.
    pub fn realm(&self) -> Realm {
        self.realm
    }

    /// May this change it in a way that balances alone do not show?
    pub fn is_touched_by(&self, realm: Realm, change: &Change) -> bool {
        self.realm == realm
            && match (change, self.of) {
                (Change::Allocation(id), Of::Allocation(own)) => *id == own,
                (Change::Catalogue, _) => true,
                _ => false,
            }
    }

    /// Reads it anew; `None` where it is gone.
    pub async fn look(&self, desk: &Desk) -> Result<Option<Picture>, Fault> {
        let (allocation, places): (_, Vec<(FeatureId, AccountId)>) = match self.of {
            Of::Allocation(id) => {
                let found = desk.directory.allocations_among(self.realm, vec![id]).await?.pop();
                let Some(found) = found else { return Ok(None) };
                let places = found.lines.iter().map(|line| (line.feature, line.account)).collect();
                (Some(found), places)
            }
            Of::Subject(customer, user) => {
                let name = SubjectName { customer: Named::Id(customer), user: user.map(Named::Id) };
                let Some(found) = desk.lookup.entitlements(self.realm, &name).await? else { return Ok(None) };
                let place = |right: &Right| match right {
                    Right::Quota { line, .. } => Some(line.account),
                    Right::Included | Right::Value(_) => None,
                };
                let places = found.lines.iter().filter_map(|line| Some((line.feature, place(&line.right)?)));
                (None, places.collect())
            }
        };
        let (ids, accounts): (Vec<_>, Vec<_>) = places.iter().copied().unzip();
        let features = desk.directory.features_among(self.realm, ids).await?;
        let accounts = desk.directory.accounts_among(self.realm, accounts).await?;
        let line = |(feature, account): &(FeatureId, AccountId)| {
            let feature = features.iter().find(|found| found.id == *feature)?.clone();
            let account = accounts.iter().find(|found| found.id == *account)?.clone();
            Some(PictureLine { feature, account })
        };
        Ok(Some(Picture { allocation, lines: places.iter().filter_map(line).collect() }))
    }
}

impl Picture {
    /// The accounts in it.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> {
        self.lines.iter().map(|line| line.account.id)
    }

    /// Is it the last there will be? So it is with an allocation that has ended.
    pub fn is_last(&self) -> bool {
        self.allocation.as_ref().is_some_and(|allocation| allocation.state != AllocationState::Active)
    }

    /// The same with its accounts as they stand now. `None` where they do not tell it all any more: one is missing or closed,
    /// or its window is over. Then it must be looked at anew.
    pub fn with(&self, now: Timestamp, find: impl Fn(AccountId) -> Option<Account>) -> Option<Self> {
        let line = |line: &PictureLine| {
            let account = find(line.account.id).filter(|account| !account.closed)?;
            let is_over = self.allocation.is_none() && account.window.end.is_some_and(|end| end <= now);
            (!is_over).then(|| PictureLine { feature: line.feature.clone(), account })
        };
        let lines = self.lines.iter().map(line).collect::<Option<Vec<_>>>()?;
        Some(Self { allocation: self.allocation.clone(), lines })
    }
}

impl DecisionTopic {
    /// Where it is.
    pub fn realm(&self) -> Realm {
        self.realm
    }

    /// Which decisions.
    pub fn filter(&self) -> &DecisionFilter {
        &self.filter
    }

    /// Is it about this decision, which is of its realm?
    pub fn has(&self, decision: &Decision) -> bool {
        let wanted = &self.filter;
        let whom = decision.on_behalf_of.as_ref();
        let is_allowed = matches!(decision.verdict, Verdict::Allow);
        fits(wanted.customer, whom.map(|whom| whom.customer))
            && fits(wanted.user, whom.and_then(|whom| whom.user))
            && fits(wanted.agent, whom.and_then(|whom| whom.agent))
            && fits(wanted.session, whom.and_then(|whom| whom.session))
            && fits(wanted.allocation, decision.allocation)
            && wanted.allowed.is_none_or(|allowed| allowed == is_allowed)
            && wanted.since.is_none_or(|since| since <= decision.at)
            && wanted.until.is_none_or(|until| decision.at < until)
    }
}

fn fits<I: PartialEq>(wanted: Option<I>, is: Option<I>) -> bool {
    wanted.is_none() || wanted == is
}

/// The units of these topics that gates here have used are told to the ledger, so that balances show them.
pub async fn tell(desk: &Desk, accounts: &[AccountId]) {
    desk.gates.tell(accounts).await;
}

/// Accounts of topics in one realm, in one statement.
pub async fn accounts(desk: &Desk, realm: Realm, ids: Vec<AccountId>) -> Result<Vec<Account>, Fault> {
    desk.directory.accounts_among(realm, ids).await
}

/// Ids of a realm's decisions from this one on, oldest first, for those who have a topic there.
pub async fn decision_ids(desk: &Desk, realm: Realm, from: DecisionId, limit: u64) -> Result<Vec<DecisionId>, Fault> {
    desk.directory.decision_ids(realm, from, limit).await
}

/// Decisions of a realm by id, oldest first, each to be given to those alone whose topic has it.
pub async fn decided(desk: &Desk, realm: Realm, ids: Vec<DecisionId>) -> Result<Vec<Decision>, Fault> {
    let mut found = desk.directory.decisions_among(realm, ids).await?;
    found.sort_unstable_by_key(|decision| decision.id);
    Ok(found)
}

/// What changed in all realms after a position of the change feed, with the position of each; without one, the latest alone.
pub async fn changes(desk: &Desk, after: Option<i64>, limit: u64) -> Result<Vec<(i64, Realm, Change)>, Fault> {
    desk.lookup.changes(after, limit).await
}
