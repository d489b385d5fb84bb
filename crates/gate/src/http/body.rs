//! Bodies as they come over the wire, and how they are read: strictly, and naming the member that is wrong.

use super::object::{self, Object};
use super::problem::{MemberError, Problem};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The body of `check`, `consume` and `reserve`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallBody {
    /// A delegated access token. One of `token`, `allocation` and `subject` says who is calling.
    pub token: Option<String>,
    /// The proof of possession that came with a sender-constrained token.
    #[serde(default, deserialize_with = "object::maybe")]
    pub dpop: Option<DpopBody>,
    /// An allocation, `alc_...`.
    pub allocation: Option<String>,
    /// A customer or user, straight on the entitlement.
    #[serde(default, deserialize_with = "object::maybe")]
    pub subject: Option<SubjectBody>,
    /// With `subject` and `session`: the agent whose session an allocation policy covers.
    pub agent: Option<String>,
    /// With `subject` and `agent`: the session.
    #[serde(default, deserialize_with = "object::maybe")]
    pub session: Option<SessionBody>,
    /// 1 to 64 features, each once. All are debited, or none.
    #[serde(default, deserialize_with = "object::many")]
    pub uses: Vec<UseBody>,
    /// At most 255 bytes. Without it the answer is at least once.
    pub idempotency_key: Option<String>,
    /// At most 32 names with values. `tool` and `resource` are matched against the scope.
    #[serde(default)]
    pub dimensions: Pairs,
    /// `reserve` alone: seconds that the hold stands, 1 to 3,600; 60 by default.
    pub ttl_s: Option<u64>,
    /// In a batch alone: which operation this is.
    pub op: Option<String>,
}

/// Proof of possession (RFC 9449).
#[expect(dead_code, reason = "a token is denied before its proof is looked at; part of the contract all the same")]
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DpopBody {
    /// The DPoP header of the call.
    pub proof: String,
    /// Its method.
    pub method: String,
    /// Its URL.
    pub url: String,
}

/// A customer, or a user of it, by our id or the provider's own.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubjectBody {
    /// The customer.
    pub customer: String,
    /// The user.
    pub user: Option<String>,
}

/// A session by kind and key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionBody {
    /// `task`, `chat`, `support_ticket`.
    pub kind: String,
    /// The provider's key in the kind.
    pub key: String,
}

/// One feature of a call.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UseBody {
    /// The feature's key or id.
    pub feature: String,
    /// Units of a metered feature.
    pub amount: Option<Amount>,
}

/// The body of `commit` and `release`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettleBody {
    /// `commit`: the actual amounts; what is not named is spent as held.
    #[serde(default, deserialize_with = "object::maybe_many")]
    pub uses: Option<Vec<UseBody>>,
    /// `release`: what the call cost although it was given up; what is not named is given back.
    #[serde(default, deserialize_with = "object::maybe_many")]
    pub floor: Option<Vec<UseBody>>,
    /// At most 255 bytes.
    pub idempotency_key: Option<String>,
    /// In a batch alone: which operation this is.
    pub op: Option<String>,
    /// In a batch alone: the hold.
    pub hold: Option<String>,
}

/// The body of `extend`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExtendBody {
    /// Seconds from now that the hold stands at least, 1 to 3,600.
    pub ttl_s: u64,
    /// In a batch alone: which operation this is.
    pub op: Option<String>,
    /// In a batch alone: the hold.
    pub hold: Option<String>,
}

/// What tells the operations of a batch apart; each is then read as what it is.
#[derive(Debug, Deserialize)]
pub(crate) struct OpBody {
    pub(crate) op: Option<String>,
    pub(crate) hold: Option<String>,
}

/// Members that only a batch has, refused elsewhere.
pub(crate) fn alone(op: Option<&String>, hold: Option<&String>) -> Result<(), Problem> {
    for (name, given) in [("op", op), ("hold", hold)] {
        if given.is_some() {
            let detail = "is a member of operations in a batch alone; leave it out";
            return Err(Problem::malformed(format!("/{name}: {detail}")).at(format!("/{name}"), detail));
        }
    }
    Ok(())
}

/// An amount: an integer or a decimal string, in the feature's unit.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(value_type = String)]
pub(crate) struct Amount(pub String);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Amount;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an integer or a decimal string such as \"1.25\"")
            }
            fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Amount, E> {
                Ok(Amount(v.to_string()))
            }
            fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Amount, E> {
                Ok(Amount(v.to_string()))
            }
            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Amount, E> {
                Ok(Amount(v.to_owned()))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Names with values, each name once.
#[derive(Debug, Default, ToSchema)]
#[schema(value_type = std::collections::BTreeMap<String, String>)]
pub(crate) struct Pairs(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsReader)
    }
}

struct PairsReader;

impl<'de> Visitor<'de> for PairsReader {
    type Value = Pairs;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object whose values are strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if pairs.contains_key(&name) {
                return Err(duplicate(&name));
            }
            pairs.insert(name, map.next_value()?);
        }
        Ok(Pairs(pairs))
    }
}

fn duplicate<E: serde::de::Error>(name: &str) -> E {
    E::custom(format_args!("duplicate field `{name}`"))
}

/// Reads a body that is an object, or says which member is wrong.
pub(crate) fn read<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, Problem> {
    read_value(bytes).map(|Object(value)| value)
}

/// Reads a body of any kind, or says which member is wrong.
pub(crate) fn read_value<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, Problem> {
    // Keeping track of the path costs more than reading; only a body that is wrong is read with it.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().clone();
        problem(&pointer(&path), error.inner())
    })?;
    deserializer.end().map_err(|error| problem("", &error))?;
    Ok(value)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } | Segment::Enum { variant: key } => pointer.push_str(&format!("/{}", escape(key))),
            Segment::Unknown => {}
        }
    }
    pointer
}

/// RFC 6901 section 3.
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn problem(pointer: &str, error: &serde_json::Error) -> Problem {
    let said = error.to_string();
    // Without "at line 1 column 17": the pointer says where.
    let said = said.split(" at line ").next().unwrap_or_default();
    if error.is_data() {
        let (pointer, detail) = member(pointer, said);
        return Problem {
            errors: vec![MemberError { pointer: pointer.clone(), detail: detail.clone() }],
            ..Problem::malformed(format!("{pointer}: {detail}"))
        };
    }
    let detail = format!("The body is not JSON: {said} (line {}, column {}).", error.line(), error.column());
    Problem::malformed(detail).at(pointer, format!("is not JSON: {said}"))
}

/// The member that an error speaks of: serde names unknown, missing and repeated ones in its sentence.
fn member(pointer: &str, said: &str) -> (String, String) {
    let named = |prefix: &str| said.strip_prefix(prefix)?.split('`').next().map(escape);
    let with = |name: String| {
        // The path may end in the member already.
        if pointer.ends_with(&format!("/{name}")) { pointer.to_owned() } else { format!("{pointer}/{name}") }
    };
    if let Some(name) = named("unknown field `") {
        let known = said.split_once("expected ").map_or("", |(_, known)| known);
        return (with(name), format!("is not a member here; expected {known}"));
    }
    if let Some(name) = named("missing field `") {
        return (with(name), "is missing".to_owned());
    }
    if let Some(name) = named("duplicate field `") {
        return (with(name), "stands here twice".to_owned());
    }
    (pointer.to_owned(), said.to_owned())
}
