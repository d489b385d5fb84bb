//! Webhook deliveries: what is on its way to an endpoint, and the claims of runners on it.

use crate::bulk::Clash;
use crate::key::realm_of;
use crate::rows::Hold;
use crate::stored::{number, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::{Everywhere, Tx};
use crate::webhook;
use almoner_domain::delivery::{Attempted, Claim, Delivery, DeliveryState, Due, Then};
use almoner_domain::happening::{Happening, HappeningKind};
use almoner_domain::id::{Id, NoticeId};
use almoner_domain::ports::Wire;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use almoner_domain::webhook::{EndpointState, SealedSecret, WebhookEndpoint};
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Order};
use std::time::Duration;

realm_table! {
    "webhook_deliveries" {
        key { id: Uuid, }
        event: String,
        payload: String,
        state: String,
        attempts: i16,
        created_at: i64,
        next_attempt_at: i64,
        claimed_until: Option<i64>,
        last_attempt_at: Option<i64>,
        last_status: Option<i16>,
        last_error: Option<String>,
        finished_at: Option<i64>,
    }
}

const NOUN: &str = "webhook delivery";

/// Deliveries that are still tried. Word for word what the partial index says: SQLite uses it only where the query repeats it.
const PENDING: &str = "state = 'pending'";

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<Delivery, Trouble> {
    Ok(Delivery {
        id: Id::from_uuid(row.id),
        event: word(NOUN, &row.event, HappeningKind::parse)?,
        payload: row.payload,
        state: word(NOUN, &row.state, DeliveryState::parse)?,
        attempts: number(NOUN, row.attempts)?,
        created_at: Timestamp::from_micros(row.created_at),
        next_attempt_at: Timestamp::from_micros(row.next_attempt_at),
        last_attempt_at: row.last_attempt_at.map(Timestamp::from_micros),
        last_status: row.last_status.map(|status| number(NOUN, status)).transpose()?,
        last_error: row.last_error,
        finished_at: row.finished_at.map(Timestamp::from_micros),
    })
}

/// One by id.
pub(crate) async fn find(tx: &Tx, id: NoticeId) -> Result<Option<Delivery>, Trouble> {
    tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).one().await?.map(read).transpose()
}

/// Prepares a delivery of each happening, due at once, and answers how many are new.
pub(crate) async fn add(tx: &Tx, happenings: &[Happening], wire: Wire) -> Result<u64, Trouble> {
    let now = tx.now().as_micros();
    let row = |happening: &Happening| Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: happening.notice.uuid(),
        event: happening.kind.as_str().to_owned(),
        payload: wire(happening),
        state: DeliveryState::Pending.as_str().to_owned(),
        attempts: 0,
        created_at: now,
        next_attempt_at: now,
        claimed_until: None,
        last_attempt_at: None,
        last_status: None,
        last_error: None,
        finished_at: None,
    };
    let rows: Vec<Model> = happenings.iter().map(row).collect();
    tx.insert::<Entity>(&rows, Clash::Skip).await
}

/// Is the next attempt due, with nobody at it?
fn due(now: i64) -> Expr {
    let unclaimed = Column::ClaimedUntil.is_null().or(Column::ClaimedUntil.lte(now));
    Expr::cust(PENDING).and(Column::NextAttemptAt.lte(now)).and(unclaimed)
}

/// Realms that have attempts due. Not read off the oldest ones alone: one realm whose receiver answers nobody must not hide others.
pub(crate) async fn due_realms(tx: &Everywhere) -> Result<Vec<Realm>, Trouble> {
    let now = tx.now().as_micros();
    let sql = format!(
        "SELECT DISTINCT tenant, environment FROM webhook_deliveries \
         WHERE {PENDING} AND next_attempt_at <= {now} AND (claimed_until IS NULL OR claimed_until <= {now})"
    );
    let rows = tx.query(&sql).await?;
    rows.iter().map(|row| realm_of(row.try_get("", "tenant")?, &row.try_get::<String>("", "environment")?)).collect()
}

/// Deliveries of this realm whose next attempt is due, those that wait longest first.
pub(crate) async fn all_due(tx: &Tx, realm: Realm, limit: u64) -> Result<Vec<Due>, Trouble> {
    let rows = tx.rows::<Entity>().filter(due(tx.now().as_micros())).order(Column::NextAttemptAt, Order::Asc);
    let rows = rows.order(Column::Id, Order::Asc).limit(limit).all().await?;
    rows.into_iter()
        .map(|row| Ok(Due { realm, id: Id::from_uuid(row.id), attempts: number(NOUN, row.attempts)? }))
        .collect()
}

/// Claims the next attempt of a delivery, if it is due.
pub(crate) async fn claim(tx: &Tx, realm: Realm, id: NoticeId, span: Duration) -> Result<Option<Claim>, Trouble> {
    let now = tx.now().as_micros();
    let mine = Column::Id.eq(id.uuid()).and(due(now));
    let Some(row) = tx.rows::<Entity>().filter(mine).hold(Hold::ChangeUnheld).one().await? else { return Ok(None) };
    let Some(endpoint) = webhook::find(tx).await?.filter(|endpoint| endpoint.state == EndpointState::Enabled) else {
        // Whoever took the endpoint away gave up what was on its way there, so this is not there to be found.
        return Err(Trouble::row(NOUN, format!("{id} has no endpoint to go to")));
    };
    let (attempt, until) = (row.attempts.saturating_add(1), tx.now().saturating_add(span));
    let edit = tx.change::<Entity>().filter(Column::Id.eq(row.id)).set(Column::Attempts, attempt);
    edit.set(Column::ClaimedUntil, until.as_micros()).set(Column::LastAttemptAt, now).run().await?;
    Ok(Some(Claim {
        realm,
        id,
        attempt: number(NOUN, attempt)?,
        url: endpoint.url.clone(),
        secrets: secrets(endpoint, tx.now()),
        payload: row.payload,
        until,
    }))
}

/// The secrets that sign now, the current one first.
fn secrets(endpoint: WebhookEndpoint, now: Timestamp) -> Vec<SealedSecret> {
    let previous = endpoint.previous.filter(|(_, until)| now < *until).map(|(secret, _)| secret);
    std::iter::once(endpoint.secret).chain(previous).collect()
}

/// Records what came of an attempt; false where the claim is not the last one any more.
pub(crate) async fn record(tx: &Tx, claim: &Claim, attempted: &Attempted) -> Result<bool, Trouble> {
    if attempted.then == Then::Gone {
        // The endpoint before its deliveries, as whoever removes it holds them.
        webhook::hold(tx).await?;
    }
    let now = tx.now().as_micros();
    let (state, next, finished) = match attempted.then {
        Then::Delivered => (DeliveryState::Delivered, now, Some(now)),
        Then::Again(at) => (DeliveryState::Pending, at.as_micros(), None),
        Then::GiveUp | Then::Gone => (DeliveryState::Failed, now, Some(now)),
    };
    let status: Option<i16> = attempted.status.map(|status| number(NOUN, status)).transpose()?;
    let mine = Column::Id.eq(claim.id.uuid()).and(Column::ClaimedUntil.eq(claim.until.as_micros()));
    let edit = tx.change::<Entity>().filter(mine).filter(Expr::cust(PENDING));
    let edit = edit.set(Column::State, state.as_str()).set(Column::NextAttemptAt, next);
    let edit = edit.set(Column::ClaimedUntil, None::<i64>).set(Column::FinishedAt, finished);
    let edit = edit.set(Column::LastStatus, status).set(Column::LastError, attempted.error.clone());
    if edit.run().await? == 0 {
        return Ok(false);
    }
    if attempted.then == Then::Gone {
        webhook::gone(tx, &claim.url, "the receiver said that it is gone for good").await?;
    }
    Ok(true)
}

/// Gives up all that is still to be delivered. Whoever is at one of them just then records nothing any more.
pub(crate) async fn give_up_all(tx: &Tx, why: &str) -> Result<(), Trouble> {
    let edit = tx.change::<Entity>().filter(Expr::cust(PENDING)).set(Column::State, DeliveryState::Failed.as_str());
    let edit = edit.set(Column::FinishedAt, tx.now().as_micros()).set(Column::ClaimedUntil, None::<i64>);
    edit.set(Column::LastError, why).run().await?;
    Ok(())
}

/// Makes one that ended due now, with all its attempts ahead.
pub(crate) async fn make_due_again(tx: &Tx, id: NoticeId) -> Result<bool, Trouble> {
    let ended = Column::Id.eq(id.uuid()).and(Column::State.ne(DeliveryState::Pending.as_str()));
    let edit = tx.change::<Entity>().filter(ended).set(Column::State, DeliveryState::Pending.as_str());
    let edit = edit.set(Column::Attempts, 0_i16).set(Column::NextAttemptAt, tx.now().as_micros());
    let edit = edit.set(Column::FinishedAt, None::<i64>).set(Column::LastError, None::<String>);
    Ok(edit.run().await? > 0)
}
