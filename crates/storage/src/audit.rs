//! The audit trail: written with what it tells of, never changed.

use crate::bulk::Clash;
use crate::stored::{parsed, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::work::SqlWork;
use almoner_domain::audit::{Action, AuditEntry, Author, AuthorRole};
use almoner_domain::caller::Origin;
use almoner_domain::fault::Fault;
use almoner_domain::id::{CustomerId, Id};
use almoner_domain::ports::AuditTrail;
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use sea_orm::entity::prelude::Uuid;

realm_table! {
    "audit" {
        key { id: Uuid, }
        at: i64,
        role: String,
        key_id: Option<Uuid>,
        author_customer_id: Option<Uuid>,
        user_id: Option<Uuid>,
        address: Option<String>,
        request: Option<String>,
        action: String,
        subject: String,
        customer_id: Option<Uuid>,
        note: String,
    }
}

const NOUN: &str = "audit entry";

fn row(entry: &AuditEntry) -> Model {
    let author = &entry.author;
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: entry.id.uuid(),
        at: entry.at.as_micros(),
        role: author.role.as_str().to_owned(),
        key_id: author.key.map(Id::uuid),
        author_customer_id: author.customer.map(Id::uuid),
        user_id: author.user.map(Id::uuid),
        address: author.origin.address.map(|address| address.to_string()),
        request: author.origin.request.as_deref().map(str::to_owned),
        action: entry.action.as_str().to_owned(),
        subject: entry.subject.clone(),
        customer_id: entry.customer.map(Id::uuid),
        note: entry.note.clone(),
    }
}

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<AuditEntry, Trouble> {
    let origin = Origin {
        address: row.address.map(|text| parsed(NOUN, text.parse())).transpose()?,
        request: row.request.map(Into::into),
    };
    Ok(AuditEntry {
        id: Id::from_uuid(row.id),
        at: Timestamp::from_micros(row.at),
        author: Author {
            role: word(NOUN, &row.role, AuthorRole::parse)?,
            key: row.key_id.map(Id::from_uuid),
            customer: row.author_customer_id.map(Id::from_uuid),
            user: row.user_id.map(Id::from_uuid),
            origin,
        },
        action: word(NOUN, &row.action, Action::parse)?,
        subject: row.subject,
        customer: row.customer_id.map(Id::from_uuid),
        note: row.note,
    })
}

/// Signs what a command of the ledger does.
pub(crate) async fn sign(
    tx: &Tx,
    by: &Author,
    action: Action,
    subject: impl std::fmt::Display,
    customer: CustomerId,
    note: String,
) -> Result<(), Trouble> {
    let entry = AuditEntry {
        id: Id::new(tx.now(), tx.entropy()),
        at: tx.now(),
        author: by.clone(),
        action,
        subject: subject.to_string(),
        customer: Some(customer),
        note,
    };
    add(tx, &entry).await
}

/// Writes one.
pub(crate) async fn add(tx: &Tx, entry: &AuditEntry) -> Result<(), Trouble> {
    tx.insert::<Entity>(&[row(entry)], Clash::Refuse).await?;
    Ok(())
}

impl SqlWork {
    async fn write_down(&self, entry: &AuditEntry) -> Result<(), Trouble> {
        add(self.tx()?, entry).await
    }
}

#[async_trait]
impl AuditTrail for SqlWork {
    async fn record(&mut self, entry: &AuditEntry) -> Result<(), Fault> {
        self.write_down(entry).await.map_err(|trouble| trouble.into_fault("record"))
    }
}
