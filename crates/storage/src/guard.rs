//! The runaway guard: how far it has gone with agents and allocations.
//!
//! A row is written by the first step and changed by each that follows; steps themselves are in [`crate::guard_step`].

use crate::bulk::Clash;
use crate::rows::Hold;
use crate::store::{Outcome, SqlStore};
use crate::stored::{number, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::{agent, allocation, audit, guard_rule, guard_step, notice};
use almoner_domain::allocation::Allocation;
use almoner_domain::audit::{Action, AuditEntry, Author};
use almoner_domain::fault::Fault;
use almoner_domain::guard::{Guard, GuardLink, GuardState, GuardStep, Guarded, Guarding, guarding};
use almoner_domain::id::{AgentId, Id};
use almoner_domain::notice::{Change, Event, Notice};
use almoner_domain::standing::{Stopped, Suspension};
use almoner_domain::tenant::Realm;
use almoner_domain::text::Named;
use almoner_domain::time::Timestamp;
use sea_orm::ColumnTrait;
use sea_orm::entity::prelude::Uuid;
use std::collections::BTreeSet;
use std::sync::Arc;

realm_table! {
    "guards" {
        key { subject_id: Uuid, }
        stopped: String,
        state: String,
        epoch: i64,
        since: i64,
        why: String,
    }
}

const NOUN: &str = "guard";

/// Whom a row is about.
pub(crate) fn guarded(stopped: &str, subject: Uuid) -> Result<Guarded, Trouble> {
    Ok(match word(NOUN, stopped, Stopped::parse)? {
        Stopped::Agent => Guarded::Agent(Id::from_uuid(subject)),
        Stopped::Allocation => Guarded::Allocation(Id::from_uuid(subject)),
    })
}

fn row(guard: &Guard) -> Result<Model, Trouble> {
    Ok(Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        subject_id: guard.guarded.uuid(),
        stopped: guard.guarded.stopped().as_str().to_owned(),
        state: guard.state.as_str().to_owned(),
        epoch: number(NOUN, guard.epoch)?,
        since: guard.since.as_micros(),
        why: guard.why.clone(),
    })
}

fn read(row: Model) -> Result<Guard, Trouble> {
    Ok(Guard {
        guarded: guarded(&row.stopped, row.subject_id)?,
        state: word(NOUN, &row.state, GuardState::parse)?,
        epoch: number(NOUN, row.epoch)?,
        since: Timestamp::from_micros(row.since),
        why: row.why,
    })
}

/// How far the guard has gone with these.
pub(crate) async fn among(tx: &Tx, of: &[Guarded]) -> Result<Vec<Guard>, Trouble> {
    let ids: Vec<Uuid> = of.iter().map(|guarded| guarded.uuid()).collect();
    let rows = tx.all_among::<Entity, _>(Column::SubjectId, &ids, |rows| rows).await?;
    rows.into_iter().map(read).collect()
}

/// Is an agent stopped, in all that it does?
pub(crate) async fn stops(tx: &Tx, agent: AgentId) -> Result<Option<Suspension>, Trouble> {
    let found = among(tx, &[Guarded::Agent(agent)]).await?;
    let stopped = found.into_iter().find(|guard| guard.state == GuardState::Suspended);
    Ok(stopped.map(|guard| Suspension::Guarded { stopped: Stopped::Agent, why: guard.why }))
}

/// What the guard makes of an allocation that was carved from these, nearest first.
pub(crate) async fn of_allocation(
    tx: &Tx,
    allocation: &Allocation,
    above: &[Allocation],
) -> Result<(Option<Suspension>, Option<Box<Guarding>>), Trouble> {
    let chain: Vec<GuardLink> = std::iter::once(allocation)
        .chain(above)
        .map(|allocation| GuardLink { allocation: allocation.id, agent: allocation.agent })
        .collect();
    let agents: BTreeSet<AgentId> = chain.iter().map(|link| link.agent).collect();
    let whom = agents.iter().copied().map(Guarded::Agent);
    let whom: Vec<Guarded> = whom.chain(chain.iter().map(|link| Guarded::Allocation(link.allocation))).collect();
    let rules = guard_rule::among(tx, &Vec::from_iter(agents)).await?;
    Ok(guarding(&chain, &rules, &among(tx, &whom).await?))
}

impl SqlStore {
    /// Takes a step.
    pub(crate) async fn take_guard_step(&self, realm: Realm, step: &GuardStep) -> Result<bool, Fault> {
        let step = Arc::new(step.clone());
        self.write("step_guard", realm, move |tx| {
            let step = Arc::clone(&step);
            Box::pin(async move { take(tx, &step).await })
        })
        .await
    }

    /// Lets somebody go on.
    pub(crate) async fn let_go_on(&self, realm: Realm, guarded: Guarded, by: &Author) -> Result<bool, Fault> {
        let by = Arc::new(by.clone());
        self.write("resume_guard", realm, move |tx| {
            let by = Arc::clone(&by);
            Box::pin(async move { resume(tx, guarded, &by).await })
        })
        .await
    }
}

async fn take(tx: &Tx, step: &GuardStep) -> Result<Outcome<bool>, Trouble> {
    if !is_known(tx, step).await? {
        return Ok(Outcome::Undo(false));
    }
    let now = hold(tx, step.guarded).await?;
    let Some(after) = Guard::after(now.as_ref(), step) else { return Ok(Outcome::Undo(false)) };
    if now.is_some() {
        change(tx, &after).await?;
    } else if tx.insert::<Entity>(&[row(&after)?], Clash::Skip).await? == 0 {
        // Another gate was faster with its first step.
        return Err(Trouble::Overtaken);
    }
    write_down(tx, step).await?;
    Ok(Outcome::Keep(true))
}

/// Whom it is about is this realm's.
async fn is_known(tx: &Tx, step: &GuardStep) -> Result<bool, Trouble> {
    let seen_in = match step.allocation {
        Some(id) => allocation::find(tx, id).await?.is_some(),
        None => true,
    };
    Ok(seen_in && agent::named(tx, &Named::Id(step.agent)).await?.is_some())
}

async fn resume(tx: &Tx, guarded: Guarded, by: &Author) -> Result<Outcome<bool>, Trouble> {
    let resumed = hold(tx, guarded).await?.and_then(|guard| guard.resumed(tx.now()));
    let Some(resumed) = resumed else { return Ok(Outcome::Undo(false)) };
    let (agent, allocation, customer, action) = match guarded {
        Guarded::Agent(agent) => (agent, None, None, Action::ResumeAgent),
        Guarded::Allocation(id) => {
            let Some(of) = allocation::find(tx, id).await? else { return Ok(Outcome::Undo(false)) };
            (of.agent, Some(id), Some(of.principals.customer), Action::ResumeAllocation)
        }
    };
    change(tx, &resumed).await?;
    let id = Id::new(tx.now(), tx.entropy());
    let (state, epoch, at, why) = (resumed.state, resumed.epoch, tx.now(), resumed.why);
    let (subject, note) = (guarded.to_string(), why.clone());
    write_down(tx, &GuardStep { id, guarded, agent, allocation, state, epoch, at, why }).await?;
    let id = Id::new(tx.now(), tx.entropy());
    let entry = AuditEntry { id, at, author: by.clone(), action, subject, customer, note };
    audit::add(tx, &entry).await?;
    Ok(Outcome::Keep(true))
}

async fn hold(tx: &Tx, guarded: Guarded) -> Result<Option<Guard>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::SubjectId.eq(guarded.uuid()));
    rows.hold(Hold::Change).all().await?.pop().map(read).transpose()
}

async fn change(tx: &Tx, guard: &Guard) -> Result<(), Trouble> {
    let row = row(guard)?;
    let edit = tx.change::<Entity>().filter(Column::SubjectId.eq(row.subject_id)).set(Column::State, row.state);
    edit.set(Column::Epoch, row.epoch).set(Column::Since, row.since).set(Column::Why, row.why).run().await?;
    Ok(())
}

/// Keeps a step, announces it and tells gates.
async fn write_down(tx: &Tx, step: &GuardStep) -> Result<(), Trouble> {
    guard_step::add(tx, step).await?;
    let event = Event::Guarded(step.id, step.state);
    notice::add(tx, &[Notice { id: Id::new(tx.now(), tx.entropy()), at: step.at, event, allocation: None }]).await?;
    tx.feed(match step.guarded {
        Guarded::Agent(id) => Change::Agent(id),
        Guarded::Allocation(id) => Change::Allocation(id),
    });
    Ok(())
}
