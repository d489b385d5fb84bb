//! The databases that every story is told on.

use almoner_testkit::postgres::{TestDatabase, postgres};
use std::path::Path;

/// Which database is behind a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// The embedded one, in the data folder.
    Sqlite,
    /// One of its own on a real PostgreSQL.
    Postgres,
}

/// A server's database.
#[derive(Debug)]
pub enum Place {
    /// In the data folder.
    Folder,
    /// On PostgreSQL. It goes when this is dropped.
    Postgres(TestDatabase),
}

impl Database {
    /// A new, empty one.
    pub async fn make(self) -> Place {
        match self {
            Self::Sqlite => Place::Folder,
            Self::Postgres => Place::Postgres(postgres().await),
        }
    }
}

impl Place {
    /// What `--database-url` says; none for the embedded one.
    pub fn setting(&self) -> Option<&str> {
        match self {
            Self::Folder => None,
            Self::Postgres(database) => Some(database.url()),
        }
    }

    /// Where a second connection finds it.
    pub fn url(&self, data_dir: &Path) -> String {
        match self {
            Self::Folder => format!("sqlite://{}", data_dir.join("almoner.db").display()),
            Self::Postgres(database) => database.url().to_owned(),
        }
    }
}
