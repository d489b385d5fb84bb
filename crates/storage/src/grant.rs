//! Grants.

use crate::bulk::Clash;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use almoner_domain::grant::Grant;
use almoner_domain::id::Id;
use almoner_domain::time::Timestamp;
use sea_orm::entity::prelude::Uuid;

realm_table! {
    "grants" {
        key { id: Uuid, }
        entitlement_id: Uuid,
        account_id: Uuid,
        kind: String,
        amount: i64,
        priority: i16,
        effective_at: i64,
        expires_at: Option<i64>,
        created_at: i64,
        voided_at: Option<i64>,
    }
}

fn row(grant: &Grant) -> Model {
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: grant.id.uuid(),
        entitlement_id: grant.entitlement.uuid(),
        account_id: grant.account.uuid(),
        kind: grant.kind.as_str().to_owned(),
        amount: grant.amount.get(),
        priority: grant.priority,
        effective_at: grant.effective_at.as_micros(),
        expires_at: grant.expires_at.map(Timestamp::as_micros),
        created_at: grant.created_at.as_micros(),
        voided_at: grant.voided_at.map(Timestamp::as_micros),
    }
}

/// Writes grants.
pub(crate) async fn add(tx: &Tx, grants: &[Grant]) -> Result<(), Trouble> {
    let rows: Vec<Model> = grants.iter().map(row).collect();
    tx.insert::<Entity>(&rows, Clash::Refuse).await?;
    Ok(())
}
