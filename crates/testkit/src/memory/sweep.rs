//! What time alone asks for.

use super::core::{Core, broken};
use almoner_domain::account::{Account, AccountOwner, Pocket};
use almoner_domain::allocation::{Allocation, AllocationState};
use almoner_domain::fault::Fault;
use almoner_domain::grant::{Grant, GrantStage};
use almoner_domain::hold::Hold;
use almoner_domain::id::{AccountId, AllocationId, LeaseId};
use almoner_domain::lease::{Lease, LeaseState};
use almoner_domain::ledger::{self, Books};
use almoner_domain::movement::{Cause, Movement};
use almoner_domain::ports::Swept;
use almoner_domain::statement::LineStatement;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use std::sync::Arc;

impl Core {
    /// Expired allocations and holds, silent leases, windows that are over: at most `limit` of each.
    pub fn sweep(&mut self, now: Timestamp, limit: u64) -> Result<Swept, Fault> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut swept = Swept::default();
        let expired = |a: &Allocation| a.state == AllocationState::Active && a.expires_at <= now;
        for (realm, id) in due(self.rows.allocations.all(), limit, expired, |a| a.id) {
            swept.allocations += self.expire(now, realm, id)?;
        }
        let perhaps = |a: &Allocation| a.state == AllocationState::Active && a.conditions.idle_timeout.is_some();
        for (realm, id) in due(self.rows.allocations.all(), usize::MAX, perhaps, |a| a.id) {
            if self.is_idle(now, realm, id) {
                swept.allocations += self.expire(now, realm, id)?;
            }
        }
        for (realm, id) in due(self.rows.holds.all(), limit, |h: &Hold| h.open && h.expires_at <= now, |h| h.id) {
            swept.holds += u64::from(self.expire_hold(now, realm, id)?);
        }
        let silent = |l: &Lease| matches!(l.state, LeaseState::Active | LeaseState::Recalling) && l.deadline <= now;
        for (realm, id) in due(self.rows.leases.all(), limit, silent, |l| l.id) {
            self.doubt(now, realm, id)?;
            swept.leases += 1;
        }
        let stirs = |g: &Grant| g.stage != GrantStage::Live || g.expires_at.is_some();
        for (realm, id) in due(self.rows.grants.all(), usize::MAX, stirs, |g| g.account) {
            self.mature(now, realm, id)?;
        }
        for (realm, customer) in self.due_customers(now, limit) {
            swept.changes += u64::from(self.make_due(now, realm, customer)?);
            swept.resets += self.open_windows(now, realm, customer)?;
        }
        let over = |a: &Account| {
            matches!(a.owner, AccountOwner::Entitlement(_)) && !a.closed && a.window.end.is_some_and(|end| end <= now)
        };
        for (realm, id) in due(self.rows.accounts.all(), limit, over, |a| a.id) {
            let of = self.rows.accounts.find(self.eye(realm), id).map(|account| account.principals.customer);
            self.close_window(now, realm, id)?;
            swept.windows += 1;
            if let Some(customer) = of {
                swept.resets += self.open_windows(now, realm, customer)?;
            }
        }
        Ok(swept)
    }

    fn expire(&mut self, now: Timestamp, realm: Realm, id: AllocationId) -> Result<u64, Fault> {
        let eye = self.eye(realm);
        let active =
            |core: &Self| core.rows.allocations.seen(eye).filter(|a| a.state == AllocationState::Active).count() as u64;
        let before = active(self);
        self.end(now, realm, id, AllocationState::Expired)?;
        Ok(before - active(self))
    }

    fn is_idle(&self, now: Timestamp, realm: Realm, id: AllocationId) -> bool {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let mut books = Books::new(now, &*entropy);
        self.rows.load_family(eye, &mut books, id);
        let family: Vec<&Allocation> = books.allocations.iter().collect();
        let Some(one) = family.iter().find(|one| one.id == id) else { return false };
        let statements = family.iter().filter_map(|one| self.statement(realm, one.id));
        let lines: Vec<LineStatement> = statements.flat_map(|statement| statement.lines).collect();
        let is_out = lines.iter().any(|line| {
            let held = line.balance.get(Pocket::Held).saturating_add(line.held_by_gates);
            !held.is_zero() || !line.in_doubt.is_zero()
        });
        let by_hand = |movement: &&Movement| {
            let here = lines.iter().any(|line| line.account == movement.account);
            here && (movement.to == Some(Pocket::Used) || !matches!(movement.cause, Cause::Lease(_)))
        };
        let seen = self.rows.movements.iter().filter(|(owner, _)| (eye.sees)(eye.realm, *owner));
        let last = seen.map(|(_, movement)| movement).filter(by_hand).map(|movement| movement.at).max();
        !is_out && one.idle_at(last).is_some_and(|at| at <= now)
    }

    fn doubt(&mut self, now: Timestamp, realm: Realm, id: LeaseId) -> Result<(), Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let mut books = Books::new(now, &*entropy);
        let Some(lease) = self.rows.leases.find(eye, id) else { return Ok(()) };
        self.rows.load_chain(eye, &mut books, lease.account);
        books.leases.load(id, lease.clone());
        self.laws.doubt(&mut books, id).map_err(|error| broken("sweep", error))?;
        self.rows.write_back(eye, books);
        Ok(())
    }

    fn close_window(&mut self, now: Timestamp, realm: Realm, id: AccountId) -> Result<(), Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let mut books = Books::new(now, &*entropy);
        self.rows.load_chain(eye, &mut books, id);
        ledger::close_window(&mut books, id).map_err(|error| broken("sweep", error))?;
        self.rows.write_back(eye, books);
        Ok(())
    }
}

fn due<'r, V: 'r, I>(
    rows: impl Iterator<Item = (Realm, &'r V)>,
    limit: usize,
    is_due: impl Fn(&V) -> bool,
    id: impl Fn(&V) -> I,
) -> Vec<(Realm, I)> {
    rows.filter(|(_, row)| is_due(row)).map(|(realm, row)| (realm, id(row))).take(limit).collect()
}
