//! Which adapter stands behind which port: the one file that knows.

use crate::config::{Gate as GateSettings, Settings};
use crate::{DataDir, OsEntropy, SystemClock};
use almoner_app::{App, Desk};
use almoner_domain::entropy::Entropy;
use almoner_domain::time::Clock;
use almoner_gate::journal::FolderDisk;
use almoner_gate::{Gate, GateConfig, GateParts};
use almoner_storage::{SqlStore, StoreOptions};
use anyhow::{Context, bail};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;

/// The machine's clock.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// The machine's chance.
pub(crate) fn entropy() -> Arc<dyn Entropy> {
    Arc::new(OsEntropy)
}

/// Connects to the database, as it is.
pub(crate) async fn connect(settings: &Settings) -> anyhow::Result<SqlStore> {
    let options = StoreOptions { connections_max: settings.database.connections_max, ..StoreOptions::default() };
    let embedded;
    let url = match &settings.database.url {
        Some(url) => url.0.expose_secret(),
        None => {
            embedded = DataDir::open(&settings.node.data_dir)?.database_url()?;
            &embedded
        }
    };
    SqlStore::connect(url, clock(), entropy(), options).await.context("cannot connect to the database")
}

/// Connects to the database and brings its schema up to date, or refuses where that is not wanted.
pub(crate) async fn store(settings: &Settings) -> anyhow::Result<SqlStore> {
    let store = connect(settings).await?;
    if settings.database.migrate {
        store.migrate().await.context("cannot bring the database's schema up to date")?;
    } else {
        let pending = store.pending_migrations().await.context("cannot read the database's schema")?;
        if !pending.is_empty() {
            bail!("the database lacks {}: run `almoner migrate` first", pending.join(", "));
        }
    }
    Ok(store)
}

/// The control plane over a store.
pub(crate) fn app(store: SqlStore) -> App {
    App { store: Arc::new(store), clock: clock(), entropy: entropy() }
}

/// What people work with at the control plane, beside the gate that runs here.
pub(crate) fn desk(store: SqlStore, gate: Arc<Gate>) -> Desk {
    let all = Arc::new(store.clone());
    Desk { app: app(store), ledger: all.clone(), lookup: all.clone(), directory: all, gates: gate }
}

/// Starts the gate over a store.
pub(crate) async fn gate(settings: &Settings, dir: &DataDir, store: SqlStore) -> anyhow::Result<Arc<Gate>> {
    let node = dir.node(&*clock(), &*entropy())?;
    let journal = dir.journal();
    let disk = FolderDisk::open(&journal)
        .with_context(|| format!("cannot open the journal {} (does another process serve it?)", journal.display()))?;
    let store = Arc::new(store);
    let parts = GateParts {
        ledger: store.clone(),
        lookup: store,
        clock: clock(),
        entropy: entropy(),
        disk: Arc::new(disk),
        node,
        config: gate_config(&settings.gate, settings.node.public_url.as_ref().map(|url| url.0.clone())),
    };
    Gate::start(parts).await.context("cannot start the gate")
}

/// The gate's limits as configured.
fn gate_config(settings: &GateSettings, public_url: Option<String>) -> GateConfig {
    GateConfig {
        public_url,
        flush_interval: Duration::from_millis(settings.flush_interval_ms),
        flush_decisions_max: settings.flush_decisions_max,
        backlog_max: settings.backlog_max,
        backlog_calm: settings.backlog_calm,
        handles_max: settings.handles_max,
        idempotency_keys_max: settings.idempotency_keys_max,
        credential_ttl: Duration::from_millis(settings.credential_ttl_ms),
        feed_interval: Duration::from_millis(settings.feed_interval_ms),
        sweep_interval: Duration::from_millis(settings.sweep_interval_ms),
        lease_patience: Duration::from_millis(settings.lease_patience_ms),
        recall_patience: Duration::from_millis(settings.recall_patience_ms),
        mark_parts: i64::try_from(settings.mark_parts).unwrap_or(i64::MAX),
        calls_max: settings.calls_max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;
    use std::collections::BTreeMap;

    #[test]
    fn defaults_are_the_gates_own() {
        let settings = Settings::read(&Layers::gather(None, &BTreeMap::new(), &[]).unwrap()).unwrap();
        let ours = gate_config(&settings.gate, None);
        assert_eq!(format!("{ours:?}"), format!("{:?}", GateConfig::default()));
    }
}
