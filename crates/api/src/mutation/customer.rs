//! Customers, and how their quota is shared.

use crate::asker::asker;
use crate::object::{CustomerNode, UserNode};
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::customers::{self, AddCustomerError, NewCustomer};
use almoner_app::features;
use almoner_app::shares::{self, NewShare, SetAsideError};
use almoner_domain::feature::FeatureKind;
use almoner_domain::text::{ExternalId, FeatureKey, Name, Named};
use almoner_domain::units::{Scale, Units};
use async_graphql::{Context, InputObject, Object, Result};

/// A customer to be.
#[derive(InputObject)]
pub(crate) struct AddCustomerInput {
    /// The provider's own id, unique for the tenant.
    external_id: String,
    /// What people will call it.
    name: String,
}

/// A share to be.
#[derive(InputObject)]
pub(crate) struct SetAsideShareInput {
    /// Of which customer's quota, by our id or the provider's.
    customer: String,
    /// For which of its users, by our id or the provider's.
    user: String,
    /// Of which metered feature, by its key.
    feature: String,
    /// Units of each usage period, as a decimal in the feature's unit.
    amount: String,
}

payload! {
    /// What came of adding a customer.
    AddCustomerPayload {
        /// The customer.
        customer: CustomerNode
    }
}

payload! {
    /// What came of setting a share aside.
    SetAsideSharePayload {
        /// The user whose share it is.
        user: UserNode
    }
}

#[derive(Default)]
pub(crate) struct CustomerMutation;

#[Object]
impl CustomerMutation {
    /// Adds a customer.
    async fn add_customer(&self, context: &Context<'_>, input: AddCustomerInput) -> Result<AddCustomerPayload> {
        AddCustomerPayload::of(add_customer(context, input).await)
    }

    /// Sets aside a share of a customer's quota for one of its users, from what is free now and anew in each period.
    async fn set_aside_share(&self, context: &Context<'_>, input: SetAsideShareInput) -> Result<SetAsideSharePayload> {
        SetAsideSharePayload::of(set_aside(context, input).await)
    }
}

async fn add_customer(context: &Context<'_>, input: AddCustomerInput) -> Result<CustomerNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let external_id = checks.keep(&["externalId"], ExternalId::parse(&input.external_id));
    let name = checks.keep(&["name"], Name::parse(&input.name));
    checks.done()?;
    let new = NewCustomer { external_id: kept(external_id)?, name: kept(name)? };
    match customers::add(&asker.caller, &asker.desk.app, new).await {
        Ok(customer) => Ok(CustomerNode(customer)),
        Err(AddCustomerError::Forbidden(why)) => Err(why.into()),
        Err(AddCustomerError::Fault(fault)) => Err(fault.into()),
        Err(taken @ AddCustomerError::Taken(_)) => Err(Stop::at(RefusalCode::Taken, &["externalId"], taken)),
    }
}

async fn set_aside(context: &Context<'_>, input: SetAsideShareInput) -> Result<UserNode, Stop> {
    let asker = asker(context)?;
    let app = &asker.desk.app;
    let mut checks = Checks::default();
    let customer = checks.keep(&["customer"], Named::parse(&input.customer));
    let user = checks.keep(&["user"], Named::parse(&input.user));
    let feature = checks.keep(&["feature"], FeatureKey::parse(&input.feature));
    let known = match &feature {
        Some(key) => features::find(&asker.caller, app, key).await.map_err(crate::asker::not_found)?,
        None => None,
    };
    // Where the feature is not metered the use case refuses, whatever the amount.
    let scale = match known.map(|feature| feature.kind) {
        Some(FeatureKind::Metered(meter)) => meter.scale,
        _ => Scale::WHOLE,
    };
    let amount = checks.keep(&["amount"], Units::parse(&input.amount, scale));
    checks.done()?;
    let new = NewShare { customer: kept(customer)?, user: kept(user)?, feature: kept(feature)?, amount: kept(amount)? };
    let share = shares::set_aside(&asker.caller, app, new).await.map_err(|error| match error {
        SetAsideError::Forbidden(why) => why.into(),
        SetAsideError::Fault(fault) => fault.into(),
        SetAsideError::UnknownCustomer => Stop::at(RefusalCode::NotFound, &["customer"], error),
        SetAsideError::UnknownUser => Stop::at(RefusalCode::NotFound, &["user"], error),
        SetAsideError::NoQuota(_) => Stop::at(RefusalCode::NotFound, &["feature"], error),
        SetAsideError::Zero => Stop::at(RefusalCode::Invalid, &["amount"], error),
        SetAsideError::TooMuch { left, quota } => {
            let (left, quota) = (left.display(scale), quota.display(scale));
            let message = format!("only {left} of the customer's {quota} are not shared yet; ask for less");
            Stop::at(RefusalCode::Short, &["amount"], message)
        }
        SetAsideError::Shared(_) => Stop::at(RefusalCode::Conflict, &["user"], error),
    })?;
    let whose = match share.user {
        Some(user) => asker.loader.load_one(user).await?,
        None => None,
    };
    Ok(UserNode(crate::object::there(whose)?))
}
