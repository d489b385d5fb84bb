//! Agents are registered before anything is carved for them.

use crate::asker::asker;
use crate::object::AgentNode;
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::agents::{self, LabelAgentError, NewAgent, RegisterAgentError};
use almoner_domain::text::{ExternalId, Label, Name, Named};
use async_graphql::{Context, InputObject, Object, Result};
use std::collections::BTreeSet;

/// An agent to be.
#[derive(InputObject)]
pub(crate) struct RegisterAgentInput {
    /// The provider's own id, unique for the tenant.
    external_id: String,
    /// What people will call it.
    name: String,
    /// Labels, by which policies find it: at most 32.
    labels: Option<Vec<String>>,
}

/// Labels for an agent.
#[derive(InputObject)]
pub(crate) struct LabelAgentInput {
    /// Which, by our id or the provider's.
    agent: String,
    /// Its labels from now on, at most 32. Those that are not named are taken off.
    labels: Vec<String>,
}

payload! {
    /// What came of labelling an agent.
    LabelAgentPayload {
        /// The agent.
        agent: AgentNode
    }
}

payload! {
    /// What came of registering an agent.
    RegisterAgentPayload {
        /// The agent.
        agent: AgentNode
    }
}

#[derive(Default)]
pub(crate) struct AgentMutation;

#[Object]
impl AgentMutation {
    /// Registers an agent.
    async fn register_agent(&self, context: &Context<'_>, input: RegisterAgentInput) -> Result<RegisterAgentPayload> {
        RegisterAgentPayload::of(register(context, input).await)
    }

    /// Gives an agent labels, by which policies find it when a session of it first appears.
    async fn label_agent(&self, context: &Context<'_>, input: LabelAgentInput) -> Result<LabelAgentPayload> {
        LabelAgentPayload::of(label(context, input).await)
    }
}

async fn register(context: &Context<'_>, input: RegisterAgentInput) -> Result<AgentNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let external_id = checks.keep(&["externalId"], ExternalId::parse(&input.external_id));
    let name = checks.keep(&["name"], Name::parse(&input.name));
    let labels = labels(input.labels.as_deref().unwrap_or_default(), &mut checks);
    checks.done()?;
    let new = NewAgent { external_id: kept(external_id)?, name: kept(name)?, labels };
    match agents::register(&asker.caller, &asker.desk.app, new).await {
        Ok(agent) => Ok(AgentNode(agent)),
        Err(RegisterAgentError::Forbidden(why)) => Err(why.into()),
        Err(RegisterAgentError::Fault(fault)) => Err(fault.into()),
        Err(many @ RegisterAgentError::TooManyLabels) => Err(Stop::at(RefusalCode::Limit, &["labels"], many)),
        Err(taken @ RegisterAgentError::Taken(_)) => Err(Stop::at(RefusalCode::Taken, &["externalId"], taken)),
    }
}

async fn label(context: &Context<'_>, input: LabelAgentInput) -> Result<AgentNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let name = checks.keep(&["agent"], Named::parse(&input.agent));
    let labels = labels(&input.labels, &mut checks);
    checks.done()?;
    let labelled = agents::label(&asker.caller, &asker.desk.app, &kept(name)?, labels).await;
    labelled.map(AgentNode).map_err(|error| match error {
        LabelAgentError::Forbidden(why) => why.into(),
        LabelAgentError::Fault(fault) => fault.into(),
        LabelAgentError::NotFound => Stop::at(RefusalCode::NotFound, &["agent"], error),
        LabelAgentError::TooManyLabels => Stop::at(RefusalCode::Limit, &["labels"], error),
    })
}

fn labels(labels: &[String], checks: &mut Checks) -> BTreeSet<Label> {
    let read = |(at, label): (usize, &String)| checks.keep(&["labels", &at.to_string()], Label::parse(label));
    labels.iter().enumerate().filter_map(read).collect()
}
