//! What a setting's text may be.

use crate::seal::KEY_BYTES;
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A value that can be read from a text.
pub trait Value: Sized {
    /// What is expected, for the message when it is not there.
    const EXPECTS: &'static str;
    /// Never shown.
    const SECRET: bool = false;
    /// Reads the text.
    fn parse(text: &str) -> Option<Self>;
}

/// A setting may be left out: an empty text is none.
impl<V: Value> Value for Option<V> {
    const EXPECTS: &'static str = V::EXPECTS;
    const SECRET: bool = V::SECRET;
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { V::parse(text).map(Some) }
    }
}

macro_rules! parsed {
    ($($type:ty, $expects:literal;)*) => {$(
        impl Value for $type {
            const EXPECTS: &'static str = $expects;
            fn parse(text: &str) -> Option<Self> { text.parse().ok() }
        }
    )*};
}
parsed! {
    u64, "a whole number";
    usize, "a whole number";
    u32, "a whole number";
    bool, "true or false";
}

impl Value for PathBuf {
    const EXPECTS: &'static str = "a path";
    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self::from(text))
    }
}

/// A share between none and all.
impl Value for f64 {
    const EXPECTS: &'static str = "a number between 0 and 1";
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|share| (0.0..=1.0).contains(share))
    }
}

/// An address and port to listen on.
#[derive(Debug, Clone, Copy)]
pub struct Listen(pub SocketAddr);

impl Value for Listen {
    const EXPECTS: &'static str = "an IP address and port such as 127.0.0.1:8080 or [::]:8080";
    fn parse(text: &str) -> Option<Self> {
        // People write it so; any other name would have to be resolved, and may lead to several addresses.
        let text = text.strip_prefix("localhost:").map_or(text.to_owned(), |port| format!("127.0.0.1:{port}"));
        text.parse().ok().map(Self)
    }
}

/// What this process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Every part there is.
    All,
    /// The gate alone.
    Gate,
    /// The GraphQL API alone.
    Api,
    /// The background runner alone.
    Worker,
}

impl Role {
    /// Is the gate among what it plays?
    pub fn has_gate(self) -> bool {
        matches!(self, Self::All | Self::Gate)
    }

    /// Is the API?
    pub fn has_api(self) -> bool {
        matches!(self, Self::All | Self::Api)
    }

    /// Is the runner?
    pub fn has_runner(self) -> bool {
        matches!(self, Self::All | Self::Worker)
    }

    /// What it plays, for logs.
    pub const fn told(self) -> &'static str {
        match self {
            Self::All => "all parts",
            Self::Gate => "the gate",
            Self::Api => "the API",
            Self::Worker => "the runner",
        }
    }
}

impl Value for Role {
    const EXPECTS: &'static str = "\"all\", \"gate\", \"api\" or \"worker\"";
    fn parse(text: &str) -> Option<Self> {
        match text {
            "all" => Some(Self::All),
            "gate" => Some(Self::Gate),
            "api" => Some(Self::Api),
            "worker" => Some(Self::Worker),
            _ => None,
        }
    }
}

/// How many days decisions are kept; none keeps them for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionDays(pub Option<Duration>);

impl Value for DecisionDays {
    const EXPECTS: &'static str = "0 for ever, or a whole number of days from 31 to 36500";
    fn parse(text: &str) -> Option<Self> {
        match text.parse::<u64>().ok()? {
            0 => Some(Self(None)),
            days @ 31..=36_500 => Some(Self(Some(Duration::from_secs(days * 24 * 3_600)))),
            _ => None,
        }
    }
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For programs: one JSON object a line.
    Json,
}

impl Value for LogFormat {
    const EXPECTS: &'static str = "\"pretty\" or \"json\"";
    fn parse(text: &str) -> Option<Self> {
        match text {
            "pretty" => Some(Self::Pretty),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// What is logged.
#[derive(Debug, Clone)]
pub struct LogFilter(pub String);

impl Value for LogFilter {
    const EXPECTS: &'static str = "a filter such as \"info\" or \"info,almoner_gate=debug\"";
    fn parse(text: &str) -> Option<Self> {
        tracing_subscriber::EnvFilter::try_new(text).ok().map(|_| Self(text.to_owned()))
    }
}

/// An address of the web, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl(pub String);

impl Value for HttpUrl {
    const EXPECTS: &'static str = "an http:// or https:// address";
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
        let plain = |c: char| c.is_ascii_graphic() && c != '"';
        let fits = !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(plain);
        fits.then(|| Self(text.trim_end_matches('/').to_owned()))
    }
}

/// Where the database is. It may carry a password, so it is never shown or logged.
#[derive(Debug, Clone)]
pub struct DatabaseUrl(pub SecretString);

impl DatabaseUrl {
    /// Is it an embedded one?
    pub fn is_sqlite(&self) -> bool {
        self.0.expose_secret().starts_with("sqlite:")
    }
}

impl Value for DatabaseUrl {
    const EXPECTS: &'static str = "a postgres://... or sqlite://... address";
    const SECRET: bool = true;
    fn parse(text: &str) -> Option<Self> {
        let known = ["postgres://", "postgresql://", "sqlite:"].iter().any(|scheme| text.starts_with(scheme));
        known.then(|| Self(text.into()))
    }
}

/// The key that secrets are sealed by: 32 bytes in base64. Never shown or logged.
#[derive(Clone)]
pub struct SealKey(Arc<SecretBox<[u8; KEY_BYTES]>>);

impl SealKey {
    /// Its bytes, to seal by them.
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.expose_secret()
    }

    /// Reads a file that holds one.
    pub fn read_file(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(text.trim()).with_context(|| format!("{} must hold {}", path.display(), Self::EXPECTS))
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(...)")
    }
}

impl Value for SealKey {
    const EXPECTS: &'static str = "32 bytes in base64, such as `openssl rand -base64 32` makes";
    const SECRET: bool = true;
    fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; KEY_BYTES] = STANDARD.decode(text).ok()?.try_into().ok()?;
        Some(Self(Arc::new(SecretBox::new(Box::new(bytes)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_or_refused() {
        assert!(Listen::parse("localhost:0").is_some());
        assert!(Listen::parse("[::]:8080").is_some());
        assert!(Listen::parse("8080").is_none());
        assert_eq!(HttpUrl::parse("https://a.example/x/"), Some(HttpUrl("https://a.example/x".into())));
        for wrong in ["a.example", "ftp://a", "http://", "http:///x", "http://a b"] {
            assert!(HttpUrl::parse(wrong).is_none(), "{wrong}");
        }
        assert!(f64::parse("NaN").is_none());
        assert!(LogFilter::parse("info,almoner=loud").is_none());
        assert!(DatabaseUrl::parse("mysql://x").is_none());
    }

    #[test]
    fn a_database_url_is_not_shown() {
        let url = DatabaseUrl::parse("postgres://almoner:hunter2@db/almoner").unwrap();
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
