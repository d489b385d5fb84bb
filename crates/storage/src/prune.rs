//! Pruning. What may go is found over all realms, and deleted realm by realm: nobody outside a realm writes in it.

use crate::key::realm_of;
use crate::store::{Deed, Outcome, SqlStore};
use crate::trouble::Trouble;
use crate::tx::{Everywhere, Tx};
use crate::{attempt, change, decision, delivery, notice};
use almoner_domain::fault::Fault;
use almoner_domain::ports::{DECISIONS_KEPT_MIN, Pruned, Pruning, Retention};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, Order};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Rows deleted in one transaction: gates wait for it meanwhile.
const DELETE_MAX: usize = 500;

/// What may go.
struct Ripe {
    changes: Vec<(Realm, i64)>,
    notices: Vec<(Realm, Uuid)>,
    deliveries: Vec<(Realm, Uuid)>,
    decisions: Vec<(Realm, Uuid)>,
}

/// Deletes rows of one realm by these keys and answers how many there were.
type Deletion<V> = for<'t> fn(&'t Tx, Arc<[V]>) -> Deed<'t, Outcome<u64>>;

fn before(now: Timestamp, kept: Duration) -> i64 {
    now.as_micros().saturating_sub(i64::try_from(kept.as_micros()).unwrap_or(i64::MAX))
}

async fn ripe(tx: &Everywhere, keep: Retention, limit: u64) -> Result<Ripe, Trouble> {
    let mut found = Ripe { changes: Vec::new(), notices: Vec::new(), deliveries: Vec::new(), decisions: Vec::new() };
    let latest = tx.rows::<change::Entity>().order(change::Column::Position, Order::Desc).one().await?;
    // The latest always stays: on SQLite the next position is counted from it.
    let kept = i64::try_from(keep.changes.max(1)).unwrap_or(i64::MAX);
    if let Some(latest) = latest {
        let rows =
            tx.rows::<change::Entity>().filter(change::Column::Position.lte(latest.position.saturating_sub(kept)));
        for row in rows.order(change::Column::Position, Order::Asc).limit(limit).all().await? {
            found.changes.push((realm_of(row.tenant, &row.environment)?, row.position));
        }
    }
    let rows = tx.rows::<notice::Entity>().filter(notice::Column::SentAt.lt(before(tx.now(), keep.notices)));
    for row in rows.order(notice::Column::SentAt, Order::Asc).limit(limit).all().await? {
        found.notices.push((realm_of(row.tenant, &row.environment)?, row.id));
    }
    let ended = delivery::Column::FinishedAt.lt(before(tx.now(), keep.notices));
    let rows = tx.rows::<delivery::Entity>().filter(ended).order(delivery::Column::FinishedAt, Order::Asc);
    for row in rows.limit(limit).all().await? {
        found.deliveries.push((realm_of(row.tenant, &row.environment)?, row.id));
    }
    if let Some(kept) = keep.decisions {
        let at = before(tx.now(), kept.max(DECISIONS_KEPT_MIN));
        let rows = tx.rows::<decision::Entity>().filter(decision::Column::At.lt(at));
        for row in rows.order(decision::Column::At, Order::Asc).limit(limit).all().await? {
            found.decisions.push((realm_of(row.tenant, &row.environment)?, row.id));
        }
    }
    Ok(found)
}

impl SqlStore {
    async fn delete_all<V>(&self, found: Vec<(Realm, V)>, delete: Deletion<V>) -> Result<u64, Fault>
    where
        V: Copy + Send + Sync + 'static,
    {
        let mut by_realm: BTreeMap<Realm, Vec<V>> = BTreeMap::new();
        for (realm, key) in found {
            by_realm.entry(realm).or_default().push(key);
        }
        let mut gone = 0;
        for (realm, keys) in by_realm {
            for part in keys.chunks(DELETE_MAX) {
                let part: Arc<[V]> = part.into();
                gone += self.write("prune", realm, move |tx| delete(tx, Arc::clone(&part))).await?;
            }
        }
        Ok(gone)
    }
}

#[async_trait]
impl Pruning for SqlStore {
    async fn prune(&self, keep: Retention, limit: u64) -> Result<Pruned, Fault> {
        let found = self.read_everywhere("prune", move |tx| Box::pin(ripe(tx, keep, limit))).await?;
        let changes = self.delete_all(found.changes, |tx, positions| {
            Box::pin(async move {
                let gone = tx.remove::<change::Entity, _>(change::Column::Position, &positions).await?;
                Ok(Outcome::Keep(gone))
            })
        });
        let changes = changes.await?;
        let notices = self.delete_all(found.notices, |tx, ids| {
            Box::pin(async move { Ok(Outcome::Keep(tx.remove::<notice::Entity, _>(notice::Column::Id, &ids).await?)) })
        });
        let notices = notices.await?;
        let deliveries = self.delete_all(found.deliveries, |tx, ids| {
            Box::pin(async move {
                tx.remove::<attempt::Entity, _>(attempt::Column::DeliveryId, &ids).await?;
                Ok(Outcome::Keep(tx.remove::<delivery::Entity, _>(delivery::Column::Id, &ids).await?))
            })
        });
        let deliveries = deliveries.await?;
        let decisions = self.delete_all(found.decisions, |tx, ids| {
            Box::pin(
                async move { Ok(Outcome::Keep(tx.remove::<decision::Entity, _>(decision::Column::Id, &ids).await?)) },
            )
        });
        Ok(Pruned { changes, notices, deliveries, decisions: decisions.await? })
    }
}
