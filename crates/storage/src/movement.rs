//! Movements: the lines of the ledger, append-only.

use crate::bulk::Clash;
use crate::stored::{units, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::account::Pocket;
use almoner_domain::id::{AccountId, Id};
use almoner_domain::movement::{Cause, Movement};
use almoner_domain::principal::Principals;
use almoner_domain::time::Timestamp;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, Condition, Order};

realm_table! {
    "movements" {
        key { id: Uuid, }
        at: i64,
        account_id: Uuid,
        from_pocket: Option<String>,
        to_pocket: Option<String>,
        amount: i64,
        cause: String,
        cause_id: Uuid,
        customer_id: Uuid,
        user_id: Option<Uuid>,
        agent_id: Option<Uuid>,
        session_id: Option<Uuid>,
    }
}

const NOUN: &str = "movement";
/// The cause of what gates take into their memory, report as used and give back.
const LEASE: &str = "lease";

fn row(movement: &Movement) -> Model {
    let (cause, cause_id) = movement.cause.parts();
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: movement.id.uuid(),
        at: movement.at.as_micros(),
        account_id: movement.account.uuid(),
        from_pocket: movement.from.map(|pocket| pocket.as_str().to_owned()),
        to_pocket: movement.to.map(|pocket| pocket.as_str().to_owned()),
        amount: movement.amount.get(),
        cause: cause.to_owned(),
        cause_id,
        customer_id: movement.principals.customer.uuid(),
        user_id: movement.principals.user.map(Id::uuid),
        agent_id: movement.principals.agent.map(Id::uuid),
        session_id: movement.principals.session.map(Id::uuid),
    }
}

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<Movement, Trouble> {
    let pocket = |text: Option<String>| text.map(|text| word(NOUN, &text, Pocket::parse)).transpose();
    Ok(Movement {
        id: Id::from_uuid(row.id),
        at: Timestamp::from_micros(row.at),
        account: Id::from_uuid(row.account_id),
        from: pocket(row.from_pocket)?,
        to: pocket(row.to_pocket)?,
        amount: units(NOUN, row.amount)?,
        cause: word(NOUN, &row.cause, |text| Cause::from_parts(text, row.cause_id))?,
        principals: Principals {
            customer: Id::from_uuid(row.customer_id),
            user: row.user_id.map(Id::from_uuid),
            agent: row.agent_id.map(Id::from_uuid),
            session: row.session_id.map(Id::from_uuid),
        },
    })
}

/// Writes lines.
pub(crate) async fn add(tx: &Tx, movements: &[Movement]) -> Result<(), Trouble> {
    let rows: Vec<Model> = movements.iter().map(row).collect();
    tx.insert::<Entity>(&rows, Clash::Refuse).await?;
    Ok(())
}

/// When units of these accounts were last used, carved or returned. What gates take into their memory and give back says nothing
/// about that.
pub(crate) async fn last_of(tx: &Tx, accounts: &[AccountId]) -> Result<Option<Timestamp>, Trouble> {
    let ids: Vec<Uuid> = accounts.iter().map(|id| id.uuid()).collect();
    let by_hand = Condition::any().add(Column::ToPocket.eq(Pocket::Used.as_str())).add(Column::Cause.ne(LEASE));
    let rows = tx.all_among::<Entity, _>(Column::AccountId, &ids, |rows| {
        rows.filter(by_hand.clone()).order(Column::Id, Order::Desc).limit(1)
    });
    Ok(rows.await?.into_iter().map(|row| Timestamp::from_micros(row.at)).max())
}
