//! Users: the people in a customer, and what they may do for it.

use crate::app::{App, or_taken};
use crate::audit::{Deed, sign};
use crate::authority::{self, FindError, Forbidden};
use crate::customers;
use crate::removal::{RemoveError, gone};
use almoner_domain::audit::Action;
use almoner_domain::caller::{Caller, Who};
use almoner_domain::customer::{Role, User};
use almoner_domain::fault::Fault;
use almoner_domain::id::{CustomerId, UserId};
use almoner_domain::ports::Customers;
use almoner_domain::text::{ExternalId, Name, Named};
use thiserror::Error;

/// A person to be added to a customer.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The customer.
    pub customer: Named<CustomerId>,
    /// The provider's own id of the person, unique in the customer.
    pub external_id: ExternalId,
    /// What people call them.
    pub name: Name,
    /// What they may do for the customer.
    pub role: Role,
}

/// Why no user was added.
#[derive(Debug, Error)]
pub enum AddUserError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// The id is taken.
    #[error("the customer has a user \"{0}\" already")]
    Taken(ExternalId),
    /// Only owners make owners.
    #[error("only an owner, or the tenant's staff, makes somebody an owner")]
    NotOwner,
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a role was not changed.
#[derive(Debug, Error)]
pub enum ChangeRoleError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// No such user.
    #[error("the customer has no such user")]
    UnknownUser,
    /// Only owners make and unmake owners.
    #[error("only an owner, or the tenant's staff, makes or unmakes an owner")]
    NotOwner,
    /// Somebody must own the customer's affairs.
    #[error("this is the customer's last owner; make somebody else an owner first")]
    LastOwner,
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Gives a user another role. It holds from their next request on.
pub async fn change_role(
    caller: &Caller,
    app: &App,
    customer: &Named<CustomerId>,
    name: &Named<UserId>,
    role: Role,
) -> Result<User, ChangeRoleError> {
    let (realm, reach) = authority::manages(caller)?;
    let mut work = app.store.begin(realm).await?;
    let customer = customers::named(work.customers(), customer).await?;
    let customer = customer.filter(|found| reach.has_customer(found.id)).ok_or(ChangeRoleError::UnknownCustomer)?;
    let user = named(work.customers(), customer.id, name).await?.ok_or(ChangeRoleError::UnknownUser)?;
    if user.role != role && (user.role == Role::Owner || role == Role::Owner) && !hands_on_ownership(caller) {
        return Err(ChangeRoleError::NotOwner);
    }
    if user.role == Role::Owner && role != Role::Owner && is_last_owner(work.customers(), &user).await? {
        return Err(ChangeRoleError::LastOwner);
    }
    if !work.customers().set_role(user.id, role).await? {
        return Err(ChangeRoleError::UnknownUser);
    }
    let note = format!("{} from {} to {}", user.external_id, user.role.as_str(), role.as_str());
    let deed = Deed { action: Action::ChangeRole, subject: &user.id, customer: Some(customer.id), note };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, user = %user.id, role = role.as_str(), "role changed");
    Ok(User { role, ..user })
}

/// Removes a user without a share, allocations and a history.
pub async fn remove(
    caller: &Caller,
    app: &App,
    customer: &Named<CustomerId>,
    name: &Named<UserId>,
) -> Result<(), RemoveError> {
    let (realm, reach) = authority::manages(caller)?;
    let mut work = app.store.begin(realm).await?;
    let customer = customers::named(work.customers(), customer).await?;
    let customer = customer.filter(|found| reach.has_customer(found.id)).ok_or(RemoveError::NotFound)?;
    let user = named(work.customers(), customer.id, name).await?.ok_or(RemoveError::NotFound)?;
    if user.role == Role::Owner && (!hands_on_ownership(caller) || is_last_owner(work.customers(), &user).await?) {
        return Err(RemoveError::InUse);
    }
    gone(work.customers().remove_user(user.id).await)?;
    let deed = Deed {
        action: Action::RemoveUser,
        subject: &user.id,
        customer: Some(customer.id),
        note: user.external_id.to_string(),
    };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, user = %user.id, "user removed");
    Ok(())
}

/// The tenant's staff, and a customer's owners.
fn hands_on_ownership(caller: &Caller) -> bool {
    matches!(caller.who, Who::Operator { .. } | Who::Member { role: Role::Owner, .. })
}

async fn is_last_owner(customers: &mut dyn Customers, owner: &User) -> Result<bool, Fault> {
    let others = customers.users(owner.customer).await?;
    Ok(!others.iter().any(|user| user.role == Role::Owner && user.id != owner.id))
}

/// Adds a user to a customer.
pub async fn add(caller: &Caller, app: &App, new: NewUser) -> Result<User, AddUserError> {
    let (realm, reach) = authority::manages(caller)?;
    let mut work = app.store.begin(realm).await?;
    let customer = customers::named(work.customers(), &new.customer).await?;
    let customer = customer.filter(|found| reach.has_customer(found.id)).ok_or(AddUserError::UnknownCustomer)?;
    if new.role == Role::Owner && !hands_on_ownership(caller) {
        return Err(AddUserError::NotOwner);
    }
    let user =
        User { id: app.new_id(), customer: customer.id, external_id: new.external_id, name: new.name, role: new.role };
    work.customers()
        .add_user(&user)
        .await
        .map_err(|fault| or_taken(fault, || AddUserError::Taken(user.external_id.clone())))?;
    let deed = Deed {
        action: Action::AddUser,
        subject: &user.id,
        customer: Some(customer.id),
        note: format!("{} as {}", user.external_id, user.role.as_str()),
    };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, user = %user.id, customer = %customer.id, role = user.role.as_str(), "user added");
    Ok(user)
}

/// A user of a customer, by our id or the provider's; `None` where there is no such customer or user.
pub async fn find(
    caller: &Caller,
    app: &App,
    customer: &Named<CustomerId>,
    name: &Named<UserId>,
) -> Result<Option<User>, FindError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    match customers::named(work.customers(), customer).await? {
        Some(customer) => Ok(named(work.customers(), customer.id, name).await?),
        None => Ok(None),
    }
}

/// Users of a customer, by external id; `None` where there is no such customer.
pub async fn list(caller: &Caller, app: &App, customer: &Named<CustomerId>) -> Result<Option<Vec<User>>, FindError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    match customers::named(work.customers(), customer).await? {
        Some(customer) => Ok(Some(work.customers().users(customer.id).await?)),
        None => Ok(None),
    }
}

/// A user is found only at their own customer, whichever way they are named.
pub(crate) async fn named(
    customers: &mut dyn Customers,
    customer: CustomerId,
    name: &Named<UserId>,
) -> Result<Option<User>, Fault> {
    let found = match name {
        Named::Id(id) => customers.user_by_id(*id).await?,
        Named::External(id) => customers.user(customer, id).await?,
    };
    Ok(found.filter(|user| user.customer == customer))
}
