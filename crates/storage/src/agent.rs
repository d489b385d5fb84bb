//! Agents.

use crate::guard_rule;
use crate::stored::parsed;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::work::SqlWork;
use almoner_domain::agent::Agent;
use almoner_domain::fault::Fault;
use almoner_domain::guard::GuardRules;
use almoner_domain::id::{AgentId, Id};
use almoner_domain::ports::Agents;
use almoner_domain::text::{ExternalId, Label, Name, Named};
use async_trait::async_trait;
use sea_orm::ColumnTrait;
use sea_orm::entity::prelude::Uuid;
use std::collections::BTreeSet;

realm_table! {
    "agents" {
        key { id: Uuid, }
        external_id: String,
        name: String,
        labels: String,
    }
}

/// Labels as they are stored: JSON, since they are read and written whole.
fn labels_text(labels: &BTreeSet<Label>) -> Result<String, Trouble> {
    let labels: Vec<&str> = labels.iter().map(Label::as_str).collect();
    parsed("agent", serde_json::to_string(&labels))
}

fn read_labels(text: &str) -> Result<BTreeSet<Label>, Trouble> {
    let labels: Vec<String> = parsed("agent", serde_json::from_str(text))?;
    labels.iter().map(|label| parsed("agent", Label::parse(label))).collect()
}

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<Agent, Trouble> {
    Ok(Agent {
        id: Id::from_uuid(row.id),
        external_id: parsed("agent", ExternalId::parse(&row.external_id))?,
        name: parsed("agent", Name::parse(&row.name))?,
        labels: read_labels(&row.labels)?,
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
            labels: labels_text(&agent.labels)?,
        };
        self.catalogue()?.add::<Entity>(row).await
    }

    async fn remove_agent(&self, id: AgentId) -> Result<bool, Trouble> {
        // Rules are no history: they go with it.
        guard_rule::forget(self.tx()?, id).await?;
        Ok(self.catalogue()?.delete::<Entity>(Column::Id.eq(id.uuid())).await? > 0)
    }

    async fn label_agent(&self, id: AgentId, labels: &BTreeSet<Label>) -> Result<bool, Trouble> {
        let edit = self.tx()?.change::<Entity>().filter(Column::Id.eq(id.uuid()));
        Ok(edit.set(Column::Labels, labels_text(labels)?).run().await? > 0)
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

    async fn label(&mut self, id: AgentId, labels: &BTreeSet<Label>) -> Result<bool, Fault> {
        self.label_agent(id, labels).await.map_err(|trouble| trouble.into_fault("label_agent"))
    }

    async fn set_guard(&mut self, id: AgentId, rules: Option<&GuardRules>) -> Result<(), Fault> {
        let set = async { guard_rule::set(self.tx()?, id, rules).await };
        set.await.map_err(|trouble| trouble.into_fault("set_guard"))
    }

    async fn remove(&mut self, id: AgentId) -> Result<bool, Fault> {
        self.remove_agent(id).await.map_err(|trouble| trouble.or_in_use().into_fault("remove_agent"))
    }
}
