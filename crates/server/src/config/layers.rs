//! Layers: who says what a setting is. The highest that says anything wins, and is remembered for `config show`.

use super::hint::nearest;
use super::{Setting, Value, settings};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// The command line.
    Flag(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A value given on the command line.
#[derive(Debug, Clone)]
pub struct Given {
    /// Of which setting.
    pub key: String,
    /// What.
    pub text: String,
    /// By which flag.
    pub flag: String,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML. The line itself is not shown: it may hold a password.
    #[error("{}, line {line}: {message}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// Why.
        message: String,
    },
    /// Nobody knows the key.
    #[error("{origin}: there is no setting \"{key}\"{}", hint.map(|h| format!("; did you mean \"{h}\"?")).unwrap_or_default())]
    Unknown {
        /// Who says it.
        origin: Origin,
        /// What it says.
        key: String,
        /// The nearest one there is.
        hint: Option<&'static str>,
    },
    /// The value cannot be.
    #[error("{origin}: \"{key}\" must be {expects}")]
    Value {
        /// Who says it.
        origin: Origin,
        /// Of which setting.
        key: String,
        /// What would do.
        expects: String,
    },
}

/// The highest layer of every setting.
pub struct Layers {
    texts: BTreeMap<&'static str, (String, Origin)>,
}

impl Layers {
    /// Lays the file over the defaults, the environment over the file and the flags over all.
    pub fn gather(
        file: Option<(&Path, &str)>,
        environment: &BTreeMap<String, String>,
        flags: &[Given],
    ) -> Result<Self, ConfigError> {
        let defaults = settings().map(|s| (s.key, (s.default.to_owned(), Origin::Default)));
        let mut layers = Self { texts: defaults.collect() };
        if let Some((path, text)) = file {
            layers.lay_file(path, text)?;
        }
        for setting in settings() {
            let name = setting.env();
            if let Some(text) = environment.get(&name) {
                layers.texts.insert(setting.key, (text.clone(), Origin::Environment(name)));
            }
        }
        for given in flags {
            let origin = Origin::Flag(given.flag.clone());
            let setting = known(&given.key, &origin)?;
            layers.texts.insert(setting.key, (given.text.clone(), origin));
        }
        Ok(layers)
    }

    fn lay_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
            ConfigError::Syntax { path: path.into(), line, message: error.message().to_owned() }
        })?;
        self.lay_table(&Origin::File(path.into()), "", table)
    }

    fn lay_table(&mut self, origin: &Origin, prefix: &str, table: toml::Table) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            if let toml::Value::Table(inner) = value {
                self.lay_table(origin, &format!("{key}."), inner)?;
                continue;
            }
            let setting = known(&key, origin)?;
            let Some(text) = scalar(value) else {
                let expects = "one value, not a list or a date".to_owned();
                return Err(ConfigError::Value { origin: origin.clone(), key, expects });
            };
            self.texts.insert(setting.key, (text, origin.clone()));
        }
        Ok(())
    }

    /// Reads one setting.
    pub fn read<V: Value>(&self, key: &'static str) -> Result<V, ConfigError> {
        let (text, origin) = self.text(key);
        let refuse = |expects: String| ConfigError::Value { origin: origin.clone(), key: key.to_owned(), expects };
        let bounds = settings().find(|s| s.key == key).and_then(|s| s.bounds);
        if let Some((least, most)) = bounds {
            let within = text.parse::<u64>().is_ok_and(|number| (least..=most).contains(&number));
            if !within {
                return Err(refuse(format!("a whole number from {least} to {most}")));
            }
        }
        V::parse(text).ok_or_else(|| refuse(V::EXPECTS.to_owned()))
    }

    /// What a setting is and who says so. Not for secrets.
    pub fn text(&self, key: &str) -> (&str, &Origin) {
        self.texts.get(key).map_or(("", &Origin::Default), |(text, origin)| (text, origin))
    }
}

fn scalar(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Table(_) | toml::Value::Array(_) | toml::Value::Datetime(_) => None,
    }
}

fn known(key: &str, origin: &Origin) -> Result<&'static Setting, ConfigError> {
    settings().find(|setting| setting.key == key).ok_or_else(|| ConfigError::Unknown {
        origin: origin.clone(),
        key: key.to_owned(),
        hint: nearest(key, settings().map(|setting| setting.key)),
    })
}
