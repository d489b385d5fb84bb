//! What can go wrong in a transaction, whether trying again helps, and what fault it becomes for the caller.

use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::ledger::LedgerError;
use sea_orm::{DbErr, RuntimeErr};
use thiserror::Error;

/// Why a transaction was undone.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    /// The database said no.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// A law of the ledger cannot be applied to what the store holds.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A row holds what cannot be.
    #[error("a stored {noun} cannot be read: {detail}")]
    Row {
        /// Of which kind.
        noun: &'static str,
        /// What about it.
        detail: String,
    },
    /// Something already there is in the way.
    #[error("there is one already")]
    Exists,
    /// Something else points to what was to be removed.
    #[error("something points to it")]
    InUse,
    /// Somebody else was faster: what was read is no longer so. The next attempt reads anew.
    #[error("somebody else changed it meanwhile")]
    Overtaken,
    /// Others hold the connections, or the right to write, for too long.
    #[error("the store is too busy: waited {0} ms")]
    Busy(u128),
    /// The transaction's task ended without an answer. Its outcome is unknown.
    #[error("the transaction's outcome is unknown")]
    Lost,
    /// The store's address or its settings cannot be used.
    #[error("{0}")]
    Settings(String),
}

/// What to make of a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The database undid the transaction because of another one: try again at once.
    Again,
    /// It cannot be reached, or is too busy.
    Later,
    /// Something is in the way.
    Exists,
    /// Something points to it.
    InUse,
    /// It will not work.
    Never,
}

impl Trouble {
    /// A row that cannot be read.
    pub(crate) fn row(noun: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Row { noun, detail: detail.to_string() }
    }

    /// What to make of it.
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Overtaken => Remedy::Again,
            Self::Busy(_) | Self::Lost => Remedy::Later,
            Self::Exists => Remedy::Exists,
            Self::InUse => Remedy::InUse,
            Self::Ledger(_) | Self::Row { .. } | Self::Settings(_) => Remedy::Never,
            Self::Database(error) => remedy_for(error),
        }
    }

    /// Of a removal: a foreign key that refuses it says that something points there.
    pub(crate) fn or_in_use(self) -> Self {
        let refused = match &self {
            Self::Database(DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) => {
                cause.as_database_error().is_some_and(|refusal| refusal.is_foreign_key_violation())
            }
            _ => false,
        };
        if refused { Self::InUse } else { self }
    }

    /// The fault that a caller sees.
    pub(crate) fn into_fault(self, operation: &'static str) -> Fault {
        let kind = match self.remedy() {
            Remedy::Again => FaultKind::Conflict,
            Remedy::Later => FaultKind::Unavailable,
            Remedy::Exists => FaultKind::Exists,
            Remedy::InUse => FaultKind::InUse,
            Remedy::Never => FaultKind::Broken,
        };
        Fault::new(operation, kind, self)
    }
}

fn remedy_for(error: &DbErr) -> Remedy {
    let cause = match error {
        DbErr::ConnectionAcquire(_) => return Remedy::Later,
        DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause)) => cause,
        _ => return Remedy::Never,
    };
    match cause.as_ref() {
        sqlx::Error::Database(refusal) => {
            let code = refusal.code().unwrap_or_default();
            match code.len() {
                // PostgreSQL's codes have five letters, SQLite's are numbers of at most four digits.
                5 => postgres_remedy(&code),
                _ => sqlite_remedy(&code),
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Remedy::Later,
        _ => Remedy::Never,
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn postgres_remedy(code: &str) -> Remedy {
    match code {
        // Serialization failure and deadlock: one of two had to give way. A unique index: both came at once, and the
        // second attempt finds what the first caller wrote.
        "40001" | "40P01" | "23505" => Remedy::Again,
        // A lock or statement that took too long; too many connections; shutting down or starting up; read-only because
        // a failover is under way.
        "55P03" | "57014" | "57P01" | "57P02" | "57P03" | "57P05" | "25006" | "53000" | "53100" | "53200" | "53300" => {
            Remedy::Later
        }
        _ if code.starts_with("08") => Remedy::Later,
        _ => Remedy::Never,
    }
}

/// <https://www.sqlite.org/rescode.html>: the low byte is the primary code.
fn sqlite_remedy(code: &str) -> Remedy {
    match code.parse::<u32>().map(|code| (code, code & 0xff)) {
        // Unique index or primary key, as above.
        Ok((2067 | 1555, _)) => Remedy::Again,
        // Busy, locked: another process writes.
        Ok((_, 5 | 6)) => Remedy::Again,
        // Read-only, interrupted, input or output, full, cannot open: the disk or who keeps it.
        Ok((_, 8 | 9 | 10 | 13 | 14)) => Remedy::Later,
        _ => Remedy::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_transaction_caused_is_tried_again_and_what_the_schema_refuses_is_not() {
        assert_eq!(postgres_remedy("40P01"), Remedy::Again);
        assert_eq!(postgres_remedy("08006"), Remedy::Later);
        assert_eq!(postgres_remedy("23514"), Remedy::Never, "a CHECK");
        assert_eq!(sqlite_remedy("517"), Remedy::Again, "busy, by a snapshot");
        assert_eq!(sqlite_remedy("13"), Remedy::Later, "the disk is full");
        assert_eq!(sqlite_remedy("275"), Remedy::Never, "a CHECK");
    }
}
