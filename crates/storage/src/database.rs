//! Connections, and transactions that know in which realm they are.
//!
//! SQLite has one writer: a connection of its own behind a turnstile, so that writers in this process queue instead of
//! spinning on a busy file, and a pool of readers beside it. PostgreSQL has one pool.

use crate::options::{BUSY_WAIT, IDLE_TIME, POOL_WAIT, STATEMENT_TIME, StoreOptions, TURN_WAIT};
use crate::trouble::Trouble;
use almoner_domain::tenant::Realm;
use almoner_migrations::{APP_ROLE, REALM_SETTING};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr, SqliteTransactionMode,
    SqlxPostgresConnector, SqlxSqliteConnector, Statement, TransactionOptions, TransactionTrait,
};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::str::FromStr;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Reads of one committed state.
    Read,
    /// Reads and writes.
    Write,
}

/// Whose rows a transaction is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One realm's.
    Realm(Realm),
    /// All realms', to read; and what the installation owns.
    Installation,
}

impl Scope {
    /// The setting's value. It is built from a UUID and one of two words, so it needs no escaping.
    fn setting(self) -> String {
        use almoner_domain::id::Id;
        match self {
            Self::Realm(realm) => format!("{}/{}", realm.tenant.uuid().hyphenated(), realm.environment.as_str()),
            Self::Installation => "*".to_owned(),
        }
    }
}

/// The connections to one database.
pub(crate) struct Database {
    reads: DatabaseConnection,
    writes: DatabaseConnection,
    turn: Option<Arc<Semaphore>>,
    backend: DbBackend,
    steps_down: bool,
}

/// A transaction that has begun, with the turn it holds.
pub(crate) struct Begun {
    /// The transaction.
    pub(crate) conn: DatabaseTransaction,
    /// Kept until the transaction is over. Declared after it, so that it is dropped after it.
    _turn: Option<OwnedSemaphorePermit>,
}

impl Database {
    /// Connects to `sqlite:` or `postgres:` addresses. A SQLite file is made where there is none.
    pub(crate) async fn connect(url: &str, options: &StoreOptions) -> Result<Self, Trouble> {
        if url.starts_with("sqlite:") {
            Self::connect_sqlite(url, options).await
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Self::connect_postgres(url, options).await
        } else {
            Err(Trouble::Settings("a store's address starts with sqlite: or postgres:".to_owned()))
        }
    }

    async fn connect_sqlite(url: &str, options: &StoreOptions) -> Result<Self, Trouble> {
        let base = SqliteConnectOptions::from_str(url)
            .map_err(connecting)?
            .create_if_missing(true)
            // A commit is on disk before it is answered: a lease must not outlive the memory of having been given.
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_WAIT)
            .pragma("cache_size", "-65536")
            .pragma("temp_store", "MEMORY")
            .disable_statement_logging();
        if base.get_filename().as_os_str().is_empty() || url.contains(":memory:") {
            return Err(Trouble::Settings("the store needs a file: its readers and its writer share it".to_owned()));
        }
        let pool = || SqlitePoolOptions::new().acquire_timeout(POOL_WAIT).max_lifetime(None).idle_timeout(None);
        // The writer first: it makes the file and turns write-ahead logging on.
        let writer = pool().max_connections(1).connect_with(base.clone()).await.map_err(connecting)?;
        let readers = pool()
            .max_connections(options.readers_max)
            .connect_with(base.pragma("query_only", "ON"))
            .await
            .map_err(connecting)?;
        Ok(Self {
            reads: SqlxSqliteConnector::from_sqlx_sqlite_pool(readers),
            writes: SqlxSqliteConnector::from_sqlx_sqlite_pool(writer),
            turn: Some(Arc::new(Semaphore::new(1))),
            backend: DbBackend::Sqlite,
            steps_down: false,
        })
    }

    async fn connect_postgres(url: &str, options: &StoreOptions) -> Result<Self, Trouble> {
        let base = PgConnectOptions::from_str(url)
            .map_err(connecting)?
            .application_name("almoner")
            // Bulk statements are large: a few of each shape are worth keeping, hundreds are not.
            .statement_cache_capacity(64)
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .acquire_timeout(POOL_WAIT)
            .max_connections(options.connections_max)
            .connect_with(base)
            .await
            .map_err(connecting)?;
        let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
        let steps_down = bypasses_row_security(&connection).await?;
        Ok(Self { reads: connection.clone(), writes: connection, turn: None, backend: DbBackend::Postgres, steps_down })
    }

    /// Which of the two it is.
    pub(crate) fn backend(&self) -> DbBackend {
        self.backend
    }

    /// Begins a transaction and puts it into its scope.
    pub(crate) async fn begin(&self, scope: Scope, purpose: Purpose) -> Result<Begun, Trouble> {
        if self.backend == DbBackend::Sqlite {
            return self.begin_sqlite(purpose).await;
        }
        let conn = self.writes.begin().await?;
        conn.execute_unprepared(&self.prelude(scope, purpose)).await?;
        Ok(Begun { conn, _turn: None })
    }

    async fn begin_sqlite(&self, purpose: Purpose) -> Result<Begun, Trouble> {
        if purpose == Purpose::Read {
            return Ok(Begun { conn: self.reads.begin().await?, _turn: None });
        }
        let turn = self.take_turn().await?;
        // IMMEDIATE: a transaction that reads first and writes later could find that its snapshot is old, and fail.
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(Begun { conn: self.writes.begin_with_options(options).await?, _turn: turn })
    }

    /// Begins the transaction in which the schema is changed: alone, as whoever connects.
    pub(crate) async fn begin_migration(&self) -> Result<Begun, Trouble> {
        if self.backend == DbBackend::Sqlite {
            return self.begin_sqlite(Purpose::Write).await;
        }
        let conn = self.writes.begin().await?;
        conn.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
        Ok(Begun { conn, _turn: None })
    }

    /// A connection without a scope, for what is nobody's: whether the store answers, and which migrations it has.
    pub(crate) fn bare(&self) -> &DatabaseConnection {
        &self.reads
    }

    /// Closes all connections. On SQLite the last to close writes the log back into the file.
    pub(crate) async fn close(&self) -> Result<(), Trouble> {
        self.reads.clone().close().await?;
        self.writes.clone().close().await?;
        Ok(())
    }

    async fn take_turn(&self) -> Result<Option<OwnedSemaphorePermit>, Trouble> {
        let Some(turn) = &self.turn else { return Ok(None) };
        match tokio::time::timeout(TURN_WAIT, Arc::clone(turn).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            Ok(Err(_)) | Err(_) => Err(Trouble::Busy(TURN_WAIT.as_millis())),
        }
    }

    /// The first words of a PostgreSQL transaction. All are LOCAL: they end with it, whatever becomes of the connection.
    fn prelude(&self, scope: Scope, purpose: Purpose) -> String {
        let mode = match purpose {
            Purpose::Read => "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; ",
            // Every statement sees what was committed before it, which is what reading again after a lock needs.
            Purpose::Write => "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; ",
        };
        let role = if self.steps_down { format!("SET LOCAL ROLE {APP_ROLE}; ") } else { String::new() };
        format!(
            "{mode}{role}SET LOCAL {REALM_SETTING} = '{}'; SET LOCAL statement_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = {}",
            scope.setting(),
            STATEMENT_TIME.as_millis(),
            IDLE_TIME.as_millis()
        )
    }

    /// Ends a writing transaction for good.
    pub(crate) async fn commit(&self, begun: Begun) -> Result<(), Trouble> {
        if self.backend == DbBackend::Postgres {
            // A COMMIT that is cancelled while it waits for a standby reports success for what the standby lacks. So
            // nothing may cancel it, the statement timeout included.
            begun.conn.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
        }
        begun.conn.commit().await?;
        Ok(())
    }
}

/// Any number that nothing else on the database locks.
const MIGRATION_LOCK: i64 = 0x616c_6d6f_6e65_7201;

/// Would row-level security not apply to who connects? Superusers bypass it even where it is forced.
async fn bypasses_row_security(connection: &DatabaseConnection) -> Result<bool, Trouble> {
    let sql = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    match row {
        Some(row) => Ok(row.try_get_by_index::<bool>(0)?),
        None => Err(Trouble::Settings("PostgreSQL does not say who we are".to_owned())),
    }
}

fn connecting(error: sqlx::Error) -> Trouble {
    match error {
        sqlx::Error::Configuration(cause) => Trouble::Settings(cause.to_string()),
        other => Trouble::Database(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(other)))),
    }
}
