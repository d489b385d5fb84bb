//! Is the database there, is its schema this program's, and do its books hold?

use super::Finding;
use crate::config::Settings;
use crate::{DataDir, wiring};
use almoner_domain::ports::Lookup;
use almoner_storage::SqlStore;

/// Broken equations shown; the rest is counted.
const SHOWN_MAX: usize = 10;

pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let embedded = DataDir::at(&settings.node.data_dir).database();
    if settings.database.url.is_none() && !embedded.exists() {
        let detail = format!("{} does not exist yet; serve, migrate and seed make it", embedded.display());
        return vec![Finding::note("database", detail)];
    }
    let store = match wiring::connect(settings).await {
        Ok(store) => store,
        Err(why) => return vec![Finding::fail("database", format!("{why:#}"))],
    };
    let mut findings = vec![match store.ping().await {
        Ok(()) => Finding::ok("database", "it answers"),
        Err(fault) => Finding::fail("database", told(&fault)),
    }];
    match store.pending_migrations().await {
        Ok(pending) if pending.is_empty() => {
            findings.push(Finding::ok("schema", "up to date"));
            findings.extend(books(&store).await);
        }
        Ok(pending) => {
            let detail = format!("{} is missing: run `almoner migrate`", pending.join(", "));
            findings.push(Finding::fail("schema", detail));
        }
        Err(fault) => findings.push(Finding::fail("schema", told(&fault))),
    }
    findings
}

async fn books(store: &SqlStore) -> Vec<Finding> {
    match store.check_books().await {
        Ok(broken) if broken.is_empty() => vec![Finding::ok("books", "every equation of the ledger holds")],
        Ok(broken) => {
            let mut findings: Vec<_> =
                broken.iter().take(SHOWN_MAX).map(|line| Finding::fail("books", line.clone())).collect();
            if broken.len() > SHOWN_MAX {
                findings.push(Finding::fail("books", format!("and {} more", broken.len() - SHOWN_MAX)));
            }
            findings
        }
        Err(fault) => vec![Finding::fail("books", told(&fault))],
    }
}

/// A fault with all its causes on one line.
fn told(fault: &almoner_domain::fault::Fault) -> String {
    let mut text = fault.to_string();
    let mut cause = std::error::Error::source(fault);
    while let Some(why) = cause {
        text.push_str(&format!(": {why}"));
        cause = why.source();
    }
    text
}
