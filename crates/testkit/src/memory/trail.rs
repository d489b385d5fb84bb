//! The audit trail: what somebody changes is signed in the same command.

use super::core::Core;
use almoner_domain::allocation::{Allocation, AllocationState};
use almoner_domain::audit::{Action, AuditEntry, Author};
use almoner_domain::fault::Fault;
use almoner_domain::id::{AllocationId, CustomerId, Id, LeaseId};
use almoner_domain::statement::AllocationStatement;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;

/// Who changes something, when and where.
#[derive(Clone, Copy)]
pub(super) struct Pen<'b> {
    pub(super) now: Timestamp,
    pub(super) realm: Realm,
    pub(super) by: &'b Author,
}

impl Core {
    /// Signs a change of a customer's affairs.
    pub(super) fn sign(
        &mut self,
        pen: Pen<'_>,
        action: Action,
        subject: impl std::fmt::Display,
        customer: CustomerId,
        note: String,
    ) {
        let entry = AuditEntry {
            id: Id::new(pen.now, &self.ink),
            at: pen.now,
            author: pen.by.clone(),
            action,
            subject: subject.to_string(),
            customer: Some(customer),
            note,
        };
        self.rows.audit.put(self.eye(pen.realm), entry.id, entry);
    }

    /// Ends an allocation and all below it at somebody's word.
    pub(super) fn end_by(
        &mut self,
        pen: Pen<'_>,
        id: AllocationId,
        state: AllocationState,
    ) -> Result<Option<AllocationStatement>, Fault> {
        let active = |allocation: &&Allocation| allocation.state == AllocationState::Active;
        let was = self.rows.allocations.find(self.eye(pen.realm), id).filter(active);
        let customer = was.map(|allocation| allocation.principals.customer);
        let ended = self.end(pen.now, pen.realm, id, state)?;
        if let Some(customer) = customer {
            let action = match state {
                AllocationState::Revoked => Action::RevokeAllocation,
                AllocationState::Active | AllocationState::Closed | AllocationState::Expired => Action::CloseAllocation,
            };
            self.sign(pen, action, id, customer, String::new());
        }
        Ok(ended)
    }

    /// Declares a lease in doubt as spent at somebody's word.
    pub(super) fn forfeit_by(&mut self, pen: Pen<'_>, id: LeaseId) -> Result<bool, Fault> {
        let eye = self.eye(pen.realm);
        let account = self.rows.leases.find(eye, id).and_then(|lease| self.rows.accounts.find(eye, lease.account));
        let customer = account.map(|account| account.principals.customer);
        let is_forfeited = self.forfeit(pen.now, pen.realm, id)?;
        if let Some(customer) = customer.filter(|_| is_forfeited) {
            self.sign(pen, Action::ForfeitLease, id, customer, String::new());
        }
        Ok(is_forfeited)
    }
}
