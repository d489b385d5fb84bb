//! Policies: rules that make allocations just in time.

use crate::bulk::Clash;
use crate::rows::{Hold, Rows};
use crate::stored::{number, parsed};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::work::SqlWork;
use crate::{conditions, policy_line, scope};
use almoner_domain::fault::Fault;
use almoner_domain::id::{AgentId, CustomerId, Id, PolicyId};
use almoner_domain::policy::{AgentSelector, Policy, PolicyLine};
use almoner_domain::ports::Policies;
use almoner_domain::text::{ExternalId, Label, Name, Named, SessionKind};
use almoner_domain::time::Timestamp;
use almoner_domain::zone::Zone;
use async_trait::async_trait;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, Condition, Order};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

realm_table! {
    "policies" {
        key { id: Uuid, }
        external_id: String,
        name: String,
        agents: String,
        session_kind: String,
        customer_id: Option<Uuid>,
        scope: String,
        conditions: Option<String>,
        lifetime_s: i64,
        live_max: Option<i64>,
        zone: String,
        created_at: i64,
        retired_at: Option<i64>,
    }
}

const NOUN: &str = "policy";

/// Which agents, as it is stored: JSON, since it is read and written whole.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredAgents {
    Any,
    Labelled(String),
    These(BTreeSet<Uuid>),
}

fn row(policy: &Policy) -> Result<Model, Trouble> {
    let agents = match &policy.agents {
        AgentSelector::Any => StoredAgents::Any,
        AgentSelector::Labelled(label) => StoredAgents::Labelled(label.as_str().to_owned()),
        AgentSelector::These(agents) => StoredAgents::These(agents.iter().map(|id| id.uuid()).collect()),
    };
    Ok(Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: policy.id.uuid(),
        external_id: policy.external_id.as_str().to_owned(),
        name: policy.name.as_str().to_owned(),
        agents: parsed(NOUN, serde_json::to_string(&agents))?,
        session_kind: policy.session_kind.as_str().to_owned(),
        customer_id: policy.customer.map(Id::uuid),
        scope: scope::text(&policy.scope)?,
        conditions: conditions::text(&policy.conditions)?,
        lifetime_s: number(NOUN, policy.lifetime.as_secs())?,
        live_max: policy.live_max.map(i64::from),
        zone: policy.zone.name().to_owned(),
        created_at: policy.created_at.as_micros(),
        retired_at: policy.retired_at.map(Timestamp::as_micros),
    })
}

/// Reads them back, each with its lines.
pub(crate) async fn with_lines(tx: &Tx, rows: Vec<Model>) -> Result<Vec<Policy>, Trouble> {
    let ids: BTreeSet<Uuid> = rows.iter().map(|row| row.id).collect();
    let lines = policy_line::of(tx, &Vec::from_iter(ids)).await?;
    let policy = |row: Model| {
        let lines = lines.get(&row.id).cloned().unwrap_or_default();
        read(row, lines)
    };
    rows.into_iter().map(policy).collect()
}

fn read(row: Model, lines: Vec<PolicyLine>) -> Result<Policy, Trouble> {
    let agents = match parsed(NOUN, serde_json::from_str(&row.agents))? {
        StoredAgents::Any => AgentSelector::Any,
        StoredAgents::Labelled(label) => AgentSelector::Labelled(parsed(NOUN, Label::parse(&label))?),
        StoredAgents::These(ids) => AgentSelector::These(ids.into_iter().map(AgentId::from_uuid).collect()),
    };
    Ok(Policy {
        id: Id::from_uuid(row.id),
        external_id: parsed(NOUN, ExternalId::parse(&row.external_id))?,
        name: parsed(NOUN, Name::parse(&row.name))?,
        agents,
        session_kind: parsed(NOUN, SessionKind::parse(&row.session_kind))?,
        customer: row.customer_id.map(Id::from_uuid),
        lines,
        scope: scope::read(&row.scope)?,
        conditions: conditions::read(row.conditions.as_deref())?,
        lifetime: Duration::from_secs(number(NOUN, row.lifetime_s)?),
        live_max: row.live_max.map(|max| number(NOUN, max)).transpose()?,
        zone: parsed(NOUN, Zone::parse(&row.zone))?,
        created_at: Timestamp::from_micros(row.created_at),
        retired_at: row.retired_at.map(Timestamp::from_micros),
    })
}

/// Those in force for sessions of a kind of a customer.
pub(crate) async fn in_force(tx: &Tx, kind: &SessionKind, customer: CustomerId) -> Result<Vec<Policy>, Trouble> {
    let whose = Condition::any().add(Column::CustomerId.is_null()).add(Column::CustomerId.eq(customer.uuid()));
    let rows = tx.rows::<Entity>().filter(Column::SessionKind.eq(kind.as_str())).filter(Column::RetiredAt.is_null());
    with_lines(tx, rows.filter(whose).all().await?).await
}

/// One in force, held: whoever else would make an allocation by it waits. None where it was retired meanwhile.
pub(crate) async fn hold(tx: &Tx, id: PolicyId) -> Result<Option<Policy>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).filter(Column::RetiredAt.is_null());
    Ok(with_lines(tx, rows.hold(Hold::Change).all().await?).await?.pop())
}

fn named<'t>(rows: Rows<'t, Entity>, name: &Named<PolicyId>) -> Rows<'t, Entity> {
    rows.filter(match name {
        Named::Id(id) => Column::Id.eq(id.uuid()),
        Named::External(id) => Column::ExternalId.eq(id.as_str()),
    })
}

impl SqlWork {
    async fn add_policy(&self, policy: &Policy) -> Result<(), Trouble> {
        let tx = self.tx()?;
        tx.add::<Entity>(row(policy)?).await?;
        tx.insert::<policy_line::Entity>(&policy_line::rows(policy)?, Clash::Refuse).await?;
        Ok(())
    }

    async fn policy(&self, name: &Named<PolicyId>) -> Result<Option<Policy>, Trouble> {
        let tx = self.tx()?;
        Ok(with_lines(tx, named(tx.rows::<Entity>(), name).all().await?).await?.pop())
    }

    async fn all_policies(&self) -> Result<Vec<Policy>, Trouble> {
        let tx = self.tx()?;
        with_lines(tx, tx.rows::<Entity>().order(Column::ExternalId, Order::Asc).all().await?).await
    }

    async fn retire_policy(&self, id: PolicyId, at: Timestamp) -> Result<bool, Trouble> {
        let edit = self.tx()?.change::<Entity>().filter(Column::Id.eq(id.uuid()));
        Ok(edit.filter(Column::RetiredAt.is_null()).set(Column::RetiredAt, at.as_micros()).run().await? > 0)
    }
}

#[async_trait]
impl Policies for SqlWork {
    async fn add(&mut self, policy: &Policy) -> Result<(), Fault> {
        self.add_policy(policy).await.map_err(|trouble| trouble.into_fault("add_policy"))
    }

    async fn named(&mut self, name: &Named<PolicyId>) -> Result<Option<Policy>, Fault> {
        self.policy(name).await.map_err(|trouble| trouble.into_fault("policy"))
    }

    async fn all(&mut self) -> Result<Vec<Policy>, Fault> {
        self.all_policies().await.map_err(|trouble| trouble.into_fault("policies"))
    }

    async fn retire(&mut self, id: PolicyId, at: Timestamp) -> Result<bool, Fault> {
        self.retire_policy(id, at).await.map_err(|trouble| trouble.into_fault("retire_policy"))
    }
}
