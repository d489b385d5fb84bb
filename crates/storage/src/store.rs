//! The store: connections, a clock and chance, and how transactions are run.
//!
//! A writing transaction runs in a task of its own. Whoever waits for it may go away; the transaction comes to its end all the
//! same, for a commit that is abandoned half-way has an outcome that nobody knows.
//!
//! All of it runs where the store was opened. A connection is bound to the runtime that made it, and a server has several: one
//! that a worker of the HTTP door had made would die with that worker, under whoever uses it then.

use crate::database::{Database, Purpose};
use crate::options::{ANSWER_WAIT, ATTEMPTS_MAX, PAUSE_FIRST, StoreOptions};
use crate::trouble::{Remedy, Trouble};
use crate::tx::{Everywhere, Tx};
use almoner_domain::entropy::Entropy;
use almoner_domain::fault::Fault;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Clock;
use almoner_migrations::{Migrator, MigratorTrait};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tracing::Instrument;

/// The ledger and the catalogue on SQLite or PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub struct SqlStore {
    inner: Arc<Inner>,
}

/// What all clones share.
pub(crate) struct Inner {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The runtime that all connections belong to.
    home: Handle,
}

/// How a transaction ends.
pub(crate) enum Outcome<T> {
    /// It is committed.
    Keep(T),
    /// It is undone, and that is the answer.
    Undo(T),
}

/// What is done in a transaction.
pub(crate) type Deed<'t, T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send + 't>>;

impl SqlStore {
    /// Connects to `sqlite:///path/to/file.db`, which is made when it is missing, or to `postgres://...`.
    ///
    /// # Errors
    /// [`almoner_domain::fault::FaultKind::Unavailable`] when the database does not answer, `Broken` when the address is wrong.
    pub async fn connect(
        url: &str,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: StoreOptions,
    ) -> Result<Self, Fault> {
        let database = Database::connect(url, &options).await.map_err(|trouble| trouble.into_fault("connect"))?;
        Ok(Self { inner: Arc::new(Inner { database, clock, entropy, home: Handle::current() }) })
    }

    /// Brings the schema up to date, all of it or nothing. Several processes may do so at once: one does it.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer; `Broken` when who connects may not change the schema, or the database
    /// is ahead of this program.
    pub async fn migrate(&self) -> Result<(), Fault> {
        self.try_migrate().await.map_err(|trouble| trouble.into_fault("migrate"))
    }

    /// Names of migrations that the database does not have yet. Changes nothing.
    ///
    /// # Errors
    /// As [`Self::migrate`].
    pub async fn pending_migrations(&self) -> Result<Vec<String>, Fault> {
        let pending = Migrator::get_pending_migrations_read_only(self.inner.database.bare()).await;
        let pending = pending.map_err(|error| Trouble::from(error).into_fault("pending_migrations"))?;
        Ok(pending.iter().map(|migration| migration.name().to_owned()).collect())
    }

    /// Closes all connections, after the transactions that are under way. Clones are closed with it.
    ///
    /// # Errors
    /// [`almoner_domain::fault::FaultKind::Unavailable`] when the database went away first.
    pub async fn close(&self) -> Result<(), Fault> {
        self.inner.database.close().await.map_err(|trouble| trouble.into_fault("close"))
    }

    async fn try_migrate(&self) -> Result<(), Trouble> {
        // Asked first, so that a program that may not change the schema can start when there is nothing to change.
        if Migrator::get_pending_migrations_read_only(self.inner.database.bare()).await?.is_empty() {
            return Ok(());
        }
        let begun = self.inner.database.begin_migration().await?;
        Migrator::up(&begun.conn, None).await?;
        begun.conn.commit().await?;
        Ok(())
    }

    /// What all clones share.
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// Reads of one committed state of a realm.
    pub(crate) async fn read<T>(
        &self,
        operation: &'static str,
        realm: Realm,
        deed: impl for<'t> FnOnce(&'t Tx) -> Deed<'t, T> + Send + 'static,
    ) -> Result<T, Fault>
    where
        T: Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let run = async move {
            let tx = Tx::begin(&inner, realm, Purpose::Read).await?;
            let result = deed(&tx).await;
            tx.undo().await;
            result
        };
        self.finish(operation, run).await
    }

    /// Reads of one committed state of all realms.
    pub(crate) async fn read_everywhere<T>(
        &self,
        operation: &'static str,
        deed: impl for<'t> FnOnce(&'t Everywhere) -> Deed<'t, T> + Send + 'static,
    ) -> Result<T, Fault>
    where
        T: Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let run = async move {
            let tx = Everywhere::begin(&inner, Purpose::Read).await?;
            let result = deed(&tx).await;
            tx.undo().await;
            result
        };
        self.finish(operation, run).await
    }

    /// A transaction in a realm, tried again while others undo it.
    pub(crate) async fn write<T, F>(&self, operation: &'static str, realm: Realm, deed: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t Tx) -> Deed<'t, Outcome<T>> + Send + Sync + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let attempts = async move {
            let mut tries = Tries::default();
            loop {
                match once(&inner, realm, &deed).await {
                    Err(trouble) => tries.pause(&inner, trouble).await?,
                    done => return done,
                }
            }
        };
        self.finish(operation, attempts).await
    }

    /// A transaction that writes what the installation owns.
    pub(crate) async fn write_everywhere<T, F>(&self, operation: &'static str, deed: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t Everywhere) -> Deed<'t, T> + Send + Sync + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let attempts = async move {
            let mut tries = Tries::default();
            loop {
                match once_everywhere(&inner, &deed).await {
                    Err(trouble) => tries.pause(&inner, trouble).await?,
                    done => return done,
                }
            }
        };
        self.finish(operation, attempts).await
    }

    /// Lets a transaction come to its end in a task of its own, and waits for it within bounds.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        operation: &'static str,
        attempts: impl Future<Output = Result<T, Trouble>> + Send + 'static,
    ) -> Result<T, Fault> {
        let task = self.inner.home.spawn(attempts.in_current_span());
        let result = match tokio::time::timeout(ANSWER_WAIT, task).await {
            Ok(Ok(result)) => result,
            // It panicked, or the runtime is shutting down.
            Ok(Err(_)) => Err(Trouble::Lost),
            Err(_) => Err(Trouble::Busy(ANSWER_WAIT.as_millis())),
        };
        result.map_err(|trouble| trouble.into_fault(operation))
    }
}

async fn once<T, F>(inner: &Inner, realm: Realm, deed: &F) -> Result<T, Trouble>
where
    F: for<'t> Fn(&'t Tx) -> Deed<'t, Outcome<T>>,
{
    let tx = Tx::begin(inner, realm, Purpose::Write).await?;
    match deed(&tx).await {
        Ok(Outcome::Keep(value)) => {
            tx.commit(inner).await?;
            Ok(value)
        }
        Ok(Outcome::Undo(value)) => {
            tx.undo().await;
            Ok(value)
        }
        Err(trouble) => {
            tx.undo().await;
            Err(trouble)
        }
    }
}

async fn once_everywhere<T, F>(inner: &Inner, deed: &F) -> Result<T, Trouble>
where
    F: for<'t> Fn(&'t Everywhere) -> Deed<'t, T>,
{
    let tx = Everywhere::begin(inner, Purpose::Write).await?;
    match deed(&tx).await {
        Ok(value) => {
            tx.commit(inner).await?;
            Ok(value)
        }
        Err(trouble) => {
            tx.undo().await;
            Err(trouble)
        }
    }
}

/// How often a transaction was tried.
#[derive(Default)]
struct Tries {
    made: u32,
}

impl Tries {
    /// Waits before the next attempt, or gives the trouble back when there is none.
    async fn pause(&mut self, inner: &Inner, trouble: Trouble) -> Result<(), Trouble> {
        self.made += 1;
        if trouble.remedy() != Remedy::Again || self.made >= ATTEMPTS_MAX {
            return Err(trouble);
        }
        tracing::debug!(%trouble, attempt = self.made, "a transaction is tried again");
        let base = PAUSE_FIRST * (1 << (self.made - 1).min(16));
        // Two that collided and wait equally long collide again.
        let mut chance = [0u8; 1];
        inner.entropy.fill(&mut chance);
        tokio::time::sleep(base + base * u32::from(chance[0]) / 256).await;
        Ok(())
    }
}

/// The most that a transaction is slowed down by others before it is given up.
pub(crate) const fn pauses_max() -> Duration {
    let mut total = 0;
    let mut attempt = 0;
    while attempt + 1 < ATTEMPTS_MAX {
        total += 2 * PAUSE_FIRST.as_millis() as u64 * (1 << attempt);
        attempt += 1;
    }
    Duration::from_millis(total)
}

const _: () = assert!(pauses_max().as_millis() < ANSWER_WAIT.as_millis(), "a caller must outwait the pauses");
