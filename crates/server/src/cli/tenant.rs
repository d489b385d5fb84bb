//! For whom a command acts: a tenant and one of its environments.

use almoner_app::{App, image_shop, tenants};
use almoner_domain::caller::Caller;
use almoner_domain::tenant::Environment;
use almoner_domain::text::ExternalId;
use anyhow::{Context, bail};
use clap::Args;

/// Flags of commands that act for a tenant.
#[derive(Debug, Args)]
pub(super) struct TenantArgs {
    /// The tenant's external id, such as image-shop; by default the only one there is, or the example's
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
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
        let id = match &self.tenant {
            Some(text) => ExternalId::parse(text).context("--tenant")?,
            None => unnamed(app).await?,
        };
        let caller = tenants::act_for(&Caller::INSTALLATION, app, &id, self.environment).await?;
        caller.with_context(|| format!("there is no tenant \"{id}\" in this database"))
    }
}

/// The tenant that is meant where none is named.
async fn unnamed(app: &App) -> anyhow::Result<ExternalId> {
    let all: Vec<ExternalId> =
        tenants::list(&Caller::INSTALLATION, app).await?.into_iter().map(|tenant| tenant.external_id).collect();
    match &all[..] {
        [] => bail!("there is no tenant in this database; `almoner seed` makes an example"),
        [only] => Ok(only.clone()),
        several => match several.iter().find(|id| id.as_str() == image_shop::TENANT) {
            Some(example) => Ok(example.clone()),
            None => {
                let names: Vec<&str> = several.iter().map(ExternalId::as_str).collect();
                bail!("name the tenant with --tenant; there are {}", names.join(", "))
            }
        },
    }
}
