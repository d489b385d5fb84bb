//! A PostgreSQL database of its own for each test that asks for one.
//!
//! The server is the one that `DATABASE_URL_TEST` names by a superuser's URL, as `make test` does. Without it this
//! process starts a throw-away one, which ends with the process, even if that is killed. A test is never skipped for
//! want of a database: it fails and says what to install. This module will never know our schema.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Starts a server, prints its URL and removes it when its standard input ends.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/dev/postgres.sh");

/// Where Debian keeps the programs of each major version; its `psql` on PATH is a slow wrapper.
const DEBIAN_PROGRAMS: &str = "/usr/lib/postgresql";

/// A new, empty database on a real PostgreSQL.
///
/// # Panics
/// Panics, and says what to install, when there is no PostgreSQL to be had.
pub async fn postgres() -> TestDatabase {
    match tokio::task::spawn_blocking(TestDatabase::create).await {
        Ok(database) => database,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// One test's database. Dropping it drops the database, whoever is still connected.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
}

impl TestDatabase {
    /// The URL to connect to, as a superuser.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn create() -> Self {
        let server = server_url();
        // The hasher's keys come from the system, so the name is new on a server that outlives the tests, too. No
        // outcome hangs on it, so it need not come from the test's seed.
        let name = format!("almoner_test_{:016x}", RandomState::new().hash_one(std::process::id()));
        // Of template0, because nobody can be connected to it: a connection to the usual template makes this fail.
        if let Err(trouble) = psql(server, &format!("CREATE DATABASE {name} TEMPLATE template0")) {
            panic!("no test database: {trouble}");
        }
        Self { url: with_database(server, &name), name }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // Best effort: what stays behind is empty of meaning, and on a throw-away server it goes anyway.
        let _ = psql(server_url(), &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// The server's URL, with the database that every server has.
fn server_url() -> &'static str {
    static GIVEN: OnceLock<Option<String>> = OnceLock::new();
    static STARTED: OnceLock<Result<ThrowAway, String>> = OnceLock::new();

    let given = GIVEN.get_or_init(|| std::env::var("DATABASE_URL_TEST").ok().filter(|url| !url.is_empty()));
    if let Some(url) = given {
        return url;
    }
    match STARTED.get_or_init(ThrowAway::start) {
        Ok(server) => &server.url,
        Err(trouble) => panic!("no PostgreSQL for the tests: {trouble}"),
    }
}

/// A server of this process. It lives as long as the standard input of the script that started it, which is ours: the
/// system closes it when this process ends, in whatever way, so nothing needs to run at exit.
struct ThrowAway {
    url: String,
    _script: Child,
}

impl ThrowAway {
    fn start() -> Result<Self, String> {
        let mut script = Command::new("bash")
            .arg(SCRIPT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A test runner that kills this test's process group must not kill what cleans up after it.
            .process_group(0)
            .spawn()
            .map_err(|e| format!("cannot run {SCRIPT} with bash: {e}"))?;
        let mut line = String::new();
        if let Some(stdout) = script.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(|e| format!("cannot read from {SCRIPT}: {e}"))?;
        }
        if line.trim().is_empty() {
            let mut said = String::new();
            if let Some(mut stderr) = script.stderr.take() {
                let _ = stderr.read_to_string(&mut said);
            }
            let _ = script.wait();
            return Err(said.trim().to_owned());
        }
        Ok(Self { url: line.trim().to_owned(), _script: script })
    }
}

/// Runs one statement and answers its rows, one a line, columns apart by `|`. A child process, because the storage adapter is
/// what is under test here.
///
/// # Errors
/// What the database, or the lack of a client, had to say.
pub fn psql(url: &str, statement: &str) -> Result<String, String> {
    let program = psql_program();
    let output = Command::new(&program)
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
        .args(["--dbname", url, "--command", statement])
        .env("PGCONNECT_TIMEOUT", "10")
        .output()
        .map_err(|e| format!("cannot run {}: {e}. Install it: apt-get install postgresql", program.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("`{statement}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// The newest of Debian's, else the one on PATH.
fn psql_program() -> PathBuf {
    let versions = std::fs::read_dir(DEBIAN_PROGRAMS).into_iter().flatten().flatten();
    versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin/psql"))))
        .filter(|(_, program)| program.exists())
        .max()
        .map_or_else(|| Path::new("psql").to_owned(), |(_, program)| program)
}

/// `url` with another database; its host, credentials and parameters stay.
fn with_database(url: &str, name: &str) -> String {
    let (place, parameters) = url.split_once('?').map_or((url, String::new()), |(u, p)| (u, format!("?{p}")));
    let host_from = place.find("://").map_or(0, |at| at + "://".len());
    let host_to = place[host_from..].find('/').map_or(place.len(), |at| host_from + at);
    format!("{}/{name}{parameters}", &place[..host_to])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_url_is_exchanged_and_nothing_else() {
        assert_eq!(with_database("postgres://u:p@h:1/postgres", "x"), "postgres://u:p@h:1/x");
        assert_eq!(with_database("postgres://u@h", "x"), "postgres://u@h/x");
        assert_eq!(with_database("postgresql:///a?host=/run/pg", "x"), "postgresql:///x?host=/run/pg");
    }

    #[tokio::test]
    async fn each_database_is_new_and_gone_when_dropped() {
        let (one, other) = (postgres().await, postgres().await);
        for database in [&one, &other] {
            psql(database.url(), "CREATE TABLE only_mine (id bigint)").expect("the database takes a table");
        }
        let url = one.url().to_owned();
        drop(one);
        let refused = psql(&url, "SELECT 1").expect_err("the database is gone");
        assert!(refused.contains("does not exist"), "{refused}");
        psql(other.url(), "SELECT id FROM only_mine").expect("the other database stands");
    }
}
