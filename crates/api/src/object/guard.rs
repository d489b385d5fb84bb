//! The runaway guard: how far it has gone with an agent or an allocation, and by which rules.

use super::instant;
use crate::asker::asker;
use crate::lists::{GuardOf, GuardRulesOf};
use almoner_domain::guard::{Guard, GuardRules, GuardState, Guarded, Trigger};
use almoner_domain::id::{AgentId, AllocationId};
use almoner_domain::standing::Stopped;
use async_graphql::{Context, Enum, Object, Result, SimpleObject};

/// How far the runaway guard has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "GuardState")]
pub(crate) enum GuardStateName {
    /// Nothing was seen.
    Calm,
    /// People are told; calls go on.
    Watch,
    /// One call in a stated time is admitted.
    Throttled,
    /// No call is admitted until somebody lets it go on.
    Suspended,
}

impl From<GuardState> for GuardStateName {
    fn from(state: GuardState) -> Self {
        match state {
            GuardState::Calm => Self::Calm,
            GuardState::Watch => Self::Watch,
            GuardState::Throttled => Self::Throttled,
            GuardState::Suspended => Self::Suspended,
        }
    }
}

/// What the rules of an agent slow down and stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "GuardStops")]
pub(crate) enum GuardStopsName {
    /// The agent, in all that it does.
    Agent,
    /// The allocation in which a sign was seen, with all that was carved from it.
    Allocation,
}

impl From<Stopped> for GuardStopsName {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Agent => Self::Agent,
            Stopped::Allocation => Self::Allocation,
        }
    }
}

impl From<GuardStopsName> for Stopped {
    fn from(name: GuardStopsName) -> Self {
        match name {
            GuardStopsName::Agent => Self::Agent,
            GuardStopsName::Allocation => Self::Allocation,
        }
    }
}

async fn guard(context: &Context<'_>, of: Guarded) -> Result<Option<Guard>> {
    asker(context)?.loader.load_one(GuardOf(of)).await
}

/// How far the guard has gone with an agent in all that it does.
pub(crate) struct AgentGuardObject(pub(crate) AgentId);

#[Object(name = "AgentGuard")]
impl AgentGuardObject {
    /// How far. Where its rules stop allocations, it is those that are held, and not the agent.
    async fn state(&self, context: &Context<'_>) -> Result<GuardStateName> {
        let guard = guard(context, Guarded::Agent(self.0)).await?;
        Ok(guard.map(|guard| guard.state).unwrap_or_default().into())
    }

    /// Since when; none where it never took a step.
    async fn since(&self, context: &Context<'_>) -> Result<Option<String>> {
        Ok(guard(context, Guarded::Agent(self.0)).await?.map(|guard| instant(guard.since)))
    }

    /// Why; where somebody let it go on, why it had been held.
    async fn why(&self, context: &Context<'_>) -> Result<Option<String>> {
        Ok(guard(context, Guarded::Agent(self.0)).await?.map(|guard| guard.why))
    }

    /// By which rules; none where it is not guarded. Staff alone see them.
    async fn rules(&self, context: &Context<'_>) -> Result<Option<GuardRulesObject>> {
        Ok(asker(context)?.loader.load_one(GuardRulesOf(self.0)).await?.map(Into::into))
    }
}

/// How far the guard has gone with an allocation.
pub(crate) struct AllocationGuardObject(pub(crate) AllocationId);

#[Object(name = "AllocationGuard")]
impl AllocationGuardObject {
    /// How far. What its agent, or what it was carved from, is held for is told there.
    async fn state(&self, context: &Context<'_>) -> Result<GuardStateName> {
        let guard = guard(context, Guarded::Allocation(self.0)).await?;
        Ok(guard.map(|guard| guard.state).unwrap_or_default().into())
    }

    /// Since when; none where it never took a step.
    async fn since(&self, context: &Context<'_>) -> Result<Option<String>> {
        Ok(guard(context, Guarded::Allocation(self.0)).await?.map(|guard| instant(guard.since)))
    }

    /// Why; where somebody let it go on, why it had been held.
    async fn why(&self, context: &Context<'_>) -> Result<Option<String>> {
        Ok(guard(context, Guarded::Allocation(self.0)).await?.map(|guard| guard.why))
    }
}

/// What an agent is guarded by. Each sign is counted in one allocation at a time.
#[derive(SimpleObject)]
#[graphql(name = "GuardRules")]
pub(crate) struct GuardRulesObject {
    /// What is slowed down and stopped.
    stops: GuardStopsName,
    /// While it is slowed down, one call in so many seconds is admitted.
    interval_seconds: u64,
    /// The same call, so many times.
    repeats: Option<GuardTriggerObject>,
    /// So many calls that were denied.
    denials: Option<GuardTriggerObject>,
    /// So many percent of the allocation's forecast for the span: what was left at its start, spread evenly over what was left of its
    /// window.
    burn: Option<GuardTriggerObject>,
    /// Whole units of a feature that must have been used in the span before `burn` says anything.
    burn_units_min: u32,
}

/// How much of a sign leads to which step; none for never.
#[derive(SimpleObject)]
#[graphql(name = "GuardTrigger")]
pub(crate) struct GuardTriggerObject {
    /// Within how many seconds.
    span_seconds: u64,
    /// From how much on it is watched.
    watch: Option<u32>,
    /// From how much on it is slowed down.
    throttle: Option<u32>,
    /// From how much on it is stopped.
    suspend: Option<u32>,
}

impl From<Trigger> for GuardTriggerObject {
    fn from(trigger: Trigger) -> Self {
        let Trigger { span, watch, throttle, suspend } = trigger;
        Self { span_seconds: span.as_secs(), watch, throttle, suspend }
    }
}

impl From<GuardRules> for GuardRulesObject {
    fn from(rules: GuardRules) -> Self {
        Self {
            stops: rules.stops.into(),
            interval_seconds: rules.interval.as_secs(),
            repeats: rules.repeats.map(Into::into),
            denials: rules.denials.map(Into::into),
            burn: rules.burn.map(Into::into),
            burn_units_min: rules.burn_units_min,
        }
    }
}
