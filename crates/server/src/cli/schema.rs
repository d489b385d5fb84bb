//! `almoner schema`.

use super::Done;
use super::out::say;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    #[command(subcommand)]
    door: Door,
}

#[derive(Debug, Subcommand)]
enum Door {
    /// The gate's OpenAPI 3.1 document, as at GET /openapi.json.
    Openapi,
    /// The control plane's GraphQL schema, in GraphQL's own language.
    Graphql,
    /// The catalogue of webhook events: of each kind what it means, the JSON Schema of its body, and an example.
    Webhooks,
}

pub(super) fn run(args: &SchemaArgs) -> Done {
    match args.door {
        Door::Graphql => say!("{}", almoner_api::sdl().trim_end()),
        Door::Webhooks => say!("{}", almoner_worker::catalogue_document()),
        Door::Openapi => say!("{}", almoner_gate::openapi().trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}
