//! Plans.

use crate::plan_version;
use crate::stored::parsed;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::work::SqlWork;
use almoner_domain::fault::Fault;
use almoner_domain::id::{Id, PlanId};
use almoner_domain::plan::{Plan, PlanVersion};
use almoner_domain::ports::Plans;
use almoner_domain::text::{ExternalId, Name};
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use sea_orm::ColumnTrait;
use sea_orm::entity::prelude::Uuid;

realm_table! {
    "plans" {
        key { id: Uuid, }
        external_id: String,
        name: String,
    }
}

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<Plan, Trouble> {
    Ok(Plan {
        id: Id::from_uuid(row.id),
        external_id: parsed("plan", ExternalId::parse(&row.external_id))?,
        name: parsed("plan", Name::parse(&row.name))?,
    })
}

/// One by the provider's id.
pub(crate) async fn by_external_id(tx: &Tx, id: &ExternalId) -> Result<Option<Plan>, Trouble> {
    let rows = tx.rows::<Entity>().filter(Column::ExternalId.eq(id.as_str()));
    rows.one().await?.map(read).transpose()
}

impl SqlWork {
    async fn add_plan(&self, plan: &Plan) -> Result<(), Trouble> {
        let row = Model {
            tenant: NO_TENANT,
            environment: NO_ENVIRONMENT,
            id: plan.id.uuid(),
            external_id: plan.external_id.as_str().to_owned(),
            name: plan.name.as_str().to_owned(),
        };
        self.catalogue()?.add::<Entity>(row).await
    }

    async fn plan(&self, id: &ExternalId) -> Result<Option<Plan>, Trouble> {
        by_external_id(self.tx()?, id).await
    }

    async fn publish_version(&self, version: &PlanVersion) -> Result<(), Trouble> {
        plan_version::add(self.catalogue()?, version).await
    }

    async fn latest_version(&self, plan: PlanId) -> Result<Option<PlanVersion>, Trouble> {
        plan_version::latest(self.tx()?, plan, None).await
    }

    async fn effective_version(&self, plan: PlanId, at: Timestamp) -> Result<Option<PlanVersion>, Trouble> {
        plan_version::latest(self.tx()?, plan, Some(at)).await
    }

    async fn remove_plan(&self, id: PlanId) -> Result<bool, Trouble> {
        let tx = self.catalogue()?;
        plan_version::remove(tx, id).await?;
        Ok(tx.delete::<Entity>(Column::Id.eq(id.uuid())).await? > 0)
    }
}

#[async_trait]
impl Plans for SqlWork {
    async fn add(&mut self, plan: &Plan) -> Result<(), Fault> {
        self.add_plan(plan).await.map_err(|trouble| trouble.into_fault("add_plan"))
    }

    async fn by_external_id(&mut self, id: &ExternalId) -> Result<Option<Plan>, Fault> {
        self.plan(id).await.map_err(|trouble| trouble.into_fault("plan"))
    }

    async fn publish(&mut self, version: &PlanVersion) -> Result<(), Fault> {
        self.publish_version(version).await.map_err(|trouble| trouble.into_fault("publish_plan"))
    }

    async fn latest(&mut self, plan: PlanId) -> Result<Option<PlanVersion>, Fault> {
        self.latest_version(plan).await.map_err(|trouble| trouble.into_fault("latest_plan"))
    }

    async fn effective(&mut self, plan: PlanId, at: Timestamp) -> Result<Option<PlanVersion>, Fault> {
        self.effective_version(plan, at).await.map_err(|trouble| trouble.into_fault("effective_plan"))
    }

    async fn remove(&mut self, id: PlanId) -> Result<bool, Fault> {
        self.remove_plan(id).await.map_err(|trouble| trouble.or_in_use().into_fault("remove_plan"))
    }
}
