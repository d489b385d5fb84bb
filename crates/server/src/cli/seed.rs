//! `almoner seed`: an example to try things on.

use super::out;
use super::out::say;
use super::{Common, Done, table};
use crate::wiring;
use almoner_app::image_shop::{self, Seeded, Shop};
use almoner_domain::caller::Caller;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// Two seedings at once can meet at a name; whoever comes second finds it there.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Arguments of `seed`.
#[derive(Debug, Args)]
pub(super) struct SeedArgs {
    #[command(subcommand)]
    example: Example,
}

#[derive(Debug, Subcommand)]
enum Example {
    /// A company that sells image processing, and another one to be isolated from. Seeding again changes nothing and
    /// issues fresh keys, because earlier ones cannot be shown again; they stay valid.
    ImageShop {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(common: &Common, args: &SeedArgs) -> Done {
    let loaded = common.load(&[])?.quiet();
    let Example::ImageShop { json } = args.example;
    let seeded = loaded.run(async |settings| {
        let app = wiring::app(wiring::store(settings).await?);
        let mut attempt = 1;
        loop {
            match image_shop::seed(&Caller::INSTALLATION, &app).await {
                Ok(seeded) => return Ok(seeded),
                Err(why) if attempt < ATTEMPTS => tracing::info!(%why, attempt, "seeding again"),
                Err(why) => return Err(why.into()),
            }
            attempt += 1;
            tokio::time::sleep(PAUSE).await;
        }
    })?;
    if json {
        say!("{:#}", object(seeded));
    } else {
        out::text(&text(seeded));
    }
    Ok(ExitCode::SUCCESS)
}

fn object(seeded: Seeded) -> Value {
    let mut whole = shop(seeded.shop);
    whole["other_tenant"] = shop(seeded.other);
    whole
}

fn shop(shop: Shop) -> Value {
    let customer = |id| shop.customers.iter().find(|c| c.id == id).map(|c| c.external_id.as_str());
    let users: Vec<Value> = shop
        .users
        .iter()
        .map(|u| {
            let (id, name) = (u.id.to_string(), u.external_id.as_str());
            json!({ "id": id, "external_id": name, "customer": customer(u.customer), "role": u.role.as_str() })
        })
        .collect();
    json!({
        "tenant": named(&shop.tenant.id, shop.tenant.external_id.as_str()),
        "operator_key": shop.operator_key.reveal(),
        "gate_key": shop.gate_key.reveal(),
        "customers": shop.customers.iter().map(|c| named(&c.id, c.external_id.as_str())).collect::<Vec<_>>(),
        "users": users,
        "agents": shop.agents.iter().map(|a| named(&a.id, a.external_id.as_str())).collect::<Vec<_>>(),
        "features": shop.features.iter().map(|f| named(&f.id, f.key.as_str())).collect::<Vec<_>>(),
        "policies": shop.policies.iter().map(|p| named(&p.id, p.external_id.as_str())).collect::<Vec<_>>(),
    })
}

fn named(id: &impl std::fmt::Display, external_id: &str) -> Value {
    json!({ "id": id.to_string(), "external_id": external_id })
}

fn text(seeded: Seeded) -> String {
    let mut text = String::new();
    for shop in [seeded.shop, seeded.other] {
        let mut rows = vec![["tenant".to_owned(), shop.tenant.external_id.to_string(), shop.tenant.id.to_string()]];
        rows.extend(shop.customers.iter().map(|c| row("customer", &c.external_id, &c.id)));
        rows.extend(shop.users.iter().map(|u| row("user", &u.external_id, &u.id)));
        rows.extend(shop.agents.iter().map(|a| row("agent", &a.external_id, &a.id)));
        rows.extend(shop.features.iter().map(|f| row("feature", &f.key, &f.id)));
        rows.extend(shop.policies.iter().map(|p| row("policy", &p.external_id, &p.id)));
        rows.push(row("operator key", &shop.operator_key.reveal(), &"shown once"));
        rows.push(row("gate key", &shop.gate_key.reveal(), &"shown once"));
        text.push_str(&table::render(["", "name", "id"], &rows));
        text.push('\n');
    }
    text
}

fn row(noun: &str, name: &impl ToString, id: &impl ToString) -> [String; 3] {
    [noun.to_owned(), name.to_string(), id.to_string()]
}
