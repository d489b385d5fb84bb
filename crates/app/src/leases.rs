//! Leases of gates that are lost for good.

use crate::authority::{self, Forbidden};
use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::id::LeaseId;
use almoner_domain::ports::Ledger;
use thiserror::Error;

/// Why a lease was not forfeited.
#[derive(Debug, Error)]
pub enum ForfeitError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such lease, or it is not in doubt.
    #[error("there is no lease {0} in doubt: only what a silent gate still holds can be forfeited")]
    NotInDoubt(LeaseId),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Declares a lease in doubt as spent, because its gate and its journal will not come back.
pub async fn forfeit(caller: &Caller, ledger: &dyn Ledger, id: LeaseId) -> Result<(), ForfeitError> {
    let realm = authority::operator(caller)?;
    if !ledger.forfeit(realm, id, &caller.author()).await? {
        return Err(ForfeitError::NotInDoubt(id));
    }
    tracing::warn!(%realm, lease = %id, "lease forfeited: its units count as used");
    Ok(())
}
