//! Customers: the organisations that subscribe.

use crate::app::{App, or_taken};
use crate::authority::{self, FindError, Forbidden};
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
    work.commit().await?;
    tracing::info!(%realm, customer = %customer.id, "customer added");
    Ok(customer)
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
