//! What agents are guarded by.

use crate::bulk::Clash;
use crate::stored::{parsed, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::guard::{GuardRules, Trigger};
use almoner_domain::id::{AgentId, Id};
use almoner_domain::notice::Change;
use almoner_domain::standing::Stopped;
use sea_orm::ColumnTrait;
use sea_orm::entity::prelude::Uuid;
use serde::{Deserialize, Serialize};
use std::time::Duration;

realm_table! {
    "guard_rules" {
        key { agent_id: Uuid, }
        rules: String,
    }
}

const NOUN: &str = "guard rule";

/// Rules as they are stored: JSON, since they are read and written whole.
#[derive(Serialize, Deserialize)]
struct StoredRules {
    stops: String,
    interval_s: u64,
    repeats: Option<StoredTrigger>,
    denials: Option<StoredTrigger>,
    burn: Option<StoredTrigger>,
    burn_units_min: u32,
}

#[derive(Serialize, Deserialize)]
struct StoredTrigger {
    span_s: u64,
    watch: Option<u32>,
    throttle: Option<u32>,
    suspend: Option<u32>,
}

impl From<Trigger> for StoredTrigger {
    fn from(trigger: Trigger) -> Self {
        let Trigger { span, watch, throttle, suspend } = trigger;
        Self { span_s: span.as_secs(), watch, throttle, suspend }
    }
}

impl From<StoredTrigger> for Trigger {
    fn from(stored: StoredTrigger) -> Self {
        let StoredTrigger { span_s, watch, throttle, suspend } = stored;
        Self { span: Duration::from_secs(span_s), watch, throttle, suspend }
    }
}

fn read(row: &Model) -> Result<(AgentId, GuardRules), Trouble> {
    let stored: StoredRules = parsed(NOUN, serde_json::from_str(&row.rules))?;
    let rules = GuardRules {
        stops: word(NOUN, &stored.stops, Stopped::parse)?,
        interval: Duration::from_secs(stored.interval_s),
        repeats: stored.repeats.map(Into::into),
        denials: stored.denials.map(Into::into),
        burn: stored.burn.map(Into::into),
        burn_units_min: stored.burn_units_min,
    };
    parsed(NOUN, rules.check())?;
    Ok((Id::from_uuid(row.agent_id), rules))
}

/// What these agents are guarded by.
pub(crate) async fn among(tx: &Tx, agents: &[AgentId]) -> Result<Vec<(AgentId, GuardRules)>, Trouble> {
    let ids: Vec<Uuid> = agents.iter().copied().map(Id::uuid).collect();
    tx.all_among::<Entity, _>(Column::AgentId, &ids, |rows| rows).await?.iter().map(read).collect()
}

/// Guards an agent by these rules, or by none.
pub(crate) async fn set(tx: &Tx, agent: AgentId, rules: Option<&GuardRules>) -> Result<(), Trouble> {
    tx.feed(Change::Agent(agent));
    let Some(rules) = rules else { return forget(tx, agent).await };
    let stored = StoredRules {
        stops: rules.stops.as_str().to_owned(),
        interval_s: rules.interval.as_secs(),
        repeats: rules.repeats.map(Into::into),
        denials: rules.denials.map(Into::into),
        burn: rules.burn.map(Into::into),
        burn_units_min: rules.burn_units_min,
    };
    let rules = parsed(NOUN, serde_json::to_string(&stored))?;
    let row = Model { tenant: NO_TENANT, environment: NO_ENVIRONMENT, agent_id: agent.uuid(), rules };
    tx.insert::<Entity>(&[row], Clash::Update(&[Column::Rules])).await?;
    Ok(())
}

/// Forgets an agent's rules.
pub(crate) async fn forget(tx: &Tx, agent: AgentId) -> Result<(), Trouble> {
    tx.delete::<Entity>(Column::AgentId.eq(agent.uuid())).await?;
    Ok(())
}
