//! A change of plan: quotas raised and lowered in their open windows, and windows that end with their plan.
//!
//! What a quota is lowered by is taken where nobody has been given it, then by the plan's rule from live allocations. The rest is
//! out, in gates' memories and in allocations: so much of it is owed, and paid when units return. What is out and not owed may be
//! used first; when that is used up, each unit that is used can return no more, and is owed no more. What is used is never taken,
//! and a top-up never pays for a quota that was lowered below what was used.

use super::books::{Books, LedgerError};
use super::end::end;
use crate::account::{Account, AccountOwner, Pocket};
use crate::allocation::{Allocation, AllocationState};
use crate::grant::{Grant, GrantKind, GrantStage};
use crate::id::{AccountId, AllocationId, EntitlementId, GrantId};
use crate::lease::LeaseState;
use crate::movement::Cause;
use crate::notice::Change;
use crate::plan::LiveRule;
use crate::plan_change::{AllocationEffect, Effects, FeatureEffect, Shift, Turn};
use crate::subscription::Entitlement;
use crate::units::Units;
use std::collections::BTreeMap;

/// Changes the books from one plan to another.
///
/// `open` are the accounts of the entitlements' current windows, as far as they are open, and `grants` those into them. The books
/// need these accounts. Where units may be taken they also need what lives below: accounts, the active allocations that these are of
/// with all below those, every account of theirs with all above, and the active leases of entitlements' accounts; and of a feature
/// that ends, where the rule is not to keep, what lives of its earlier windows as well.
pub fn change_plan(
    books: &mut Books<'_>,
    turns: &[Turn],
    open: &BTreeMap<EntitlementId, AccountId>,
    grants: &[Grant],
    rule: LiveRule,
) -> Result<Effects, LedgerError> {
    let mut features = Vec::with_capacity(turns.len());
    for turn in turns {
        let shift = match &turn.old {
            Some(old) if !turn.goes_on() => close(books, old, &turn.shares, open, rule)?,
            Some(old) => shift(books, turn, old, open, grants, rule)?,
            None => Shift::default(),
        };
        features.push(FeatureEffect {
            feature: turn.feature,
            before: turn.old.as_ref().map(|old| old.offer.clone()),
            after: turn.new.clone(),
            restarts: turn.restarts(),
            shift,
        });
    }
    books.changes.push(Change::Catalogue);
    Ok(Effects { rule, features })
}

/// Raises or lowers the quota of the open window. One that is not open yet opens with the new quota.
fn shift(
    books: &mut Books<'_>,
    turn: &Turn,
    old: &Entitlement,
    open: &BTreeMap<EntitlementId, AccountId>,
    grants: &[Grant],
    rule: LiveRule,
) -> Result<Shift, LedgerError> {
    let (Some(quota), Some(beyond), Some(account)) = (turn.amounts(), turn.overages(), open.get(&old.id)) else {
        return Ok(Shift::default());
    };
    let mut shift = Shift::default();
    for (kind, (before, after)) in [(GrantKind::Renewal, quota), (GrantKind::Overage, beyond)] {
        let into = current(books, grants, *account);
        let part = if after >= before {
            raise(books, *account, old.id, kind, after.saturating_sub(before), &into)?
        } else {
            lower(books, *account, kind, before.saturating_sub(after), into, rule)?
        };
        shift.add(part);
    }
    if beyond.0 != beyond.1 {
        books.accounts.change(*account)?.overage = beyond.1;
    }
    Ok(shift)
}

/// The grants of an account as the books have them by now.
fn current(books: &Books<'_>, grants: &[Grant], account: AccountId) -> Vec<Grant> {
    let all = grants.iter().chain(&books.grants).filter(|grant| grant.account == account);
    let last: BTreeMap<GrantId, &Grant> = all.map(|grant| (grant.id, grant)).collect();
    last.into_values().cloned().collect()
}

/// Issues the difference. Units that an earlier change has not got back are a part of it: they are out, and stay there.
fn raise(
    books: &mut Books<'_>,
    account: AccountId,
    entitlement: EntitlementId,
    kind: GrantKind,
    by: Units,
    grants: &[Grant],
) -> Result<Shift, LedgerError> {
    if by.is_zero() {
        return Ok(Shift::default());
    }
    let row = books.accounts.get(account)?;
    // What is not effective yet is nowhere; what has lapsed is in the account still.
    let there = grants.iter().filter(|grant| grant.stage != GrantStage::Pending);
    let due: Units = there.map(|grant| grant.amount.saturating_sub(grant.taken_back)).sum();
    let over = row.balance.granted().saturating_sub(due);
    let granted = by.saturating_sub(over);
    let id = books.new_id::<GrantId>();
    let grant = Grant { effective_at: books.now, ..Grant::of_plan(id, entitlement, row, kind, by, books.now) };
    books.post(account, None, Some(Pocket::Free), granted, Cause::Grant(grant.id))?;
    books.grants.push(grant);
    let row = books.accounts.change(account)?;
    let owed = row.owed.min(over.saturating_sub(by));
    row.spare = row.spare.saturating_add(row.owed.saturating_sub(owed));
    row.owed = owed;
    Ok(Shift { granted, pending: owed, ..Shift::default() })
}

fn lower(
    books: &mut Books<'_>,
    account: AccountId,
    kind: GrantKind,
    by: Units,
    grants: Vec<Grant>,
    rule: LiveRule,
) -> Result<Shift, LedgerError> {
    take_from_grants(books, grants, kind, by);
    let mut shift = Shift::default();
    let free = take_free(books, account, by)?;
    shift.taken_back = free;
    match rule {
        LiveRule::Keep => {}
        LiveRule::Shrink => {
            for (allocation, line) in live_lines(books, account) {
                let returned = take(books, line, by.saturating_sub(shift.taken_back))?;
                shift.taken_back = shift.taken_back.saturating_add(returned);
                note_shrunk(books, &mut shift, allocation, returned);
            }
        }
        LiveRule::End => {
            for (allocation, _) in live_lines(books, account) {
                if shift.taken_back >= by {
                    break;
                }
                end_one(books, &mut shift, allocation, account)?;
                let more = take_free(books, account, by.saturating_sub(shift.taken_back))?;
                shift.taken_back = shift.taken_back.saturating_add(more);
            }
        }
    }
    shift.pending = owe(books, account, by.saturating_sub(shift.taken_back))?;
    Ok(shift)
}

/// Notes in the quota's grants, the newest first, that so much of them does not count any more.
fn take_from_grants(books: &mut Books<'_>, mut grants: Vec<Grant>, kind: GrantKind, by: Units) {
    let mut rest = by;
    grants.sort_by_key(|grant| std::cmp::Reverse((grant.created_at, grant.id)));
    for mut grant in grants.into_iter().filter(|grant| grant.kind == kind) {
        let part = grant.amount.saturating_sub(grant.taken_back).min(rest);
        if part.is_zero() {
            continue;
        }
        rest = rest.saturating_sub(part);
        grant.taken_back = grant.taken_back.saturating_add(part);
        books.grants.push(grant);
    }
}

/// Takes what is free in a quota, then in users' shares of it, the newest first. Answers how much that was.
fn take_free(books: &mut Books<'_>, account: AccountId, most: Units) -> Result<Units, LedgerError> {
    let mut taken = Units::ZERO;
    for id in std::iter::once(account).chain(shares(books, account)) {
        taken = taken.saturating_add(take(books, id, most.saturating_sub(taken))?);
    }
    Ok(taken)
}

fn take(books: &mut Books<'_>, account: AccountId, most: Units) -> Result<Units, LedgerError> {
    let amount = books.accounts.get(account)?.balance.get(Pocket::Free).min(most);
    books.take(account, amount)?;
    Ok(amount)
}

/// Notes that so much more is owed, as far as it is out, and answers how much is in all. Gates are asked for what they hold idle.
fn owe(books: &mut Books<'_>, account: AccountId, more: Units) -> Result<Units, LedgerError> {
    let below: Vec<&Account> = books.accounts.iter().filter(|row| is_below(books, row.id, account)).collect();
    let free: Units = below.iter().map(|row| row.balance.get(Pocket::Free)).sum();
    let tree = || below.iter().copied().chain(books.accounts.find(account));
    let held = tree().map(|row| row.balance.get(Pocket::Leased).saturating_add(row.balance.get(Pocket::Held)));
    let out = held.sum::<Units>().saturating_add(free);
    let payers: Vec<AccountId> = tree().filter(|row| is_entitlements(row)).map(|row| row.id).collect();
    let row = books.accounts.change(account)?;
    let owed = row.owed.saturating_add(more).min(out);
    (row.owed, row.spare) = (owed, out.saturating_sub(owed));
    if !owed.is_zero() {
        let active = books.leases.iter().filter(|lease| lease.state == LeaseState::Active);
        let asked: Vec<_> = active.filter(|lease| payers.contains(&lease.account)).map(|lease| lease.id).collect();
        for id in asked {
            books.leases.change(id)?.state = LeaseState::Recalling;
        }
    }
    Ok(owed)
}

/// Ends a feature that the new plan does not grant, or not for this period: live allocations of any of its windows by the rule, then
/// the window that is open.
fn close(
    books: &mut Books<'_>,
    old: &Entitlement,
    shares: &[Entitlement],
    open: &BTreeMap<EntitlementId, AccountId>,
    rule: LiveRule,
) -> Result<Shift, LedgerError> {
    let mut shift = Shift::default();
    let is_own = |row: &&Account| row.owner == AccountOwner::Entitlement(old.id);
    let windows: Vec<AccountId> = books.accounts.iter().filter(is_own).map(|row| row.id).collect();
    for window in windows {
        for (allocation, line) in live_lines(books, window) {
            match rule {
                LiveRule::Keep => {}
                LiveRule::Shrink => {
                    let returned = take(books, line, Units::MAX)?;
                    shift.taken_back = shift.taken_back.saturating_add(returned);
                    note_shrunk(books, &mut shift, allocation, returned);
                }
                LiveRule::End => end_one(books, &mut shift, allocation, window)?,
            }
        }
    }
    let Some(account) = open.get(&old.id).copied() else { return Ok(shift) };
    let lapsed = books.accounts.get(account)?.balance.get(Pocket::Lapsed);
    for id in shares.iter().filter_map(|share| open.get(&share.id)).chain([&account]) {
        books.accounts.change(*id)?.closed = true;
        books.surrender(*id)?;
    }
    shift.lapsed = books.accounts.get(account)?.balance.get(Pocket::Lapsed).saturating_sub(lapsed);
    Ok(shift)
}

fn note_shrunk(books: &mut Books<'_>, shift: &mut Shift, allocation: AllocationId, returned: Units) {
    if !returned.is_zero() {
        shift.allocations.push(AllocationEffect { allocation, returned, ends: false });
        books.changes.push(Change::Allocation(allocation));
    }
}

/// Ends an allocation, unless it has ended with one that it was carved from. What was carved from it ends with it.
fn end_one(books: &mut Books<'_>, shift: &mut Shift, id: AllocationId, account: AccountId) -> Result<(), LedgerError> {
    let active = |books: &Books<'_>| -> Vec<AllocationId> {
        live_lines(books, account).into_iter().map(|(allocation, _)| allocation).collect()
    };
    let before = active(books);
    end(books, id, AllocationState::Closed)?;
    let after = active(books);
    for allocation in before.into_iter().filter(|id| !after.contains(id)) {
        let lines = &books.allocations.get(allocation)?.lines;
        let returned =
            lines.iter().filter(|line| is_below(books, line.account, account)).map(|line| line.returned).sum();
        shift.allocations.push(AllocationEffect { allocation, returned, ends: true });
    }
    Ok(())
}

/// Live allocations with units of an account, and in which account of theirs, the newest first.
fn live_lines(books: &Books<'_>, account: AccountId) -> Vec<(AllocationId, AccountId)> {
    let is_live = |a: &&Allocation| a.state == AllocationState::Active && a.expires_at > books.now;
    let mut live: Vec<&Allocation> = books.allocations.iter().filter(is_live).collect();
    live.sort_by_key(|allocation| std::cmp::Reverse((allocation.created_at, allocation.depth, allocation.id)));
    let lines =
        live.into_iter().flat_map(|allocation| allocation.lines.iter().map(|line| (allocation.id, line.account)));
    lines.filter(|(_, line)| is_below(books, *line, account)).collect()
}

/// Users' shares of a quota, the newest first.
fn shares(books: &Books<'_>, account: AccountId) -> Vec<AccountId> {
    let is_share = |row: &&Account| row.parent == Some(account) && is_entitlements(row) && !row.closed;
    let mut shares: Vec<AccountId> = books.accounts.iter().filter(is_share).map(|row| row.id).collect();
    shares.reverse();
    shares
}

fn is_entitlements(account: &Account) -> bool {
    matches!(account.owner, AccountOwner::Entitlement(_))
}

fn is_below(books: &Books<'_>, account: AccountId, above: AccountId) -> bool {
    let parent = |id: AccountId| books.accounts.find(id).and_then(|row| row.parent);
    std::iter::successors(parent(account), |id| parent(*id)).any(|id| id == above)
}

impl Books<'_> {
    /// Takes free units out of an account, and with it out of all that it was carved from.
    fn take(&mut self, account: AccountId, amount: Units) -> Result<(), LedgerError> {
        let cause = Cause::Change(account);
        self.post(account, Some(Pocket::Free), None, amount, cause)?;
        let mut above = self.accounts.get(account)?.parent;
        while let Some(id) = above.filter(|_| !amount.is_zero()) {
            self.post(id, Some(Pocket::Carved), None, amount, cause)?;
            above = self.accounts.get(id)?.parent;
        }
        Ok(())
    }

    /// Keeps count of what is owed of a quota that was lowered: units that return to it, or to a share of it, pay; those that are used
    /// return no more; and those that are given out anew are not owed.
    pub(super) fn settle_owed(
        &mut self,
        account: AccountId,
        from: Option<Pocket>,
        to: Option<Pocket>,
        amount: Units,
    ) -> Result<(), LedgerError> {
        use Pocket::{Carved, Free, Held, Leased, Used};
        let Some(root) = self.owing(account) else { return Ok(()) };
        let (is_root, is_entitlements) = (account == root, is_entitlements(self.accounts.get(account)?));
        match (from, to) {
            (Some(Leased | Held | Carved | Used), Some(Free)) if is_entitlements => {
                let row = self.accounts.change(root)?;
                let paid = row.owed.min(amount);
                row.owed = row.owed.saturating_sub(paid);
                self.take(account, paid)
            }
            (Some(Free), Some(Leased | Carved)) if is_root => {
                let row = self.accounts.change(root)?;
                row.spare = row.spare.saturating_add(amount);
                Ok(())
            }
            // What was free there was not out.
            (Some(Free), Some(Used)) if is_root => Ok(()),
            (_, Some(Used)) => {
                let row = self.accounts.change(root)?;
                let over = amount.saturating_sub(row.spare);
                row.spare = row.spare.saturating_sub(amount);
                row.owed = row.owed.saturating_sub(over);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The quota that an account is of, where it owes something.
    fn owing(&self, account: AccountId) -> Option<AccountId> {
        let mut row = self.accounts.find(account)?;
        while let Some(parent) = row.parent {
            row = self.accounts.find(parent)?;
        }
        (!row.owed.is_zero()).then_some(row.id)
    }
}
