//! Webhooks: where a realm's own systems hear of what happens, and by which secret they know that it is us.

use crate::address::Callable;
use crate::entropy::Entropy;
use crate::happening::HappeningKind;
use crate::time::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use thiserror::Error;
use url::{Host, Url};

/// How long the secret before the current one signs as well, so that receivers can change over.
pub const SECRET_OVERLAP: Duration = Duration::from_secs(24 * 3_600);
/// Bytes of a secret: as many as its hash has, which the specification recommends.
pub const SECRET_BYTES: usize = 32;

/// Where a realm hears of what happens. A realm has one at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// Where it is told.
    pub url: WebhookUrl,
    /// What it is told of.
    pub events: BTreeSet<HappeningKind>,
    /// The secret that signs, sealed.
    pub secret: SealedSecret,
    /// The secret before it, sealed, and until when it signs as well.
    pub previous: Option<(SealedSecret, Timestamp)>,
    /// Is it told, or why not.
    pub state: EndpointState,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

/// Is an endpoint told of what happens?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointState {
    /// It is.
    Enabled,
    /// It is not: the receiver said that it is gone for good (410), at this instant.
    Gone(Timestamp),
}

/// A secret as it is kept: nobody who reads the database can sign with it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret(pub Vec<u8>);

impl std::fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedSecret({} bytes)", self.0.len())
    }
}

/// A secret in plain. It exists from its making until it is shown, and while something is signed; it is never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret([u8; SECRET_BYTES]);

impl WebhookSecret {
    /// A new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0u8; SECRET_BYTES];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// The one of these bytes; none where they are too few or too many.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes, to seal them or to sign.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As receivers' libraries take it: `whsec_` and base64.
    pub fn reveal(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.0))
    }
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(...)")
    }
}

/// Where an endpoint is: `https` or `http`, without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

/// Why a text is not where an endpoint can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WebhookUrlError {
    /// Not an address of the web.
    #[error("must be an address such as https://hooks.example.com/almoner")]
    NotWeb,
    /// Longer than is kept.
    #[error("must be at most {} bytes long", WebhookUrl::BYTES_MAX)]
    TooLong,
    /// It carries a name or a password, which would be shown to whoever may look at the endpoint.
    #[error("must not carry a user name or password; receivers know us by the signature")]
    Credentials,
    /// It names this machine, or an address in a network that is nobody else's business.
    #[error(
        "must not name an address of a private network; whoever runs the installation can allow it (webhooks.allow_private)"
    )]
    Private,
    /// A port that services other than the web's listen on.
    #[error("must name port 80, 443, or one from 1024 on")]
    Port,
}

impl WebhookUrl {
    /// The most bytes of an address.
    pub const BYTES_MAX: usize = 2_000;

    /// Accepts an address whose parts may be called. Where its name leads is looked at when it is called, for that can change.
    pub fn parse(text: &str, callable: Callable) -> Result<Self, WebhookUrlError> {
        if text.len() > Self::BYTES_MAX {
            return Err(WebhookUrlError::TooLong);
        }
        let url = Url::parse(text).map_err(|_| WebhookUrlError::NotWeb)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebhookUrlError::NotWeb);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WebhookUrlError::Credentials);
        }
        let is_callable = match url.host() {
            None => return Err(WebhookUrlError::NotWeb),
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                callable == Callable::Any || !(name == "localhost" || name.ends_with(".localhost"))
            }
            // Read as the library that calls reads them: `0x7f.1` and `2130706433` are this machine as well.
            Some(Host::Ipv4(address)) => callable.permits(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => callable.permits(IpAddr::V6(address)),
        };
        if !is_callable {
            return Err(WebhookUrlError::Private);
        }
        if !url.port_or_known_default().is_some_and(|port| callable.permits_port(port)) {
            return Err(WebhookUrlError::Port);
        }
        Ok(Self(url))
    }

    /// The name in it, or the address of a machine: what may be logged, for the rest may hold a token.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_web_is_taken_and_a_way_inside_is_not() {
        let parse = |text| WebhookUrl::parse(text, Callable::Public).map(|url| url.as_str().to_owned());
        for fine in ["https://hooks.example.com/almoner?a=b", "http://hooks.example:8080/", "https://1.1.1.1/"] {
            assert_eq!(parse(fine).as_deref(), Ok(fine));
        }
        assert_eq!(parse("https://ÜBER.example/").as_deref(), Ok("https://xn--ber-goa.example/"));
        for (wrong, why) in [
            ("", WebhookUrlError::NotWeb),
            ("hooks.example.com", WebhookUrlError::NotWeb),
            ("ftp://hooks.example.com/", WebhookUrlError::NotWeb),
            ("gopher://hooks.example.com/", WebhookUrlError::NotWeb),
            ("file:///etc/passwd", WebhookUrlError::NotWeb),
            ("https://", WebhookUrlError::NotWeb),
            ("https://ada:secret@hooks.example.com/", WebhookUrlError::Credentials),
            ("https://ada@hooks.example.com/", WebhookUrlError::Credentials),
            ("http://127.0.0.1/", WebhookUrlError::Private),
            ("http://2130706433/", WebhookUrlError::Private),
            ("http://0x7f.1/", WebhookUrlError::Private),
            ("http://0177.0.0.1/", WebhookUrlError::Private),
            ("http://127.0.0.1./", WebhookUrlError::Private),
            ("http://169.254.169.254/latest/meta-data", WebhookUrlError::Private),
            ("http://[::1]/", WebhookUrlError::Private),
            ("http://[::ffff:10.0.0.1]/", WebhookUrlError::Private),
            ("http://localhost:8080/", WebhookUrlError::Private),
            ("http://LOCALHOST./", WebhookUrlError::Private),
            ("http://almoner.localhost/", WebhookUrlError::Private),
            ("http://hooks.example.com:22/", WebhookUrlError::Port),
        ] {
            assert_eq!(parse(wrong), Err(why), "{wrong}");
        }
        assert_eq!(parse(&format!("https://a.example/{}", "x".repeat(2_000))), Err(WebhookUrlError::TooLong));
        assert!(WebhookUrl::parse("http://127.0.0.1:22/", Callable::Any).is_ok());
    }

    #[test]
    fn a_secret_is_not_shown_by_accident() {
        let secret = WebhookSecret([7; SECRET_BYTES]);
        assert_eq!(format!("{secret:?} {:?}", SealedSecret(vec![7; 60])), "WebhookSecret(...) SealedSecret(60 bytes)");
        assert_eq!(secret.reveal().len(), "whsec_".len() + 44);
    }
}
