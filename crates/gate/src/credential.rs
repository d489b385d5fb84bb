//! Who calls: API keys, asked for once and then trusted for a short time.

use almoner_domain::fault::Fault;
use almoner_domain::id::KeyId;
use almoner_domain::key::{ApiKey, KeyHash, KeyKind};
use almoner_domain::ports::Lookup;
use almoner_domain::tenant::Realm;
use almoner_domain::time::{Clock, Uptime};
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// Keys kept in memory.
const KEYS_MAX: u64 = 100_000;
/// The longest a key is trusted while the store cannot be asked: as long as a lease lasts, so that a gate that is cut off
/// serves what it holds.
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
    cache: Cache<KeyHash, Known>,
    lookup: Arc<dyn Lookup>,
    clock: Arc<dyn Clock>,
    ttl: Duration,
}

#[derive(Clone, Copy)]
struct Known {
    credential: Credential,
    /// When the store last vouched for it.
    vouched: Uptime,
    /// When it is to be asked again.
    ask_at: Uptime,
}

impl Credentials {
    pub(crate) fn new(lookup: Arc<dyn Lookup>, clock: Arc<dyn Clock>, ttl: Duration) -> Self {
        Self { cache: Cache::new(KEYS_MAX), lookup, clock, ttl }
    }

    /// Who presents this key; none when nobody may by it.
    pub(crate) async fn verify(&self, presented: &str) -> Result<Option<Credential>, Fault> {
        let hash = KeyHash::of(presented);
        let now = self.clock.uptime();
        let known = self.cache.get(&hash);
        if let Some(known) = known
            && now < known.ask_at
        {
            return Ok(Some(known.credential));
        }
        match (self.lookup.credential(hash).await, known) {
            (Ok(key), _) => Ok(self.remember(hash, key, now)),
            (Err(_), Some(known)) if now.saturating_since(known.vouched) < STALE_MAX => {
                // The store is away: it is asked again after a pause, not by every call.
                self.cache.insert(hash, Known { ask_at: now.saturating_add(self.ttl), ..known });
                Ok(Some(known.credential))
            }
            (Err(fault), _) => Err(fault),
        }
    }

    fn remember(&self, hash: KeyHash, key: Option<ApiKey>, now: Uptime) -> Option<Credential> {
        let Some(key) = key.filter(|key| key.kind == KeyKind::Gate) else {
            self.cache.invalidate(&hash);
            return None;
        };
        let credential = Credential { realm: key.realm, key: key.id };
        self.cache.insert(hash, Known { credential, vouched: now, ask_at: now.saturating_add(self.ttl) });
        Some(credential)
    }

    /// Forgets all keys, because one was revoked.
    pub(crate) fn forget_all(&self) {
        self.cache.invalidate_all();
    }
}
