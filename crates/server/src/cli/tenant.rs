//! For whom a command acts: a tenant and one of its environments.

use almoner_app::{App, tenants};
use almoner_domain::caller::Caller;
use almoner_domain::tenant::Environment;
use almoner_domain::text::ExternalId;
use anyhow::Context;
use clap::Args;

/// Flags of commands that act for a tenant.
#[derive(Debug, Args)]
pub(super) struct TenantArgs {
    /// The tenant's external id, such as image-shop
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// live or test
    #[arg(long, default_value = "live", value_parser = environment)]
    environment: Environment,
}

fn environment(text: &str) -> Result<Environment, String> {
    Environment::parse(text).ok_or_else(|| "expected live or test".to_owned())
}

impl TenantArgs {
    /// The caller that acts for the tenant.
    pub(super) async fn caller(&self, app: &App) -> anyhow::Result<Caller> {
        let id = ExternalId::parse(&self.tenant).context("--tenant")?;
        let caller = tenants::act_for(&Caller::INSTALLATION, app, &id, self.environment).await?;
        caller.with_context(|| format!("there is no tenant \"{id}\" in this database"))
    }
}
