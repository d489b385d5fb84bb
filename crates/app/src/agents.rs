//! Agents: software that acts for somebody.

use crate::app::{App, or_taken};
use crate::audit::{Deed, sign};
use crate::authority::{self, FindError, Forbidden};
use crate::removal::{RemoveError, gone};
use almoner_domain::agent::{Agent, LABELS_MAX};
use almoner_domain::audit::Action;
use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::id::AgentId;
use almoner_domain::ports::Agents;
use almoner_domain::text::{ExternalId, Label, Name, Named};
use std::collections::BTreeSet;
use thiserror::Error;

/// An agent to be.
#[derive(Debug, Clone)]
pub struct NewAgent {
    /// The provider's own id.
    pub external_id: ExternalId,
    /// What people will call it.
    pub name: Name,
    /// Labels, by which policies find it.
    pub labels: BTreeSet<Label>,
}

/// Why no agent was registered.
#[derive(Debug, Error)]
pub enum RegisterAgentError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// More labels than are kept.
    #[error("an agent bears at most {LABELS_MAX} labels")]
    TooManyLabels,
    /// The id is taken.
    #[error("there is an agent \"{0}\" already")]
    Taken(ExternalId),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Registers an agent.
pub async fn register(caller: &Caller, app: &App, new: NewAgent) -> Result<Agent, RegisterAgentError> {
    let realm = authority::operator(caller)?;
    if new.labels.len() > LABELS_MAX {
        return Err(RegisterAgentError::TooManyLabels);
    }
    let agent = Agent { id: app.new_id(), external_id: new.external_id, name: new.name, labels: new.labels };
    let mut work = app.store.begin(realm).await?;
    work.agents()
        .add(&agent)
        .await
        .map_err(|fault| or_taken(fault, || RegisterAgentError::Taken(agent.external_id.clone())))?;
    let deed =
        Deed { action: Action::RegisterAgent, subject: &agent.id, customer: None, note: agent.external_id.to_string() };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, agent = %agent.id, "agent registered");
    Ok(agent)
}

/// Why an agent was not labelled.
#[derive(Debug, Error)]
pub enum LabelAgentError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such agent.
    #[error("there is no such agent")]
    NotFound,
    /// More labels than are kept.
    #[error("an agent bears at most {LABELS_MAX} labels")]
    TooManyLabels,
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Gives an agent these labels and no others. Policies look at them when a session first appears.
pub async fn label(
    caller: &Caller,
    app: &App,
    name: &Named<AgentId>,
    labels: BTreeSet<Label>,
) -> Result<Agent, LabelAgentError> {
    let realm = authority::operator(caller)?;
    if labels.len() > LABELS_MAX {
        return Err(LabelAgentError::TooManyLabels);
    }
    let mut work = app.store.begin(realm).await?;
    let mut agent = named(work.agents(), name).await?.ok_or(LabelAgentError::NotFound)?;
    work.agents().label(agent.id, &labels).await?;
    agent.labels = labels;
    let note = agent.labels.iter().map(Label::as_str).collect::<Vec<_>>().join(", ");
    sign(&mut *work, app, caller, Deed { action: Action::LabelAgent, subject: &agent.id, customer: None, note })
        .await?;
    work.commit().await?;
    tracing::info!(%realm, agent = %agent.id, "agent labelled");
    Ok(agent)
}

/// Removes an agent that never ran.
pub async fn remove(caller: &Caller, app: &App, name: &Named<AgentId>) -> Result<(), RemoveError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    let agent = named(work.agents(), name).await?.ok_or(RemoveError::NotFound)?;
    gone(work.agents().remove(agent.id).await)?;
    let deed =
        Deed { action: Action::RemoveAgent, subject: &agent.id, customer: None, note: agent.external_id.to_string() };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, agent = %agent.id, "agent removed");
    Ok(())
}

/// An agent by our id or the provider's.
pub async fn find(caller: &Caller, app: &App, name: &Named<AgentId>) -> Result<Option<Agent>, FindError> {
    let (realm, _) = authority::looks(caller)?;
    Ok(named(app.store.begin(realm).await?.agents(), name).await?)
}

/// An agent that somebody names.
pub(crate) async fn named(agents: &mut dyn Agents, name: &Named<AgentId>) -> Result<Option<Agent>, Fault> {
    match name {
        Named::Id(id) => agents.by_id(*id).await,
        Named::External(id) => agents.by_external_id(id).await,
    }
}
