//! Decisions that are followed: what has come to the ledger lately, realm by realm, each given on once.
//!
//! Gates tell the ledger late and not in the order of ids: so the ids of the last seconds are read again and again, and those
//! that were not there before are new. Most come within a second, so only now and then is it looked further back.

use super::hub::Live;
use almoner_app::Desk;
use almoner_app::live::{self, DecisionTopic};
use almoner_domain::decision::Decision;
use almoner_domain::fault::Fault;
use almoner_domain::id::{DecisionId, Id};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How late a decision may be told and still be followed. A gate that can reach the ledger tells within two seconds or so.
pub(crate) const LATENESS: Duration = Duration::from_secs(10);
/// How far back most looks go.
const NEAR: Duration = Duration::from_secs(1);
/// How often it is looked as far back as [`LATENESS`].
const WIDE_INTERVAL: Duration = Duration::from_secs(2);
/// Ids read at once and remembered: [`LATENESS`] of a realm with 20,000 decisions a second, some megabytes.
const IDS_MAX: u64 = 200_000;
/// Decisions that wait for one subscriber: some bursts of a gate that tells two seconds at once. Who is slower than that is
/// dropped and resumes.
pub(crate) const WAITING_MAX: usize = 4_096;

struct Follower {
    topic: DecisionTopic,
    sender: mpsc::Sender<Arc<Decision>>,
}

struct Feed {
    seen: BTreeSet<DecisionId>,
    followers: Vec<Follower>,
    wide_at: Instant,
}

/// The feeds of all realms in which somebody follows decisions.
#[derive(Default)]
pub(crate) struct Feeds {
    realms: Mutex<HashMap<Realm, Feed>>,
}

impl Feeds {
    fn realms(&self) -> MutexGuard<'_, HashMap<Realm, Feed>> {
        self.realms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.realms().is_empty()
    }

    /// Forgets who follows no more, and realms that nobody follows.
    pub(crate) fn prune(&self) {
        self.realms().retain(|_, feed| {
            feed.followers.retain(|follower| !follower.sender.is_closed());
            !feed.followers.is_empty()
        });
    }

    /// Gives on what has come since the last turn.
    pub(crate) async fn turn(&self, desk: &Desk) -> Result<(), Fault> {
        let realms: Vec<Realm> = self.realms().keys().copied().collect();
        for realm in realms {
            let now = desk.app.clock.now();
            let Some(from) = self.realms().get_mut(&realm).map(|feed| feed.look_from(now)) else { continue };
            let ids = live::decision_ids(desk, realm, from, IDS_MAX).await?;
            let new: Vec<DecisionId> = match self.realms().get(&realm) {
                Some(feed) => ids.into_iter().filter(|id| !feed.seen.contains(id)).collect(),
                None => continue,
            };
            if new.is_empty() {
                continue;
            }
            let decided = live::decided(desk, realm, new).await?;
            if let Some(feed) = self.realms().get_mut(&realm) {
                feed.give(decided, now);
            }
        }
        Ok(())
    }
}

impl Feed {
    fn look_from(&mut self, now: Timestamp) -> DecisionId {
        let is_wide = self.wide_at.elapsed() >= WIDE_INTERVAL;
        if is_wide {
            self.wide_at = Instant::now();
        }
        least_before(now, if is_wide { LATENESS } else { NEAR })
    }

    fn give(&mut self, decided: Vec<Decision>, now: Timestamp) {
        for decision in decided {
            self.seen.insert(decision.id);
            let decision = Arc::new(decision);
            // Whoever has no room is dropped here: its stream ends after what waits, and says where to resume.
            self.followers.retain(|to| !to.topic.has(&decision) || to.sender.try_send(decision.clone()).is_ok());
        }
        self.seen = self.seen.split_off(&least_before(now, LATENESS));
        while self.seen.len() as u64 > IDS_MAX {
            self.seen.pop_first();
        }
    }
}

/// No decision of the last `span` has an id below it.
pub(crate) fn least_before(now: Timestamp, span: Duration) -> DecisionId {
    let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    DecisionId::least_at(Timestamp::from_micros(now.as_micros().saturating_sub(micros)))
}

impl Live {
    /// From here on every decision of the topic that comes to the ledger, as long as there is room for it.
    pub(crate) async fn decisions_of(&self, topic: DecisionTopic) -> Result<mpsc::Receiver<Arc<Decision>>, Fault> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let realm = topic.realm();
        let mut follower = Some(Follower { topic, sender });
        let join = |feed: &mut Feed, follower: &mut Option<Follower>| feed.followers.extend(follower.take());
        if let Some(feed) = self.feeds.realms().get_mut(&realm) {
            join(feed, &mut follower);
        }
        if follower.is_some() {
            let from = least_before(self.desk.app.clock.now(), LATENESS);
            let there = live::decision_ids(&self.desk, realm, from, IDS_MAX).await?;
            let fresh = || Feed { seen: BTreeSet::new(), followers: Vec::new(), wide_at: Instant::now() };
            let mut realms = self.feeds.realms();
            let feed = realms.entry(realm).or_insert_with(fresh);
            if feed.followers.is_empty() {
                feed.seen = there.into_iter().collect();
            }
            join(feed, &mut follower);
        }
        self.wake();
        Ok(receiver)
    }
}
