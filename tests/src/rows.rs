//! Rows as a stranger reads them: by the database's own client or another language's driver, not by our adapter.

use crate::server::Server;
use almoner_testkit::postgres::psql;
use std::process::Command;

/// Runs a statement on a file and prints its rows as `psql` does.
const PYTHON: &str = "import sqlite3, sys\n\
    with sqlite3.connect(sys.argv[1], timeout=20) as db:\n\
    \x20   print('\\n'.join('|'.join('' if c is None else str(c) for c in row) for row in db.execute(sys.argv[2])))";

/// Runs one statement on a server's database and answers its rows, one a line, columns apart by `|`.
///
/// # Panics
/// Panics with what the database says.
pub async fn rows(server: &Server, statement: &str) -> String {
    let (url, statement) = (server.database_url(), statement.to_owned());
    let run = move || match url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut python = Command::new("python3");
            crate::program::run(python.args(["-c", PYTHON, path, &statement])).trim().to_owned()
        }
        None => psql(&url, &statement).unwrap_or_else(|trouble| panic!("{trouble}")),
    };
    tokio::task::spawn_blocking(run).await.expect("the statement was run")
}
