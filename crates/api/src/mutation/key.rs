//! API keys: shown once, rotated with overlap, revoked for good.

use crate::asker::asker;
use crate::object::{KeyKindName, KeyObject};
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::keys::{self, IssueKeyError, Issued, NewHolder, NewKey, RevokeKeyError, RotateKeyError};
use almoner_domain::text::{Name, Named};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

/// A key to be.
#[derive(InputObject)]
pub(crate) struct IssueKeyInput {
    /// What it is for.
    kind: KeyKindName,
    /// A customer key, and only one: the customer, by our id or the provider's.
    customer: Option<String>,
    /// A customer key: the user it speaks for, by our id or the provider's, with whatever role they have. Without one it is a
    /// program's that manages the customer's affairs.
    user: Option<String>,
    /// What people will call it.
    name: String,
}

/// A key just made.
#[derive(SimpleObject)]
pub(crate) struct IssuedKey {
    /// The key as it is kept.
    key: KeyObject,
    /// The key in plain. It is shown this once and cannot be read again.
    secret: String,
}

payload! {
    /// What came of issuing a key.
    IssueKeyPayload {
        /// The key, in plain this once.
        issued: IssuedKey
    }
}

payload! {
    /// What came of revoking a key.
    RevokeKeyPayload {
        /// The id of the key that is revoked.
        id: ID
    }
}

#[derive(Default)]
pub(crate) struct KeyMutation;

#[Object]
impl KeyMutation {
    /// Issues a key.
    async fn issue_key(&self, context: &Context<'_>, input: IssueKeyInput) -> Result<IssueKeyPayload> {
        IssueKeyPayload::of(issue(context, input).await)
    }

    /// Issues the successor of a key: same kind, same name. Both work until the old one is revoked.
    async fn rotate_key(&self, context: &Context<'_>, id: ID) -> Result<IssueKeyPayload> {
        IssueKeyPayload::of(rotate(context, &id).await)
    }

    /// Revokes a key. Gates stop taking it within a moment.
    async fn revoke_key(&self, context: &Context<'_>, id: ID) -> Result<RevokeKeyPayload> {
        RevokeKeyPayload::of(revoke(context, id).await)
    }
}

fn shown(issued: Issued) -> IssuedKey {
    IssuedKey { key: KeyObject(issued.key), secret: issued.plain.reveal() }
}

fn unknown() -> Stop {
    Stop::at(RefusalCode::NotFound, &["id"], "There is no such key that is not revoked. Check the id.")
}

async fn issue(context: &Context<'_>, input: IssueKeyInput) -> Result<IssuedKey, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let name = checks.keep(&["name"], Name::parse(&input.name));
    let customer = input.customer.as_deref().map(|name| checks.keep(&["customer"], Named::parse(name)));
    let user = input.user.as_deref().map(|name| checks.keep(&["user"], Named::parse(name)));
    if user.is_some() && customer.is_none() {
        checks.add(&["user"], "goes with customer");
    }
    checks.done()?;
    let holder = customer.flatten().map(|customer| NewHolder { customer, user: user.flatten() });
    let new = NewKey { kind: input.kind.into(), holder, name: kept(name)? };
    keys::issue(&asker.caller, &asker.desk.app, new).await.map(shown).map_err(|error| match error {
        IssueKeyError::Forbidden(why) => why.into(),
        IssueKeyError::Fault(fault) => fault.into(),
        IssueKeyError::TooMany => Stop::at(RefusalCode::Limit, &[], error),
        IssueKeyError::Holder => Stop::at(RefusalCode::Invalid, &["customer"], error),
        IssueKeyError::UnknownCustomer => Stop::at(RefusalCode::NotFound, &["customer"], error),
        IssueKeyError::UnknownUser => Stop::at(RefusalCode::NotFound, &["user"], error),
    })
}

async fn rotate(context: &Context<'_>, id: &ID) -> Result<IssuedKey, Stop> {
    let asker = asker(context)?;
    let id = id.parse().map_err(|_| unknown())?;
    keys::rotate(&asker.caller, &asker.desk.app, id).await.map(shown).map_err(|error| match error {
        RotateKeyError::Forbidden(why) => why.into(),
        RotateKeyError::Fault(fault) => fault.into(),
        RotateKeyError::NotFound(_) => unknown(),
        RotateKeyError::TooMany => Stop::at(RefusalCode::Limit, &[], error),
    })
}

async fn revoke(context: &Context<'_>, wire: ID) -> Result<ID, Stop> {
    let asker = asker(context)?;
    let id = wire.parse().map_err(|_| unknown())?;
    keys::revoke(&asker.caller, &asker.desk.app, id).await.map(|()| wire).map_err(|error| match error {
        RevokeKeyError::Forbidden(why) => why.into(),
        RevokeKeyError::Fault(fault) => fault.into(),
        RevokeKeyError::NotFound(_) => unknown(),
    })
}
