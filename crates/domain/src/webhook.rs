//! Webhooks: where a realm's own systems hear of what happens, and by which secret they know that it is us.

use crate::address::Callable;
use crate::delivery::Then;
use crate::entropy::Entropy;
use crate::happening::{Happening, HappeningKind, Topic};
use crate::id::EndpointId;
use crate::text::Name;
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
/// Bytes of a secret: as many as its hash has, which the specification recommends, and as a key of Ed25519 has.
pub const SECRET_BYTES: usize = 32;

/// The most endpoints of a realm: each event is delivered to each.
pub const ENDPOINTS_MAX: usize = 20;
/// An endpoint of which nothing is heard for so long, while attempts are made, is disabled.
pub const FAILING_MAX: Duration = Duration::from_secs(5 * 24 * 3_600);
/// A failure that follows the last one by more begins the count anew: nobody tried in between, so nobody knows. Longer than the
/// longest pause between two attempts.
pub const FAILING_GAP_MAX: Duration = Duration::from_secs(48 * 3_600);

/// Where a realm hears of what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// Our id.
    pub id: EndpointId,
    /// Where it is told.
    pub url: WebhookUrl,
    /// What people call it.
    pub description: Option<Name>,
    /// What it is told of; empty for all there is, and will be.
    pub events: BTreeSet<HappeningKind>,
    /// Which addresses its name may lead to. More than the public ones by whoever has the machine alone.
    pub callable: Callable,
    /// How it is signed.
    pub scheme: SignatureScheme,
    /// The secret that signs, sealed.
    pub secret: SealedSecret,
    /// What receivers verify with, where that is not the secret itself.
    pub public_key: Option<PublicKey>,
    /// The secret before it, sealed, and until when it signs as well.
    pub previous: Option<(SealedSecret, Timestamp)>,
    /// Is it told, or why not.
    pub state: EndpointState,
    /// Since when every attempt failed; none where the last one did not.
    pub failing: Option<Failing>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

impl WebhookEndpoint {
    /// Does it want to hear of these?
    pub fn wants(&self, kind: HappeningKind) -> bool {
        self.events.is_empty() || self.events.contains(&kind)
    }

    /// Is this for it? A trial is for the endpoint that is tried, whatever that wants, and nobody is told that they were disabled.
    pub fn hears(&self, happening: &Happening) -> bool {
        match &happening.topic {
            Topic::Trial(id) => *id == self.id,
            Topic::Endpoint(disabled) => disabled.id != self.id && self.wants(happening.kind),
            Topic::Units(_) | Topic::Grant(_) | Topic::Subscription(_) | Topic::Guard(_) => self.wants(happening.kind),
        }
    }

    /// Is it told of what happens?
    pub fn is_enabled(&self) -> bool {
        self.state == EndpointState::Enabled
    }

    /// What an attempt makes of it; none where it stays as it is.
    pub fn after(&self, then: Then, now: Timestamp) -> Option<Self> {
        if !self.is_enabled() {
            return None;
        }
        let disabled = |reason| EndpointState::Disabled(reason, now);
        match then {
            Then::Delivered => self.failing.map(|_| Self { failing: None, ..self.clone() }),
            Then::Gone => Some(Self { state: disabled(DisableReason::Gone), ..self.clone() }),
            Then::Again(_) | Then::GiveUp => {
                let failing = Failing::once_more(self.failing, now);
                let state = if failing.is_hopeless() { disabled(DisableReason::Failing) } else { self.state };
                Some(Self { failing: Some(failing), state, ..self.clone() })
            }
        }
    }

    /// The secrets that sign at an instant, the current one first.
    pub fn signing(&self, now: Timestamp) -> Vec<SealedSecret> {
        let previous = self.previous.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
        std::iter::once(&self.secret).chain(previous).cloned().collect()
    }
}

/// Is an endpoint told of what happens?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointState {
    /// It is.
    Enabled,
    /// It is not since this instant. What happens meanwhile is listed as not delivered, and can be replayed.
    Disabled(DisableReason, Timestamp),
}

/// Why an endpoint is told of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisableReason {
    /// The receiver said that it is gone for good (410).
    Gone,
    /// Nothing was heard of the receiver for [`FAILING_MAX`].
    Failing,
    /// A person wants it so.
    Person,
}

impl DisableReason {
    /// The word in tables and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failing => "failing",
            Self::Person => "person",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Gone, Self::Failing, Self::Person].into_iter().find(|reason| reason.as_str() == text)
    }

    /// In a sentence, as deliveries that it ends say it.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Gone => "the endpoint is disabled: the receiver said that it is gone for good (410)",
            Self::Failing => "the endpoint is disabled: every attempt failed for five days",
            Self::Person => "the endpoint is disabled",
        }
    }
}

/// A time in which every attempt at an endpoint failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// The first of them.
    pub since: Timestamp,
    /// The last of them.
    pub last: Timestamp,
}

impl Failing {
    /// One more failure.
    pub fn once_more(before: Option<Self>, now: Timestamp) -> Self {
        let goes_on = |before: &Self| now.saturating_since(before.last) <= FAILING_GAP_MAX;
        Self { since: before.filter(goes_on).map_or(now, |before| before.since), last: now }
    }

    /// Did it last so long that nobody is taken to listen?
    pub fn is_hopeless(self) -> bool {
        self.last.saturating_since(self.since) >= FAILING_MAX
    }
}

/// How an endpoint is signed, as the Standard Webhooks specification names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureScheme {
    /// HMAC-SHA256 by a secret that both sides have.
    V1,
    /// Ed25519: the receiver has the public key alone.
    V1a,
}

impl SignatureScheme {
    /// The word in tables and in signatures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1a => "v1a",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::V1, Self::V1a].into_iter().find(|scheme| scheme.as_str() == text)
    }
}

/// A public key (Ed25519), by which receivers verify. No secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; SECRET_BYTES]);

impl PublicKey {
    /// The one of these bytes; none where they are too few or too many.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As receivers' libraries take it: `whpk_` and base64.
    pub fn reveal(&self) -> String {
        format!("whpk_{}", STANDARD.encode(self.0))
    }
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
        "must not name an address of a private network; whoever runs the installation can allow it (webhooks.allow_private, or `almoner webhook add --allow-private`)"
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
    fn an_endpoint_is_given_up_after_five_days_in_which_attempts_were_made() {
        let day = |days: u64| Timestamp::from_micros(0).saturating_add(Duration::from_secs(days * 24 * 3_600));
        let failing = (1..5).fold(None, |failing, days| Some(Failing::once_more(failing, day(days)))).unwrap();
        assert_eq!((failing.since, failing.is_hopeless()), (day(1), false));
        assert!(Failing::once_more(Some(failing), day(6)).is_hopeless());
        let anew = Failing::once_more(Some(failing), day(7));
        assert_eq!((anew.since, anew.is_hopeless()), (day(7), false), "three days in which nobody tried");
    }

    #[test]
    fn words_read_back() {
        for reason in [DisableReason::Gone, DisableReason::Failing, DisableReason::Person] {
            assert_eq!(DisableReason::parse(reason.as_str()), Some(reason));
        }
        for scheme in [SignatureScheme::V1, SignatureScheme::V1a] {
            assert_eq!(SignatureScheme::parse(scheme.as_str()), Some(scheme));
        }
    }

    #[test]
    fn a_secret_is_not_shown_by_accident() {
        let secret = WebhookSecret([7; SECRET_BYTES]);
        assert_eq!(format!("{secret:?} {:?}", SealedSecret(vec![7; 60])), "WebhookSecret(...) SealedSecret(60 bytes)");
        assert_eq!(secret.reveal().len(), "whsec_".len() + 44);
    }
}
