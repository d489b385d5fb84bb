//! API keys: issued once in plain, kept as a hash, revoked for good.

use crate::app::App;
use crate::audit::{Deed, sign};
use crate::authority::{self, FindError, Forbidden, Reach};
use crate::{customers, users};
use almoner_domain::audit::Action;
use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::id::{CustomerId, KeyId, UserId};
use almoner_domain::key::{self, ApiKey, Holder, KeyHash, KeyKind};
use almoner_domain::ports::Work;
use almoner_domain::tenant::Realm;
use almoner_domain::text::{Name, Named};
use thiserror::Error;

/// The most keys of one realm that are not revoked: more is a leak of some program, not a need.
pub const KEYS_MAX: usize = 1_000;

/// A key in plain. It exists from its making until it is shown, and is never logged.
pub struct PlainKey(String);

impl PlainKey {
    /// The key itself, to show it to its owner.
    pub fn reveal(self) -> String {
        self.0
    }
}

impl std::fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlainKey(...)")
    }
}

/// A key to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// For what.
    pub kind: KeyKind,
    /// A customer's key, and only one: whose.
    pub holder: Option<NewHolder>,
    /// What people will call it.
    pub name: Name,
}

/// Whose a customer's key is to be.
#[derive(Debug, Clone)]
pub struct NewHolder {
    /// The customer.
    pub customer: Named<CustomerId>,
    /// The user it speaks for; none for a program that manages the customer's affairs.
    pub user: Option<Named<UserId>>,
}

/// A key just made.
#[derive(Debug)]
pub struct Issued {
    /// As it is kept.
    pub key: ApiKey,
    /// In plain, this once.
    pub plain: PlainKey,
}

/// Why no key was issued.
#[derive(Debug, Error)]
pub enum IssueKeyError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Too many already.
    #[error("there are {KEYS_MAX} keys already; revoke what is not used")]
    TooMany,
    /// A customer's key of nobody, or another kind of key with a holder.
    #[error("a customer key has a holder, and no other has")]
    Holder,
    /// No such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// No such user.
    #[error("the customer has no such user")]
    UnknownUser,
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a key was not rotated.
#[derive(Debug, Error)]
pub enum RotateKeyError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such key, or it is revoked.
    #[error("there is no key {0} that is not revoked")]
    NotFound(KeyId),
    /// Too many already.
    #[error("there are {KEYS_MAX} keys already; revoke what is not used")]
    TooMany,
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a key was not revoked.
#[derive(Debug, Error)]
pub enum RevokeKeyError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such key, or it is revoked.
    #[error("there is no key {0} that is not revoked")]
    NotFound(KeyId),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Issues a key in the caller's realm.
pub async fn issue(caller: &Caller, app: &App, new: NewKey) -> Result<Issued, IssueKeyError> {
    let (realm, reach) = authority::manages(caller)?;
    if reach != Reach::Tenant && new.kind != KeyKind::Customer {
        return Err(Forbidden::NeedsOperator.into());
    }
    let mut work = app.store.begin(realm).await?;
    let holder = match (new.kind, &new.holder) {
        (KeyKind::Customer, Some(holder)) => Some(find_holder(&mut *work, reach, holder).await?),
        (KeyKind::Operator | KeyKind::Gate, None) => None,
        _ => return Err(IssueKeyError::Holder),
    };
    let kept = live(&mut *work).await?;
    if kept.len() >= KEYS_MAX {
        return Err(IssueKeyError::TooMany);
    }
    let issued = make(app, realm, new.kind, holder, new.name);
    work.keys().add(&issued.key).await?;
    let deed = Deed {
        action: Action::IssueKey,
        subject: &issued.key.id,
        customer: issued.key.holder.map(|holder| holder.customer),
        note: format!("{} {}", issued.key.kind.as_str(), issued.key.name),
    };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, key = %issued.key.id, kind = issued.key.kind.as_str(), "key issued");
    Ok(issued)
}

/// All keys of the caller's realm, newest first.
pub async fn list(caller: &Caller, app: &App) -> Result<Vec<ApiKey>, FindError> {
    let (realm, reach) = authority::manages(caller)?;
    let mut keys = app.store.begin(realm).await?.keys().all().await?;
    keys.retain(|key| is_within(reach, key));
    Ok(keys)
}

/// Revokes a key. Gates that have it in memory stop taking it within their `gate.credential_ttl_ms`.
pub async fn revoke(caller: &Caller, app: &App, id: KeyId) -> Result<(), RevokeKeyError> {
    let (realm, reach) = authority::manages(caller)?;
    let mut work = app.store.begin(realm).await?;
    let kept = live(&mut *work).await?;
    let found = kept.into_iter().find(|key| key.id == id && is_within(reach, key));
    let revoked = found.ok_or(RevokeKeyError::NotFound(id))?;
    if !work.keys().revoke(id, app.now()).await? {
        return Err(RevokeKeyError::NotFound(id));
    }
    let deed = Deed {
        action: Action::RevokeKey,
        subject: &id,
        customer: revoked.holder.map(|holder| holder.customer),
        note: revoked.name.to_string(),
    };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, key = %id, "key revoked");
    Ok(())
}

/// Issues the successor of a key: same kind, same name. Both work until the old one is revoked, so that programs can
/// change over one by one.
pub async fn rotate(caller: &Caller, app: &App, id: KeyId) -> Result<Issued, RotateKeyError> {
    let (realm, reach) = authority::manages(caller)?;
    let mut work = app.store.begin(realm).await?;
    let kept = live(&mut *work).await?;
    let old = kept.iter().find(|key| key.id == id && is_within(reach, key)).ok_or(RotateKeyError::NotFound(id))?;
    if kept.len() >= KEYS_MAX {
        return Err(RotateKeyError::TooMany);
    }
    let issued = make(app, realm, old.kind, old.holder, old.name.clone());
    work.keys().add(&issued.key).await?;
    let deed = Deed {
        action: Action::RotateKey,
        subject: &id,
        customer: issued.key.holder.map(|holder| holder.customer),
        note: format!("replaced by {}", issued.key.id),
    };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, key = %issued.key.id, replaces = %id, "key rotated");
    Ok(issued)
}

async fn live(work: &mut dyn Work) -> Result<Vec<ApiKey>, Fault> {
    let mut keys = work.keys().all().await?;
    keys.retain(|key| key.revoked_at.is_none());
    Ok(keys)
}

async fn find_holder(work: &mut dyn Work, reach: Reach, new: &NewHolder) -> Result<Holder, IssueKeyError> {
    let customer = customers::named(work.customers(), &new.customer).await?;
    let customer = customer.filter(|found| reach.has_customer(found.id)).ok_or(IssueKeyError::UnknownCustomer)?;
    let user = match &new.user {
        None => None,
        Some(name) => {
            let found = users::named(work.customers(), customer.id, name).await?;
            Some(found.ok_or(IssueKeyError::UnknownUser)?.id)
        }
    };
    Ok(Holder { customer: customer.id, user })
}

/// Staff see every key; who manages a customer's affairs sees that customer's.
fn is_within(reach: Reach, key: &ApiKey) -> bool {
    reach.customer().is_none_or(|own| key.holder.is_some_and(|holder| holder.customer == own))
}

fn make(app: &App, realm: Realm, kind: KeyKind, holder: Option<Holder>, name: Name) -> Issued {
    let plain = key::generate(realm.environment, kind, &*app.entropy);
    let key = ApiKey {
        id: app.new_id(),
        realm,
        kind,
        holder,
        name,
        hash: KeyHash::of(&plain),
        hint: key::hint(&plain),
        created_at: app.now(),
        revoked_at: None,
    };
    Issued { key, plain: PlainKey(plain) }
}
