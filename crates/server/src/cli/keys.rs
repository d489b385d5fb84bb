//! `almoner keys`: who may call.

use super::out::{self, Output, say};
use super::tenant::TenantArgs;
use super::{Common, Done, table};
use crate::wiring;
use almoner_app::App;
use almoner_app::keys::{self, Issued, NewKey};
use almoner_domain::caller::Caller;
use almoner_domain::id::KeyId;
use almoner_domain::key::{ApiKey, KeyKind};
use almoner_domain::text::Name;
use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Arguments of `keys`.
#[derive(Debug, Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a key. It is printed this once and kept as a hash.
    Issue {
        #[command(flatten)]
        tenant: TenantArgs,
        /// gate, for servers in front of agents' calls, or operator, for staff
        #[arg(long, value_parser = kind)]
        kind: KeyKind,
        /// What people will call it
        #[arg(long, default_value = "command line")]
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// List keys, newest first.
    List {
        #[command(flatten)]
        tenant: TenantArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Revoke a key for good.
    Revoke {
        #[command(flatten)]
        tenant: TenantArgs,
        /// Its id, key_...
        id: KeyId,
    },
    /// Make the successor of a key. Both work until the old one is revoked, so that programs change over one by one.
    Rotate {
        #[command(flatten)]
        tenant: TenantArgs,
        /// The old one's id, key_...
        id: KeyId,
        #[command(flatten)]
        output: Output,
    },
}

fn kind(text: &str) -> Result<KeyKind, String> {
    match KeyKind::parse(text) {
        Some(KeyKind::Customer) => Err("customer keys are issued by the API (issueKey), to somebody".to_owned()),
        Some(kind) => Ok(kind),
        None => Err("expected gate or operator".to_owned()),
    }
}

pub(super) fn run(common: &Common, args: KeysArgs) -> Done {
    let loaded = common.load(&[])?.quiet();
    loaded.run(async |settings| {
        let app = wiring::app(wiring::store(settings).await?);
        match args.act {
            Act::Issue { tenant, kind, name, output } => {
                let name = Name::parse(&name).context("--name")?;
                let caller = tenant.caller(&app).await?;
                show(keys::issue(&caller, &app, NewKey { kind, holder: None, name }).await?, None, output);
            }
            Act::List { tenant, output } => list(&tenant.caller(&app).await?, &app, output).await?,
            Act::Revoke { tenant, id } => {
                keys::revoke(&tenant.caller(&app).await?, &app, id).await?;
                say!("Revoked {id}.");
            }
            Act::Rotate { tenant, id, output } => {
                show(keys::rotate(&tenant.caller(&app).await?, &app, id).await?, Some(id), output);
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn list(caller: &Caller, app: &App, output: Output) -> anyhow::Result<()> {
    let keys = keys::list(caller, app).await?;
    if output.json {
        say!("{:#}", Value::Array(keys.iter().map(object).collect()));
        return Ok(());
    }
    let state = |key: &ApiKey| key.revoked_at.map_or("valid".to_owned(), |at| format!("revoked {at}"));
    let row = |key: &ApiKey| {
        let (kind, name) = (key.kind.as_str().to_owned(), key.name.to_string());
        [key.id.to_string(), kind, name, key.hint.clone(), key.created_at.to_string(), state(key)]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    out::text(&table::render(["id", "kind", "name", "begins", "created", "state"], &rows));
    Ok(())
}

fn object(key: &ApiKey) -> Value {
    json!({
        "id": key.id.to_string(),
        "kind": key.kind.as_str(),
        "name": key.name.as_str(),
        "hint": key.hint,
        "created_at": key.created_at.to_string(),
        "revoked_at": key.revoked_at.map(|at| at.to_string()),
    })
}

fn show(issued: Issued, replaces: Option<KeyId>, output: Output) {
    let Issued { key, plain } = issued;
    let plain = plain.reveal();
    if output.json {
        let mut whole = object(&key);
        whole["key"] = plain.into();
        if let Some(old) = replaces {
            whole["replaces"] = old.to_string().into();
        }
        say!("{whole:#}");
        return;
    }
    say!("{plain}");
    say!("This is {}; it cannot be shown again.", key.id);
    if let Some(old) = replaces {
        say!("When nobody uses the old one any more: almoner keys revoke {old} with the same --tenant.");
    }
}
