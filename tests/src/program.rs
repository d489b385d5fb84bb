//! The program under test: the `almoner` that was built beside the running test.

use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

/// Where it is: tests are in `<profile>/deps`, programs one folder above; a measurement is a program itself.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let test = std::env::current_exe().expect("a running program has a path");
    let mut folders = test.ancestors().skip(1).take(2).map(|folder| folder.join("almoner"));
    let program = folders.find(|program| program.is_file());
    program.unwrap_or_else(|| panic!("no almoner beside {}: cargo build --workspace first", test.display()))
});

/// A command of the program, on a data folder. The environment's settings are not for it: a test says what it needs.
pub fn almoner(data_dir: &Path, database_url: Option<&str>) -> Command {
    let mut command = Command::new(&*PROGRAM);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    if let Some(url) = database_url {
        command.env("ALMONER_DATABASE_URL", url);
    }
    command.env("ALMONER_DATA_DIR", data_dir).stdin(Stdio::null());
    command
}

fn is_setting(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with("ALMONER_")
}

/// Runs a command to its end.
///
/// # Panics
/// Panics with what it wrote on standard error when it fails.
pub fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = output(command);
    assert!(status.success(), "{command:?}: {status}\n{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("it prints text")
}

/// Runs a command to its end, whatever that is.
///
/// # Panics
/// Panics when it cannot be started.
pub fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|why| panic!("{command:?} does not start: {why}"))
}

/// Runs a command that prints JSON.
///
/// # Panics
/// Panics when it fails or prints something else.
pub fn run_json(command: &mut Command) -> Value {
    let text = run(command);
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{command:?} prints no JSON: {why}\n{text}"))
}
