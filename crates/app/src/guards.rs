//! The runaway guard as people use it: rules for an agent, and letting go on what it stopped.

use crate::agents;
use crate::audit::{Deed, sign};
use crate::authority::{self, FindError, Forbidden, Reach};
use crate::desk::Desk;
use almoner_domain::agent::Agent;
use almoner_domain::allocation::Allocation;
use almoner_domain::audit::Action;
use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::guard::{Guard, GuardRules, GuardRulesError, Guarded, Sign};
use almoner_domain::id::{AgentId, AllocationId};
use almoner_domain::text::Named;
use thiserror::Error;

/// Why an agent's rules were not set.
#[derive(Debug, Error)]
pub enum SetGuardError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such agent.
    #[error("there is no such agent")]
    NotFound,
    /// What they say cannot be.
    #[error(transparent)]
    Rules(#[from] GuardRulesError),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Guards an agent by these rules and no others; rules that guard against nothing take the guard off. How far it has gone stays as it
/// is: a person lets an agent go on.
pub async fn set(
    caller: &Caller,
    desk: &Desk,
    name: &Named<AgentId>,
    rules: GuardRules,
) -> Result<Agent, SetGuardError> {
    let realm = authority::operator(caller)?;
    rules.check()?;
    let mut work = desk.app.store.begin(realm).await?;
    let agent = agents::named(work.agents(), name).await?.ok_or(SetGuardError::NotFound)?;
    let rules = Some(rules).filter(|rules| !rules.is_off());
    work.agents().set_guard(agent.id, rules.as_ref()).await?;
    let note = rules.as_ref().map_or("off".to_owned(), said);
    let deed = Deed { action: Action::SetAgentGuard, subject: &agent.id, customer: None, note };
    sign(&mut *work, &desk.app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, agent = %agent.id, is_guarded = rules.is_some(), "an agent's guard is set");
    desk.gates.guard_changed(realm, Guarded::Agent(agent.id)).await;
    Ok(agent)
}

fn said(rules: &GuardRules) -> String {
    let step = |step: Option<u32>| step.map_or("-".to_owned(), |step| step.to_string());
    let of = |sign: Sign| {
        let trigger = rules.trigger(sign)?;
        let steps = [trigger.watch, trigger.throttle, trigger.suspend].map(step).join("/");
        Some(format!("{} {steps} in {} s", sign.as_str(), trigger.span.as_secs()))
    };
    let signs: Vec<String> = Sign::ALL.into_iter().filter_map(of).collect();
    format!("stops the {}; {}", rules.stops.as_str(), signs.join(", "))
}

/// Lets an agent go on, in all that it does. One that nothing holds stays as it is. `None` where there is no such agent.
pub async fn resume_agent(caller: &Caller, desk: &Desk, name: &Named<AgentId>) -> Result<Option<Agent>, FindError> {
    let realm = authority::operator(caller)?;
    let found = agents::named(desk.app.store.begin(realm).await?.agents(), name).await?;
    let Some(agent) = found else { return Ok(None) };
    let guarded = Guarded::Agent(agent.id);
    if desk.ledger.resume_guard(realm, guarded, &caller.author()).await? {
        tracing::info!(%realm, agent = %agent.id, "an agent goes on");
    }
    desk.gates.guard_changed(realm, guarded).await;
    Ok(Some(agent))
}

/// Lets an allocation go on, with all that was carved from it. Staff may, and whoever manages the customer's affairs. One that nothing
/// holds stays as it is. `None` where there is no such allocation.
pub async fn resume_allocation(
    caller: &Caller,
    desk: &Desk,
    id: AllocationId,
) -> Result<Option<Allocation>, FindError> {
    let (realm, reach) = authority::manages(caller)?;
    let found = desk.directory.allocations_among(realm, vec![id]).await?.pop();
    let Some(allocation) = found.filter(|allocation| reach.has(&allocation.principals)) else { return Ok(None) };
    let guarded = Guarded::Allocation(id);
    if desk.ledger.resume_guard(realm, guarded, &caller.author()).await? {
        tracing::info!(%realm, allocation = %id, "an allocation goes on");
    }
    desk.gates.guard_changed(realm, guarded).await;
    Ok(Some(allocation))
}

/// How far the guard has gone with these, to be shown beside an agent or an allocation that the caller sees.
pub async fn among(caller: &Caller, desk: &Desk, of: Vec<Guarded>) -> Result<Vec<Guard>, FindError> {
    let (realm, _) = authority::looks(caller)?;
    Ok(desk.directory.guards_among(realm, of).await?)
}

/// What agents are guarded by. Only staff see it: who knows the bounds stays just below them.
pub async fn rules_among(
    caller: &Caller,
    desk: &Desk,
    agents: Vec<AgentId>,
) -> Result<Vec<(AgentId, GuardRules)>, FindError> {
    match authority::looks(caller)? {
        (realm, Reach::Tenant) => Ok(desk.directory.guard_rules_among(realm, agents).await?),
        (_, Reach::Customer(_) | Reach::User(..)) => Ok(Vec::new()),
    }
}
