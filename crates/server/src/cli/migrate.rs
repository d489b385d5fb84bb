//! `almoner migrate`.

use super::out::say;
use super::{Common, Done};
use crate::wiring;
use anyhow::Context;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `migrate`.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// Print what is missing and change nothing; the status is 1 when something is
    #[arg(long)]
    check: bool,
}

pub(super) fn run(common: &Common, args: &MigrateArgs) -> Done {
    let loaded = common.load(&[])?.quiet();
    loaded.run(async |settings| {
        let store = wiring::connect(settings).await?;
        let pending = store.pending_migrations().await.context("cannot read the database's schema")?;
        if !args.check {
            // The queues' tables have versions of their own; making them again changes nothing.
            wiring::prepare_jobs(settings).await?;
        }
        if pending.is_empty() {
            say!("The schema is up to date.");
            return Ok(ExitCode::SUCCESS);
        }
        if args.check {
            pending.iter().for_each(|name| say!("missing {name}"));
            return Ok(ExitCode::FAILURE);
        }
        store.migrate().await.context("cannot bring the schema up to date")?;
        pending.iter().for_each(|name| say!("applied {name}"));
        Ok(ExitCode::SUCCESS)
    })
}
