//! `almoner leases`: the one thing about leases that a person has to decide.

use super::out::say;
use super::tenant::TenantArgs;
use super::{Common, Done};
use crate::wiring;
use almoner_app::leases;
use almoner_domain::id::LeaseId;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Arguments of `leases`.
#[derive(Debug, Args)]
pub(super) struct LeasesArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Declare a lease in doubt as spent, because its gate and journal are lost for good. If that gate comes back after
    /// all, its settlement changes nothing any more.
    Forfeit {
        #[command(flatten)]
        tenant: TenantArgs,
        /// Its id, lea_...
        id: LeaseId,
    },
}

pub(super) fn run(common: &Common, args: LeasesArgs) -> Done {
    let loaded = common.load(&[])?.quiet();
    let Act::Forfeit { tenant, id } = args.act;
    loaded.run(async |settings| {
        let store = wiring::store(settings).await?;
        let app = wiring::app(store.clone());
        let caller = tenant.caller(&app).await?;
        leases::forfeit(&caller, &store, id).await?;
        say!("Forfeited {id}: its units count as used.");
        Ok(ExitCode::SUCCESS)
    })
}
