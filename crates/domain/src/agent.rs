//! Agents and the sessions they run.

use crate::id::{AgentId, SessionId};
use crate::text::{ExternalId, Label, Name, SessionKey, SessionKind};
use std::collections::BTreeSet;

/// Software that acts for somebody, with credentials of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Our id.
    pub id: AgentId,
    /// The provider's own id, unique in the realm.
    pub external_id: ExternalId,
    /// What people call it.
    pub name: Name,
    /// Labels, by which policies find it: at most [`LABELS_MAX`].
    pub labels: BTreeSet<Label>,
}

/// The most labels of one agent.
pub const LABELS_MAX: usize = 32;

/// How a provider names a run or task: a kind and a key within the kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionName {
    /// `task`, `chat`, `support_ticket`.
    pub kind: SessionKind,
    /// The provider's key, unique within the kind.
    pub key: SessionKey,
}

/// One run or task of an agent. It comes into being when an allocation first names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Our id.
    pub id: SessionId,
    /// The agent that runs it.
    pub agent: AgentId,
    /// The provider's name for it, unique per agent.
    pub name: SessionName,
}
