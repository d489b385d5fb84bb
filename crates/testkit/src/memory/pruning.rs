//! Pruning: of each kind the oldest that have served their purpose, at most so many.

use super::core::Core;
use super::ports::MemoryStore;
use almoner_domain::fault::Fault;
use almoner_domain::id::AttemptId;
use almoner_domain::notice::Notice;
use almoner_domain::ports::{DECISIONS_KEPT_MIN, Pruned, Pruning, Retention};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use std::time::Duration;

/// Which of these are from before what is kept: the oldest, at most so many.
fn ripe<K>(
    rows: impl Iterator<Item = (Timestamp, Realm, K)>,
    now: Timestamp,
    kept: Duration,
    limit: usize,
) -> Vec<(Realm, K)> {
    let mut old: Vec<_> = rows.filter(|(at, _, _)| at.saturating_add(kept) < now).collect();
    old.sort_by_key(|(at, _, _)| *at);
    old.into_iter().take(limit).map(|(_, realm, key)| (realm, key)).collect()
}

impl Core {
    /// Deletes what is kept no longer, at most so many of each kind.
    pub fn prune(&mut self, now: Timestamp, keep: Retention, limit: u64) -> Pruned {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Pruned {
            changes: self.prune_changes(keep, limit),
            notices: self.prune_notices(now, keep, limit),
            deliveries: self.prune_deliveries(now, keep, limit),
            decisions: self.prune_decisions(now, keep, limit),
        }
    }

    fn prune_changes(&mut self, keep: Retention, limit: usize) -> u64 {
        // The latest always stays: who begins to follow begins from it.
        let kept = usize::try_from(keep.changes.max(1)).unwrap_or(usize::MAX);
        let gone = self.rows.changes.len().saturating_sub(kept).min(limit);
        self.rows.changes.drain(..gone);
        self.rows.changes_pruned += gone;
        gone as u64
    }

    fn prune_notices(&mut self, now: Timestamp, keep: Retention, limit: usize) -> u64 {
        let sent = |(realm, notice): &(Realm, Notice)| {
            let at = self.rows.sent.find(self.eye(*realm), notice.id)?;
            Some((*at, *realm, notice.id))
        };
        let gone = ripe(self.rows.notices.iter().filter_map(sent), now, keep.notices, limit);
        self.rows.notices.retain(|(realm, notice)| !gone.contains(&(*realm, notice.id)));
        for (realm, id) in &gone {
            let eye = self.eye(*realm);
            self.rows.sent.remove(eye, *id);
        }
        gone.len() as u64
    }

    fn prune_deliveries(&mut self, now: Timestamp, keep: Retention, limit: usize) -> u64 {
        let ended = self.rows.parcels.all().filter_map(|(realm, parcel)| {
            let delivery = &parcel.delivery;
            Some((delivery.finished_at?, realm, delivery.id))
        });
        let gone = ripe(ended, now, keep.notices, limit);
        for (realm, id) in &gone {
            let eye = self.eye(*realm);
            self.rows.parcels.remove(eye, *id);
            let of_it: Vec<AttemptId> = self
                .rows
                .attempts
                .seen(eye)
                .filter(|attempt| attempt.delivery == *id)
                .map(|attempt| attempt.id)
                .collect();
            of_it.into_iter().for_each(|attempt| self.rows.attempts.remove(eye, attempt));
        }
        gone.len() as u64
    }

    fn prune_decisions(&mut self, now: Timestamp, keep: Retention, limit: usize) -> u64 {
        let Some(kept) = keep.decisions else { return 0 };
        let all = self.rows.decisions.all().map(|(realm, kept)| (kept.decision.at, realm, kept.decision.id));
        let gone = ripe(all, now, kept.max(DECISIONS_KEPT_MIN), limit);
        for (realm, id) in &gone {
            let eye = self.eye(*realm);
            self.rows.decisions.remove(eye, *id);
        }
        gone.len() as u64
    }
}

#[async_trait]
impl Pruning for MemoryStore {
    async fn prune(&self, keep: Retention, limit: u64) -> Result<Pruned, Fault> {
        let (mut core, now) = self.here("prune")?;
        Ok(core.prune(now, keep, limit))
    }
}
