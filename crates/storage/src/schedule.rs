//! Schedules of the installation.

use crate::bulk::Clash;
use crate::rows::Hold;
use crate::store::SqlStore;
use crate::stored::number;
use crate::table::installation_table;
use crate::trouble::Trouble;
use crate::tx::Everywhere;
use almoner_domain::fault::Fault;
use almoner_domain::ports::Schedules;
use almoner_domain::schedule::{NewSchedule, Outcome, Schedule, Slot};
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use sea_orm::Order;
use std::sync::Arc;
use std::time::Duration;

installation_table! {
    "schedules" {
        key { name: String, }
        period: i64,
        patience: i64,
        next_at: i64,
        claimed_at: Option<i64>,
        ran_at: Option<i64>,
        succeeded_at: Option<i64>,
        runs: i64,
        failures: i64,
        last_error: Option<String>,
    }
}

const NOUN: &str = "schedule";

/// What of a schedule can change: all but its name.
const CHANGING: [Column; 9] = [
    Column::Period,
    Column::Patience,
    Column::NextAt,
    Column::ClaimedAt,
    Column::RanAt,
    Column::SucceededAt,
    Column::Runs,
    Column::Failures,
    Column::LastError,
];

fn row(schedule: &Schedule) -> Result<Model, Trouble> {
    Ok(Model {
        name: schedule.name.clone(),
        period: number(NOUN, schedule.period.as_micros())?,
        patience: number(NOUN, schedule.patience.as_micros())?,
        next_at: schedule.next_at.as_micros(),
        claimed_at: schedule.claimed_at.map(Timestamp::as_micros),
        ran_at: schedule.ran_at.map(Timestamp::as_micros),
        succeeded_at: schedule.succeeded_at.map(Timestamp::as_micros),
        runs: number(NOUN, schedule.runs)?,
        failures: number(NOUN, schedule.failures)?,
        last_error: schedule.last_error.clone(),
    })
}

fn read(row: Model) -> Result<Schedule, Trouble> {
    Ok(Schedule {
        name: row.name,
        period: Duration::from_micros(number(NOUN, row.period)?),
        patience: Duration::from_micros(number(NOUN, row.patience)?),
        next_at: Timestamp::from_micros(row.next_at),
        claimed_at: row.claimed_at.map(Timestamp::from_micros),
        ran_at: row.ran_at.map(Timestamp::from_micros),
        succeeded_at: row.succeeded_at.map(Timestamp::from_micros),
        runs: number(NOUN, row.runs)?,
        failures: number(NOUN, row.failures)?,
        last_error: row.last_error,
    })
}

async fn all(tx: &Everywhere, hold: Option<Hold>) -> Result<Vec<Schedule>, Trouble> {
    // By name, so that two transactions hold them in one order.
    let rows = tx.rows::<Entity>().order(Column::Name, Order::Asc);
    let rows = match hold {
        Some(hold) => rows.hold(hold),
        None => rows,
    };
    rows.all().await?.into_iter().map(read).collect()
}

async fn write(tx: &Everywhere, schedules: &[Schedule]) -> Result<(), Trouble> {
    let rows = schedules.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    tx.insert::<Entity>(&rows, Clash::Update(&CHANGING)).await?;
    Ok(())
}

async fn register(tx: &Everywhere, new: &[NewSchedule]) -> Result<(), Trouble> {
    let now = tx.now();
    let begun = new.iter().map(|new| row(&Schedule::begin(*new, now))).collect::<Result<Vec<_>, _>>()?;
    // Left out where another runner has made it.
    tx.insert::<Entity>(&begun, Clash::Skip).await?;
    let mut revised = all(tx, Some(Hold::Change)).await?;
    revised.retain_mut(|schedule| {
        let Some(terms) = new.iter().find(|new| new.name == schedule.name) else { return false };
        let differs = (terms.period, terms.patience) != (schedule.period, schedule.patience);
        if differs {
            schedule.revise(*terms, now);
        }
        differs
    });
    write(tx, &revised).await
}

/// Notes outcomes and, where `claim` is asked for, claims what is due then. The rows are held from the first look on, so of
/// all who come at once one finds a slot.
async fn turn(tx: &Everywhere, outcomes: &[Outcome], claim: bool) -> Result<Vec<Slot>, Trouble> {
    let mut slots = Vec::new();
    let mut changed = all(tx, Some(Hold::Change)).await?;
    changed.retain_mut(|schedule| {
        let before = slots.len();
        let mut settled = false;
        for outcome in outcomes {
            if outcome.slot.schedule == schedule.name {
                schedule.settle(outcome);
                settled = true;
            }
        }
        if claim {
            slots.extend(schedule.claim(tx.now()));
        }
        settled || slots.len() > before
    });
    write(tx, &changed).await?;
    Ok(slots)
}

impl SqlStore {
    async fn turn_schedules(
        &self,
        operation: &'static str,
        outcomes: &[Outcome],
        claim: bool,
    ) -> Result<Vec<Slot>, Fault> {
        let outcomes: Arc<[Outcome]> = outcomes.into();
        self.write_everywhere(operation, move |tx| {
            let outcomes = Arc::clone(&outcomes);
            Box::pin(async move { turn(tx, &outcomes, claim).await })
        })
        .await
    }
}

#[async_trait]
impl Schedules for SqlStore {
    async fn register(&self, schedules: &[NewSchedule]) -> Result<(), Fault> {
        let new: Arc<[NewSchedule]> = schedules.into();
        self.write_everywhere("register_schedules", move |tx| {
            let new = Arc::clone(&new);
            Box::pin(async move { register(tx, &new).await })
        })
        .await
    }

    async fn claim(&self, outcomes: &[Outcome]) -> Result<Vec<Slot>, Fault> {
        self.turn_schedules("claim_slots", outcomes, true).await
    }

    async fn report(&self, outcomes: &[Outcome]) -> Result<(), Fault> {
        if outcomes.is_empty() {
            return Ok(());
        }
        self.turn_schedules("report_outcomes", outcomes, false).await.map(drop)
    }

    async fn list(&self) -> Result<Vec<Schedule>, Fault> {
        self.read_everywhere("schedules", |tx| Box::pin(all(tx, None))).await
    }
}
