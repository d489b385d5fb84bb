//! A SQLite database file of its own for each test that asks for one, in a folder that goes with it.

use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// One test's folder with a path for a database in it. Dropping it removes the folder.
#[derive(Debug)]
pub struct TestSqlite {
    folder: TempDir,
}

impl TestSqlite {
    /// A new folder; the database file does not exist yet.
    ///
    /// # Panics
    /// Panics when the system's folder for temporary files cannot be written to.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("almoner-test-").tempdir();
        Self { folder: folder.expect("a folder for temporary files that can be written to") }
    }

    /// Where the database file belongs.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("almoner.db")
    }

    /// The folder, for what else a test keeps beside its database: a journal, a data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The URL that opens the file and makes it when it is not there.
    pub fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.path().display())
    }
}

impl Default for TestSqlite {
    fn default() -> Self {
        Self::new()
    }
}
