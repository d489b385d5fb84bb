//! The runaway guard: rules for an agent, and letting go on what it stopped.

use crate::asker::{asker, not_found};
use crate::object::{AgentNode, AllocationNode, GuardStopsName};
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::guards::{self, SetGuardError};
use almoner_domain::guard::{GUARD_INTERVAL_DEFAULT, GuardRules, GuardRulesError, Trigger};
use almoner_domain::standing::Stopped;
use almoner_domain::text::Named;
use async_graphql::{Context, ID, InputObject, Object, Result};
use std::time::Duration;

/// What an agent is to be guarded by. Signs that are left out count for nothing; with none of them it is not guarded.
#[derive(InputObject)]
pub(crate) struct SetAgentGuardInput {
    /// Which, by our id or the provider's.
    agent: String,
    /// What is slowed down and stopped: the allocation in which a sign was seen by default.
    stops: Option<GuardStopsName>,
    /// While it is slowed down, one call in so many seconds is admitted: 1 to 3600, 10 by default.
    interval_seconds: Option<i64>,
    /// The same call (features, amounts and dimensions) in one allocation, so many times; from 2 on.
    repeats: Option<GuardTriggerInput>,
    /// Calls in one allocation that were denied, so many; from 1 on.
    denials: Option<GuardTriggerInput>,
    /// So many percent of the allocation's forecast for the span: what was left at its start, spread evenly over what was left of its
    /// window; from 101 on.
    burn: Option<GuardTriggerInput>,
    /// Whole units of a feature that must have been used in the span before `burn` says anything; none by default.
    burn_units_min: Option<i64>,
}

/// How much of a sign, within a span, leads to which step. At least one step, and each at or before the next.
#[derive(InputObject)]
pub(crate) struct GuardTriggerInput {
    /// Within how many seconds: 1 to 86400.
    span_seconds: i64,
    /// From how much on it is watched: people are told. Never by default.
    watch: Option<i64>,
    /// From how much on it is slowed down. Never by default.
    throttle: Option<i64>,
    /// From how much on it is stopped. Never by default.
    suspend: Option<i64>,
}

payload! {
    /// What came of guarding an agent.
    SetAgentGuardPayload {
        /// The agent.
        agent: AgentNode
    }
}

payload! {
    /// What came of letting an agent go on.
    ResumeAgentPayload {
        /// The agent.
        agent: AgentNode
    }
}

payload! {
    /// What came of letting an allocation go on.
    ResumeAllocationPayload {
        /// The allocation.
        allocation: AllocationNode
    }
}

#[derive(Default)]
pub(crate) struct GuardMutation;

#[Object]
impl GuardMutation {
    /// Guards an agent by these rules and no others. How far the guard has gone stays as it is: `resumeAgent` and `resumeAllocation`
    /// let go on.
    async fn set_agent_guard(&self, context: &Context<'_>, input: SetAgentGuardInput) -> Result<SetAgentGuardPayload> {
        SetAgentGuardPayload::of(set(context, input).await)
    }

    /// Lets an agent go on that the runaway guard watches, slows down or stopped, named by our id or the provider's. What it counted
    /// begins anew. One that nothing holds stays as it is.
    async fn resume_agent(&self, context: &Context<'_>, agent: String) -> Result<ResumeAgentPayload> {
        ResumeAgentPayload::of(resume_agent(context, &agent).await)
    }

    /// Lets an allocation go on that the runaway guard watches, slows down or stopped, with all that was carved from it. What it counted
    /// begins anew. One that nothing holds stays as it is.
    async fn resume_allocation(&self, context: &Context<'_>, id: ID) -> Result<ResumeAllocationPayload> {
        ResumeAllocationPayload::of(resume_allocation(context, &id).await)
    }
}

/// What is below zero is as little as nothing, and what is too large for a bound is none: both are refused as that.
fn count(asked: i64) -> u32 {
    u32::try_from(asked.max(0)).unwrap_or(u32::MAX)
}

fn seconds(asked: i64) -> Duration {
    Duration::from_secs(u64::try_from(asked).unwrap_or_default())
}

fn trigger(input: GuardTriggerInput) -> Trigger {
    Trigger {
        span: seconds(input.span_seconds),
        watch: input.watch.map(count),
        throttle: input.throttle.map(count),
        suspend: input.suspend.map(count),
    }
}

async fn set(context: &Context<'_>, input: SetAgentGuardInput) -> Result<AgentNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let name = checks.keep(&["agent"], Named::parse(&input.agent));
    checks.done()?;
    let rules = GuardRules {
        stops: input.stops.map_or(Stopped::Allocation, Into::into),
        interval: input.interval_seconds.map_or(GUARD_INTERVAL_DEFAULT, seconds),
        repeats: input.repeats.map(trigger),
        denials: input.denials.map(trigger),
        burn: input.burn.map(trigger),
        burn_units_min: input.burn_units_min.map_or(0, count),
    };
    guards::set(&asker.caller, &asker.desk, &kept(name)?, rules).await.map(AgentNode).map_err(refused)
}

fn refused(error: SetGuardError) -> Stop {
    use GuardRulesError as Why;
    // These say what a member must be, without naming it.
    let at = |path: &[&str]| Stop::at(RefusalCode::Invalid, path, format!("{} {error}", path.last().unwrap_or(&"it")));
    match error {
        SetGuardError::Forbidden(why) => why.into(),
        SetGuardError::Fault(fault) => fault.into(),
        SetGuardError::NotFound => Stop::at(RefusalCode::NotFound, &["agent"], error),
        SetGuardError::Rules(Why::Span(sign)) => at(&[sign.as_str(), "spanSeconds"]),
        SetGuardError::Rules(Why::NoStep(sign) | Why::Step { sign, .. } | Why::Order(sign)) => at(&[sign.as_str()]),
        SetGuardError::Rules(Why::Interval) => at(&["intervalSeconds"]),
        SetGuardError::Rules(Why::UnitsMin) => at(&["burnUnitsMin"]),
    }
}

async fn resume_agent(context: &Context<'_>, agent: &str) -> Result<AgentNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let name = checks.keep(&["agent"], Named::parse(agent));
    checks.done()?;
    let resumed = guards::resume_agent(&asker.caller, &asker.desk, &kept(name)?).await.map_err(not_found)?;
    let unknown = || Stop::at(RefusalCode::NotFound, &["agent"], "There is no such agent. Check its name.");
    resumed.map(AgentNode).ok_or_else(unknown)
}

async fn resume_allocation(context: &Context<'_>, id: &ID) -> Result<AllocationNode, Stop> {
    let asker = asker(context)?;
    let unknown = || Stop::at(RefusalCode::NotFound, &["id"], "There is no such allocation. Check the id.");
    let id = id.parse().map_err(|_| unknown())?;
    let resumed = guards::resume_allocation(&asker.caller, &asker.desk, id).await.map_err(not_found)?;
    resumed.map(AllocationNode).ok_or_else(unknown)
}
