//! Users: the people in a customer, and what they may do for it.

use crate::app::{App, or_taken};
use crate::authority::{self, FindError, Forbidden};
use crate::customers;
use almoner_domain::caller::Caller;
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
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Adds a user to a customer.
pub async fn add(caller: &Caller, app: &App, new: NewUser) -> Result<User, AddUserError> {
    let (realm, reach) = authority::manages(caller)?;
    let mut work = app.store.begin(realm).await?;
    let customer = customers::named(work.customers(), &new.customer).await?;
    let customer = customer.filter(|found| reach.has_customer(found.id)).ok_or(AddUserError::UnknownCustomer)?;
    let user =
        User { id: app.new_id(), customer: customer.id, external_id: new.external_id, name: new.name, role: new.role };
    work.customers()
        .add_user(&user)
        .await
        .map_err(|fault| or_taken(fault, || AddUserError::Taken(user.external_id.clone())))?;
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
