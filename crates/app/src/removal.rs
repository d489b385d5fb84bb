//! Removing what was made by mistake. What is in use, or has a history, stays: a decision must always end in somebody.

use crate::authority::Forbidden;
use almoner_domain::fault::{Fault, FaultKind};
use thiserror::Error;

/// Why nothing was removed.
#[derive(Debug, Error)]
pub enum RemoveError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// There is none.
    #[error("there is no such thing")]
    NotFound,
    /// Something points to it.
    #[error("it is in use, or has a history, and stays")]
    InUse,
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What a store says of a removal, as a use case says it.
pub(crate) fn gone(removed: Result<bool, Fault>) -> Result<(), RemoveError> {
    match removed {
        Ok(true) => Ok(()),
        Ok(false) => Err(RemoveError::NotFound),
        Err(fault) if fault.kind == FaultKind::InUse => Err(RemoveError::InUse),
        Err(fault) => Err(fault.into()),
    }
}
