//! The outbox: what other systems want to hear of, written in the transaction in which it happens.

use crate::bulk::Clash;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::id::Id;
use almoner_domain::notice::Notice;
use sea_orm::entity::prelude::Uuid;

realm_table! {
    "outbox" {
        key { id: Uuid, }
        at: i64,
        event: String,
        subject_id: Uuid,
        sent_at: Option<i64>,
    }
}

fn row(notice: &Notice) -> Model {
    let (event, subject_id) = notice.event.parts();
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: notice.id.uuid(),
        at: notice.at.as_micros(),
        event: event.to_owned(),
        subject_id,
        sent_at: None,
    }
}

/// Writes entries.
pub(crate) async fn add(tx: &Tx, notices: &[Notice]) -> Result<(), Trouble> {
    let rows: Vec<Model> = notices.iter().map(row).collect();
    tx.insert::<Entity>(&rows, Clash::Refuse).await?;
    Ok(())
}
