//! Customers, the people in them and their roles.

use crate::id::{CustomerId, UserId};
use crate::text::{ExternalId, Name};

/// An organisation that subscribes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// Our id.
    pub id: CustomerId,
    /// The provider's own id, unique in the realm.
    pub external_id: ExternalId,
    /// What people call it.
    pub name: Name,
}

/// A person in a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Our id.
    pub id: UserId,
    /// Which customer they belong to.
    pub customer: CustomerId,
    /// The provider's own id, unique in the customer.
    pub external_id: ExternalId,
    /// What people call them.
    pub name: Name,
    /// What they may do for the customer.
    pub role: Role,
}

/// What a person may do for their customer, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Everything, and hands ownership on.
    Owner,
    /// Manages people, subscriptions and everybody's allocations.
    Admin,
    /// Allocates within their own share.
    Member,
    /// Looks.
    Viewer,
}

impl Role {
    /// Every role, from most to least.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Member, Self::Viewer];

    /// The word on the wire and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// May a person of this role raise an allocation or entitlement of their customer?
    pub const fn raises(self) -> bool {
        matches!(self, Self::Owner | Self::Admin)
    }
}
