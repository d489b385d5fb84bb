//! Callers: who asks for a use case, and from where. Every use case takes one first.

use crate::audit::{Author, AuthorRole};
use crate::customer::Role;
use crate::id::{CustomerId, KeyId, UserId};
use crate::tenant::Realm;
use std::net::IpAddr;
use std::sync::Arc;

/// Who asks, with which authority, from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub who: Who,
    /// From where.
    pub origin: Origin,
}

/// Who asks, with which authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
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

/// Where a request came from, as far as its door knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The network address of the peer; of the proxy where one stands between.
    pub address: Option<IpAddr>,
    /// The request's id, as it is answered and logged.
    pub request: Option<Arc<str>>,
}

impl Caller {
    /// Whoever has the machine.
    pub const INSTALLATION: Self = Self::here(Who::Installation);

    /// Somebody at the command line, or a part of the program itself: nothing came over a network.
    pub const fn here(who: Who) -> Self {
        Self { who, origin: Origin { address: None, request: None } }
    }

    /// The realm whose catalogue the caller may change.
    pub fn administers(&self) -> Option<Realm> {
        match self.who {
            Who::Operator { realm, .. } => Some(realm),
            Who::Installation | Who::Member { .. } | Who::Gate { .. } => None,
        }
    }

    /// The caller as what it changes is signed by.
    pub fn author(&self) -> Author {
        let (role, key, customer, user) = match self.who {
            Who::Installation => (AuthorRole::Installation, None, None, None),
            Who::Operator { key, .. } => (AuthorRole::Operator, key, None, None),
            Who::Member { customer, user, role, key, .. } => {
                let role = if user.is_some() { AuthorRole::Member(role) } else { AuthorRole::Program };
                (role, Some(key), Some(customer), user)
            }
            Who::Gate { key, .. } => (AuthorRole::Gate, Some(key), None, None),
        };
        Author { role, key, customer, user, origin: self.origin.clone() }
    }
}
