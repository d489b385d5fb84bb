//! Tenants: tool providers on this installation. Whoever has the machine makes them and acts for them.

use crate::app::{App, or_taken};
use crate::authority::{self, FindError, Forbidden};
use almoner_domain::caller::{Caller, Who};
use almoner_domain::fault::Fault;
use almoner_domain::tenant::{Environment, Realm, Tenant};
use almoner_domain::text::{ExternalId, Name};
use thiserror::Error;

/// A tenant to be.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// The operator's own name for it, unique on the installation.
    pub external_id: ExternalId,
    /// What people will call it.
    pub name: Name,
}

/// Why no tenant was created.
#[derive(Debug, Error)]
pub enum CreateTenantError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The name is taken.
    #[error("there is a tenant \"{0}\" already")]
    Taken(ExternalId),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Creates a tenant with both its environments.
pub async fn create(caller: &Caller, app: &App, new: NewTenant) -> Result<Tenant, CreateTenantError> {
    authority::installation(caller)?;
    let tenant = Tenant { id: app.new_id(), external_id: new.external_id, name: new.name };
    let mut register = app.store.installation().await?;
    register
        .add_tenant(&tenant)
        .await
        .map_err(|fault| or_taken(fault, || CreateTenantError::Taken(tenant.external_id.clone())))?;
    register.commit().await?;
    tracing::info!(tenant = %tenant.id, external_id = %tenant.external_id, "tenant created");
    Ok(tenant)
}

/// A tenant by the operator's name for it.
pub async fn find(caller: &Caller, app: &App, external_id: &ExternalId) -> Result<Option<Tenant>, FindError> {
    authority::installation(caller)?;
    Ok(app.store.installation().await?.tenant(external_id).await?)
}

/// All tenants, by external id.
pub async fn list(caller: &Caller, app: &App) -> Result<Vec<Tenant>, FindError> {
    authority::installation(caller)?;
    Ok(app.store.installation().await?.tenants().await?)
}

/// The caller that acts for a tenant in one of its environments; `None` where there is no such tenant.
pub async fn act_for(
    caller: &Caller,
    app: &App,
    external_id: &ExternalId,
    environment: Environment,
) -> Result<Option<Caller>, FindError> {
    let tenant = find(caller, app, external_id).await?;
    Ok(tenant.map(|tenant| operator_of(&tenant, environment)))
}

pub(crate) fn operator_of(tenant: &Tenant, environment: Environment) -> Caller {
    Caller::here(Who::Operator { realm: Realm { tenant: tenant.id, environment }, key: None })
}
