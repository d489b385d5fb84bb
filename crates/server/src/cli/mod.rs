//! The command line: what may be typed, and which file does it.

mod calendar;
mod config;
mod demo;
mod doctor;
mod keys;
mod leases;
mod load;
mod migrate;
mod out;
mod schema;
mod seed;
mod serve;
mod statement;
mod table;
mod tenant;
mod webhook;

use clap::{Parser, Subcommand};
use load::{Common, Loaded};
use std::process::ExitCode;

/// The entitlement layer for AI agents: how much may you consume, of what, for which task, until when, on whose behalf.
#[derive(Debug, Parser)]
#[command(name = "almoner", version, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT: every part, or one of them.
    Serve(serve::ServeArgs),
    /// Bring the database's schema up to date.
    Migrate(migrate::MigrateArgs),
    /// Make an example: two tool providers with plans, customers, people, agents and fresh keys.
    Seed(seed::SeedArgs),
    /// Play the story of the image shop against a running server.
    Demo(demo::DemoArgs),
    /// Look whether everything is in order here, or whether a running server is.
    Doctor(doctor::DoctorArgs),
    /// Issue, list, revoke and rotate API keys.
    Keys(keys::KeysArgs),
    /// Where a tenant's systems hear of what happens: add, list, remove, test and rotate.
    Webhook(webhook::WebhookArgs),
    /// What to do about units that a lost gate had in memory.
    Leases(leases::LeasesArgs),
    /// Print the usage periods that a subscription would have.
    Calendar(calendar::CalendarArgs),
    /// Print what a customer's quotas came to in a usage period, and which agents spent it.
    Statement(statement::StatementArgs),
    /// Show, explain and check the configuration.
    Config(config::ConfigArgs),
    /// Print the descriptions of the doors.
    Schema(schema::SchemaArgs),
}

/// What a command comes to.
type Done = anyhow::Result<ExitCode>;

/// The status for a wrong command line or configuration, as clap has it.
const MISUSED: u8 = 2;

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    // Whatever this process writes is its owner's alone, the journal's and the database's files included.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let Cli { common, command } = Cli::parse();
    match run(&common, command) {
        Ok(code) => code,
        Err(error) => complain(&error),
    }
}

fn run(common: &Common, command: Command) -> Done {
    match command {
        Command::Serve(args) => serve::run(common, &args),
        Command::Migrate(args) => migrate::run(common, &args),
        Command::Seed(args) => seed::run(common, &args),
        Command::Demo(args) => demo::run(common, args),
        Command::Doctor(args) => doctor::run(common, &args),
        Command::Keys(args) => keys::run(common, args),
        Command::Webhook(args) => webhook::run(common, args),
        Command::Leases(args) => leases::run(common, args),
        Command::Calendar(args) => calendar::run(&args),
        Command::Statement(args) => statement::run(common, args),
        Command::Config(args) => config::run(common, &args),
        Command::Schema(args) => schema::run(&args),
    }
}

#[expect(clippy::print_stderr, reason = "the command line's last word")]
fn complain(error: &anyhow::Error) -> ExitCode {
    eprintln!("almoner: {error:#}");
    let misused = error.chain().any(|cause| cause.is::<crate::config::ConfigError>());
    if misused { ExitCode::from(MISUSED) } else { ExitCode::FAILURE }
}
