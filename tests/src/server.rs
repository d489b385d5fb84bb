//! A running server on a folder and a database of its own: started, killed, restarted and stopped as an operator, or the
//! operating system, does it.

use crate::books;
use crate::client::Client;
use crate::database::{Database, Place};
use crate::program::{almoner, run_json};
use crate::shop::Shop;
use crate::wait::{eventually, within};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};

/// What the server prints once it answers.
const ANNOUNCEMENT: &str = "almoner is listening on ";

/// A server. Dropping it ends its process.
#[derive(Debug)]
pub struct Server {
    /// The company that the stories are about.
    pub shop: Shop,
    /// The other company on the installation.
    pub other: Shop,
    folder: TempDir,
    place: Place,
    settings: Vec<(String, String)>,
    /// Variables of its environment beside those of the test.
    variables: Vec<(String, String)>,
    life: Option<Life>,
    address: watch::Sender<Option<String>>,
    client: Client,
}

/// One process.
#[derive(Debug)]
struct Life {
    process: Child,
    /// The address that it prints; an error when it ends before.
    heard: Option<oneshot::Receiver<String>>,
}

impl Server {
    /// A seeded server that answers.
    pub async fn start(database: Database) -> Self {
        Self::start_with(database, &[]).await
    }

    /// A seeded server with some settings, such as `("gate.flush_interval_ms", "20")`, that answers.
    pub async fn start_with(database: Database, settings: &[(&str, &str)]) -> Self {
        let mut server = Self::prepare(database.make().await, settings);
        server.restart().await;
        server
    }

    /// A seeded server that is not running yet.
    ///
    /// # Panics
    /// Panics when there is no folder for temporary files or seeding fails.
    pub fn prepare(place: Place, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("almoner-e2e-").tempdir().expect("a folder for temporary files");
        let mut seed = almoner(&folder.path().join("data"), place.setting());
        let printed = run_json(seed.args(["seed", "image-shop", "--json"]));
        let (shop, other) = (Shop::read(&printed), Shop::read(&printed["other_tenant"]));
        let address = watch::Sender::new(None);
        let client = Client::new(address.subscribe(), &shop.gate_key);
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { shop, other, folder, place, settings, variables: Vec::new(), life: None, address, client }
    }

    /// A client by the shop's gate key.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The folder that it serves.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where a second connection finds its database.
    pub fn database_url(&self) -> String {
        self.place.url(&self.data_dir())
    }

    /// A command of the program on the same folder and database.
    pub fn almoner(&self, arguments: &[&str]) -> Command {
        let mut command = almoner(&self.data_dir(), self.place.setting());
        command.args(arguments);
        command
    }

    /// Gives a setting another value, for the lives that follow.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    /// Gives a variable of the environment a value, for the lives that follow.
    pub fn export(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Its settings as arguments of any command.
    pub fn set_arguments(&self) -> Vec<String> {
        self.settings.iter().map(|(key, value)| format!("--set={key}={value}")).collect()
    }

    /// Starts a process and does not wait for it.
    ///
    /// # Panics
    /// Panics when one is running.
    pub fn launch(&mut self) {
        assert!(self.life.is_none(), "one process serves a folder");
        self.life = Some(self.begin(None));
    }

    /// Starts another process beside it, on the same folder and database, that plays one role without a gate.
    pub fn beside(&self, role: &str) -> Peer {
        Peer { life: self.begin(Some(role)) }
    }

    fn begin(&self, role: Option<&str>) -> Life {
        let log =
            OpenOptions::new().create(true).append(true).open(self.log_file()).expect("a log that can be written");
        let mut command = self.almoner(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(self.set_arguments().iter().filter(|set| role.is_none() || !set.starts_with("--set=role=")));
        command.args(role.map(|role| format!("--role={role}")));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the program starts");
        let (tell, heard) = oneshot::channel();
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        // Reads to the end, so that the server can print whatever it likes.
        std::thread::spawn(move || {
            let mut tell = Some(tell);
            for line in lines.map_while(Result::ok) {
                if let Some(address) = line.strip_prefix(ANNOUNCEMENT) {
                    let _ = tell.take().map(|tell| tell.send(address.trim().to_owned()));
                }
            }
        });
        Life { process, heard: Some(heard) }
    }

    /// Waits until the process answers, and lets clients at it.
    ///
    /// # Panics
    /// Panics with its log when it ends instead.
    pub async fn up(&mut self) {
        let heard = self.life.as_mut().and_then(|life| life.heard.take()).expect("a process that was just started");
        match within("the server listens", heard).await {
            Ok(address) => self.address.send_replace(Some(address)),
            Err(_) => panic!("the server ended instead of listening:\n{}", self.log_tail()),
        };
    }

    /// Starts it on the same folder and a new port, after ending what runs.
    ///
    /// Not on the old port: while nobody listens there, a client's own connection may be given it.
    pub async fn restart(&mut self) {
        self.kill9();
        self.launch();
        self.up().await;
    }

    /// Kills the process as nothing can be prepared for.
    ///
    /// # Panics
    /// Panics when the operating system refuses.
    pub fn kill9(&mut self) {
        self.address.send_replace(None);
        if let Some(mut life) = self.life.take() {
            life.process.kill().expect("a process of ours can be killed");
            life.process.wait().expect("a process of ours ends");
        }
    }

    /// The process's id.
    ///
    /// # Panics
    /// Panics when none runs.
    pub fn pid(&self) -> u32 {
        self.life.as_ref().expect("a process runs").process.id()
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// Panics when it does not end well.
    pub async fn stop(&mut self) {
        if self.life.is_some() {
            self.ask_to_stop();
            let status = self.gone().await;
            assert!(status.success(), "{status}:\n{}", self.log_tail());
        }
    }

    /// Asks it to stop.
    ///
    /// # Panics
    /// Panics when none runs.
    pub fn ask_to_stop(&self) {
        let pid = Pid::from_child(&self.life.as_ref().expect("a process runs").process);
        kill_process(pid, Signal::TERM).expect("a process of ours hears of it");
    }

    /// Waits until the process has ended, and says how.
    ///
    /// # Panics
    /// Panics when none runs, or it does not end.
    pub async fn gone(&mut self) -> ExitStatus {
        let mut life = self.life.take().expect("a process runs");
        let status = eventually("the server ends", async || ended(&mut life.process)).await;
        self.address.send_replace(None);
        status
    }

    /// The end of a story: a graceful stop, after which the books hold, nothing is leased or in doubt, and the log tells of
    /// no panic.
    ///
    /// # Panics
    /// Panics when that is not so.
    pub async fn end(mut self) {
        self.stop().await;
        let store = books::open(&self.database_url()).await;
        books::assert_sound(&store).await;
        books::assert_nothing_leased(&store, &self.data_dir()).await;
        let log = self.log();
        assert!(!log.contains("panicked"), "the log tells of a panic:\n{log}");
    }

    /// What `almoner doctor` says of the folder and the database: one line a check.
    pub fn doctor(&self) -> Value {
        let output = crate::program::output(&mut self.almoner(&["doctor", "--json"]));
        serde_json::from_slice(&output.stdout).expect("the doctor prints JSON")
    }

    /// All that it logged, over all lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let from = log.lines().count().saturating_sub(40);
        log.lines().skip(from).collect::<Vec<_>>().join("\n")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

/// Another process beside a server. Dropping it ends it.
#[derive(Debug)]
pub struct Peer {
    life: Life,
}

impl Peer {
    /// Waits until it answers, and says where.
    ///
    /// # Panics
    /// Panics when it ends instead, or was asked before.
    pub async fn up(&mut self) -> String {
        let heard = self.life.heard.take().expect("a process that was just started");
        within("a process beside the server listens", heard).await.expect("it listens; its log says why not")
    }

    /// Kills it as nothing can be prepared for.
    ///
    /// # Panics
    /// Panics when the operating system refuses.
    pub fn kill9(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.life.process.kill().expect("a process of ours can be killed");
        self.life.process.wait().expect("a process of ours ends");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

fn ended(process: &mut Child) -> Option<ExitStatus> {
    process.try_wait().expect("a process of ours can be waited for")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill9();
        if !std::thread::panicking() {
            return;
        }
        // What the test says is not enough to know why.
        let mut said = format!("the end of the server's log:\n{}\n", self.log_tail());
        if std::env::var_os("ALMONER_KEEP").is_some() {
            self.folder.disable_cleanup(true);
            said.push_str(&format!("kept: {} and {}\n", self.folder.path().display(), self.database_url()));
            // Its database goes with it otherwise.
            std::mem::forget(std::mem::replace(&mut self.place, Place::Folder));
        }
        let _ = std::io::stderr().write_all(said.as_bytes());
    }
}
