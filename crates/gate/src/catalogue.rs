//! The catalogue in memory: what features a realm has, and what they cost in which currency.

use crate::call::AskedUse;
use crate::epoch::Epoch;
use almoner_domain::fault::Fault;
use almoner_domain::feature::Feature;
use almoner_domain::id::FeatureId;
use almoner_domain::ports::Lookup;
use almoner_domain::price::{self, PriceList};
use almoner_domain::tenant::Realm;
use almoner_domain::time::{Clock, Timestamp, Uptime};
use moka::sync::Cache;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Realms whose features are kept in memory.
const REALMS_MAX: u64 = 10_000;
/// An unknown feature is asked for again at most this often, so that misspelt calls are not a load on the store.
const RELOAD_PAUSE: Duration = Duration::from_millis(500);

/// Features of the realms that call.
pub(crate) struct Catalogue {
    cache: Cache<Realm, Arc<RealmFeatures>>,
    lookup: Arc<dyn Lookup>,
    clock: Arc<dyn Clock>,
    epoch: Epoch,
}

struct RealmFeatures {
    by_key: HashMap<Arc<str>, Arc<Feature>>,
    by_id: HashMap<FeatureId, Arc<Feature>>,
    /// In effect, and to come.
    prices: Vec<PriceList>,
    loaded_at: Uptime,
}

impl Catalogue {
    pub(crate) fn new(lookup: Arc<dyn Lookup>, clock: Arc<dyn Clock>) -> Self {
        Self { cache: Cache::new(REALMS_MAX), lookup, clock, epoch: Epoch::default() }
    }

    /// A feature by its key in code.
    pub(crate) async fn by_key(&self, realm: Realm, key: &str) -> Result<Option<Arc<Feature>>, Fault> {
        self.find(realm, |features| features.by_key.get(key).cloned()).await
    }

    /// A feature by its id.
    pub(crate) async fn by_id(&self, realm: Realm, id: FeatureId) -> Result<Option<Arc<Feature>>, Fault> {
        self.find(realm, |features| features.by_id.get(&id).cloned()).await
    }

    /// Says what each use of a call that says this costs, in each currency that it can be paid with. The features were found before.
    pub(crate) fn price(&self, realm: Realm, uses: &mut [AskedUse], said: &[(String, String)], now: Timestamp) {
        let Some(known) = self.cache.get(&realm) else { return };
        for list in price::in_effect(&known.prices, now) {
            for used in uses.iter_mut() {
                used.prices.extend(list.rate(used.feature.id, said).map(|rate| (list.currency, rate)));
            }
        }
    }

    /// A feature by its id, if it is in memory.
    pub(crate) fn known(&self, realm: Realm, id: FeatureId) -> Option<Arc<Feature>> {
        self.cache.get(&realm).and_then(|features| features.by_id.get(&id).cloned())
    }

    async fn find(
        &self,
        realm: Realm,
        pick: impl Fn(&RealmFeatures) -> Option<Arc<Feature>>,
    ) -> Result<Option<Arc<Feature>>, Fault> {
        if let Some(features) = self.cache.get(&realm) {
            let found = pick(&features);
            let fresh = self.clock.uptime().saturating_since(features.loaded_at) < RELOAD_PAUSE;
            if found.is_some() || fresh {
                return Ok(found);
            }
        }
        let epoch = self.epoch.now();
        let features = Arc::new(self.load(realm).await?);
        self.cache.insert(realm, features.clone());
        if self.epoch.now() != epoch {
            self.cache.invalidate(&realm);
        }
        Ok(pick(&features))
    }

    async fn load(&self, realm: Realm) -> Result<RealmFeatures, Fault> {
        let all: Vec<_> = self.lookup.features(realm).await?.into_iter().map(Arc::new).collect();
        Ok(RealmFeatures {
            by_key: all.iter().map(|feature| (feature.key.as_str().into(), feature.clone())).collect(),
            by_id: all.iter().map(|feature| (feature.id, feature.clone())).collect(),
            prices: self.lookup.prices(realm).await?,
            loaded_at: self.clock.uptime(),
        })
    }

    /// Forgets a realm's features, because one changed.
    pub(crate) fn forget(&self, realm: Realm) {
        self.epoch.begin_next();
        self.cache.invalidate(&realm);
    }
}
