//! Customers.

use crate::decision;
use crate::stored::parsed;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::user;
use crate::work::SqlWork;
use almoner_domain::customer::{Customer, Role, User};
use almoner_domain::fault::Fault;
use almoner_domain::id::{CustomerId, Id, UserId};
use almoner_domain::ports::Customers;
use almoner_domain::text::{ExternalId, Name, Named};
use async_trait::async_trait;
use sea_orm::ColumnTrait;
use sea_orm::entity::prelude::Uuid;

realm_table! {
    "customers" {
        key { id: Uuid, }
        external_id: String,
        name: String,
    }
}

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<Customer, Trouble> {
    Ok(Customer {
        id: Id::from_uuid(row.id),
        external_id: parsed("customer", ExternalId::parse(&row.external_id))?,
        name: parsed("customer", Name::parse(&row.name))?,
    })
}

/// The customer that a caller names.
pub(crate) async fn named(tx: &Tx, name: &Named<CustomerId>) -> Result<Option<Customer>, Trouble> {
    let condition = match name {
        Named::Id(id) => Column::Id.eq(id.uuid()),
        Named::External(id) => Column::ExternalId.eq(id.as_str()),
    };
    tx.rows::<Entity>().filter(condition).one().await?.map(read).transpose()
}

impl SqlWork {
    async fn add_customer(&self, customer: &Customer) -> Result<(), Trouble> {
        let row = Model {
            tenant: NO_TENANT,
            environment: NO_ENVIRONMENT,
            id: customer.id.uuid(),
            external_id: customer.external_id.as_str().to_owned(),
            name: customer.name.as_str().to_owned(),
        };
        self.catalogue()?.add::<Entity>(row).await
    }

    async fn remove_customer(&self, id: CustomerId) -> Result<bool, Trouble> {
        let tx = self.catalogue()?;
        decision::unless_any(tx, decision::Column::CustomerId, id.uuid()).await?;
        Ok(tx.delete::<Entity>(Column::Id.eq(id.uuid())).await? > 0)
    }

    async fn customer(&self, name: &Named<CustomerId>) -> Result<Option<Customer>, Trouble> {
        named(self.tx()?, name).await
    }
}

#[async_trait]
impl Customers for SqlWork {
    async fn add(&mut self, customer: &Customer) -> Result<(), Fault> {
        self.add_customer(customer).await.map_err(|trouble| trouble.into_fault("add_customer"))
    }

    async fn by_external_id(&mut self, id: &ExternalId) -> Result<Option<Customer>, Fault> {
        self.customer(&Named::External(id.clone())).await.map_err(|trouble| trouble.into_fault("customer"))
    }

    async fn by_id(&mut self, id: CustomerId) -> Result<Option<Customer>, Fault> {
        self.customer(&Named::Id(id)).await.map_err(|trouble| trouble.into_fault("customer"))
    }

    async fn add_user(&mut self, user: &User) -> Result<(), Fault> {
        user::add(self, user).await.map_err(|trouble| trouble.into_fault("add_user"))
    }

    async fn user(&mut self, customer: CustomerId, id: &ExternalId) -> Result<Option<User>, Fault> {
        let found = user::at(self, customer, &Named::External(id.clone())).await;
        found.map_err(|trouble| trouble.into_fault("user"))
    }

    async fn user_by_id(&mut self, id: UserId) -> Result<Option<User>, Fault> {
        user::by_id(self, id).await.map_err(|trouble| trouble.into_fault("user_by_id"))
    }

    async fn users(&mut self, customer: CustomerId) -> Result<Vec<User>, Fault> {
        user::all(self, customer).await.map_err(|trouble| trouble.into_fault("users"))
    }

    async fn set_role(&mut self, id: UserId, role: Role) -> Result<bool, Fault> {
        user::set_role(self, id, role).await.map_err(|trouble| trouble.into_fault("set_role"))
    }

    async fn remove(&mut self, id: CustomerId) -> Result<bool, Fault> {
        self.remove_customer(id).await.map_err(|trouble| trouble.or_in_use().into_fault("remove_customer"))
    }

    async fn remove_user(&mut self, id: UserId) -> Result<bool, Fault> {
        user::remove(self, id).await.map_err(|trouble| trouble.or_in_use().into_fault("remove_user"))
    }
}
