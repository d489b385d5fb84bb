//! Features.

use crate::stored::{number, parsed, word};
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::work::SqlWork;
use almoner_domain::fault::Fault;
use almoner_domain::feature::{Durability, ExcessRule, Feature, FeatureKind, Meter};
use almoner_domain::id::{FeatureId, Id};
use almoner_domain::ports::Features;
use almoner_domain::text::{FeatureKey, Name};
use almoner_domain::units::Scale;
use async_trait::async_trait;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::IntoCondition;
use sea_orm::{ColumnTrait, Order};

realm_table! {
    "features" {
        key { id: Uuid, }
        key: String,
        name: String,
        kind: String,
        unit: Option<String>,
        scale: Option<i16>,
        durability: Option<String>,
        excess: Option<String>,
    }
}

const NOUN: &str = "feature";

fn row(feature: &Feature) -> Model {
    let meter = feature.meter();
    let kind = match feature.kind {
        FeatureKind::Boolean => "boolean",
        FeatureKind::Static => "static",
        FeatureKind::Metered(_) => "metered",
    };
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id: feature.id.uuid(),
        key: feature.key.as_str().to_owned(),
        name: feature.name.as_str().to_owned(),
        kind: kind.to_owned(),
        unit: meter.map(|m| m.unit.as_str().to_owned()),
        scale: meter.map(|m| i16::from(m.scale.places())),
        durability: meter.map(|m| m.durability.as_str().to_owned()),
        excess: meter.map(|m| m.excess.as_str().to_owned()),
    }
}

/// Reads one back.
pub(crate) fn read(row: Model) -> Result<Feature, Trouble> {
    let kind = match (row.kind.as_str(), row.unit, row.scale, row.durability, row.excess) {
        ("boolean", ..) => FeatureKind::Boolean,
        ("static", ..) => FeatureKind::Static,
        ("metered", Some(unit), Some(scale), Some(durability), Some(excess)) => FeatureKind::Metered(Meter {
            unit: parsed(NOUN, Name::parse(&unit))?,
            scale: parsed(NOUN, Scale::new(number(NOUN, scale)?))?,
            durability: word(NOUN, &durability, Durability::parse)?,
            excess: word(NOUN, &excess, ExcessRule::parse)?,
        }),
        (kind, ..) => return Err(Trouble::row(NOUN, format!("the kind {kind:?}"))),
    };
    Ok(Feature {
        id: Id::from_uuid(row.id),
        key: parsed(NOUN, FeatureKey::parse(&row.key))?,
        name: parsed(NOUN, Name::parse(&row.name))?,
        kind,
    })
}

/// All features of the realm, by key.
pub(crate) async fn all(tx: &Tx) -> Result<Vec<Feature>, Trouble> {
    tx.rows::<Entity>().order(Column::Key, Order::Asc).all().await?.into_iter().map(read).collect()
}

impl SqlWork {
    async fn feature(&self, condition: impl IntoCondition + Send) -> Result<Option<Feature>, Trouble> {
        self.tx()?.rows::<Entity>().filter(condition).one().await?.map(read).transpose()
    }

    async fn remove_feature(&self, id: FeatureId) -> Result<bool, Trouble> {
        Ok(self.catalogue()?.delete::<Entity>(Column::Id.eq(id.uuid())).await? > 0)
    }

    async fn add_feature(&self, feature: &Feature) -> Result<(), Trouble> {
        self.catalogue()?.add::<Entity>(row(feature)).await
    }

    async fn all_features(&self) -> Result<Vec<Feature>, Trouble> {
        all(self.tx()?).await
    }
}

#[async_trait]
impl Features for SqlWork {
    async fn add(&mut self, feature: &Feature) -> Result<(), Fault> {
        self.add_feature(feature).await.map_err(|trouble| trouble.into_fault("add_feature"))
    }

    async fn by_key(&mut self, key: &FeatureKey) -> Result<Option<Feature>, Fault> {
        let found = self.feature(Column::Key.eq(key.as_str())).await;
        found.map_err(|trouble| trouble.into_fault("feature_by_key"))
    }

    async fn by_id(&mut self, id: FeatureId) -> Result<Option<Feature>, Fault> {
        self.feature(Column::Id.eq(id.uuid())).await.map_err(|trouble| trouble.into_fault("feature_by_id"))
    }

    async fn all(&mut self) -> Result<Vec<Feature>, Fault> {
        self.all_features().await.map_err(|trouble| trouble.into_fault("features"))
    }

    async fn remove(&mut self, id: FeatureId) -> Result<bool, Fault> {
        self.remove_feature(id).await.map_err(|trouble| trouble.or_in_use().into_fault("remove_feature"))
    }
}
