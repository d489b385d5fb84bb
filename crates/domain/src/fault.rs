//! Faults: what went wrong that nobody who asked could have helped.

use thiserror::Error;

/// A port could not do its work. The operation is named; the cause is the source; it is logged once, where it is handled.
#[derive(Debug, Error)]
#[error("{operation}: {kind}")]
pub struct Fault {
    /// What was being done.
    pub operation: &'static str,
    /// What kind of trouble.
    pub kind: FaultKind,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The store cannot be reached or is too busy; the same request may succeed later. The outcome may be unknown:
    /// retry with the same ids.
    Unavailable,
    /// Two transactions collided and one was undone; retry.
    Conflict,
    /// Something already there is in the way (a unique name).
    Exists,
    /// Something else points to what was to be removed.
    InUse,
    /// The store holds what it must not hold, or a law of the ledger would be broken. Retrying does not help.
    Broken,
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "the store is unavailable",
            Self::Conflict => "two transactions collided",
            Self::Exists => "it exists already",
            Self::InUse => "it is in use",
            Self::Broken => "the store is inconsistent",
        })
    }
}

impl Fault {
    /// A fault with its cause.
    pub fn new(
        operation: &'static str,
        kind: FaultKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { operation, kind, source: Some(source.into()) }
    }

    /// May the same request succeed later?
    pub fn is_passing(&self) -> bool {
        matches!(self.kind, FaultKind::Unavailable | FaultKind::Conflict)
    }
}
