//! Runs the program and reads what it says.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

/// The program in a folder, with nothing of this environment.
pub(crate) fn almoner(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    command(folder).envs(environment.iter().copied()).args(arguments).output().expect("the program starts")
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_almoner"));
    command.current_dir(folder).env_clear();
    command
}

/// All that it said.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What a command that must succeed printed.
pub(crate) fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = almoner(folder, &[], arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// The one object that a command that must succeed printed.
pub(crate) fn object(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(folder, arguments)).expect("one JSON object")
}

/// A server on the folder `data`, at a port of its own.
pub(crate) struct Serving {
    process: Child,
    /// Where it listens.
    pub(crate) url: String,
}

impl Serving {
    pub(crate) fn start(folder: &Path) -> Self {
        let mut process = command(folder)
            .args(["serve", "--data-dir", "data", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe"));
        lines.read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("almoner is listening on ").expect("the address").to_owned();
        Self { process, url }
    }

    /// Asks it to stop, and waits.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a process of ours");
        self.process.wait().expect("a process of ours")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
