//! The people in customers, and what they may do there.

use crate::asker::asker;
use crate::object::{RoleName, UserNode};
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::users::{self, AddUserError, ChangeRoleError, NewUser};
use almoner_domain::text::{ExternalId, Name, Named};
use async_graphql::{Context, InputObject, Object, Result};

/// A person to be added to a customer.
#[derive(InputObject)]
pub(crate) struct AddUserInput {
    /// The customer, by our id or the provider's.
    customer: String,
    /// The provider's own id, unique in the customer.
    external_id: String,
    /// What people call them.
    name: String,
    /// What they may do for the customer.
    role: RoleName,
}

/// Another role for a person.
#[derive(InputObject)]
pub(crate) struct ChangeRoleInput {
    /// The customer, by our id or the provider's.
    customer: String,
    /// The user, by our id or the provider's.
    user: String,
    /// What they may do for the customer from now on.
    role: RoleName,
}

payload! {
    /// What came of adding a user.
    AddUserPayload {
        /// The user.
        user: UserNode
    }
}

payload! {
    /// What came of changing a role.
    ChangeRolePayload {
        /// The user, with the role that they have now.
        user: UserNode
    }
}

#[derive(Default)]
pub(crate) struct UserMutation;

#[Object]
impl UserMutation {
    /// Adds a person to a customer. Only owners and the tenant's staff add owners.
    async fn add_user(&self, context: &Context<'_>, input: AddUserInput) -> Result<AddUserPayload> {
        AddUserPayload::of(add(context, input).await)
    }

    /// Gives a person another role, from their next request on. Only owners and the tenant's staff make and unmake owners; the
    /// last owner stays one.
    async fn change_role(&self, context: &Context<'_>, input: ChangeRoleInput) -> Result<ChangeRolePayload> {
        ChangeRolePayload::of(change_role(context, input).await)
    }
}

async fn add(context: &Context<'_>, input: AddUserInput) -> Result<UserNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let customer = checks.keep(&["customer"], Named::parse(&input.customer));
    let external_id = checks.keep(&["externalId"], ExternalId::parse(&input.external_id));
    let name = checks.keep(&["name"], Name::parse(&input.name));
    checks.done()?;
    let role = input.role.into();
    let new = NewUser { customer: kept(customer)?, external_id: kept(external_id)?, name: kept(name)?, role };
    users::add(&asker.caller, &asker.desk.app, new).await.map(UserNode).map_err(|error| match error {
        AddUserError::Forbidden(why) => why.into(),
        AddUserError::Fault(fault) => fault.into(),
        AddUserError::UnknownCustomer => Stop::at(RefusalCode::NotFound, &["customer"], error),
        AddUserError::Taken(_) => Stop::at(RefusalCode::Taken, &["externalId"], error),
        AddUserError::NotOwner => Stop::at(RefusalCode::Conflict, &["role"], error),
    })
}

async fn change_role(context: &Context<'_>, input: ChangeRoleInput) -> Result<UserNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let customer = checks.keep(&["customer"], Named::parse(&input.customer));
    let user = checks.keep(&["user"], Named::parse(&input.user));
    checks.done()?;
    let (customer, user) = (kept(customer)?, kept(user)?);
    let changed = users::change_role(&asker.caller, &asker.desk.app, &customer, &user, input.role.into()).await;
    changed.map(UserNode).map_err(|error| match error {
        ChangeRoleError::Forbidden(why) => why.into(),
        ChangeRoleError::Fault(fault) => fault.into(),
        ChangeRoleError::UnknownCustomer => Stop::at(RefusalCode::NotFound, &["customer"], error),
        ChangeRoleError::UnknownUser => Stop::at(RefusalCode::NotFound, &["user"], error),
        ChangeRoleError::NotOwner | ChangeRoleError::LastOwner => Stop::at(RefusalCode::Conflict, &["role"], error),
    })
}
