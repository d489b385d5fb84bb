//! From the command line, the environment and the file to settings, logs and a runtime.

use crate::DataDir;
use crate::config::{ConfigError, Given, Layers, Origin, Settings};
use crate::telemetry::Telemetry;
use anyhow::Context;
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Flags of every command.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// Configuration file [default: almoner.toml in the data folder, where there is one]
    #[arg(long, global = true, value_name = "FILE", env = "ALMONER_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of the journal, the gate's identity and the embedded database
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// Database address, instead of the embedded one; better in ALMONER_DATABASE_URL, where others cannot see it
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// How logs are written: pretty or json
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
    /// What is logged, such as info or info,almoner_gate=debug
    #[arg(long, global = true, value_name = "FILTER")]
    log_filter: Option<String>,
    /// Any setting of the configuration reference
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

/// Settings, and who said them.
pub(super) struct Loaded {
    /// What holds.
    pub(super) settings: Settings,
    /// Who says so.
    pub(super) layers: Layers,
    /// The file that was read.
    pub(super) file: Option<PathBuf>,
    /// Variables that look like settings and are none.
    pub(super) strangers: Vec<String>,
}

impl Common {
    /// Reads all layers; `more` are flags of one command.
    pub(super) fn load(&self, more: &[(&str, Option<String>)]) -> anyhow::Result<Loaded> {
        let environment: BTreeMap<String, String> =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
        let flags = self.given(more)?;
        let file = self.file(&environment, &flags)?;
        let layers = Layers::gather(file.as_ref().map(|(p, t)| (p.as_path(), t.as_str())), &environment, &flags)?;
        let settings = Settings::read(&layers)?;
        Ok(Loaded { settings, layers, file: file.map(|(path, _)| path), strangers: strangers(&environment) })
    }

    fn given(&self, more: &[(&str, Option<String>)]) -> anyhow::Result<Vec<Given>> {
        let mut given = Vec::new();
        for set in &self.sets {
            let (key, text) = set.split_once('=').with_context(|| format!("--set {set}: expected KEY=VALUE"))?;
            given.push(Given { key: key.trim().to_owned(), text: text.to_owned(), flag: "--set".to_owned() });
        }
        let own = [
            ("data_dir", &self.data_dir),
            ("database.url", &self.database_url),
            ("log.format", &self.log_format),
            ("log.filter", &self.log_filter),
        ];
        let all = own.into_iter().chain(more.iter().map(|(key, text)| (*key, text)));
        for (key, text) in all {
            if let Some(text) = text {
                let setting = crate::config::settings().find(|setting| setting.key == key);
                let flag = setting.and_then(|setting| setting.flag).unwrap_or(key).to_owned();
                given.push(Given { key: key.to_owned(), text: text.clone(), flag });
            }
        }
        Ok(given)
    }

    /// The file that is named must be there; the one in the data folder may be. Which folder that is the file cannot say.
    fn file(
        &self,
        environment: &BTreeMap<String, String>,
        flags: &[Given],
    ) -> Result<Option<(PathBuf, String)>, ConfigError> {
        if let Some(path) = &self.config {
            return read(path).map(Some);
        }
        let folder: PathBuf = Layers::gather(None, environment, flags)?.read("data_dir")?;
        let path = DataDir::at(&folder).config_file();
        if path.exists() { read(&path).map(Some) } else { Ok(None) }
    }
}

fn read(path: &Path) -> Result<(PathBuf, String), ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((path.to_owned(), text)),
        Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
    }
}

/// Kubernetes names its own variables after a service called almoner; everything else that begins so is a mistake.
fn strangers(environment: &BTreeMap<String, String>) -> Vec<String> {
    let known: Vec<String> = crate::config::settings().map(|setting| setting.env()).collect();
    let others = ["ALMONER_CONFIG", "ALMONER_OPERATOR_KEY", "ALMONER_URL"];
    let kubernetes = |name: &str| name.starts_with("ALMONER_PORT") || name.starts_with("ALMONER_SERVICE_");
    environment
        .keys()
        .filter(|name| name.starts_with("ALMONER_"))
        .filter(|name| !known.contains(name) && !others.contains(&name.as_str()) && !kubernetes(name))
        .cloned()
        .collect()
}

impl Loaded {
    /// Starts logs, runs `work` on a runtime, and ends both.
    pub(super) fn run<T>(&self, work: impl AsyncFnOnce(&Settings) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let telemetry = Telemetry::start(&self.settings.log, &self.settings.otlp)?;
        if let Some(file) = &self.file {
            tracing::info!(file = %file.display(), "configuration read");
        }
        for name in &self.strangers {
            tracing::warn!("the environment variable {name} is no setting");
        }
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start a runtime")?;
        let result = runtime.block_on(work(&self.settings));
        drop(runtime);
        telemetry.stop();
        result
    }

    /// For commands that answer on the terminal: their logs are warnings, unless somebody asked for more.
    pub(super) fn quiet(mut self) -> Self {
        if *self.layers.text("log.filter").1 == Origin::Default {
            self.settings.log.filter.0 = "warn".to_owned();
        }
        self
    }
}
