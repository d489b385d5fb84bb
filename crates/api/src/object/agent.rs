//! Agents and the sessions they run.

use super::{AgentGuardObject, there, wire_id};
use crate::asker::asker;
use crate::cursor::{Asked, Listing, list, page_cost};
use crate::lists::SessionsOf;
use almoner_domain::agent::{Agent, Session};
use almoner_domain::text::Label;
use async_graphql::{Context, ID, Object, Result};

/// Software that acts for somebody.
pub(crate) struct AgentNode(pub(crate) Agent);

#[Object(name = "Agent")]
impl AgentNode {
    /// Its id.
    pub(crate) async fn id(&self) -> ID {
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

    /// Labels, by which policies find it.
    async fn labels(&self) -> Vec<&str> {
        self.0.labels.iter().map(Label::as_str).collect()
    }

    /// How far the runaway guard has gone with it, and by which rules.
    async fn guard(&self) -> AgentGuardObject {
        AgentGuardObject(self.0.id)
    }

    /// Its runs and tasks, newest first.
    #[graphql(complexity = "page_cost(first, last) * child_complexity")]
    async fn sessions(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Listing<SessionNode>> {
        let asked = Asked { first, after, last, before };
        list(context, asked, |page| SessionsOf(self.0.id, page), |session| session.id, SessionNode).await
    }
}

/// One run or task of an agent.
pub(crate) struct SessionNode(pub(crate) Session);

#[Object(name = "Session")]
impl SessionNode {
    /// Its id.
    pub(crate) async fn id(&self) -> ID {
        wire_id(self.0.id)
    }

    /// The provider's kind of it: `task`, `chat`, `support_ticket`.
    async fn kind(&self) -> &str {
        self.0.name.kind.as_str()
    }

    /// The provider's key in the kind.
    async fn key(&self) -> &str {
        self.0.name.key.as_str()
    }

    /// The agent that runs it.
    async fn agent(&self, context: &Context<'_>) -> Result<AgentNode> {
        Ok(AgentNode(there(asker(context)?.loader.load_one(self.0.agent).await?)?))
    }
}
