//! Sets of dimensions that are told apart within an hour, for one customer and feature: so many, and the rest is "other".
//!
//! Who brings a new one counts what is there, so gates take turns at it; once an hour is full nobody waits for anybody.

use crate::bulk::Clash;
use crate::table::{NO_ENVIRONMENT, NO_TENANT, realm_table};
use crate::trouble::Trouble;
use crate::tx::Tx;
use crate::usage;
use almoner_domain::usage::{DIMENSION_SETS_MAX, DIMENSIONS_BYTES_MAX};
use sea_orm::ColumnTrait;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

realm_table! {
    "usage_sets" {
        key { id: Uuid, }
        hour: i64,
        customer_id: Uuid,
        feature_id: Uuid,
    }
}

/// What was said about calls.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    /// Its hash, for keys.
    pub(crate) id: Uuid,
    /// An object; a text where it is not told apart.
    pub(crate) text: String,
}

impl Set {
    /// What is not told apart any more. JSON, but no object, so that nothing is found in it.
    pub(crate) fn other() -> Self {
        Self { id: Uuid::max(), text: OTHER.to_owned() }
    }

    /// What a caller said.
    pub(crate) fn of(dimensions: &[(String, String)]) -> Result<Self, Trouble> {
        Ok(match usage::dimensions_text(dimensions)? {
            None => Self { id: Uuid::nil(), text: "{}".to_owned() },
            Some(text) if text.len() > DIMENSIONS_BYTES_MAX => Self::other(),
            Some(text) => Self { id: hash(&[text.as_bytes()]), text },
        })
    }

    fn is_bounded(&self) -> bool {
        self.id.is_nil() || self.id == Uuid::max()
    }
}

/// How [`Set::other`] is stored.
pub(crate) const OTHER: &str = "\"other\"";

/// Where sets are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) hour: i64,
    pub(crate) customer: Uuid,
    pub(crate) feature: Uuid,
}

impl Place {
    fn id_of(&self, set: Uuid) -> Uuid {
        hash(&[&self.hour.to_be_bytes(), self.customer.as_bytes(), self.feature.as_bytes(), set.as_bytes()])
    }
}

/// The first half of SHA-256: nobody can make two sets that share it.
fn hash(parts: &[&[u8]]) -> Uuid {
    let mut digest = Sha256::new();
    parts.iter().for_each(|part| digest.update(part));
    let mut half = [0u8; 16];
    half.copy_from_slice(&digest.finalize()[..16]);
    Uuid::from_bytes(half)
}

/// Which of these sets are told apart where, the new ones among them written down.
pub(crate) async fn admitted(
    tx: &Tx,
    wanted: &BTreeMap<Place, BTreeMap<Uuid, Set>>,
) -> Result<BTreeSet<(Place, Uuid)>, Trouble> {
    let mut admitted: BTreeSet<(Place, Uuid)> = BTreeSet::new();
    let mut asked: BTreeMap<Uuid, (Place, Uuid)> = BTreeMap::new();
    for (place, sets) in wanted {
        for set in sets.values() {
            if set.is_bounded() {
                admitted.insert((*place, set.id));
            } else {
                asked.insert(place.id_of(set.id), (*place, set.id));
            }
        }
    }
    admit_known(tx, &mut asked, &mut admitted).await?;
    let counted = counts(tx, &asked).await?;
    asked.retain(|_, (place, _)| counted.get(place).copied().unwrap_or_default() < DIMENSION_SETS_MAX);
    if asked.is_empty() {
        return Ok(admitted);
    }
    // Others may have been faster: what they wrote is seen once it is our turn.
    tx.take_turn().await?;
    admit_known(tx, &mut asked, &mut admitted).await?;
    let mut counted = counts(tx, &asked).await?;
    let mut rows = Vec::new();
    for (id, (place, set)) in asked {
        let count = counted.entry(place).or_default();
        if *count < DIMENSION_SETS_MAX {
            *count += 1;
            rows.push(row(id, place));
            admitted.insert((place, set));
        }
    }
    tx.insert::<Entity>(&rows, Clash::Refuse).await?;
    Ok(admitted)
}

async fn admit_known(
    tx: &Tx,
    asked: &mut BTreeMap<Uuid, (Place, Uuid)>,
    admitted: &mut BTreeSet<(Place, Uuid)>,
) -> Result<(), Trouble> {
    let ids: Vec<Uuid> = asked.keys().copied().collect();
    for known in tx.all_among::<Entity, _>(Column::Id, &ids, |rows| rows).await? {
        admitted.extend(asked.remove(&known.id));
    }
    Ok(())
}

/// How many sets there are where these are asked for.
async fn counts(tx: &Tx, asked: &BTreeMap<Uuid, (Place, Uuid)>) -> Result<BTreeMap<Place, usize>, Trouble> {
    if asked.is_empty() {
        return Ok(BTreeMap::new());
    }
    let places: BTreeSet<Place> = asked.values().map(|(place, _)| *place).collect();
    // Each column by itself: that is more than the places, by those of one hour and another customer, and far fewer words.
    let hours: BTreeSet<i64> = places.iter().map(|place| place.hour).collect();
    let customers: BTreeSet<Uuid> = places.iter().map(|place| place.customer).collect();
    let features: BTreeSet<Uuid> = places.iter().map(|place| place.feature).collect();
    let rows = tx.rows::<Entity>().filter(Column::Hour.is_in(hours)).filter(Column::CustomerId.is_in(customers));
    let picked = rows.filter(Column::FeatureId.is_in(features)).pick(vec![
        (Expr::col(Column::Hour), "hour"),
        (Expr::col(Column::CustomerId), "customer_id"),
        (Expr::col(Column::FeatureId), "feature_id"),
    ]);
    let around = |picked: &str| {
        format!(
            "SELECT hour, customer_id, feature_id, count(*) AS sets FROM ({picked}) AS picked \
             GROUP BY hour, customer_id, feature_id"
        )
    };
    let mut counts = BTreeMap::new();
    for found in picked.around(around).await? {
        let place = Place {
            hour: found.try_get("", "hour")?,
            customer: found.try_get("", "customer_id")?,
            feature: found.try_get("", "feature_id")?,
        };
        let sets: i64 = found.try_get("", "sets")?;
        counts.insert(place, usize::try_from(sets).unwrap_or(usize::MAX));
    }
    Ok(counts)
}

fn row(id: Uuid, place: Place) -> Model {
    Model {
        tenant: NO_TENANT,
        environment: NO_ENVIRONMENT,
        id,
        hour: place.hour,
        customer_id: place.customer,
        feature_id: place.feature,
    }
}
