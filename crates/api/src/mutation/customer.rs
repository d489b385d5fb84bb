//! Customers, the people in them, what they subscribe to, and how their quota is shared.

use crate::asker::asker;
use crate::object::{CustomerNode, RoleName, SubscriptionNode, UserNode};
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::customers::{self, AddCustomerError, NewCustomer};
use almoner_app::features;
use almoner_app::shares::{self, NewShare, SetAsideError};
use almoner_app::subscriptions::{self, NewSubscription, SubscribeError};
use almoner_app::users::{self, AddUserError, NewUser};
use almoner_domain::feature::FeatureKind;
use almoner_domain::period::Calendar;
use almoner_domain::text::{ExternalId, FeatureKey, Name, Named};
use almoner_domain::time::Timestamp;
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

/// A subscription to be.
#[derive(InputObject)]
pub(crate) struct SubscribeInput {
    /// The customer, by our id or the provider's.
    customer: String,
    /// The plan, by the provider's id; its newest version is taken.
    plan: String,
    /// Where its periods start (RFC 3339), not ahead of now; now by default.
    anchor: Option<String>,
    /// In whose civil time: an IANA zone such as `Europe/Paris`; `UTC` by default.
    zone: Option<String>,
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
    /// What came of adding a user.
    AddUserPayload {
        /// The user.
        user: UserNode
    }
}

payload! {
    /// What came of subscribing a customer.
    SubscribePayload {
        /// The subscription.
        subscription: SubscriptionNode
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

    /// Adds a person to a customer.
    async fn add_user(&self, context: &Context<'_>, input: AddUserInput) -> Result<AddUserPayload> {
        AddUserPayload::of(add_user(context, input).await)
    }

    /// Subscribes a customer to the newest version of a plan. One that is subscribed already is not.
    async fn subscribe(&self, context: &Context<'_>, input: SubscribeInput) -> Result<SubscribePayload> {
        SubscribePayload::of(subscribe(context, input).await)
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

async fn add_user(context: &Context<'_>, input: AddUserInput) -> Result<UserNode, Stop> {
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
    })
}

async fn subscribe(context: &Context<'_>, input: SubscribeInput) -> Result<SubscriptionNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let customer = checks.keep(&["customer"], Named::parse(&input.customer));
    let plan = checks.keep(&["plan"], ExternalId::parse(&input.plan));
    let anchor = match &input.anchor {
        Some(text) => checks.keep(&["anchor"], Timestamp::parse(text)),
        None => Some(asker.desk.app.clock.now()),
    };
    let zone = input.zone.as_deref().unwrap_or("UTC");
    let calendar = anchor.and_then(|anchor| checks.keep(&["zone"], Calendar::new(anchor, zone)));
    checks.done()?;
    let new = NewSubscription { customer: kept(customer)?, plan: kept(plan)?, calendar: kept(calendar)? };
    let subscribed = subscriptions::subscribe(&asker.caller, &asker.desk.app, new).await;
    subscribed.map(SubscriptionNode).map_err(|error| match error {
        SubscribeError::Forbidden(why) => why.into(),
        SubscribeError::Fault(fault) => fault.into(),
        SubscribeError::UnknownCustomer => Stop::at(RefusalCode::NotFound, &["customer"], error),
        SubscribeError::UnknownPlan(_) => Stop::at(RefusalCode::NotFound, &["plan"], error),
        SubscribeError::Subscribed => Stop::at(RefusalCode::Conflict, &["customer"], error),
        SubscribeError::NotBegun => Stop::at(RefusalCode::Invalid, &["anchor"], error),
    })
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
