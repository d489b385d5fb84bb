//! Decisions: what gates answered, each kept once.

use crate::bulk::Clash;
use crate::stored::{hash16, parsed, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::{Everywhere, Tx};
use crate::{rollup, session, usage};
use almoner_domain::decision::{Decision, KeyMark, Level, Operation, Reason, Verdict};
use almoner_domain::id::{DecisionId, HoldId, Id};
use almoner_domain::ledger::RETENTION;
use almoner_domain::ports::SessionDecisionFilter;
use almoner_domain::principal::Principals;
use almoner_domain::time::Timestamp;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, Condition, Order};
use std::collections::BTreeSet;

realm_table! {
    "decisions" {
        key { id: Uuid, }
        at: i64,
        operation: String,
        reason: Option<String>,
        level: Option<String>,
        denial: Option<String>,
        customer_id: Option<Uuid>,
        user_id: Option<Uuid>,
        agent_id: Option<Uuid>,
        session_id: Option<Uuid>,
        allocation_id: Option<Uuid>,
        uses: String,
        hold_id: Option<Uuid>,
        hold_expires_at: Option<i64>,
        key_principal: Option<Uuid>,
        key_hash: Option<Vec<u8>>,
        key_body: Option<Vec<u8>>,
        dimensions: Option<String>,
        duplicate_of: Option<Uuid>,
    }
}

const NOUN: &str = "decision";

fn row(decision: &Decision) -> Result<Model, Trouble> {
    let denial = match &decision.verdict {
        Verdict::Allow => None,
        Verdict::Deny(denial) => Some(denial),
    };
    let whom = decision.on_behalf_of;
    Ok(Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: decision.id.uuid(),
        at: decision.at.as_micros(),
        operation: decision.operation.as_str().to_owned(),
        reason: denial.map(|denial| denial.reason.as_str().to_owned()),
        level: denial.map(|denial| denial.level.as_str().to_owned()),
        denial: denial.map(usage::denial_text).transpose()?,
        customer_id: whom.map(|whom| whom.customer.uuid()),
        user_id: whom.and_then(|whom| whom.user).map(Id::uuid),
        agent_id: whom.and_then(|whom| whom.agent).map(Id::uuid),
        session_id: whom.and_then(|whom| whom.session).map(Id::uuid),
        allocation_id: decision.allocation.map(Id::uuid),
        uses: usage::uses_text(&decision.uses)?,
        hold_id: decision.hold.map(Id::uuid),
        hold_expires_at: decision.hold_expires_at.map(Timestamp::as_micros),
        key_principal: decision.key.map(|key| key.principal.uuid()),
        key_hash: decision.key.map(|key| key.key.to_vec()),
        key_body: decision.key.map(|key| key.body.to_vec()),
        dimensions: usage::dimensions_text(&decision.dimensions)?,
        duplicate_of: None,
    })
}

/// Reads a decision back.
pub(crate) fn read(row: Model) -> Result<Decision, Trouble> {
    let verdict = match (&row.reason, &row.level, &row.denial) {
        (None, None, None) => Verdict::Allow,
        (Some(reason), Some(level), Some(denial)) => Verdict::Deny(usage::read_denial(
            word(NOUN, reason, Reason::parse)?,
            word(NOUN, level, Level::parse)?,
            denial,
        )?),
        _ => return Err(Trouble::row(NOUN, "half a denial")),
    };
    let key = match (row.key_principal, &row.key_hash, &row.key_body) {
        (Some(principal), Some(key), Some(body)) => {
            Some(KeyMark { principal: Id::from_uuid(principal), key: hash16(NOUN, key)?, body: hash16(NOUN, body)? })
        }
        _ => None,
    };
    Ok(Decision {
        id: Id::from_uuid(row.id),
        at: Timestamp::from_micros(row.at),
        operation: word(NOUN, &row.operation, Operation::parse)?,
        verdict,
        on_behalf_of: row.customer_id.map(|customer| Principals {
            customer: Id::from_uuid(customer),
            user: row.user_id.map(Id::from_uuid),
            agent: row.agent_id.map(Id::from_uuid),
            session: row.session_id.map(Id::from_uuid),
        }),
        allocation: row.allocation_id.map(Id::from_uuid),
        uses: usage::read_uses(&row.uses)?,
        hold: row.hold_id.map(Id::from_uuid),
        hold_expires_at: row.hold_expires_at.map(Timestamp::from_micros),
        key,
        dimensions: usage::read_dimensions(row.dimensions.as_deref())?,
    })
}

/// Refuses where a decision names this as its customer or user: it has no foreign key to say so.
pub(crate) async fn unless_any(tx: &Tx, column: Column, id: Uuid) -> Result<(), Trouble> {
    match tx.rows::<Entity>().filter(column.eq(id)).one().await? {
        Some(_) => Err(Trouble::InUse),
        None => Ok(()),
    }
}

/// A decision whose idempotency key had been answered before, by another gate. It is kept, without the key.
#[derive(Debug, Clone)]
pub(crate) struct Double {
    /// The second one.
    pub(crate) decision: Decision,
    /// Does what it spent go back? Where both were allowed and asked for the same thing the caller has had one answer twice.
    /// Where the first was denied, or the bodies differ, the second stands for something that happened, and stays charged. A
    /// second reserve needs nothing: nobody will commit its hold, which frees itself when its time is over.
    pub(crate) goes_back: bool,
}

impl Double {
    fn of(decision: &Decision, first: &Decision) -> Self {
        let spent = |d: &Decision| d.operation == Operation::Consume && d.verdict == Verdict::Allow;
        let same = decision.key.map(|key| key.body) == first.key.map(|key| key.body);
        Self { decision: decision.clone(), goes_back: same && spent(decision) && spent(first) }
    }
}

/// What became of decisions that were to be written.
#[must_use = "what was written now is to be added to usage, as the last thing in the transaction"]
pub(crate) struct Written<'d> {
    /// Those that were not there before, doubles that go back aside.
    new: Vec<&'d Decision>,
    /// Those whose key another decision owns.
    pub(crate) doubles: Vec<Double>,
}

impl Written<'_> {
    /// Adds what was written now to usage.
    pub(crate) async fn add_up(self, tx: &Tx) -> Result<(), Trouble> {
        rollup::add(tx, self.new).await
    }
}

/// Writes decisions, each once, whatever is repeated.
///
/// Written in the order of their keys, as every transaction does it, so that two that bring the same two keys wait for each
/// other in one direction.
pub(crate) async fn store<'d>(tx: &Tx, decisions: &'d [Decision]) -> Result<Written<'d>, Trouble> {
    let mut sorted: Vec<&Decision> = decisions.iter().collect();
    sorted.sort_by_key(|decision| decision.key.map(|key| key.key));
    let rows = sorted.iter().map(|decision| row(decision)).collect::<Result<Vec<_>, _>>()?;
    let mut ids: BTreeSet<Uuid> = tx.insert_new::<Entity>(&rows, Column::Id).await?.into_iter().collect();
    let all = ids.len() == rows.len();
    let new = sorted.iter().copied().filter(|decision| ids.remove(&decision.id.uuid())).collect();
    let mut written = Written { new, doubles: Vec::new() };
    if !all {
        let left = not_there(tx, &sorted).await?;
        store_left(tx, &left, &mut written).await?;
    }
    Ok(written)
}

/// Those of which there is no row by their id: their key was in the way.
async fn not_there<'d>(tx: &Tx, decisions: &[&'d Decision]) -> Result<Vec<&'d Decision>, Trouble> {
    let ids: Vec<Uuid> = decisions.iter().map(|decision| decision.id.uuid()).collect();
    let mut seen: BTreeSet<Uuid> =
        tx.all_among::<Entity, _>(Column::Id, &ids, |rows| rows).await?.into_iter().map(|row| row.id).collect();
    Ok(decisions.iter().copied().filter(|decision| seen.insert(decision.id.uuid())).collect())
}

async fn store_left<'d>(tx: &Tx, left: &[&'d Decision], written: &mut Written<'d>) -> Result<(), Trouble> {
    for decision in left {
        let first = match decision.key {
            Some(key) => by_key(tx, key.key).await?,
            None => None,
        };
        // Whose key was in the way is gone again: the next attempt sees clearer.
        let Some(first) = first else { return Err(Trouble::Overtaken) };
        let mut row = row(decision)?;
        if first.at.saturating_add(RETENTION) <= decision.at {
            forget_key(tx, first.id).await?;
        } else {
            (row.key_principal, row.key_hash, row.key_body) = (None, None, None);
            let double = Double::of(decision, &first);
            row.duplicate_of = double.goes_back.then_some(first.id.uuid());
            written.doubles.push(double);
        }
        if row.duplicate_of.is_none() {
            written.new.push(decision);
        }
        if tx.insert::<Entity>(&[row], Clash::Skip).await? == 0 {
            return Err(Trouble::Overtaken);
        }
    }
    Ok(())
}

/// Lets a key go whose retention is over.
async fn forget_key(tx: &Tx, id: DecisionId) -> Result<(), Trouble> {
    let none: Option<Vec<u8>> = None;
    let edit = tx.change::<Entity>().filter(Column::Id.eq(id.uuid()));
    let edit = edit.set(Column::KeyPrincipal, Option::<Uuid>::None).set(Column::KeyHash, none.clone());
    edit.set(Column::KeyBody, none).run().await?;
    Ok(())
}

/// The decision that owns a key, whenever it was.
pub(crate) async fn by_key(tx: &Tx, key: [u8; 16]) -> Result<Option<Decision>, Trouble> {
    tx.rows::<Entity>().filter(Column::KeyHash.eq(key.to_vec())).one().await?.map(read).transpose()
}

/// The decision that owns a key within its retention.
pub(crate) async fn answered(tx: &Tx, key: [u8; 16]) -> Result<Option<Decision>, Trouble> {
    let found = by_key(tx, key).await?;
    Ok(found.filter(|decision| tx.now() < decision.at.saturating_add(RETENTION)))
}

/// What was allowed of a hold, oldest first.
pub(crate) async fn of_hold(tx: &Tx, hold: HoldId) -> Result<Vec<Decision>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::HoldId.eq(hold.uuid())).filter(Column::Reason.is_null());
    let found = rows.order(Column::At, Order::Asc).order(Column::Id, Order::Asc).all().await?;
    found.into_iter().map(read).collect()
}

/// The decision by which a hold ended, where it has.
pub(crate) async fn that_ended(tx: &Tx, hold: HoldId) -> Result<Option<Decision>, Trouble> {
    let ends =
        |decision: &Decision| matches!(decision.operation, Operation::Commit | Operation::Release | Operation::Expire);
    Ok(of_hold(tx, hold).await?.into_iter().find(ends))
}

/// Ids that are not below this one, oldest first. They alone are read: whoever follows decisions reads them again and again.
pub(crate) async fn ids_from(tx: &Tx, from: DecisionId, limit: u64) -> Result<Vec<DecisionId>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::Id.gte(from.uuid())).order(Column::Id, Order::Asc).limit(limit);
    Ok(rows.only::<Uuid>(Column::Id).await?.into_iter().map(Id::from_uuid).collect())
}

/// Decisions in sessions, in the order of their ids, which is that of time, after the given one.
pub(crate) async fn in_sessions(
    tx: &Tx,
    filter: &SessionDecisionFilter,
    after: Option<DecisionId>,
    limit: u64,
) -> Result<Vec<Decision>, Trouble> {
    let (since, until) = (DecisionId::least_at(filter.since).uuid(), DecisionId::least_at(filter.until).uuid());
    let of_kind = tx.rows::<session::Entity>().filter(session::Column::Kind.eq(filter.kind.as_str()));
    let mut rows = tx.rows::<Entity>().filter(Column::Id.gte(since)).filter(Column::Id.lt(until));
    rows = rows.filter(Column::SessionId.in_subquery(of_kind.subquery(session::Column::Id)));
    if let Some(after) = after {
        rows = rows.filter(Column::Id.gt(after.uuid()));
    }
    if let Some(agents) = &filter.agents {
        rows = rows.filter(Column::AgentId.is_in(agents.iter().map(|agent| agent.uuid())));
    }
    if let Some(customer) = filter.customer {
        rows = rows.filter(Column::CustomerId.eq(customer.uuid()));
    }
    rows.order(Column::Id, Order::Asc).limit(limit).all().await?.into_iter().map(read).collect()
}

/// Keys of all realms decided at or after an instant, in order of instant and hash, after the given one.
pub(crate) async fn keys_since(
    tx: &Everywhere,
    since: Timestamp,
    after: Option<(Timestamp, [u8; 16])>,
    limit: u64,
) -> Result<Vec<(Timestamp, [u8; 16])>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::KeyHash.is_not_null()).filter(Column::At.gte(since.as_micros()));
    let rows = match after {
        None => rows,
        Some((at, key)) => {
            let at = at.as_micros();
            let same = Column::At.eq(at).and(Column::KeyHash.gt(key.to_vec()));
            rows.filter(Column::At.gte(at)).filter(Condition::any().add(Column::At.gt(at)).add(same))
        }
    };
    let rows = rows.order(Column::At, Order::Asc).order(Column::KeyHash, Order::Asc).limit(limit);
    let key = |row: Model| {
        let hash = row.key_hash.ok_or_else(|| Trouble::row(NOUN, "a key that is none"))?;
        Ok((Timestamp::from_micros(row.at), parsed(NOUN, hash.as_slice().try_into())?))
    };
    rows.all().await?.into_iter().map(key).collect()
}
