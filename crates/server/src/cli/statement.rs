//! `almoner statement`: what a customer's quotas came to, and which agents spent it.

use super::out::{self, Output, say};
use super::tenant::TenantArgs;
use super::{Common, Done, table};
use crate::wiring;
use almoner_app::statements::{self, AgentUse, CustomerStatement, FeatureStatement, Sources};
use almoner_domain::account::Pocket;
use almoner_domain::id::CustomerId;
use almoner_domain::ports::QuotaWindow;
use almoner_domain::text::Named;
use almoner_domain::units::Units;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Arguments of `statement`.
#[derive(Debug, Args)]
pub(super) struct StatementArgs {
    #[command(flatten)]
    tenant: TenantArgs,
    /// Whose: our id or the provider's, such as acme-shop
    #[arg(long, value_name = "ID", value_parser = customer)]
    customer: Named<CustomerId>,
    /// Which usage period of each quota
    #[arg(long, value_enum, default_value_t = Period::Current)]
    period: Period,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Period {
    /// The one that runs
    Current,
    /// The one before it
    Last,
}

fn customer(text: &str) -> Result<Named<CustomerId>, String> {
    Named::parse(text).map_err(|error| error.to_string())
}

pub(super) fn run(common: &Common, args: StatementArgs) -> Done {
    let loaded = common.load(&[])?.quiet();
    let (json, period) = (args.output.json, args.period);
    let statement = loaded.run(async |settings| {
        let store = wiring::store(settings).await?;
        let app = wiring::app(store.clone());
        let caller = args.tenant.caller(&app).await?;
        let sources = Sources { lists: &store, usage: &store, lookup: &store, directory: &store };
        let which = match period {
            Period::Current => QuotaWindow::Current,
            Period::Last => QuotaWindow::Last,
        };
        Ok(statements::of(&caller, &app, sources, &args.customer, which).await?)
    })?;
    if json {
        say!("{:#}", object(&statement, period));
    } else {
        out::text(&text(&statement, period));
    }
    Ok(ExitCode::SUCCESS)
}

fn word(period: Period) -> &'static str {
    match period {
        Period::Current => "current",
        Period::Last => "last",
    }
}

/// Where units stand, in the order in which they are told.
const POCKETS: [Pocket; 6] = [Pocket::Used, Pocket::Free, Pocket::Carved, Pocket::Held, Pocket::Leased, Pocket::Lapsed];

/// Where units of a quota stand, in words.
fn stands(pocket: Pocket) -> &'static str {
    match pocket {
        Pocket::Used => "spent straight from the quota",
        Pocket::Free => "free",
        Pocket::Carved => "in shares and allocations",
        Pocket::Held => "set aside",
        Pocket::Leased => "with gates",
        Pocket::Lapsed => "lapsed",
    }
}

fn object(statement: &CustomerStatement, period: Period) -> Value {
    let quota = |quota: &FeatureStatement| {
        let (scale, line, window) = (quota.feature.scale(), &quota.quota.line, &quota.quota.window);
        let agent = |used: &AgentUse| {
            json!({
                "agent": used.agent.as_ref().map(|agent| agent.external_id.as_str()),
                "units": used.units.display(scale),
                "calls": used.calls,
                "denied": used.denied,
            })
        };
        let mut object = json!({
            "feature": quota.feature.key.as_str(),
            "start": window.start.to_string(),
            "end": window.end.map(|end| end.to_string()),
            "granted": line.balance.granted().display(scale),
            "spent": quota.spent.display(scale),
            "agents": quota.agents.iter().map(agent).collect::<Vec<_>>(),
        });
        for pocket in POCKETS {
            object[pocket.as_str()] = line.balance.get(pocket).display(scale).into();
        }
        object
    };
    let customer = &statement.customer;
    json!({
        "customer": { "id": customer.id.to_string(), "external_id": customer.external_id.as_str() },
        "period": word(period),
        "quotas": statement.quotas.iter().map(quota).collect::<Vec<_>>(),
    })
}

fn text(statement: &CustomerStatement, period: Period) -> String {
    let customer = &statement.customer;
    let mut text = format!("{} ({}), {} period\n", customer.name, customer.external_id, word(period));
    if statement.quotas.is_empty() {
        text.push_str("\nNothing was granted: there is no such period yet, or no subscription.\n");
        return text;
    }
    for quota in &statement.quotas {
        let (scale, line, window) = (quota.feature.scale(), &quota.quota.line, &quota.quota.window);
        let end = window.end.map_or_else(|| "it never ends".to_owned(), |end| end.to_string());
        text.push_str(&format!("\n{} ({})\n{} to {end}\n", quota.feature.name, quota.feature.key, window.start));
        let amount = |units: Units| units.display(scale);
        let granted = [["granted".to_owned(), amount(line.balance.granted())]];
        let spent = [["spent".to_owned(), amount(quota.spent)]];
        // What is nowhere is not told.
        let told = POCKETS.iter().filter(|pocket| !line.balance.get(**pocket).is_zero());
        let rows = told.map(|pocket| [format!("  {}", stands(*pocket)), amount(line.balance.get(*pocket))]);
        let rows: Vec<_> = granted.into_iter().chain(rows).chain(spent).collect();
        text.push_str(&table::render(["", ""], &rows));
        let row = |used: &AgentUse| {
            let agent = used.agent.as_ref().map_or("no agent", |agent| agent.external_id.as_str());
            [format!("  by {agent}"), amount(used.units), format!("{} calls, {} denied", used.calls, used.denied)]
        };
        text.push_str(&table::render(["", "", ""], &quota.agents.iter().map(row).collect::<Vec<_>>()));
    }
    text
}
