//! A policy tried on the past: which sessions it would have denied something, when first, and by which of its caps.

use super::{AgentNode, CustomerNode, FeatureNode, SessionNode, UserNode, decimal, instant, there};
use crate::asker::asker;
use crate::refusal::Refusal;
use almoner_domain::id::FeatureId;
use almoner_domain::policy_trial::{TRIAL_DENIED_MAX, TrialCap, TrialDay, TrialDenied, TrialOutcome};
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use async_graphql::{Context, Enum, Object, Result};
use std::collections::BTreeMap;

/// Days that a trial reaches over, at most: one more than it is long, for it begins and ends within one.
const DAYS_MAX: usize = 32;
/// Features that a day or a session is told of, as a rule.
const FEATURES: usize = 4;

/// What would have stopped a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "PolicyTrialCap")]
pub(crate) enum TrialCapName {
    /// What one session gets.
    Session,
    /// What one day has.
    Day,
    /// How many may be live at once.
    Live,
    /// How long an allocation lasts.
    Lifetime,
    /// It hands out nothing of the feature, and nothing that pays for it.
    Feature,
}

impl From<TrialCap> for TrialCapName {
    fn from(cap: TrialCap) -> Self {
        match cap {
            TrialCap::Session => Self::Session,
            TrialCap::Day => Self::Day,
            TrialCap::Live => Self::Live,
            TrialCap::Lifetime => Self::Lifetime,
            TrialCap::Feature => Self::Feature,
        }
    }
}

/// What a policy would have done, by its own terms: what plans left free then is not looked at, and each session keeps its allocation
/// for the policy's whole lifetime.
pub(crate) struct PolicyTrialObject {
    pub(crate) outcome: Option<TrialOutcome>,
    pub(crate) refusals: Vec<Refusal>,
}

#[Object(name = "PolicyTrial")]
impl PolicyTrialObject {
    /// Sessions that asked for something; none where it was not tried.
    async fn sessions(&self) -> Option<u64> {
        self.outcome.as_ref().map(|outcome| outcome.sessions)
    }

    /// Sessions that would have been served wholly.
    async fn served_sessions(&self) -> Option<u64> {
        self.outcome.as_ref().map(|outcome| outcome.served)
    }

    /// Sessions that would have been denied something.
    async fn denied_sessions(&self) -> Option<u64> {
        self.outcome.as_ref().map(|outcome| outcome.sessions - outcome.served)
    }

    /// The first 100 of those, the earliest denied first.
    #[graphql(complexity = "TRIAL_DENIED_MAX * child_complexity")]
    async fn denied(&self) -> Vec<TrialDeniedObject> {
        let denied = self.outcome.as_ref().map_or(&[][..], |outcome| &outcome.denied);
        denied.iter().cloned().map(TrialDeniedObject).collect()
    }

    /// Days on which something was asked for, in the policy's zone.
    #[graphql(complexity = "DAYS_MAX * child_complexity")]
    async fn days(&self) -> Vec<TrialDayObject> {
        let days = self.outcome.iter().flat_map(|outcome| &outcome.days);
        days.map(|(start, day)| TrialDayObject { start: *start, day: day.clone() }).collect()
    }

    /// Why it was not tried; empty where it was.
    async fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
}

/// A session that would have been denied something.
pub(crate) struct TrialDeniedObject(TrialDenied);

#[Object(name = "PolicyTrialDenied")]
impl TrialDeniedObject {
    /// Which.
    async fn session(&self, context: &Context<'_>) -> Result<SessionNode> {
        Ok(SessionNode(there(asker(context)?.loader.load_one(self.0.session).await?)?))
    }

    /// The agent that ran it.
    async fn agent(&self, context: &Context<'_>) -> Result<AgentNode> {
        Ok(AgentNode(there(asker(context)?.loader.load_one(self.0.agent).await?)?))
    }

    /// On behalf of which customer.
    async fn customer(&self, context: &Context<'_>) -> Result<CustomerNode> {
        Ok(CustomerNode(there(asker(context)?.loader.load_one(self.0.customer).await?)?))
    }

    /// On behalf of which user of it; none where nobody was named.
    async fn user(&self, context: &Context<'_>) -> Result<Option<UserNode>> {
        let Some(user) = self.0.user else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(user).await?.map(UserNode))
    }

    /// When it would have been denied first.
    async fn first_at(&self) -> String {
        instant(self.0.first_at)
    }

    /// By which cap then.
    async fn cap(&self) -> TrialCapName {
        self.0.cap.into()
    }

    /// What all its calls asked for that would have been denied. What has a price counts in what pays for it.
    #[graphql(complexity = "FEATURES * child_complexity")]
    async fn units(&self) -> Vec<TrialUnitsObject> {
        told(&self.0.units)
    }
}

/// What one day would have come to.
pub(crate) struct TrialDayObject {
    start: Timestamp,
    day: TrialDay,
}

#[Object(name = "PolicyTrialDay")]
impl TrialDayObject {
    /// When it began.
    async fn start(&self) -> String {
        instant(self.start)
    }

    /// Sessions whose first call was on it.
    async fn sessions(&self) -> u64 {
        self.day.sessions
    }

    /// Calls that asked for something.
    async fn calls(&self) -> u64 {
        self.day.calls
    }

    /// Of which would have been denied.
    async fn denied_calls(&self) -> u64 {
        self.day.denied_calls
    }

    /// What would have been spent.
    #[graphql(complexity = "FEATURES * child_complexity")]
    async fn served(&self) -> Vec<TrialUnitsObject> {
        told(&self.day.served)
    }

    /// What calls asked for that would have been denied.
    #[graphql(complexity = "FEATURES * child_complexity")]
    async fn denied(&self) -> Vec<TrialUnitsObject> {
        told(&self.day.denied)
    }
}

/// Units of one feature.
pub(crate) struct TrialUnitsObject(FeatureId, Units);

#[Object(name = "PolicyTrialUnits")]
impl TrialUnitsObject {
    /// Of which feature.
    async fn feature(&self, context: &Context<'_>) -> Result<FeatureNode> {
        Ok(FeatureNode(there(asker(context)?.loader.load_one(self.0).await?)?))
    }

    /// How many, as a decimal in its unit.
    async fn amount(&self, context: &Context<'_>) -> Result<String> {
        Ok(decimal(self.1, &there(asker(context)?.loader.load_one(self.0).await?)?))
    }
}

fn told(units: &BTreeMap<FeatureId, Units>) -> Vec<TrialUnitsObject> {
    units.iter().map(|(feature, units)| TrialUnitsObject(*feature, *units)).collect()
}
