//! `almoner demo`: the story that must always work, told to a running server by its GraphQL API and its gate.

mod client;
mod keyring;
mod pen;
mod story;

use super::{Common, Done};
use crate::wiring;
use almoner_app::keys::NewKey;
use almoner_app::{App, image_shop, keys, tenants};
use almoner_domain::caller::Caller;
use almoner_domain::id::KeyId;
use almoner_domain::key::KeyKind;
use almoner_domain::tenant::Environment;
use almoner_domain::text::{ExternalId, Name};
use anyhow::{Context, bail};
use clap::Args;
use client::Client;
use keyring::Keyring;
use pen::Pen;
use std::process::ExitCode;
use story::Story;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", env = "ALMONER_URL")]
    url: String,
    /// An operator key of the seeded image shop [default: one is made beside the data, and revoked at the end]
    #[arg(long, value_name = "KEY", env = "ALMONER_OPERATOR_KEY", hide_env_values = true)]
    operator_key: Option<String>,
    /// How many of the agent's workers call at once
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
}

pub(super) fn run(common: &Common, args: DemoArgs) -> Done {
    let loaded = common.load(&[])?.quiet();
    loaded.run(async |settings| {
        let minted = match &args.operator_key {
            Some(_) => None,
            None => Some(Minted::new(wiring::app(wiring::store(settings).await?)).await?),
        };
        let key = args.operator_key.clone().or_else(|| minted.as_ref().map(|m| m.plain.clone())).unwrap_or_default();
        let staff = Client::new(&args.url, &key)?;
        let played = tell(&staff, args.workers).await;
        if let Some(minted) = minted {
            minted.revoke().await?;
        }
        let wrong = played?;
        if wrong.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        bail!("the story does not hold: {}", wrong.join("; "));
    })
}

/// Tells the story with keys that are issued for it and revoked after it.
async fn tell(staff: &Client, workers: u16) -> anyhow::Result<Vec<String>> {
    let keyring = Keyring::issue(staff).await?;
    let played = Story::new(&keyring, Pen::for_stdout(), workers).play().await;
    keyring.revoke(staff).await?;
    played
}

/// A key made for one showing.
struct Minted {
    app: App,
    caller: Caller,
    id: KeyId,
    plain: String,
}

impl Minted {
    async fn new(app: App) -> anyhow::Result<Self> {
        let tenant = ExternalId::parse(image_shop::TENANT)?;
        let found = tenants::act_for(&Caller::INSTALLATION, &app, &tenant, Environment::Live).await?;
        let caller =
            found.with_context(|| format!("there is no {tenant} here: run `almoner seed image-shop` first"))?;
        let new = NewKey { kind: KeyKind::Operator, holder: None, name: Name::parse("demo")? };
        let issued = keys::issue(&caller, &app, new).await?;
        Ok(Self { app, caller, id: issued.key.id, plain: issued.plain.reveal() })
    }

    async fn revoke(self) -> anyhow::Result<()> {
        keys::revoke(&self.caller, &self.app, self.id).await.context("cannot revoke the demo's key")
    }
}
