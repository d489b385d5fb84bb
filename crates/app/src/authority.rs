//! Who may do what: the one place where a caller becomes a realm to work in.

use almoner_domain::caller::{Caller, Who};
use almoner_domain::customer::Role;
use almoner_domain::fault::Fault;
use almoner_domain::id::{CustomerId, UserId};
use almoner_domain::principal::Principals;
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
    /// Only the tenant's staff, or who manages the customer's affairs, may.
    #[error("this needs an operator key, or a key of the customer's owner or admin")]
    NeedsManager,
    /// A gate's key looks at nothing here, and a viewer's changes nothing.
    #[error("this needs a key of somebody who may do it: {0}")]
    NeedsRole(&'static str),
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
    match caller.who {
        Who::Installation => Ok(()),
        Who::Operator { .. } | Who::Member { .. } | Who::Gate { .. } => Err(Forbidden::NeedsInstallation),
    }
}

/// How far a caller sees: what lies beyond does not exist for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All of the tenant's.
    Tenant,
    /// One customer's.
    Customer(CustomerId),
    /// One person's at a customer.
    User(CustomerId, UserId),
}

impl Reach {
    /// Does it reach what belongs to this customer as a whole?
    pub(crate) fn has_customer(self, customer: CustomerId) -> bool {
        match self {
            Self::Tenant => true,
            Self::Customer(own) | Self::User(own, _) => own == customer,
        }
    }

    /// Does it reach what belongs to this person?
    pub(crate) fn has_user(self, customer: CustomerId, user: UserId) -> bool {
        match self {
            Self::Tenant => true,
            Self::Customer(own) => own == customer,
            Self::User(own, self_) => own == customer && self_ == user,
        }
    }

    /// Does it reach what is done on behalf of these?
    pub(crate) fn has(self, whom: &Principals) -> bool {
        match self {
            Self::Tenant => true,
            Self::Customer(own) => own == whom.customer,
            Self::User(own, user) => own == whom.customer && whom.user == Some(user),
        }
    }

    /// The customer that it ends at, where it does.
    pub(crate) fn customer(self) -> Option<CustomerId> {
        match self {
            Self::Tenant => None,
            Self::Customer(own) | Self::User(own, _) => Some(own),
        }
    }

    /// The person that it ends at, where it does.
    pub(crate) fn user(self) -> Option<UserId> {
        match self {
            Self::Tenant | Self::Customer(_) => None,
            Self::User(_, user) => Some(user),
        }
    }
}

/// What the caller may look at. A member without a person to speak for would have a share of nobody's: it looks at nothing.
pub(crate) fn looks(caller: &Caller) -> Result<(Realm, Reach), Forbidden> {
    match caller.who {
        Who::Operator { realm, .. } => Ok((realm, Reach::Tenant)),
        Who::Member { realm, customer, user, role, .. } => match (role, user) {
            (Role::Owner | Role::Admin | Role::Viewer, _) => Ok((realm, Reach::Customer(customer))),
            (Role::Member, Some(user)) => Ok((realm, Reach::User(customer, user))),
            (Role::Member, None) => Err(Forbidden::NeedsRole("a member's key is a person's")),
        },
        Who::Gate { .. } => Err(Forbidden::NeedsRole("a gate's key opens the gate alone")),
        Who::Installation => Err(Forbidden::NeedsOperator),
    }
}

/// What the caller may carve from, and end.
pub(crate) fn allocates(caller: &Caller) -> Result<(Realm, Reach), Forbidden> {
    match caller.who {
        Who::Member { role: Role::Viewer, .. } => Err(Forbidden::NeedsRole("a viewer looks and changes nothing")),
        _ => looks(caller),
    }
}

/// Whose people, shares and keys the caller manages.
pub(crate) fn manages(caller: &Caller) -> Result<(Realm, Reach), Forbidden> {
    match caller.who {
        Who::Member { role: Role::Member | Role::Viewer, .. } => Err(Forbidden::NeedsManager),
        _ => looks(caller),
    }
}
