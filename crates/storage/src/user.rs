//! People in customers.

use crate::decision;
use crate::stored::{parsed, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::work::SqlWork;
use almoner_domain::customer::{Role, User};
use almoner_domain::id::{CustomerId, Id, UserId};
use almoner_domain::text::{ExternalId, Name, Named};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, Order};

realm_table! {
    "users" {
        key { id: Uuid, }
        customer_id: Uuid,
        external_id: String,
        name: String,
        role: String,
    }
}

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<User, Trouble> {
    Ok(User {
        id: Id::from_uuid(row.id),
        customer: Id::from_uuid(row.customer_id),
        external_id: parsed("user", ExternalId::parse(&row.external_id))?,
        name: parsed("user", Name::parse(&row.name))?,
        role: word("user", &row.role, Role::parse)?,
    })
}

/// The user of a customer that a caller names.
pub(crate) async fn named(tx: &Tx, customer: CustomerId, name: &Named<UserId>) -> Result<Option<User>, Trouble> {
    let condition = match name {
        Named::Id(id) => Column::Id.eq(id.uuid()),
        Named::External(id) => Column::ExternalId.eq(id.as_str()),
    };
    let rows = tx.rows::<Entity>().filter(Column::CustomerId.eq(customer.uuid())).filter(condition);
    rows.one().await?.map(read).transpose()
}

/// People of a customer who can raise what others may use, owners first; at most `limit`.
pub(crate) async fn who_raise(tx: &Tx, customer: CustomerId, limit: usize) -> Result<Vec<UserId>, Trouble> {
    let roles = Role::ALL.into_iter().filter(|role| role.raises()).map(Role::as_str);
    let rows = tx.rows::<Entity>().filter(Column::CustomerId.eq(customer.uuid())).filter(Column::Role.is_in(roles));
    // Sorted here: asked to sort by id, SQLite reads the whole realm by its key.
    let mut people = rows.all().await?.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    people.sort_by_key(|user| (user.role, user.id));
    Ok(people.into_iter().map(|user| user.id).take(limit).collect())
}

/// Adds one.
pub(crate) async fn add(work: &SqlWork, user: &User) -> Result<(), Trouble> {
    let row = Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: user.id.uuid(),
        customer_id: user.customer.uuid(),
        external_id: user.external_id.as_str().to_owned(),
        name: user.name.as_str().to_owned(),
        role: user.role.as_str().to_owned(),
    };
    work.catalogue()?.add::<Entity>(row).await
}

/// Gives one another role.
pub(crate) async fn set_role(work: &SqlWork, id: UserId, role: Role) -> Result<bool, Trouble> {
    let edit = work.catalogue()?.change::<Entity>().filter(Column::Id.eq(id.uuid()));
    Ok(edit.set(Column::Role, role.as_str()).run().await? > 0)
}

/// Removes one that nothing points to.
pub(crate) async fn remove(work: &SqlWork, id: UserId) -> Result<bool, Trouble> {
    let tx = work.catalogue()?;
    decision::unless_any(tx, decision::Column::UserId, id.uuid()).await?;
    Ok(tx.delete::<Entity>(Column::Id.eq(id.uuid())).await? > 0)
}

/// One of a customer.
pub(crate) async fn at(work: &SqlWork, customer: CustomerId, name: &Named<UserId>) -> Result<Option<User>, Trouble> {
    named(work.tx()?, customer, name).await
}

/// One by id.
pub(crate) async fn by_id(work: &SqlWork, id: UserId) -> Result<Option<User>, Trouble> {
    find(work.tx()?, id).await
}

/// One by id.
pub(crate) async fn find(tx: &Tx, id: UserId) -> Result<Option<User>, Trouble> {
    tx.rows::<Entity>().filter(Column::Id.eq(id.uuid())).one().await?.map(read).transpose()
}

/// All of a customer, by external id.
pub(crate) async fn all(work: &SqlWork, customer: CustomerId) -> Result<Vec<User>, Trouble> {
    let rows = work.tx()?.rows::<Entity>().filter(Column::CustomerId.eq(customer.uuid()));
    rows.order(Column::ExternalId, Order::Asc).all().await?.into_iter().map(read).collect()
}
