//! Agents.

use crate::stored::parsed;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::work::SqlWork;
use almoner_domain::agent::Agent;
use almoner_domain::fault::Fault;
use almoner_domain::id::{AgentId, Id};
use almoner_domain::ports::Agents;
use almoner_domain::text::{ExternalId, Name, Named};
use async_trait::async_trait;
use sea_orm::ColumnTrait;
use sea_orm::entity::prelude::Uuid;

realm_table! {
    "agents" {
        key { id: Uuid, }
        external_id: String,
        name: String,
    }
}

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<Agent, Trouble> {
    Ok(Agent {
        id: Id::from_uuid(row.id),
        external_id: parsed("agent", ExternalId::parse(&row.external_id))?,
        name: parsed("agent", Name::parse(&row.name))?,
    })
}

/// The agent that a caller names.
pub(crate) async fn named(tx: &Tx, name: &Named<AgentId>) -> Result<Option<Agent>, Trouble> {
    let condition = match name {
        Named::Id(id) => Column::Id.eq(id.uuid()),
        Named::External(id) => Column::ExternalId.eq(id.as_str()),
    };
    tx.rows::<Entity>().filter(condition).one().await?.map(read).transpose()
}

impl SqlWork {
    async fn add_agent(&self, agent: &Agent) -> Result<(), Trouble> {
        let row = Model {
            tenant: NO_TENANT,
            environment: NO_ENVIRONMENT,
            id: agent.id.uuid(),
            external_id: agent.external_id.as_str().to_owned(),
            name: agent.name.as_str().to_owned(),
        };
        self.catalogue()?.add::<Entity>(row).await
    }

    async fn remove_agent(&self, id: AgentId) -> Result<bool, Trouble> {
        Ok(self.catalogue()?.delete::<Entity>(Column::Id.eq(id.uuid())).await? > 0)
    }

    async fn agent(&self, name: &Named<AgentId>) -> Result<Option<Agent>, Trouble> {
        named(self.tx()?, name).await
    }
}

#[async_trait]
impl Agents for SqlWork {
    async fn add(&mut self, agent: &Agent) -> Result<(), Fault> {
        self.add_agent(agent).await.map_err(|trouble| trouble.into_fault("add_agent"))
    }

    async fn by_external_id(&mut self, id: &ExternalId) -> Result<Option<Agent>, Fault> {
        self.agent(&Named::External(id.clone())).await.map_err(|trouble| trouble.into_fault("agent"))
    }

    async fn by_id(&mut self, id: AgentId) -> Result<Option<Agent>, Fault> {
        self.agent(&Named::Id(id)).await.map_err(|trouble| trouble.into_fault("agent"))
    }

    async fn remove(&mut self, id: AgentId) -> Result<bool, Fault> {
        self.remove_agent(id).await.map_err(|trouble| trouble.or_in_use().into_fault("remove_agent"))
    }
}
