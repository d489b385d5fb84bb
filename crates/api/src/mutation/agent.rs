//! Agents are registered before anything is carved for them.

use crate::asker::asker;
use crate::object::AgentNode;
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::agents::{self, NewAgent, RegisterAgentError};
use almoner_domain::text::{ExternalId, Name};
use async_graphql::{Context, InputObject, Object, Result};

/// An agent to be.
#[derive(InputObject)]
pub(crate) struct RegisterAgentInput {
    /// The provider's own id, unique for the tenant.
    external_id: String,
    /// What people will call it.
    name: String,
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
}

async fn register(context: &Context<'_>, input: RegisterAgentInput) -> Result<AgentNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let external_id = checks.keep(&["externalId"], ExternalId::parse(&input.external_id));
    let name = checks.keep(&["name"], Name::parse(&input.name));
    checks.done()?;
    let new = NewAgent { external_id: kept(external_id)?, name: kept(name)? };
    match agents::register(&asker.caller, &asker.desk.app, new).await {
        Ok(agent) => Ok(AgentNode(agent)),
        Err(RegisterAgentError::Forbidden(why)) => Err(why.into()),
        Err(RegisterAgentError::Fault(fault)) => Err(fault.into()),
        Err(taken @ RegisterAgentError::Taken(_)) => Err(Stop::at(RefusalCode::Taken, &["externalId"], taken)),
    }
}
