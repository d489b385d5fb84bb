//! Webhook deliveries: what is on its way to endpoints, and the claims of runners on it.

use crate::bulk::Clash;
use crate::key::realm_of;
use crate::rows::Hold;
use crate::stored::{number, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::{Everywhere, Tx};
use crate::{attempt, webhook};
use almoner_domain::delivery::{Attempted, Claim, Delivery, DeliveryState, Due, Replay, Replayed, Then};
use almoner_domain::happening::{Happening, HappeningKind};
use almoner_domain::id::{DeliveryId, EndpointId, Id};
use almoner_domain::ports::Wire;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use almoner_domain::webhook::{EndpointState, WebhookEndpoint};
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Order};
use std::time::Duration;

realm_table! {
    "webhook_deliveries" {
        key { id: Uuid, }
        endpoint_id: Uuid,
        notice_id: Uuid,
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
/// Deliveries that one statement makes due again.
const AGAIN_MAX: usize = 200;

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<Delivery, Trouble> {
    Ok(Delivery {
        id: Id::from_uuid(row.id),
        endpoint: Id::from_uuid(row.endpoint_id),
        notice: Id::from_uuid(row.notice_id),
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
pub(crate) async fn find(tx: &Tx, id: DeliveryId) -> Result<Option<Delivery>, Trouble> {
    tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).one().await?.map(read).transpose()
}

/// Prepares a delivery of each happening to every endpoint that is to hear of it, due at once, and answers how many are new. To an
/// endpoint that is disabled it has failed before it began.
pub(crate) async fn add(
    tx: &Tx,
    endpoints: &[WebhookEndpoint],
    happenings: &[Happening],
    wire: Wire,
) -> Result<u64, Trouble> {
    let mut rows = Vec::new();
    for happening in happenings {
        let mut hearing = endpoints.iter().filter(|endpoint| endpoint.hears(happening)).peekable();
        if hearing.peek().is_some() {
            let payload = wire(happening);
            rows.extend(hearing.map(|endpoint| row(tx, endpoint, happening, payload.clone())));
        }
    }
    tx.insert::<Entity>(&rows, Clash::Skip).await
}

fn row(tx: &Tx, endpoint: &WebhookEndpoint, happening: &Happening, payload: String) -> Model {
    let now = tx.now().as_micros();
    let (state, last_error) = match endpoint.state {
        EndpointState::Enabled => (DeliveryState::Pending, None),
        EndpointState::Disabled(why, _) => (DeliveryState::Failed, Some(why.sentence().to_owned())),
    };
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: DeliveryId::new(tx.now(), tx.entropy()).uuid(),
        endpoint_id: endpoint.id.uuid(),
        notice_id: happening.notice.uuid(),
        event: happening.kind.as_str().to_owned(),
        payload,
        state: state.as_str().to_owned(),
        attempts: 0,
        created_at: now,
        next_attempt_at: now,
        claimed_until: None,
        last_attempt_at: None,
        last_status: None,
        last_error,
        finished_at: (state != DeliveryState::Pending).then_some(now),
    }
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
pub(crate) async fn claim(tx: &Tx, realm: Realm, id: DeliveryId, span: Duration) -> Result<Option<Claim>, Trouble> {
    let now = tx.now().as_micros();
    let mine = Column::Id.eq(id.uuid()).and(due(now));
    let Some(row) = tx.rows::<Entity>().filter(mine).hold(Hold::ChangeUnheld).one().await? else { return Ok(None) };
    let endpoint = webhook::find(tx, Id::from_uuid(row.endpoint_id)).await?;
    let Some(endpoint) = endpoint.filter(WebhookEndpoint::is_enabled) else {
        // Whoever took the endpoint away gave up what was on its way there, so this is not there to be found.
        return Err(Trouble::row(NOUN, format!("{id} has no endpoint to go to")));
    };
    let (attempt, until) = (row.attempts.saturating_add(1), tx.now().saturating_add(span));
    let edit = tx.change::<Entity>().filter(Column::Id.eq(row.id)).set(Column::Attempts, attempt);
    edit.set(Column::ClaimedUntil, until.as_micros()).set(Column::LastAttemptAt, now).run().await?;
    Ok(Some(Claim {
        realm,
        id,
        notice: Id::from_uuid(row.notice_id),
        attempt: number(NOUN, attempt)?,
        endpoint: endpoint.id,
        secrets: endpoint.signing(tx.now()),
        url: endpoint.url,
        callable: endpoint.callable,
        scheme: endpoint.scheme,
        payload: row.payload,
        begun_at: tx.now(),
        until,
    }))
}

/// Records what came of an attempt; false where the claim is not the last one any more.
pub(crate) async fn record(tx: &Tx, claim: &Claim, attempted: &Attempted) -> Result<bool, Trouble> {
    let endpoint = webhook::judge(tx, claim, attempted.then).await?;
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
    attempt::add(tx, claim, attempted).await?;
    if let Some(endpoint) = endpoint {
        webhook::judged(tx, &endpoint).await?;
    }
    Ok(true)
}

/// Gives up all that is still to be delivered to an endpoint. Whoever is at one of them just then records nothing any more.
pub(crate) async fn give_up_all(tx: &Tx, endpoint: EndpointId, why: &str) -> Result<(), Trouble> {
    let mine = Column::EndpointId.eq(endpoint.uuid()).and(Expr::cust(PENDING));
    let edit = tx.change::<Entity>().filter(mine).set(Column::State, DeliveryState::Failed.as_str());
    let edit = edit.set(Column::FinishedAt, tx.now().as_micros()).set(Column::ClaimedUntil, None::<i64>);
    edit.set(Column::LastError, why).run().await?;
    Ok(())
}

/// Makes those of these that ended due now, with all their attempts ahead, and answers how many there were.
pub(crate) async fn make_due_again(tx: &Tx, ids: &[Uuid]) -> Result<u64, Trouble> {
    let mut made = 0;
    for part in ids.chunks(AGAIN_MAX) {
        let ended = Column::Id.is_in(part.iter().copied()).and(Column::State.ne(DeliveryState::Pending.as_str()));
        let edit = tx.change::<Entity>().filter(ended).set(Column::State, DeliveryState::Pending.as_str());
        let edit = edit.set(Column::Attempts, 0_i16).set(Column::NextAttemptAt, tx.now().as_micros());
        made += edit.set(Column::FinishedAt, None::<i64>).set(Column::LastError, None::<String>).run().await?;
    }
    Ok(made)
}

/// Makes due what is asked for, unless it is more than `limit`.
pub(crate) async fn replay(tx: &Tx, asked: &Replay, limit: u64) -> Result<Option<u64>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::EndpointId.eq(asked.endpoint.uuid()));
    let rows = match asked.of {
        Replayed::Event(notice) => rows.filter(Column::NoticeId.eq(notice.uuid())),
        Replayed::Between(since, until) => {
            rows.filter(Column::CreatedAt.gte(since.as_micros())).filter(Column::CreatedAt.lt(until.as_micros()))
        }
    };
    let rows = match asked.only_failed {
        true => rows.filter(Column::State.eq(DeliveryState::Failed.as_str())),
        false => rows.filter(Column::State.ne(DeliveryState::Pending.as_str())),
    };
    let ids: Vec<Uuid> = rows.limit(limit.saturating_add(1)).only(Column::Id).await?;
    if ids.len() as u64 > limit {
        return Ok(None);
    }
    make_due_again(tx, &ids).await.map(Some)
}
