//! Decisions: what gates answered, and why.

use super::{AgentNode, FeatureNode, UserNode, instant, there, wire_id};
use crate::asker::asker;
use almoner_domain::decision::{Decision, Use, UseKind, Verdict};
use almoner_domain::feature::{Feature, FeatureKind};
use almoner_domain::units::Units;
use async_graphql::{Context, ID, Object, Result, SimpleObject};

/// One answer of a gate.
pub(crate) struct DecisionNode(pub(crate) Decision);

#[Object(name = "Decision")]
impl DecisionNode {
    /// Its id.
    pub(crate) async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// When it was taken.
    async fn at(&self) -> String {
        instant(self.0.at)
    }

    /// What was asked: `consume`, `reserve`, `commit`, `release`, `extend`, `expire` or `meter`.
    async fn operation(&self) -> &str {
        self.0.operation.as_str()
    }

    /// Was it allowed?
    async fn allowed(&self) -> bool {
        matches!(self.0.verdict, Verdict::Allow)
    }

    /// Denied: the code of the reason, such as `exhausted`.
    async fn reason(&self) -> Option<&str> {
        match &self.0.verdict {
            Verdict::Allow => None,
            Verdict::Deny(denial) => Some(denial.reason.as_str()),
        }
    }

    /// Denied: the reason in a sentence.
    async fn message(&self) -> Option<&str> {
        match &self.0.verdict {
            Verdict::Allow => None,
            Verdict::Deny(denial) => Some(&denial.message),
        }
    }

    /// The agent that called, where it is known.
    async fn agent(&self, context: &Context<'_>) -> Result<Option<AgentNode>> {
        let Some(agent) = self.0.on_behalf_of.and_then(|whom| whom.agent) else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(agent).await?.map(AgentNode))
    }

    /// The person on whose behalf it called, where there is one.
    async fn user(&self, context: &Context<'_>) -> Result<Option<UserNode>> {
        let Some(user) = self.0.on_behalf_of.and_then(|whom| whom.user) else { return Ok(None) };
        Ok(asker(context)?.loader.load_one(user).await?.map(UserNode))
    }

    /// What the caller said about the call.
    async fn dimensions(&self) -> Vec<DimensionObject> {
        let each = |(name, value): &(String, String)| DimensionObject { name: name.clone(), value: value.clone() };
        self.0.dimensions.iter().map(each).collect()
    }

    /// What it used, feature by feature.
    async fn uses(&self) -> Vec<UseObject> {
        self.0.uses.iter().cloned().map(UseObject).collect()
    }
}

/// One thing that the caller said about a call.
#[derive(SimpleObject)]
#[graphql(name = "Dimension")]
pub(crate) struct DimensionObject {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

/// One feature of a call.
pub(crate) struct UseObject(Use);

#[Object(name = "Use")]
impl UseObject {
    /// Which.
    async fn feature(&self, context: &Context<'_>) -> Result<FeatureNode> {
        Ok(FeatureNode(self.find(context).await?))
    }

    /// A metered feature: units asked for, as a decimal in its unit.
    async fn requested(&self, context: &Context<'_>) -> Result<Option<String>> {
        self.amount(context, UseKind::requested).await
    }

    /// A metered feature: units given, as a decimal in its unit.
    async fn granted(&self, context: &Context<'_>) -> Result<Option<String>> {
        self.amount(context, |kind| kind.requested().map(|_| kind.granted())).await
    }
}

impl UseObject {
    async fn find(&self, context: &Context<'_>) -> Result<Feature> {
        there(asker(context)?.loader.load_one(self.0.feature).await?)
    }

    async fn amount(&self, context: &Context<'_>, of: fn(&UseKind) -> Option<Units>) -> Result<Option<String>> {
        let Some(units) = of(&self.0.kind) else { return Ok(None) };
        let FeatureKind::Metered(meter) = self.find(context).await?.kind else { return Ok(None) };
        Ok(Some(units.display(meter.scale)))
    }
}
