//! Which adapter stands behind which port: the one file that knows.

use crate::config::{Gate as GateSettings, SealKey, Settings};
use crate::seal::AesSeal;
use crate::{DataDir, OsEntropy, SystemClock};
use almoner_app::{App, Desk};
use almoner_domain::address::Callable;
use almoner_domain::delivery::Retries;
use almoner_domain::entropy::Entropy;
use almoner_domain::guard::Guarded;
use almoner_domain::id::{AccountId, AllocationId};
use almoner_domain::ports::{Gates, Retention, Seal};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Clock;
use almoner_gate::journal::FolderDisk;
use almoner_gate::{Gate, GateConfig, GateParts};
use almoner_storage::{SqlStore, StoreOptions};
use almoner_worker::{Jobs, JobsConfig, Runner, RunnerParts, WebhookConfig, WebhookParts, webhooks};
use anyhow::{Context, bail};
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
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
    let url = match &settings.database.url {
        Some(url) => url.0.clone(),
        None => DataDir::open(&settings.node.data_dir)?.database_url()?.into(),
    };
    SqlStore::connect(url.expose_secret(), clock(), entropy(), options).await.context("cannot connect to the database")
}

/// Where the database is that this process has open.
fn open_database_url(settings: &Settings) -> anyhow::Result<SecretString> {
    Ok(match &settings.database.url {
        Some(url) => url.0.clone(),
        None => DataDir::at(&settings.node.data_dir).open_database_url()?.into(),
    })
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
pub(crate) fn desk(
    settings: &Settings,
    dir: &DataDir,
    store: SqlStore,
    jobs: Jobs,
    gate: Option<Arc<Gate>>,
) -> anyhow::Result<Desk> {
    let all = Arc::new(store.clone());
    Ok(Desk {
        app: app(store),
        ledger: all.clone(),
        treasury: all.clone(),
        plan_changes: all.clone(),
        lookup: all.clone(),
        directory: all.clone(),
        lists: all.clone(),
        schedules: all.clone(),
        usage: all.clone(),
        deliveries: all,
        events: almoner_worker::catalogue().into(),
        seal: seal(settings, dir)?,
        callable: callable(settings),
        gates: match gate {
            Some(gate) => gate,
            None => Arc::new(NoGate),
        },
        queues: Arc::new(jobs),
    })
}

/// The gate that is not here. Those elsewhere hear of everything by recalls and the change feed.
struct NoGate;

#[async_trait]
impl Gates for NoGate {
    async fn give_back(&self, _: AccountId) -> bool {
        false
    }

    async fn tell(&self, _: &[AccountId]) {}

    async fn ended(&self, _: Realm, _: AllocationId) {}

    async fn guard_changed(&self, _: Realm, _: Guarded) {}
}

/// What keeps secrets that are read again, by the key that the settings name or the data folder holds.
pub(crate) fn seal(settings: &Settings, dir: &DataDir) -> anyhow::Result<Arc<dyn Seal>> {
    let key = match (&settings.secrets.seal_key, &settings.secrets.seal_key_file) {
        (Some(_), Some(_)) => bail!("secrets.seal_key and secrets.seal_key_file are both set; name the key once"),
        (Some(key), None) => key.clone(),
        (None, Some(path)) => SealKey::read_file(path)?,
        (None, None) => dir.seal_key(&*entropy())?,
    };
    Ok(Arc::new(AesSeal::new(key.bytes()).context("cannot use the key that secrets are sealed by")?))
}

/// Which addresses webhook endpoints may have.
pub(crate) fn callable(settings: &Settings) -> Callable {
    if settings.webhooks.allow_private { Callable::Any } else { Callable::Public }
}

/// Opens the runner's queues, and makes their tables unless that is left to `almoner migrate`.
pub(crate) async fn jobs(settings: &Settings) -> anyhow::Result<Jobs> {
    let config = JobsConfig {
        connections_max: settings.worker.connections_max,
        poll_interval: Duration::from_millis(settings.worker.poll_interval_ms),
        prepare: settings.database.migrate,
    };
    let url = open_database_url(settings)?;
    Jobs::open(url.expose_secret(), config).await.context("cannot open the runner's queues")
}

/// Makes or updates the tables of the runner's queues.
pub(crate) async fn prepare_jobs(settings: &Settings) -> anyhow::Result<()> {
    let config = JobsConfig { connections_max: 1, poll_interval: Duration::MAX, prepare: true };
    let jobs = Jobs::open(open_database_url(settings)?.expose_secret(), config).await;
    jobs.context("cannot make the tables of the runner's queues")?.close().await;
    Ok(())
}

/// Starts the runner over a store.
pub(crate) async fn runner(settings: &Settings, dir: &DataDir, store: SqlStore, jobs: Jobs) -> anyhow::Result<Runner> {
    let worker = &settings.worker;
    let store = Arc::new(store);
    let (pump, line) = webhooks(WebhookParts {
        deliveries: store.clone(),
        seal: seal(settings, dir)?,
        clock: clock(),
        entropy: entropy(),
        jobs: jobs.clone(),
        config: webhook_config(settings),
    })
    .context("cannot make the client that webhooks are sent by")?;
    let parts = RunnerParts {
        ledger: store.clone(),
        pruning: store.clone(),
        schedules: store,
        jobs,
        clock: clock(),
        entropy: entropy(),
        concurrency: worker.concurrency,
        sweep_interval: Duration::from_millis(worker.sweep_interval_ms),
        keep: Retention {
            changes: worker.changes_kept,
            notices: Duration::from_secs(worker.outbox_retention_d * 24 * 3_600),
            decisions: worker.decisions_retention_d.0,
        },
        tasks_kept: Duration::from_secs(worker.tasks_retention_s),
        chores: vec![pump],
        lines: vec![line],
    };
    Runner::start(parts).await.context("cannot start the runner")
}

/// How webhooks are delivered, as configured.
fn webhook_config(settings: &Settings) -> WebhookConfig {
    WebhookConfig {
        callable: callable(settings),
        interval: Duration::from_millis(settings.webhooks.interval_ms),
        timeout: Duration::from_millis(settings.webhooks.timeout_ms),
        retries: Retries { first: Duration::from_millis(settings.webhooks.retry_first_ms) },
    }
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
        assert_eq!(webhook_config(&settings).retries.first, almoner_domain::delivery::PAUSE_FIRST);
        let ours = gate_config(&settings.gate, None);
        assert_eq!(format!("{ours:?}"), format!("{:?}", GateConfig::default()));
    }
}
