//! `almoner webhook`: where a tenant's systems hear of what happens.

use super::out::{self, Output, say};
use super::tenant::TenantArgs;
use super::{Common, Done, table};
use crate::{DataDir, wiring};
use almoner_app::App;
use almoner_app::webhooks::{self, NewEndpoint, Signed};
use almoner_domain::address::Callable;
use almoner_domain::caller::Caller;
use almoner_domain::happening::HappeningKind;
use almoner_domain::id::EndpointId;
use almoner_domain::text::Name;
use almoner_domain::webhook::{EndpointState, SignatureScheme, WebhookEndpoint, WebhookUrl};
use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Arguments of `webhook`.
#[derive(Debug, Args)]
pub(super) struct WebhookArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Add an endpoint. Its secret is printed this once and kept encrypted.
    Add {
        #[command(flatten)]
        tenant: TenantArgs,
        /// Where events are sent to, https://... or http://...
        #[arg(long)]
        url: String,
        /// What it is told of, such as allocation.exhausted,allocation.closed; by default all there is and will be
        #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = event)]
        events: Vec<HappeningKind>,
        /// What people will call it
        #[arg(long)]
        description: Option<String>,
        /// How it is signed: v1 (HMAC-SHA256, a secret that both sides have) or v1a (Ed25519, a public key)
        #[arg(long, default_value = "v1", value_parser = scheme)]
        signature: SignatureScheme,
        /// Let it be in a private network or on this machine
        #[arg(long)]
        allow_private: bool,
        #[command(flatten)]
        output: Output,
    },
    /// List endpoints, oldest first.
    List {
        #[command(flatten)]
        tenant: TenantArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Remove an endpoint. What is on its way there is given up.
    Remove {
        #[command(flatten)]
        tenant: TenantArgs,
        /// Its id, whe_...
        id: EndpointId,
    },
    /// Send webhook.test to an endpoint. A server that runs delivers it.
    Test {
        #[command(flatten)]
        tenant: TenantArgs,
        /// Its id, whe_...
        id: EndpointId,
        #[command(flatten)]
        output: Output,
    },
    /// Give an endpoint a new secret. For 24 hours both sign, so that receivers can change over.
    Rotate {
        #[command(flatten)]
        tenant: TenantArgs,
        /// Its id, whe_...
        id: EndpointId,
        #[command(flatten)]
        output: Output,
    },
}

fn event(text: &str) -> Result<HappeningKind, String> {
    HappeningKind::subscribable().find(|kind| kind.as_str() == text).ok_or_else(|| {
        let all: Vec<&str> = HappeningKind::subscribable().map(HappeningKind::as_str).collect();
        format!("expected one of {}", all.join(", "))
    })
}

fn scheme(text: &str) -> Result<SignatureScheme, String> {
    SignatureScheme::parse(text).ok_or_else(|| "expected v1 or v1a".to_owned())
}

pub(super) fn run(common: &Common, args: WebhookArgs) -> Done {
    let loaded = common.load(&[])?.quiet();
    loaded.run(async |settings| {
        let app = wiring::app(wiring::store(settings).await?);
        match args.act {
            Act::Add { tenant, url, events, description, signature, allow_private, output } => {
                let seal = wiring::seal(settings, &DataDir::open(&settings.node.data_dir)?)?;
                let callable = if allow_private { Callable::Any } else { Callable::Public };
                // Private addresses may be allowed to all tenants, too.
                let asked = if allow_private { callable } else { wiring::callable(settings) };
                let url = WebhookUrl::parse(&url, asked).context("--url")?;
                let description = description.as_deref().map(Name::parse).transpose().context("--description")?;
                let events = events.into_iter().collect();
                let new = NewEndpoint { url, description, events, scheme: signature, callable };
                show(webhooks::add(&tenant.caller(&app).await?, &app, &*seal, new).await?, output);
            }
            Act::List { tenant, output } => list(&tenant.caller(&app).await?, &app, output).await?,
            Act::Remove { tenant, id } => {
                webhooks::remove(&tenant.caller(&app).await?, &app, id).await?;
                say!("Removed {id}.");
            }
            Act::Test { tenant, id, output } => {
                let event = webhooks::test(&tenant.caller(&app).await?, &app, id).await?;
                if output.json {
                    say!("{:#}", json!({ "event_id": event.to_string() }));
                } else {
                    say!("{event}");
                    say!("A server that runs sends it within a moment.");
                }
            }
            Act::Rotate { tenant, id, output } => {
                let seal = wiring::seal(settings, &DataDir::open(&settings.node.data_dir)?)?;
                show(webhooks::rotate(&tenant.caller(&app).await?, &app, &*seal, id).await?, output);
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn list(caller: &Caller, app: &App, output: Output) -> anyhow::Result<()> {
    let endpoints = webhooks::all(caller, app).await?;
    if output.json {
        say!("{:#}", Value::Array(endpoints.iter().map(object).collect()));
        return Ok(());
    }
    let row = |endpoint: &WebhookEndpoint| {
        let state = match endpoint.state {
            EndpointState::Enabled => "enabled".to_owned(),
            EndpointState::Disabled(why, at) => format!("disabled {at} ({})", why.as_str()),
        };
        let events = match endpoint.events.len() {
            0 => "all".to_owned(),
            some => some.to_string(),
        };
        let scheme = endpoint.scheme.as_str().to_owned();
        [endpoint.id.to_string(), endpoint.url.as_str().to_owned(), events, scheme, state]
    };
    let rows: Vec<_> = endpoints.iter().map(row).collect();
    out::text(&table::render(["id", "url", "events", "signature", "state"], &rows));
    Ok(())
}

fn object(endpoint: &WebhookEndpoint) -> Value {
    let disabled = match endpoint.state {
        EndpointState::Enabled => None,
        EndpointState::Disabled(why, at) => Some((why, at)),
    };
    json!({
        "id": endpoint.id.to_string(),
        "url": endpoint.url.as_str(),
        "description": endpoint.description.as_ref().map(Name::as_str),
        "events": endpoint.events.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "signature": endpoint.scheme.as_str(),
        "public_key": endpoint.public_key.map(|key| key.reveal()),
        "allow_private": endpoint.callable == Callable::Any,
        "disabled_at": disabled.map(|(_, at)| at.to_string()),
        "disabled_reason": disabled.map(|(why, _)| why.as_str()),
        "created_at": endpoint.created_at.to_string(),
    })
}

fn show(signed: Signed, output: Output) {
    let Signed { endpoint, secret } = signed;
    let secret = secret.map(|secret| secret.reveal());
    if output.json {
        let mut whole = object(&endpoint);
        whole["secret"] = secret.into();
        say!("{whole:#}");
        return;
    }
    say!("{}", endpoint.id);
    match (secret, endpoint.public_key) {
        (Some(secret), _) => {
            say!("{secret}");
            say!("The receiver verifies by this secret; it cannot be shown again.");
        }
        (None, Some(key)) => {
            say!("{}", key.reveal());
            say!("The receiver verifies by this public key, which is no secret.");
        }
        (None, None) => {}
    }
}
