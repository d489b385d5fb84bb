//! Who may do what: the one place where a caller becomes a realm to work in.

use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::tenant::Realm;
use thiserror::Error;

/// The caller's credential is not of the kind that this needs. It says nothing about what exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Forbidden {
    /// Only whoever has the machine may.
    #[error("only the installation's own command line may do this")]
    NeedsInstallation,
    /// Only the tenant's staff and programs may.
    #[error("this needs an operator key of the tenant")]
    NeedsOperator,
}

/// Why something could not be looked up. What is not there, or not the caller's to see, is `None` instead.
#[derive(Debug, Error)]
pub enum FindError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The realm that the caller administers.
pub(crate) fn operator(caller: &Caller) -> Result<Realm, Forbidden> {
    caller.administers().ok_or(Forbidden::NeedsOperator)
}

/// The caller has the machine.
pub(crate) fn installation(caller: &Caller) -> Result<(), Forbidden> {
    match caller {
        Caller::Installation => Ok(()),
        Caller::Operator { .. } | Caller::Gate { .. } => Err(Forbidden::NeedsInstallation),
    }
}
