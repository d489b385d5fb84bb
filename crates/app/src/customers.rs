//! Customers: the organisations that subscribe.

use crate::app::{App, or_taken};
use crate::audit::{Deed, sign};
use crate::authority::{self, FindError, Forbidden};
use crate::removal::{RemoveError, gone};
use almoner_domain::audit::Action;
use almoner_domain::caller::Caller;
use almoner_domain::customer::Customer;
use almoner_domain::fault::Fault;
use almoner_domain::id::CustomerId;
use almoner_domain::ports::Customers;
use almoner_domain::text::{ExternalId, Name, Named};
use thiserror::Error;

/// A customer to be.
#[derive(Debug, Clone)]
pub struct NewCustomer {
    /// The provider's own id.
    pub external_id: ExternalId,
    /// What people will call it.
    pub name: Name,
}

/// Why no customer was added.
#[derive(Debug, Error)]
pub enum AddCustomerError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The id is taken.
    #[error("there is a customer \"{0}\" already")]
    Taken(ExternalId),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Adds a customer.
pub async fn add(caller: &Caller, app: &App, new: NewCustomer) -> Result<Customer, AddCustomerError> {
    let realm = authority::operator(caller)?;
    let customer = Customer { id: app.new_id(), external_id: new.external_id, name: new.name };
    let mut work = app.store.begin(realm).await?;
    work.customers()
        .add(&customer)
        .await
        .map_err(|fault| or_taken(fault, || AddCustomerError::Taken(customer.external_id.clone())))?;
    let deed = Deed {
        action: Action::AddCustomer,
        subject: &customer.id,
        customer: Some(customer.id),
        note: customer.external_id.to_string(),
    };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, customer = %customer.id, "customer added");
    Ok(customer)
}

/// Removes a customer without people, subscriptions and a history.
pub async fn remove(caller: &Caller, app: &App, name: &Named<CustomerId>) -> Result<(), RemoveError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    let customer = named(work.customers(), name).await?.ok_or(RemoveError::NotFound)?;
    gone(work.customers().remove(customer.id).await)?;
    let deed = Deed {
        action: Action::RemoveCustomer,
        subject: &customer.id,
        customer: None,
        note: customer.external_id.to_string(),
    };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, customer = %customer.id, "customer removed");
    Ok(())
}

/// A customer by our id or the provider's.
pub async fn find(caller: &Caller, app: &App, name: &Named<CustomerId>) -> Result<Option<Customer>, FindError> {
    let (realm, reach) = authority::looks(caller)?;
    let found = named(app.store.begin(realm).await?.customers(), name).await?;
    Ok(found.filter(|customer| reach.has_customer(customer.id)))
}

pub(crate) async fn named(customers: &mut dyn Customers, name: &Named<CustomerId>) -> Result<Option<Customer>, Fault> {
    match name {
        Named::Id(id) => customers.by_id(*id).await,
        Named::External(id) => customers.by_external_id(id).await,
    }
}
