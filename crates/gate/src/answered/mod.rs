//! Answers given: one debit and one answer for each idempotency key, for thirty days.
//!
//! A new key, which is nearly every key, costs no look-up in the store: recent answers are in memory, a filter without
//! false negatives stands for the older ones, and only when it says "perhaps" is the store asked. Memory: 16 bytes of
//! key and the answer for recent ones (at most [`RECENT_MAX`] that the store has, and all that it does not have yet),
//! about 2.4 MB a million for older ones. At the bound a keyed call is denied: no key is forgotten within its retention.

mod filter;

use crate::journal::Position;
use almoner_domain::decision::{Decision, KeyMark};
use almoner_domain::fault::Fault;
use almoner_domain::ledger::RETENTION;
use almoner_domain::ports::Lookup;
use almoner_domain::tenant::Realm;
use almoner_domain::time::{Clock, Timestamp};
use filter::Filter;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Answers that are kept in memory although the store has them, for retries that come at once.
const RECENT_MAX: usize = 131_072;
const SHARDS: usize = 64;
/// Keys read at once when the filter is filled at start.
const PAGE: u64 = 20_000;

type KeyHash = [u8; 16];

/// The key of a call and its body, hashed together with whose it is.
pub(crate) fn mark(realm: Realm, principal: almoner_domain::id::KeyId, key: &str, body: [u8; 16]) -> KeyMark {
    use almoner_domain::id::Id;
    let mut hash = Sha256::new();
    hash.update(realm.tenant.uuid().as_bytes());
    hash.update(realm.environment.as_str().as_bytes());
    hash.update(principal.uuid().as_bytes());
    hash.update(key.as_bytes());
    KeyMark { principal, key: short(hash), body }
}

/// The first half of a digest: 128 bits are beyond reach of whoever would make two keys meet.
pub(crate) fn short(hash: Sha256) -> [u8; 16] {
    let full: [u8; 32] = hash.finalize().into();
    let mut half = [0u8; 16];
    half.copy_from_slice(&full[..16]);
    half
}

/// Whose turn a call with a key is.
pub(crate) enum Turn {
    /// Nobody has been answered for this key. Whoever holds the claim decides.
    First(Claim),
    /// This was answered. It may be said again once its record is durable.
    Again(Arc<Decision>, Option<Position>),
    /// The key was used with another body.
    Reused,
    /// No more keys can be remembered.
    Full,
}

enum Entry {
    /// Somebody is deciding. Waiters are told when that ends, either way.
    Deciding(Arc<Notify>),
    /// Answered. The position of its record; none when the store has it.
    Given(Arc<Decision>, Option<Position>),
}

#[derive(Default)]
struct Shard {
    entries: HashMap<KeyHash, Entry>,
    /// Keys of answers that the store has, oldest first.
    stored: VecDeque<KeyHash>,
}

/// Answers given.
pub(crate) struct Answered {
    shards: Vec<Mutex<Shard>>,
    filter: Filter,
    lookup: Arc<dyn Lookup>,
    clock: Arc<dyn Clock>,
}

impl Answered {
    pub(crate) fn new(keys_max: u64, lookup: Arc<dyn Lookup>, clock: Arc<dyn Clock>) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::default())).collect();
        Self { shards, filter: Filter::new(keys_max), lookup, clock }
    }

    /// Fills the filter with all keys within retention. Nothing is served before this is done.
    pub(crate) async fn fill(&self) -> Result<u64, Fault> {
        let now = self.clock.now();
        let since = Timestamp::from_micros(now.as_micros().saturating_sub(micros(RETENTION)));
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.lookup.keys_since(since, after, PAGE).await?;
            for (at, key) in &page {
                self.filter.insert(*key, *at);
            }
            count += page.len() as u64;
            match page.last() {
                Some(last) if page.len() as u64 == PAGE => after = Some(*last),
                _ => return Ok(count),
            }
        }
    }

    /// Whose turn it is. A call whose key is being decided on waits until that is over.
    pub(crate) async fn begin(self: &Arc<Self>, realm: Realm, mark: KeyMark) -> Result<Turn, Fault> {
        loop {
            let deciding = {
                let mut shard = self.shard(mark.key);
                match shard.entries.get(&mark.key) {
                    Some(Entry::Given(decision, position)) => return Ok(same_body(decision.clone(), *position, mark)),
                    Some(Entry::Deciding(done)) => done.clone(),
                    None if self.filter.is_full() => return Ok(Turn::Full),
                    None => {
                        shard.entries.insert(mark.key, Entry::Deciding(Arc::new(Notify::new())));
                        break;
                    }
                }
            };
            let done = deciding.notified();
            tokio::pin!(done);
            // Listening before looking again: the end of the decision cannot fall in between.
            done.as_mut().enable();
            if self.is_deciding(mark.key, &deciding) {
                done.await;
            }
        }
        let claim = Claim { answered: self.clone(), key: mark.key, given: false };
        if self.filter.perhaps(mark.key)
            && let Some(decision) = self.lookup.answered(realm, mark.key).await?
        {
            return Ok(same_body(Arc::new(decision), None, mark));
        }
        Ok(Turn::First(claim))
    }

    fn is_deciding(&self, key: KeyHash, who: &Arc<Notify>) -> bool {
        matches!(self.shard(key).entries.get(&key), Some(Entry::Deciding(now)) if Arc::ptr_eq(now, who))
    }

    /// Remembers an answer that recovery found in the journal.
    pub(crate) fn recall(&self, decision: Arc<Decision>) {
        if let Some(mark) = decision.key {
            self.filter.insert(mark.key, decision.at);
            self.shard(mark.key).entries.insert(mark.key, Entry::Given(decision, None));
        }
    }

    /// The store has this answer now; it may be forgotten here when others are more recent.
    pub(crate) fn stored(&self, decision: &Decision) {
        let Some(mark) = decision.key else { return };
        let mut shard = self.shard(mark.key);
        if let Some(Entry::Given(_, position)) = shard.entries.get_mut(&mark.key) {
            *position = None;
            shard.stored.push_back(mark.key);
        }
        while shard.stored.len() > RECENT_MAX / SHARDS {
            let Some(oldest) = shard.stored.pop_front() else { break };
            if matches!(shard.entries.get(&oldest), Some(Entry::Given(_, None))) {
                shard.entries.remove(&oldest);
            }
        }
    }

    /// Keys known, and bytes of the filter.
    pub(crate) fn size(&self) -> (u64, u64) {
        self.filter.size()
    }

    /// A shard is whole after any single step, so a panic elsewhere cannot have broken it.
    fn shard(&self, key: KeyHash) -> MutexGuard<'_, Shard> {
        self.shards[usize::from(key[0]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

fn same_body(decision: Arc<Decision>, position: Option<Position>, mark: KeyMark) -> Turn {
    match decision.key {
        Some(known) if known.body == mark.body => Turn::Again(decision, position),
        _ => Turn::Reused,
    }
}

/// The right to decide for a key. Dropped without an answer, the next call with the key decides.
pub(crate) struct Claim {
    answered: Arc<Answered>,
    key: KeyHash,
    given: bool,
}

impl Claim {
    /// Gives the answer, in the same moment as its record is appended.
    pub(crate) fn give(&mut self, decision: Arc<Decision>, position: Position) {
        self.answered.filter.insert(self.key, decision.at);
        self.end(Some(Entry::Given(decision, Some(position))));
    }

    fn end(&mut self, entry: Option<Entry>) {
        if self.given {
            return;
        }
        self.given = true;
        let mut shard = self.answered.shard(self.key);
        let before = match entry {
            Some(entry) => shard.entries.insert(self.key, entry),
            None => shard.entries.remove(&self.key),
        };
        if let Some(Entry::Deciding(waiting)) = before {
            waiting.notify_waiters();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.end(None);
    }
}
