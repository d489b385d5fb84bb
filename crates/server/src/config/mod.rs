//! Configuration: every setting once, with its default, unit, reason, environment variable and flag.
//!
//! Flags win over the environment, the environment over the file, the file over the defaults. A key that nobody
//! knows is refused, because a limit that was misspelt is a limit that does not hold.

mod hint;
mod layers;
mod reference;
mod section;
mod sections;
mod value;

pub use layers::{ConfigError, Given, Layers, Origin};
pub use reference::reference;
pub use section::{Section, Setting};
pub use sections::{Api, Database, Gate, Http, Log, Node, Otlp, Secrets, Webhooks, Worker};
pub use value::{DatabaseUrl, DecisionDays, HttpUrl, Listen, LogFilter, LogFormat, Role, SealKey, Value};

/// All settings, read and checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where things are, and what this process plays.
    pub node: Node,
    /// The database.
    pub database: Database,
    /// The HTTP server.
    pub http: Http,
    /// The GraphQL API.
    pub api: Api,
    /// The gate's limits.
    pub gate: Gate,
    /// The background runner.
    pub worker: Worker,
    /// Secrets that are kept to be used again.
    pub secrets: Secrets,
    /// Webhooks.
    pub webhooks: Webhooks,
    /// Logs.
    pub log: Log,
    /// Traces.
    pub otlp: Otlp,
}

/// Every section, in the order of the reference.
pub const SECTIONS: [&Section; 10] = [
    &Node::SECTION,
    &Database::SECTION,
    &Http::SECTION,
    &Api::SECTION,
    &Gate::SECTION,
    &Worker::SECTION,
    &Secrets::SECTION,
    &Webhooks::SECTION,
    &Log::SECTION,
    &Otlp::SECTION,
];

/// Every setting, in the order of the reference.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.into_iter().flat_map(|section| section.settings)
}

impl Settings {
    /// Reads every setting from its highest layer.
    pub fn read(layers: &Layers) -> Result<Self, ConfigError> {
        Ok(Self {
            node: Node::read(layers)?,
            database: Database::read(layers)?,
            http: Http::read(layers)?,
            api: Api::read(layers)?,
            gate: Gate::read(layers)?,
            worker: Worker::read(layers)?,
            secrets: Secrets::read(layers)?,
            webhooks: Webhooks::read(layers)?,
            log: Log::read(layers)?,
            otlp: Otlp::read(layers)?,
        })
    }
}
