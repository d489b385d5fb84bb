//! Carving an allocation: all its lines, or none.

use super::books::{Books, LedgerError};
use crate::account::{Account, AccountOwner, Balance, Pocket};
use crate::allocation::{Allocation, AllocationLine, AllocationState, DEPTH_MAX, LINES_MAX};
use crate::calendar::Window;
use crate::conditions::Conditions;
use crate::feature::Durability;
use crate::id::{AccountId, AgentId, AllocationId, FeatureId};
use crate::movement::Cause;
use crate::notice::Event;
use crate::principal::Principals;
use crate::scope::Scope;
use crate::time::Timestamp;
use crate::units::Units;
use std::time::Duration;
use thiserror::Error;

/// The longest an allocation may live: a card without an end is a credit card.
pub const SPAN_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);

/// What is to be carved, with every name resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarveOrder {
    /// The allocation's id, chosen by the caller.
    pub id: AllocationId,
    /// The allocation to carve from; none for the entitlements of the customer or user.
    pub parent: Option<AllocationId>,
    /// For whom.
    pub principals: Principals,
    /// The agent it is to serve.
    pub agent: AgentId,
    /// Feature by feature: the account to carve from (none when there is none) and how many units.
    pub lines: Vec<(FeatureId, Option<AccountId>, Units)>,
    /// Restrictions; what it leaves open is taken from the parent.
    pub scope: Scope,
    /// Not usable before.
    pub not_before: Option<Timestamp>,
    /// Not usable from then on; by default until the parent's, or the earliest window's, end.
    pub expires_at: Option<Timestamp>,
    /// How its decisions are kept.
    pub durability: Option<Durability>,
    /// In which hours, how fast, and how long it may lie idle.
    pub conditions: Conditions,
}

/// Why nothing was carved.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CarveRefusal {
    /// Fewer units are free than asked for.
    #[error("fewer units are free than asked for")]
    Short {
        /// Of which feature.
        feature: FeatureId,
        /// The account that has too few.
        account: AccountId,
        /// Free there.
        free: Units,
        /// In gates' memory there: some of it may come back when recalled.
        leased: Units,
        /// When the quota renews.
        resets_at: Option<Timestamp>,
    },
    /// The customer, or the parent, has nothing of the feature.
    #[error("the feature is not entitled")]
    NotEntitled {
        /// Of which feature.
        feature: FeatureId,
    },
    /// No lines, too many, one feature twice, or an amount of zero.
    #[error("an allocation has 1 to {LINES_MAX} lines of different features, each with an amount above zero")]
    Lines,
    /// The child would be usable for more than its parent.
    #[error("the scope is wider than the parent's")]
    ScopeWider,
    /// The child would be usable longer or earlier than its parent.
    #[error("the window is wider than the parent's")]
    WindowWider {
        /// The parent's start.
        not_before: Option<Timestamp>,
        /// The parent's end.
        expires_at: Timestamp,
    },
    /// The window is over, empty, longer than [`SPAN_MAX`], or has no end.
    #[error("the window must end in the future, after it starts and within 366 days")]
    Window,
    /// The parent has ended.
    #[error("the parent allocation has ended")]
    ParentEnded,
    /// The chain would be longer than [`DEPTH_MAX`].
    #[error("allocations nest at most {DEPTH_MAX} deep")]
    TooDeep,
    /// The customer's subscription is paused.
    #[error("the customer's subscription is paused; resume it first")]
    Paused,
    /// Another customer or user than the parent's.
    #[error("a sub-allocation serves the customer and user of its parent")]
    OtherPrincipal,
}

/// Carves all lines of an order, or refuses and changes nothing that the caller may commit.
///
/// The books need the parent allocation, where there is one, and each account carved from.
pub fn carve(books: &mut Books<'_>, order: &CarveOrder) -> Result<Result<AllocationId, CarveRefusal>, LedgerError> {
    let parent = match order.parent {
        Some(id) => Some(books.allocations.get(id)?.clone()),
        None => None,
    };
    if let Err(refusal) = check_lines(order) {
        return Ok(Err(refusal));
    }
    // Before the terms: they may take the end from an account, and without one would blame the window.
    if let Some((feature, ..)) = order.lines.iter().find(|(_, account, _)| account.is_none()) {
        return Ok(Err(CarveRefusal::NotEntitled { feature: *feature }));
    }
    let terms = match terms(books, order, parent.as_ref()) {
        Ok(terms) => terms,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut lines = Vec::with_capacity(order.lines.len());
    for (feature, account, amount) in &order.lines {
        let Some(from) = *account else { return Ok(Err(CarveRefusal::NotEntitled { feature: *feature })) };
        if let Some(refusal) = short(books.accounts.get(from)?, *amount) {
            return Ok(Err(refusal));
        }
        let account = add_line(books, order, &terms, from)?;
        books.post_down(from, account, *amount, Cause::Carve(order.id))?;
        lines.push(AllocationLine { feature: *feature, account, carved: *amount, returned: Units::ZERO });
    }
    let allocation = Allocation {
        id: order.id,
        parent: order.parent,
        depth: terms.depth,
        principals: order.principals,
        agent: order.agent,
        scope: terms.scope,
        not_before: terms.not_before,
        expires_at: terms.expires_at,
        durability: order.durability,
        conditions: order.conditions.clone(),
        state: AllocationState::Active,
        created_at: books.now,
        lines,
    };
    books.allocations.add(order.id, allocation);
    books.announce(Event::AllocationCreated(order.id));
    Ok(Ok(order.id))
}

struct Terms {
    depth: u8,
    scope: Scope,
    not_before: Option<Timestamp>,
    expires_at: Timestamp,
}

fn check_lines(order: &CarveOrder) -> Result<(), CarveRefusal> {
    let lines: Vec<(FeatureId, Units)> = order.lines.iter().map(|(feature, _, amount)| (*feature, *amount)).collect();
    check_amounts(&lines)
}

/// Between 1 and [`LINES_MAX`] lines of different features, each above zero?
pub(super) fn check_amounts(lines: &[(FeatureId, Units)]) -> Result<(), CarveRefusal> {
    let count = lines.len();
    let zero = lines.iter().any(|(_, amount)| amount.is_zero());
    let twice = (0..count).any(|i| lines[..i].iter().any(|line| line.0 == lines[i].0));
    if count == 0 || count > LINES_MAX || zero || twice { Err(CarveRefusal::Lines) } else { Ok(()) }
}

fn terms(books: &Books<'_>, order: &CarveOrder, parent: Option<&Allocation>) -> Result<Terms, CarveRefusal> {
    let terms = match parent {
        Some(parent) => terms_below(books, order, parent)?,
        None => Terms {
            depth: 1,
            scope: order.scope.clone(),
            not_before: order.not_before,
            expires_at: order.expires_at.or_else(|| earliest_end(books, order)).ok_or(CarveRefusal::Window)?,
        },
    };
    let begins = terms.not_before.unwrap_or(books.now).max(books.now);
    let fits = begins < terms.expires_at && terms.expires_at <= books.now.saturating_add(SPAN_MAX);
    if fits { Ok(terms) } else { Err(CarveRefusal::Window) }
}

fn terms_below(books: &Books<'_>, order: &CarveOrder, parent: &Allocation) -> Result<Terms, CarveRefusal> {
    if parent.state != AllocationState::Active || parent.expires_at <= books.now {
        return Err(CarveRefusal::ParentEnded);
    }
    if parent.depth >= DEPTH_MAX {
        return Err(CarveRefusal::TooDeep);
    }
    let same =
        (order.principals.customer, order.principals.user) == (parent.principals.customer, parent.principals.user);
    if !same {
        return Err(CarveRefusal::OtherPrincipal);
    }
    let scope = order.scope.clone().or(&parent.scope);
    if !scope.within(&parent.scope) {
        return Err(CarveRefusal::ScopeWider);
    }
    let not_before = order.not_before.or(parent.not_before);
    let expires_at = order.expires_at.unwrap_or(parent.expires_at);
    if not_before < parent.not_before || expires_at > parent.expires_at {
        return Err(CarveRefusal::WindowWider { not_before: parent.not_before, expires_at: parent.expires_at });
    }
    Ok(Terms { depth: parent.depth + 1, scope, not_before, expires_at })
}

fn earliest_end(books: &Books<'_>, order: &CarveOrder) -> Option<Timestamp> {
    let accounts = order.lines.iter().filter_map(|(_, account, _)| books.accounts.find((*account)?));
    accounts.filter_map(|account| account.window.end).min()
}

/// Refuses where an account has too few free units.
pub(super) fn short(account: &Account, asked: Units) -> Option<CarveRefusal> {
    let free = account.balance.get(Pocket::Free);
    (asked > free).then(|| CarveRefusal::Short {
        feature: account.feature,
        account: account.id,
        free,
        leased: account.balance.get(Pocket::Leased),
        resets_at: account.window.end,
    })
}

fn add_line(
    books: &mut Books<'_>,
    order: &CarveOrder,
    terms: &Terms,
    from: AccountId,
) -> Result<AccountId, LedgerError> {
    let above = books.accounts.get(from)?;
    let id = books.new_id::<AccountId>();
    let account = Account {
        id,
        owner: AccountOwner::Allocation(order.id),
        feature: above.feature,
        parent: Some(from),
        depth: above.depth + 1,
        principals: order.principals,
        window: Window { start: terms.not_before.unwrap_or(books.now), end: Some(terms.expires_at) },
        closed: false,
        overage: Units::ZERO,
        owed: Units::ZERO,
        spare: Units::ZERO,
        balance: Balance::default(),
    };
    books.accounts.add(id, account);
    Ok(id)
}
