//! `almoner serve`.

use super::out::say;
use super::{Common, Done};
use clap::Args;
use std::process::ExitCode;

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// What this process plays: all, gate, api or worker [default: all]
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Where people reach the console, for the links in denials
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Refuse to start on an old schema instead of bringing it up to date
    #[arg(long)]
    no_migrate: bool,
}

pub(super) fn run(common: &Common, args: &ServeArgs) -> Done {
    let loaded = common.load(&[
        ("listen", args.listen.clone()),
        ("role", args.role.clone()),
        ("public_url", args.public_url.clone()),
        ("database.migrate", args.no_migrate.then(|| "false".to_owned())),
    ])?;
    loaded.run(async |settings| {
        crate::serve::run(settings, |address| say!("almoner is listening on http://{address}")).await
    })?;
    Ok(ExitCode::SUCCESS)
}
