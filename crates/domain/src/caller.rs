//! Callers: who asks for a use case. Every use case takes one first.

use crate::customer::Role;
use crate::id::{CustomerId, KeyId, UserId};
use crate::tenant::Realm;

/// Who asks, with which authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Whoever has the machine: the command line beside the data. Makes tenants and their first keys.
    Installation,
    /// A tenant's staff or program, by an operator key.
    Operator {
        /// In which realm.
        realm: Realm,
        /// By which key; none for the command line acting for the tenant.
        key: Option<KeyId>,
    },
    /// One of a customer's people, or a program of theirs, by a customer key.
    Member {
        /// In which realm.
        realm: Realm,
        /// Of which customer.
        customer: CustomerId,
        /// Which person; none for a program.
        user: Option<UserId>,
        /// What they may do for the customer: the person's role now; a program's is [`Role::Admin`].
        role: Role,
        /// By which key.
        key: KeyId,
    },
    /// A tool provider's server, by a gate key.
    Gate {
        /// In which realm.
        realm: Realm,
        /// By which key.
        key: KeyId,
    },
}

impl Caller {
    /// The realm whose catalogue the caller may change.
    pub fn administers(&self) -> Option<Realm> {
        match self {
            Self::Operator { realm, .. } => Some(*realm),
            Self::Installation | Self::Member { .. } | Self::Gate { .. } => None,
        }
    }
}
