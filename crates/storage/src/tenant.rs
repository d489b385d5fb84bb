//! The register of tenants.

use crate::bulk::Clash;
use crate::rows::Rows;
use crate::stored::parsed;
use crate::table::installation_table;
use crate::trouble::Trouble;
use crate::work::SqlInstallation;
use almoner_domain::fault::Fault;
use almoner_domain::id::Id;
use almoner_domain::ports::Installation;
use almoner_domain::tenant::Tenant;
use almoner_domain::text::{ExternalId, Name};
use async_trait::async_trait;
use sea_orm::ColumnTrait;
use sea_orm::entity::prelude::Uuid;

installation_table! {
    "tenants" {
        key { id: Uuid, }
        external_id: String,
        name: String,
    }
}

fn read(row: Model) -> Result<Tenant, Trouble> {
    Ok(Tenant {
        id: Id::from_uuid(row.id),
        external_id: parsed("tenant", ExternalId::parse(&row.external_id))?,
        name: parsed("tenant", Name::parse(&row.name))?,
    })
}

impl SqlInstallation {
    fn tenants(&self) -> Result<Rows<'_, Entity>, Trouble> {
        Ok(self.tx()?.rows::<Entity>())
    }

    async fn add(&self, tenant: &Tenant) -> Result<(), Trouble> {
        let row = Model {
            id: tenant.id.uuid(),
            external_id: tenant.external_id.as_str().to_owned(),
            name: tenant.name.as_str().to_owned(),
        };
        match self.tx()?.insert::<Entity>(&[row], Clash::Skip).await? {
            0 => Err(Trouble::Exists),
            _ => Ok(()),
        }
    }

    async fn find(&self, external_id: &ExternalId) -> Result<Option<Tenant>, Trouble> {
        let row = self.tenants()?.filter(Column::ExternalId.eq(external_id.as_str())).one().await?;
        row.map(read).transpose()
    }

    async fn list(&self) -> Result<Vec<Tenant>, Trouble> {
        let rows = self.tenants()?.order(Column::ExternalId, sea_orm::Order::Asc).all().await?;
        rows.into_iter().map(read).collect()
    }
}

#[async_trait]
impl Installation for SqlInstallation {
    async fn add_tenant(&mut self, tenant: &Tenant) -> Result<(), Fault> {
        self.add(tenant).await.map_err(|trouble| trouble.into_fault("add_tenant"))
    }

    async fn tenant(&mut self, external_id: &ExternalId) -> Result<Option<Tenant>, Fault> {
        self.find(external_id).await.map_err(|trouble| trouble.into_fault("tenant"))
    }

    async fn tenants(&mut self) -> Result<Vec<Tenant>, Fault> {
        self.list().await.map_err(|trouble| trouble.into_fault("tenants"))
    }

    async fn commit(self: Box<Self>) -> Result<(), Fault> {
        SqlInstallation::commit(*self).await
    }
}
