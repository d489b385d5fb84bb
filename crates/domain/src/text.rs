//! Bounded texts: what a provider may call things. Parsed once at the door, valid ever after.

use thiserror::Error;

/// Why a text is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TextError {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// Too long.
    #[error("must be at most {0} bytes long")]
    TooLong(usize),
    /// Control characters would break logs, headers and tables.
    #[error("must not contain control characters")]
    Control,
    /// It would be mistaken for one of our own ids.
    #[error("must not start with \"{0}_\", which marks one of our own ids")]
    LooksLikeId(&'static str),
    /// Letters outside the set of feature keys.
    #[error("must consist of lower-case letters, digits, '.', '_' and '-', and start with a letter")]
    NotAKey,
}

fn checked(text: &str, bytes_max: usize) -> Result<&str, TextError> {
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if text.len() > bytes_max {
        return Err(TextError::TooLong(bytes_max));
    }
    if text.chars().any(char::is_control) {
        return Err(TextError::Control);
    }
    Ok(text)
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $max:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The most bytes such a text may have.
            pub const BYTES_MAX: usize = $max;

            /// Accepts a text within the bounds.
            pub fn parse(text: &str) -> Result<Self, TextError> {
                checked(text, Self::BYTES_MAX)?;
                Self::check(text)?;
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&self.0) }
        }
    )*};
}

texts! {
    /// What people call a thing. At most 200 bytes.
    Name, 200;
    /// The provider's own id of a customer, user, agent or tenant. At most 128 bytes.
    ExternalId, 128;
    /// A feature's stable name in code, such as `image.generate`. At most 64 bytes.
    FeatureKey, 64;
    /// The kind of a session, such as `task` or `support_ticket`. At most 64 bytes.
    SessionKind, 64;
    /// The provider's key of a session within its kind. At most 200 bytes.
    SessionKey, 200;
    /// A label of agents, by which policies find them. At most 64 bytes.
    Label, 64;
    /// A tool's name, as given in the dimension `tool`. At most 200 bytes.
    ToolName, 200;
    /// A resource's name, as given in the dimension `resource`. At most 500 bytes.
    ResourceName, 500;
    /// A dimension's name. At most 64 bytes.
    DimensionName, 64;
    /// A dimension's value. At most 500 bytes.
    DimensionValue, 500;
    /// A caller's idempotency key. At most 255 bytes.
    IdempotencyKey, 255;
}

/// Prefixes of ids that share a wire position with external ids.
const RESERVED: [&str; 5] = ["ten", "cus", "usr", "agt", "pol"];

impl ExternalId {
    fn check(text: &str) -> Result<(), TextError> {
        for prefix in RESERVED {
            if text.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_')) {
                return Err(TextError::LooksLikeId(prefix));
            }
        }
        Ok(())
    }
}

impl FeatureKey {
    fn check(text: &str) -> Result<(), TextError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        let fits = text.as_bytes()[0].is_ascii_lowercase() && text.bytes().all(plain);
        if fits { Ok(()) } else { Err(TextError::NotAKey) }
    }
}

macro_rules! unconstrained {
    ($($name:ident)*) => {$(
        impl $name {
            fn check(_: &str) -> Result<(), TextError> { Ok(()) }
        }
    )*};
}
unconstrained! { Name Label SessionKind SessionKey ToolName ResourceName DimensionName DimensionValue IdempotencyKey }

/// A noun named by our id or by the provider's external id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Named<I> {
    /// By our id.
    Id(I),
    /// By the provider's own id.
    External(ExternalId),
}

/// Why a text names no noun of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NamedError {
    /// It is written as an id, but not as one of this kind.
    #[error(transparent)]
    Id(#[from] crate::id::IdError),
    /// It is not an external id.
    #[error(transparent)]
    Text(#[from] TextError),
}

impl<I: crate::id::Id + std::str::FromStr<Err = crate::id::IdError>> Named<I> {
    /// Reads an id of this kind, or else an external id.
    pub fn parse(text: &str) -> Result<Self, NamedError> {
        if text.strip_prefix(I::PREFIX).is_some_and(|rest| rest.starts_with('_')) {
            return Ok(Self::Id(text.parse()?));
        }
        Ok(Self::External(ExternalId::parse(text)?))
    }
}
