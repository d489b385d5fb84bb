//! API keys, without what is secret of them.

use super::{instant, wire_id};
use almoner_domain::key::{ApiKey, KeyKind};
use async_graphql::{Enum, ID, Object};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "KeyKind")]
pub(crate) enum KeyKindName {
    /// The tenant's own staff and programs: this API.
    Operator,
    /// A customer's own people and programs: what is theirs, over this API.
    Customer,
    /// Tool providers' servers in front of their agents' calls: the gate.
    Gate,
}

impl From<KeyKind> for KeyKindName {
    fn from(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Operator => Self::Operator,
            KeyKind::Customer => Self::Customer,
            KeyKind::Gate => Self::Gate,
        }
    }
}

impl From<KeyKindName> for KeyKind {
    fn from(name: KeyKindName) -> Self {
        match name {
            KeyKindName::Operator => Self::Operator,
            KeyKindName::Customer => Self::Customer,
            KeyKindName::Gate => Self::Gate,
        }
    }
}

/// An API key as it is kept.
pub(crate) struct KeyObject(pub(crate) ApiKey);

#[Object(name = "ApiKey")]
impl KeyObject {
    /// Its id.
    async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// What it is for.
    async fn kind(&self) -> KeyKindName {
        self.0.kind.into()
    }

    /// What people call it.
    async fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// Its first letters, to recognise it by.
    async fn hint(&self) -> &str {
        &self.0.hint
    }

    /// When it was made.
    async fn created_at(&self) -> String {
        instant(self.0.created_at)
    }

    /// When it was revoked; none while it works.
    async fn revoked_at(&self) -> Option<String> {
        self.0.revoked_at.map(instant)
    }
}
