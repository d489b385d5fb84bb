//! Grants.

use crate::bulk::Clash;
use crate::key::realm_of;
use crate::stored::{parsed, units, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::{Everywhere, Tx};
use almoner_domain::grant::{Grant, GrantKind, GrantStage};
use almoner_domain::id::{AccountId, GrantId, Id};
use almoner_domain::tenant::Realm;
use almoner_domain::text::ExternalId;
use almoner_domain::time::Timestamp;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, Order};
use std::collections::{BTreeMap, BTreeSet};

const NOUN: &str = "grant";

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
        taken_back: i64,
        lapsed: i64,
        stage: String,
        carried_from: Option<Uuid>,
        due_at: Option<i64>,
        external_id: Option<String>,
    }
}

fn row(grant: &Grant, due_at: Option<Timestamp>) -> Model {
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
        taken_back: grant.taken_back.get(),
        lapsed: grant.lapsed.get(),
        stage: grant.stage.as_str().to_owned(),
        carried_from: grant.carried_from.map(Id::uuid),
        due_at: due_at.map(Timestamp::as_micros),
        external_id: grant.external_id.as_ref().map(|id| id.as_str().to_owned()),
    }
}

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<Grant, Trouble> {
    Ok(Grant {
        id: Id::from_uuid(row.id),
        entitlement: Id::from_uuid(row.entitlement_id),
        account: Id::from_uuid(row.account_id),
        kind: word(NOUN, &row.kind, GrantKind::parse)?,
        amount: units(NOUN, row.amount)?,
        priority: row.priority,
        effective_at: Timestamp::from_micros(row.effective_at),
        expires_at: row.expires_at.map(Timestamp::from_micros),
        created_at: Timestamp::from_micros(row.created_at),
        voided_at: row.voided_at.map(Timestamp::from_micros),
        taken_back: units(NOUN, row.taken_back)?,
        lapsed: units(NOUN, row.lapsed)?,
        stage: word(NOUN, &row.stage, GrantStage::parse)?,
        carried_from: row.carried_from.map(Id::from_uuid),
        external_id: row.external_id.map(|text| parsed(NOUN, ExternalId::parse(&text))).transpose()?,
    })
}

/// One as it is.
pub(crate) async fn find(tx: &Tx, id: GrantId) -> Result<Option<Grant>, Trouble> {
    tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).one().await?.map(read).transpose()
}

/// Was one issued under this external id?
pub(crate) async fn is_taken(tx: &Tx, id: &ExternalId) -> Result<bool, Trouble> {
    Ok(tx.rows::<Entity>().filter(Column::ExternalId.eq(id.as_str())).one().await?.is_some())
}

/// Grants of these accounts, oldest first.
pub(crate) async fn of_accounts(tx: &Tx, accounts: &[AccountId]) -> Result<Vec<Grant>, Trouble> {
    let ids: Vec<Uuid> = accounts.iter().map(|id| id.uuid()).collect();
    let rows = tx.all_among::<Entity, _>(Column::AccountId, &ids, |rows| rows.order(Column::Id, Order::Asc));
    rows.await?.into_iter().map(read).collect()
}

/// Accounts of any realm whose grants want something done.
pub(crate) async fn due(tx: &Everywhere, limit: u64) -> Result<Vec<(Realm, AccountId)>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::DueAt.lte(tx.now().as_micros()));
    let mut found = BTreeSet::new();
    for row in rows.order(Column::DueAt, Order::Asc).limit(limit).all().await? {
        found.insert((realm_of(row.tenant, &row.environment)?, Id::from_uuid(row.account_id)));
    }
    Ok(Vec::from_iter(found))
}

/// Writes grants that are new or changed. `ends` says when the window of an account ends.
pub(crate) async fn add(
    tx: &Tx,
    grants: &[Grant],
    ends: impl Fn(AccountId) -> Option<Timestamp>,
) -> Result<(), Trouble> {
    // Of one that changed twice the last counts.
    let last: BTreeMap<GrantId, &Grant> = grants.iter().map(|grant| (grant.id, grant)).collect();
    let due = |grant: &Grant| grant.due_at(ends(grant.account), tx.now());
    let rows: Vec<Model> = last.into_values().map(|grant| row(grant, due(grant))).collect();
    let changing = [Column::VoidedAt, Column::TakenBack, Column::Lapsed, Column::Stage, Column::DueAt];
    tx.insert::<Entity>(&rows, Clash::Update(&changing)).await?;
    Ok(())
}
