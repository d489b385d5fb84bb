//! Sessions: they come into being when an allocation first names them.

use crate::bulk::Clash;
use crate::stored::parsed;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::agent::{Session, SessionName};
use almoner_domain::id::{AgentId, Id, SessionId};
use almoner_domain::text::{SessionKey, SessionKind};
use sea_orm::ColumnTrait;
use sea_orm::entity::prelude::Uuid;

realm_table! {
    "sessions" {
        key { id: Uuid, }
        agent_id: Uuid,
        kind: String,
        key: String,
    }
}

/// The session of an agent by this name, made when it is new.
pub(crate) async fn named(tx: &Tx, agent: AgentId, name: &SessionName) -> Result<SessionId, Trouble> {
    if let Some(id) = find(tx, agent, name).await? {
        return Ok(id);
    }
    let row = Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: SessionId::new(tx.now(), tx.entropy()).uuid(),
        agent_id: agent.uuid(),
        kind: name.kind.as_str().to_owned(),
        key: name.key.as_str().to_owned(),
    };
    // Skipped where somebody else was faster: then it is there to be found.
    tx.insert::<Entity>(&[row], Clash::Skip).await?;
    find(tx, agent, name).await?.ok_or(Trouble::Overtaken)
}

/// The session of an agent by this name, if it has come into being.
pub(crate) async fn find(tx: &Tx, agent: AgentId, name: &SessionName) -> Result<Option<SessionId>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::AgentId.eq(agent.uuid()));
    let rows = rows.filter(Column::Kind.eq(name.kind.as_str())).filter(Column::Key.eq(name.key.as_str()));
    Ok(rows.one().await?.map(|row| Id::from_uuid(row.id)))
}

/// The name of a session.
pub(crate) async fn name(tx: &Tx, id: SessionId) -> Result<SessionName, Trouble> {
    let row = tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).one().await?;
    let row = row.ok_or_else(|| Trouble::row("session", format!("{id} is missing")))?;
    Ok(read(row)?.name)
}

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<Session, Trouble> {
    let kind = parsed("session", SessionKind::parse(&row.kind))?;
    let key = parsed("session", SessionKey::parse(&row.key))?;
    Ok(Session { id: Id::from_uuid(row.id), agent: Id::from_uuid(row.agent_id), name: SessionName { kind, key } })
}
