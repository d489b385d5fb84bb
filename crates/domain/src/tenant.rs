//! Tenants, their environments, and the realm that every other thing belongs to.

use crate::id::TenantId;
use crate::text::{ExternalId, Name};

/// A tool provider on this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Our id.
    pub id: TenantId,
    /// The operator's own name for it, unique on the installation.
    pub external_id: ExternalId,
    /// What people call it.
    pub name: Name,
}

/// Which of a tenant's two worlds: nothing is shared between them, so tests never touch customers' units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Environment {
    /// Real customers.
    Live,
    /// The provider's trials.
    Test,
}

impl Environment {
    /// The word on the wire and in keys.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Live, Self::Test].into_iter().find(|e| e.as_str() == text)
    }
}

/// One environment of one tenant: the first part of every key in every table, cache and journal record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Realm {
    /// Whose.
    pub tenant: TenantId,
    /// Which of the two.
    pub environment: Environment,
}

impl std::fmt::Display for Realm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.tenant, self.environment.as_str())
    }
}
