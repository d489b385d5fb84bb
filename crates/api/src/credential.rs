//! Credentials: the key that is presented, and who that is now.

use almoner_app::Desk;
use almoner_domain::caller::Who;
use almoner_domain::customer::Role;
use almoner_domain::fault::Fault;
use almoner_domain::key::{ApiKey, Holder, KeyHash, KeyKind};

/// Why nobody may by what is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Nobody's key, or a revoked one, or its person is gone.
    Unknown,
    /// A gate's.
    Gate,
    /// It cannot be looked up now.
    Away,
}

impl Denied {
    /// What to do about it.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Unknown => "Present an operator or customer key: Authorization: Bearer alm_...",
            Self::Gate => "A gate key opens the gate alone. Present an operator or customer key.",
            Self::Away => "The store cannot be reached now. Nothing was changed; try again.",
        }
    }
}

/// The key in the value of an `Authorization` header, hashed.
pub(crate) fn bearer(value: &str) -> Option<KeyHash> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| KeyHash::of(key.trim()))
}

/// Who a key stands for now: a person's role is looked up each time.
pub(crate) async fn who(presented: KeyHash, desk: &Desk) -> Result<Who, Denied> {
    let found = desk.lookup.credential(presented).await.map_err(|fault| away(&fault))?;
    let key = found.ok_or(Denied::Unknown)?;
    match key.kind {
        KeyKind::Operator => Ok(Who::Operator { realm: key.realm, key: Some(key.id) }),
        KeyKind::Customer => member(&key, desk).await,
        KeyKind::Gate => Err(Denied::Gate),
    }
}

/// The member that a customer's key stands for, with the role that they have now.
async fn member(key: &ApiKey, desk: &Desk) -> Result<Who, Denied> {
    let Holder { customer, user } = key.holder.ok_or(Denied::Unknown)?;
    let role = match user {
        None => Role::Admin,
        Some(user) => {
            let found = desk.directory.users_among(key.realm, vec![user]).await.map_err(|fault| away(&fault))?;
            found.into_iter().find(|user| user.customer == customer).ok_or(Denied::Unknown)?.role
        }
    };
    Ok(Who::Member { realm: key.realm, customer, user, role, key: key.id })
}

fn away(fault: &Fault) -> Denied {
    tracing::warn!(error = fault as &dyn std::error::Error, "a key cannot be looked up");
    Denied::Away
}
