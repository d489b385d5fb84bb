//! API keys.

use crate::stored::{parsed, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Everywhere;
use crate::work::SqlWork;
use almoner_domain::fault::Fault;
use almoner_domain::id::{Id, KeyId};
use almoner_domain::key::{ApiKey, Holder, KeyHash, KeyKind};
use almoner_domain::notice::Change;
use almoner_domain::ports::Keys;
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::text::Name;
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, Order};

realm_table! {
    "api_keys" {
        key { id: Uuid, }
        kind: String,
        customer_id: Option<Uuid>,
        user_id: Option<Uuid>,
        name: String,
        hash: Vec<u8>,
        hint: String,
        created_at: i64,
        revoked_at: Option<i64>,
    }
}

fn row(key: &ApiKey) -> Model {
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: key.id.uuid(),
        kind: key.kind.as_str().to_owned(),
        customer_id: key.holder.map(|holder| holder.customer.uuid()),
        user_id: key.holder.and_then(|holder| holder.user).map(Id::uuid),
        name: key.name.as_str().to_owned(),
        hash: key.hash.0.to_vec(),
        hint: key.hint.clone(),
        created_at: key.created_at.as_micros(),
        revoked_at: key.revoked_at.map(Timestamp::as_micros),
    }
}

fn read(row: Model) -> Result<ApiKey, Trouble> {
    let hash: [u8; 32] =
        row.hash.as_slice().try_into().map_err(|_| Trouble::row("key", "its hash does not have 32 bytes"))?;
    Ok(ApiKey {
        id: Id::from_uuid(row.id),
        realm: realm_of(row.tenant, &row.environment)?,
        kind: word("key", &row.kind, KeyKind::parse)?,
        holder: row
            .customer_id
            .map(|customer| Holder { customer: Id::from_uuid(customer), user: row.user_id.map(Id::from_uuid) }),
        name: parsed("key", Name::parse(&row.name))?,
        hash: KeyHash(hash),
        hint: row.hint,
        created_at: Timestamp::from_micros(row.created_at),
        revoked_at: row.revoked_at.map(Timestamp::from_micros),
    })
}

/// The realm of a row that was found among all realms'.
pub(crate) fn realm_of(tenant: Uuid, environment: &str) -> Result<Realm, Trouble> {
    Ok(Realm { tenant: Id::from_uuid(tenant), environment: word("realm", environment, Environment::parse)? })
}

/// The key that hashes to this and is not revoked, in whichever realm it is.
pub(crate) async fn by_hash(tx: &Everywhere, hash: KeyHash) -> Result<Option<ApiKey>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::Hash.eq(hash.0.to_vec()));
    rows.filter(Column::RevokedAt.is_null()).one().await?.map(read).transpose()
}

impl SqlWork {
    async fn revoke_key(&self, id: KeyId, at: Timestamp) -> Result<bool, Trouble> {
        let tx = self.tx()?;
        let edit = tx.change::<Entity>().filter(Column::Id.eq(id.uuid())).filter(Column::RevokedAt.is_null());
        let revoked = edit.set(Column::RevokedAt, at.as_micros()).run().await? > 0;
        if revoked {
            tx.feed(Change::Keys);
        }
        Ok(revoked)
    }

    async fn keys_newest_first(&self) -> Result<Vec<ApiKey>, Trouble> {
        let rows = self.tx()?.rows::<Entity>().order(Column::CreatedAt, Order::Desc).order(Column::Id, Order::Desc);
        rows.all().await?.into_iter().map(read).collect()
    }

    async fn add_key(&self, key: &ApiKey) -> Result<(), Trouble> {
        self.tx()?.add::<Entity>(row(key)).await
    }
}

#[async_trait]
impl Keys for SqlWork {
    async fn add(&mut self, key: &ApiKey) -> Result<(), Fault> {
        self.add_key(key).await.map_err(|trouble| trouble.into_fault("add_key"))
    }

    async fn all(&mut self) -> Result<Vec<ApiKey>, Fault> {
        self.keys_newest_first().await.map_err(|trouble| trouble.into_fault("keys"))
    }

    async fn revoke(&mut self, id: KeyId, at: Timestamp) -> Result<bool, Fault> {
        self.revoke_key(id, at).await.map_err(|trouble| trouble.into_fault("revoke_key"))
    }
}
