//! Who calls: API keys, asked for once and then trusted.
//!
//! A key that is revoked is forgotten by the change feed. Beside that each is asked for again from time to time, while the call
//! that is there goes on with what is known: a store that hangs must not hold up what is served from memory.

use crate::epoch::Epoch;
use almoner_domain::fault::Fault;
use almoner_domain::id::KeyId;
use almoner_domain::key::{KeyHash, KeyKind};
use almoner_domain::ports::Lookup;
use almoner_domain::tenant::Realm;
use almoner_domain::time::{Clock, Uptime};
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// Keys kept in memory.
const KEYS_MAX: u64 = 100_000;
/// The longest that a key is trusted on the store's last word: as long as a lease lasts, so that a gate that is cut off serves
/// what it holds.
const STALE_MAX: Duration = almoner_domain::lease::GATE_TERM;

/// An authenticated caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential {
    /// In which realm.
    pub realm: Realm,
    /// By which key. Idempotency keys are the caller's own: two callers never meet.
    pub key: KeyId,
}

/// API keys in memory.
pub(crate) struct Credentials {
    keys: Arc<Keys>,
    /// After how long a key is asked for again.
    ttl: Duration,
}

struct Keys {
    cache: Cache<KeyHash, Known>,
    lookup: Arc<dyn Lookup>,
    clock: Arc<dyn Clock>,
    epoch: Epoch,
}

#[derive(Clone, Copy)]
struct Known {
    credential: Credential,
    /// When the store last vouched for it.
    vouched: Uptime,
    /// When it was last asked whether it still does.
    asked: Uptime,
}

impl Credentials {
    pub(crate) fn new(lookup: Arc<dyn Lookup>, clock: Arc<dyn Clock>, ttl: Duration) -> Self {
        let keys = Keys { cache: Cache::new(KEYS_MAX), lookup, clock, epoch: Epoch::default() };
        Self { keys: Arc::new(keys), ttl }
    }

    /// Who presents this key; none when nobody may by it.
    pub(crate) async fn verify(&self, presented: &str) -> Result<Option<Credential>, Fault> {
        let hash = KeyHash::of(presented);
        let now = self.keys.clock.uptime();
        let epoch = self.keys.epoch.now();
        let known = self.keys.cache.get(&hash);
        let Some(known) = known.filter(|known| now.saturating_since(known.vouched) < STALE_MAX) else {
            return self.keys.ask(hash).await;
        };
        if now.saturating_since(known.asked) >= self.ttl {
            // Noted first, so that one call asks and not every one.
            self.keys.keep(epoch, hash, Known { asked: now, ..known });
            let keys = Arc::clone(&self.keys);
            tokio::spawn(async move {
                if let Err(fault) = keys.ask(hash).await {
                    tracing::debug!(error = &fault as &dyn std::error::Error, "a key could not be asked for again");
                }
            });
        }
        Ok(Some(known.credential))
    }

    /// Forgets all keys, because one was revoked.
    pub(crate) fn forget_all(&self) {
        self.keys.epoch.begin_next();
        self.keys.cache.invalidate_all();
    }
}

impl Keys {
    async fn ask(&self, hash: KeyHash) -> Result<Option<Credential>, Fault> {
        let epoch = self.epoch.now();
        let asked = self.clock.uptime();
        let key = self.lookup.credential(hash).await?.filter(|key| key.kind == KeyKind::Gate);
        let credential = key.map(|key| Credential { realm: key.realm, key: key.id });
        match credential {
            Some(credential) => self.keep(epoch, hash, Known { credential, vouched: asked, asked }),
            None => self.cache.invalidate(&hash),
        }
        Ok(credential)
    }

    fn keep(&self, epoch: u64, hash: KeyHash, known: Known) {
        self.cache.insert(hash, known);
        if self.epoch.now() != epoch {
            self.cache.invalidate(&hash);
        }
    }
}
