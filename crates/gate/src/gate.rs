//! The gate: its parts, its start and its stop.

use crate::answered::Answered;
use crate::catalogue::Catalogue;
use crate::config::GateConfig;
use crate::courier::{Courier, Rounds};
use crate::credential::{Credential, Credentials};
use crate::guard::Guards;
use crate::handle::Handles;
use crate::holds::Holds;
use crate::journal::{Disk, Journal, JournalError, JournalOptions};
use crate::metrics::Metrics;
use crate::purse::Purses;
use crate::record::Record;
use crate::recover::{self, RecoveryError};
use crate::scribe::{NotWritten, Scribe};
use crate::session::Sessions;
use almoner_domain::entropy::Entropy;
use almoner_domain::fault::Fault;
use almoner_domain::id::NodeId;
use almoner_domain::lease::Incarnation;
use almoner_domain::ports::{Ledger, Lookup};
use almoner_domain::time::Clock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What a gate is made of.
pub struct GateParts {
    /// The ledger that it leases from.
    pub ledger: Arc<dyn Ledger>,
    /// What it reads.
    pub lookup: Arc<dyn Lookup>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// The folder of its journal.
    pub disk: Arc<dyn Disk>,
    /// Who it is, the same over restarts on the same folder.
    pub node: NodeId,
    /// Its limits.
    pub config: GateConfig,
}

/// Why a gate does not start.
#[derive(Debug, Error)]
pub enum GateError {
    /// The store cannot be reached.
    #[error("the store cannot be reached")]
    Store(#[from] Fault),
    /// The journal cannot be opened.
    #[error("the journal cannot be opened")]
    Journal(#[from] JournalError),
    /// What the journal says cannot be followed.
    #[error("the journal cannot be recovered")]
    Recovery(#[from] RecoveryError),
    /// The journal takes no records.
    #[error("the journal takes no records")]
    Write(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// The data plane in one process.
pub struct Gate {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) config: GateConfig,
    pub(crate) life: Incarnation,
    pub(crate) scribe: Arc<Scribe>,
    pub(crate) purses: Arc<Purses>,
    pub(crate) handles: Handles,
    pub(crate) sessions: Sessions,
    pub(crate) guards: Guards,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) credentials: Credentials,
    pub(crate) answered: Arc<Answered>,
    pub(crate) holds: Arc<Holds>,
    pub(crate) courier: Arc<Courier>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) fenced: Arc<AtomicBool>,
    stopping: AtomicBool,
    tasks: Mutex<Option<Tasks>>,
}

struct Tasks {
    stop: oneshot::Sender<()>,
    courier: JoinHandle<()>,
    watch: JoinHandle<()>,
}

impl Gate {
    /// Starts a gate: reads its journal, begins a new life, settles what the lives before have left, and is ready.
    pub async fn start(parts: GateParts) -> Result<Arc<Self>, GateError> {
        let GateParts { ledger, lookup, clock, entropy, disk, node, config } = parts;
        let (journal, recovered) = Journal::open(disk, JournalOptions::default())?;
        let found = recover::read(recovered)?;
        let life = ledger.enlist(node).await?;
        let scribe = Arc::new(Scribe::new(journal, config.backlog_max));
        let answered = Arc::new(Answered::new(config.idempotency_keys_max, lookup.clone(), clock.clone()));
        let known = answered.fill().await?;
        tracing::info!(%node, life = life.number, keys = known, "a gate begins a life");
        let begin = scribe.write(&Record::Begin(life)).map_err(boxed)?.position().segment;
        let carried = recover::settle(&*ledger, life, &found, &answered).await?;
        for record in carried {
            scribe.write(&record).map_err(boxed)?;
        }
        scribe.journal().sync().durable().await?;
        let keep_from = found.unresolved_from.unwrap_or(begin);
        scribe.journal().retire_before(keep_from)?;

        let purses = Arc::new(Purses::new());
        let catalogue = Arc::new(Catalogue::new(lookup.clone(), clock.clone()));
        let holds = Arc::new(Holds::default());
        if let Some(segment) = found.unresolved_from {
            holds.pin(segment);
        }
        let (courier, errands) = Courier::new();
        let courier = Arc::new(courier);
        let metrics = Arc::new(Metrics::default());
        let fenced = Arc::new(AtomicBool::new(false));
        let gate = Arc::new(Self {
            handles: Handles::new(config.handles_max, lookup.clone(), catalogue.clone(), purses.clone()),
            sessions: Sessions::new(),
            guards: Guards::new(),
            credentials: Credentials::new(lookup.clone(), clock.clone(), config.credential_ttl),
            clock,
            entropy,
            ledger,
            lookup,
            config,
            life,
            scribe,
            purses,
            catalogue,
            answered,
            holds,
            courier,
            metrics,
            fenced,
            stopping: AtomicBool::new(false),
            tasks: Mutex::new(None),
        });
        let (stop, stopped) = oneshot::channel();
        let courier = tokio::spawn(Rounds::of(&gate, begin).run(errands, stopped));
        let watch = tokio::spawn(crate::watch::run(Arc::downgrade(&gate)));
        *gate.tasks.lock().unwrap_or_else(PoisonError::into_inner) = Some(Tasks { stop, courier, watch });
        Ok(gate)
    }

    /// Can it decide? Not when it stops, when its journal has failed, or when a later life of it has taken over.
    pub fn is_ready(&self) -> bool {
        !self.stopping.load(Ordering::Acquire) && !self.is_fenced() && !self.scribe.journal().stats().failed
    }

    pub(crate) fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// Stops: no call is decided any more, every lease goes back, the ledger hears of every decision, the journal is closed.
    /// What cannot be told now is told by the next life from the journal.
    pub async fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(tasks) = tasks else { return };
        tasks.watch.abort();
        // The courier may have ended by itself; then there is nobody to tell.
        let _ = tasks.stop.send(());
        if tasks.courier.await.is_err() {
            tracing::error!("the courier failed; the next start tells the ledger what it has not heard");
        }
        self.tell_steps().await;
        if let Err(why) = self.scribe.journal().close() {
            tracing::error!(%why, "the journal did not close cleanly; the next start recovers it");
        }
        tracing::info!("the gate has stopped");
    }

    /// Who presents this key; none when nobody may by it.
    pub async fn authenticate(&self, presented: &str) -> Result<Option<Credential>, Fault> {
        self.credentials.verify(presented).await
    }

    /// Registers the gate's metrics.
    pub fn metrics(&self, registry: &mut prometheus_client::registry::Registry) {
        self.metrics.register(registry);
    }
}

fn boxed(why: NotWritten) -> Box<dyn std::error::Error + Send + Sync> {
    Box::new(why)
}
