//! Removals of what was made by mistake. What is in use, or has a history, stays.

use crate::asker::asker;
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::removal::RemoveError;
use almoner_app::{agents, customers, features, plans, users};
use almoner_domain::text::{ExternalId, FeatureKey, Named};
use async_graphql::{Context, Object, Result};

payload! {
    /// What came of removing something.
    RemovePayload {
        /// What it was named by.
        removed: String
    }
}

#[derive(Default)]
pub(crate) struct RemovalMutation;

#[Object]
impl RemovalMutation {
    /// Removes a feature that no plan grants, by its key.
    async fn remove_feature(&self, context: &Context<'_>, key: String) -> Result<RemovePayload> {
        RemovePayload::of(remove_feature(context, key).await)
    }

    /// Removes a plan, with its versions, that nobody is or was subscribed to, by the provider's id.
    async fn remove_plan(&self, context: &Context<'_>, external_id: String) -> Result<RemovePayload> {
        RemovePayload::of(remove_plan(context, external_id).await)
    }

    /// Removes a customer without people, subscriptions and a history, by our id or the provider's.
    async fn remove_customer(&self, context: &Context<'_>, id: String) -> Result<RemovePayload> {
        RemovePayload::of(remove_customer(context, id).await)
    }

    /// Removes a user without a share, allocations and a history, by our ids or the provider's. Their keys stop working.
    async fn remove_user(&self, context: &Context<'_>, customer: String, user: String) -> Result<RemovePayload> {
        RemovePayload::of(remove_user(context, &customer, user).await)
    }

    /// Removes an agent that never ran, by our id or the provider's.
    async fn remove_agent(&self, context: &Context<'_>, id: String) -> Result<RemovePayload> {
        RemovePayload::of(remove_agent(context, id).await)
    }
}

fn refused(error: RemoveError, member: &str, noun: &str) -> Stop {
    match error {
        RemoveError::Forbidden(why) => why.into(),
        RemoveError::Fault(fault) => fault.into(),
        RemoveError::NotFound => Stop::at(RefusalCode::NotFound, &[member], format!("There is no such {noun}.")),
        RemoveError::InUse => {
            Stop::at(RefusalCode::Conflict, &[member], format!("The {noun} is in use, or has a history, and stays."))
        }
    }
}

async fn remove_feature(context: &Context<'_>, key: String) -> Result<String, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let parsed = checks.keep(&["key"], FeatureKey::parse(&key));
    checks.done()?;
    let removed = features::remove(&asker.caller, &asker.desk.app, &kept(parsed)?).await;
    removed.map(|()| key).map_err(|error| refused(error, "key", "feature"))
}

async fn remove_plan(context: &Context<'_>, external_id: String) -> Result<String, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let parsed = checks.keep(&["externalId"], ExternalId::parse(&external_id));
    checks.done()?;
    let removed = plans::remove(&asker.caller, &asker.desk.app, &kept(parsed)?).await;
    removed.map(|()| external_id).map_err(|error| refused(error, "externalId", "plan"))
}

async fn remove_customer(context: &Context<'_>, id: String) -> Result<String, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let parsed = checks.keep(&["id"], Named::parse(&id));
    checks.done()?;
    let removed = customers::remove(&asker.caller, &asker.desk.app, &kept(parsed)?).await;
    removed.map(|()| id).map_err(|error| refused(error, "id", "customer"))
}

async fn remove_user(context: &Context<'_>, customer: &str, user: String) -> Result<String, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let at = checks.keep(&["customer"], Named::parse(customer));
    let parsed = checks.keep(&["user"], Named::parse(&user));
    checks.done()?;
    let removed = users::remove(&asker.caller, &asker.desk.app, &kept(at)?, &kept(parsed)?).await;
    removed.map(|()| user).map_err(|error| refused(error, "user", "user"))
}

async fn remove_agent(context: &Context<'_>, id: String) -> Result<String, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let parsed = checks.keep(&["id"], Named::parse(&id));
    checks.done()?;
    let removed = agents::remove(&asker.caller, &asker.desk.app, &kept(parsed)?).await;
    removed.map(|()| id).map_err(|error| refused(error, "id", "agent"))
}
