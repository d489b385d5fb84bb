//! Receivers of webhooks as providers write them: a small server in another language, that verifies what it hears with the
//! unmodified library of that language (`tests/receivers`). Dropping one ends it.

use crate::catalogue::assert_described;
use crate::wait::eventually;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// In which language a receiver is written, and by whose library it verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `standardwebhooks` of npm.
    JavaScript,
    /// `standardwebhooks` of PyPI.
    Python,
}

/// One event that a receiver heard.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The header `webhook-id`.
    pub id: String,
    /// The header `webhook-signature`.
    pub signature: String,
    /// Did the library take it for ours?
    pub genuine: bool,
    /// Would the library have taken it with one space more in the body?
    pub tampered: bool,
    /// Would the library take it five minutes and a second later?
    pub late: bool,
    /// The body.
    pub body: Value,
}

impl Heard {
    /// The event's type.
    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }
}

/// A receiver that runs.
#[derive(Debug)]
pub struct Receiver {
    process: Child,
    input: ChildStdin,
    port: u64,
    said: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    /// Starts one, which answers 200 until told otherwise.
    ///
    /// # Panics
    /// Panics when its library is not there, or it does not start.
    pub async fn start(language: Language) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("receivers");
        let (program, script, library) = match language {
            Language::JavaScript => (PathBuf::from("node"), "receiver.mjs", "node_modules/standardwebhooks"),
            Language::Python => (folder.join(".venv/bin/python"), "receiver.py", ".venv/bin/python"),
        };
        let missing = "the receivers' libraries are missing: run deploy/dev/prerequisites.sh receivers";
        assert!(folder.join(library).exists(), "{missing}");
        let mut process = Command::new(program)
            .arg(folder.join(script))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|why| panic!("{missing} ({why})"));
        let (input, output) = (process.stdin.take().expect("a pipe"), process.stdout.take().expect("a pipe"));
        let said = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|why| panic!("{line}: {why}"));
                all.lock().unwrap_or_else(PoisonError::into_inner).push(value);
            }
        });
        let mut receiver = Self { process, input, port: 0, said };
        let port =
            eventually("the receiver listens", async || receiver.all().iter().find_map(|one| one["port"].as_u64()));
        receiver.port = port.await;
        receiver
    }

    /// Where it listens, by address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks", self.port)
    }

    /// Where it listens, by name.
    pub fn url_by_name(&self) -> String {
        format!("http://localhost:{}/hooks", self.port)
    }

    /// Gives it the secret by which it verifies from now on.
    pub async fn secret(&mut self, secret: &str) {
        self.tell(&format!("secret {secret}")).await;
    }

    /// Says how it answers from now on: statuses in order, the last one for all that follows; `hold` for no answer at all.
    pub async fn answers(&mut self, statuses: &str) {
        self.tell(&format!("answers {statuses}")).await;
    }

    async fn tell(&mut self, line: &str) {
        let told = |receiver: &Self| receiver.all().iter().filter(|one| one.get("told").is_some()).count();
        let before = told(self);
        writeln!(self.input, "{line}").expect("the receiver listens to us");
        eventually("the receiver has understood", async || (told(self) > before).then_some(())).await;
    }

    fn all(&self) -> Vec<Value> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All that it heard so far, in order, each as the catalogue describes it.
    ///
    /// # Panics
    /// Panics when one is not.
    pub fn heard(&self) -> Vec<Heard> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let heard = |one: &Value| Heard {
            id: text(&one["id"]),
            signature: text(&one["signature"]),
            genuine: one["genuine"] == true,
            tampered: one["tampered"] == true,
            late: one["late"] == true,
            body: serde_json::from_str(&text(&one["body"])).unwrap_or_default(),
        };
        let all: Vec<Heard> = self.all().iter().filter(|one| one.get("id").is_some()).map(heard).collect();
        all.iter().for_each(|one| assert_described(&one.body));
        all
    }

    /// Waits until it has heard so many, and answers them.
    pub async fn has_heard(&self, count: usize) -> Vec<Heard> {
        eventually("the receiver hears of it", async || {
            let heard = self.heard();
            (heard.len() >= count).then_some(heard)
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
