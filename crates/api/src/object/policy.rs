//! Policies: rules that make allocations just in time.

use super::{AgentNode, BusinessHoursObject, CustomerNode, FeatureNode, PaceObject, decimal, instant, there, wire_id};
use crate::asker::asker;
use almoner_domain::policy::{AgentSelector, Policy, PolicyLine};
use async_graphql::{Context, ID, Object, Result};

/// A rule that makes an allocation just in time, when a session of a kind first appears. Never changed: it is retired, and another
/// takes its place.
pub(crate) struct PolicyObject(pub(crate) Policy);

#[Object(name = "Policy")]
impl PolicyObject {
    /// Its id.
    async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// The provider's own id.
    async fn external_id(&self) -> &str {
        self.0.external_id.as_str()
    }

    /// What people call it.
    async fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// For sessions of these agents; none where it is for those of a label, or for all.
    #[graphql(complexity = "20 * child_complexity")]
    async fn agents(&self, context: &Context<'_>) -> Result<Option<Vec<AgentNode>>> {
        let AgentSelector::These(agents) = &self.0.agents else { return Ok(None) };
        // One that was removed since is passed over.
        let found = asker(context)?.loader.load_many(agents.iter().copied()).await?;
        let mut found: Vec<_> = found.into_values().collect();
        found.sort_by_key(|agent| agent.id);
        Ok(Some(found.into_iter().map(AgentNode).collect()))
    }

    /// For sessions of agents that bear this label; none where it names agents, or is for all.
    async fn agent_label(&self) -> Option<&str> {
        match &self.0.agents {
            AgentSelector::Labelled(label) => Some(label.as_str()),
            AgentSelector::Any | AgentSelector::These(_) => None,
        }
    }

    /// For sessions of this kind.
    async fn session_kind(&self) -> &str {
        self.0.session_kind.as_str()
    }

    /// On behalf of this customer, whoever its user is; none for any. Caps are each customer's own.
    async fn customer(&self, context: &Context<'_>) -> Result<Option<CustomerNode>> {
        let Some(customer) = self.0.customer else { return Ok(None) };
        Ok(Some(CustomerNode(there(asker(context)?.loader.load_one(customer).await?)?)))
    }

    /// What a session gets.
    async fn lines(&self) -> Vec<PolicyLineObject> {
        self.0.lines.iter().copied().map(PolicyLineObject).collect()
    }

    /// Tools that its allocations may be used with; none where any may.
    async fn tools(&self) -> Option<Vec<String>> {
        self.0.scope.tools.as_ref().map(|names| names.iter().map(|name| name.as_str().to_owned()).collect())
    }

    /// Resources that its allocations may be used on; none where any may.
    async fn resources(&self) -> Option<Vec<String>> {
        self.0.scope.resources.as_ref().map(|names| names.iter().map(|name| name.as_str().to_owned()).collect())
    }

    /// In which hours its allocations may be used; none for any time.
    async fn hours(&self) -> Option<BusinessHoursObject> {
        self.0.conditions.hours.clone().map(BusinessHoursObject)
    }

    /// How fast each of its allocations may be used; none for any pace.
    async fn pace(&self) -> Option<PaceObject> {
        self.0.conditions.pace.map(PaceObject::from)
    }

    /// After how many seconds without use an allocation of it ends; none for never.
    async fn idle_timeout_seconds(&self) -> Option<i64> {
        let timeout = self.0.conditions.idle_timeout?;
        Some(i64::try_from(timeout.span().as_secs()).unwrap_or(i64::MAX))
    }

    /// How long an allocation lasts from the call that made it, in seconds.
    async fn lifetime_seconds(&self) -> i64 {
        i64::try_from(self.0.lifetime.as_secs()).unwrap_or(i64::MAX)
    }

    /// How many of a customer's allocations may be live at once; none for any number.
    async fn live_max(&self) -> Option<i64> {
        self.0.live_max.map(i64::from)
    }

    /// The IANA time zone in which a day is one.
    async fn zone(&self) -> &str {
        self.0.zone.name()
    }

    /// When it came into force.
    async fn created_at(&self) -> String {
        instant(self.0.created_at)
    }

    /// When it was retired; none while it is in force.
    async fn retired_at(&self) -> Option<String> {
        self.0.retired_at.map(instant)
    }
}

/// What a session gets of one feature.
pub(crate) struct PolicyLineObject(PolicyLine);

#[Object(name = "PolicyLine")]
impl PolicyLineObject {
    /// Of which feature.
    async fn feature(&self, context: &Context<'_>) -> Result<FeatureNode> {
        Ok(FeatureNode(there(asker(context)?.loader.load_one(self.0.feature).await?)?))
    }

    /// Up to how many units, as a decimal in the feature's unit.
    async fn up_to(&self, context: &Context<'_>) -> Result<String> {
        let feature = there(asker(context)?.loader.load_one(self.0.feature).await?)?;
        Ok(decimal(self.0.up_to, &feature))
    }

    /// How many of a customer's units may be out on one day, spent or still in allocations of that day; none for any number.
    async fn a_day(&self, context: &Context<'_>) -> Result<Option<String>> {
        let Some(a_day) = self.0.a_day else { return Ok(None) };
        let feature = there(asker(context)?.loader.load_one(self.0.feature).await?)?;
        Ok(Some(decimal(a_day, &feature)))
    }
}
