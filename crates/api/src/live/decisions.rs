//! One subscriber's stream of decisions: first what it missed, then what comes.

use super::feed::{LATENESS, least_before};
use super::hub::{Live, PACE};
use crate::asker::{Asker, coded, fault, not_found};
use almoner_app::directory;
use almoner_app::live::DecisionTopic;
use almoner_domain::decision::Decision;
use almoner_domain::id::{DecisionId, Id};
use almoner_domain::page::{PAGE_MAX, Page, Take};
use almoner_domain::time::Timestamp;
use async_graphql::{Error, ErrorExtensions, Result};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Decisions of one update. Ten times a second, this is what one subscriber hears at most.
pub(crate) const UPDATE_MAX: usize = 200;

/// Decisions, oldest first, and where to resume after them.
pub(crate) struct Batch {
    pub(crate) decisions: Vec<Arc<Decision>>,
    pub(crate) cursor: DecisionId,
}

enum Phase {
    /// Pages of what was missed, from this id on.
    Missed(DecisionId),
    /// Once more the last seconds, while what comes waits already.
    Overlap(DecisionId, mpsc::Receiver<Arc<Decision>>),
    /// What comes.
    Coming(mpsc::Receiver<Arc<Decision>>),
    /// Nothing more.
    Over,
}

/// A stream of decisions.
pub(crate) struct Pager {
    live: Arc<Live>,
    asker: Arc<Asker>,
    topic: DecisionTopic,
    phase: Phase,
    /// Nothing below it is wanted, unless it is told from now on.
    start: DecisionId,
    /// Sent already of the last seconds, so that it is not sent again as it comes.
    sent: BTreeSet<DecisionId>,
    cursor: DecisionId,
    last: Option<Instant>,
}

impl Pager {
    /// From now on, or after a decision.
    pub(crate) fn new(live: Arc<Live>, asker: Arc<Asker>, topic: DecisionTopic, after: Option<DecisionId>) -> Self {
        let start = match after {
            // What was told late may be below it: that is sent, and perhaps sent again.
            Some(after) => least_before(after.made_at(), LATENESS),
            None => DecisionId::least_at(asker.desk.app.clock.now()),
        };
        let (sent, cursor) = (after.into_iter().collect(), after.unwrap_or(start));
        Self { live, asker, topic, phase: Phase::Missed(start), start, sent, cursor, last: None }
    }

    /// The next update. The first comes at once, be it empty: from then on nothing is missed.
    pub(crate) async fn next(&mut self) -> Option<Result<Batch>> {
        if let Some(last) = self.last {
            sleep_until(last + PACE).await;
        }
        let mut decisions = Vec::new();
        let gathered = self.gather(&mut decisions).await;
        if let Err(error) = gathered {
            self.phase = Phase::Over;
            return Some(Err(error));
        }
        if matches!(self.phase, Phase::Over) {
            return None;
        }
        self.last = Some(Instant::now());
        let newest = decisions.iter().map(|decision| decision.id).max();
        self.cursor = newest.map_or(self.cursor, |newest| newest.max(self.cursor));
        Some(Ok(Batch { decisions, cursor: self.cursor }))
    }

    /// Gathers an update's decisions, phase by phase.
    async fn gather(&mut self, decisions: &mut Vec<Arc<Decision>>) -> Result<()> {
        while decisions.len() < UPDATE_MAX {
            match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Missed(from) => {
                    self.phase = match self.page(from, decisions).await? {
                        Some(next) => Phase::Missed(next),
                        None => {
                            let coming = self.live.decisions_of(self.topic.clone()).await.map_err(|why| fault(&why))?;
                            Phase::Overlap(self.start.max(least_before(self.now(), LATENESS)), coming)
                        }
                    };
                }
                Phase::Overlap(from, coming) => {
                    self.phase = match self.page(from, decisions).await? {
                        Some(next) => Phase::Overlap(next, coming),
                        None => Phase::Coming(coming),
                    };
                }
                Phase::Coming(mut coming) => {
                    while decisions.len() < UPDATE_MAX
                        && let Ok(decision) = coming.try_recv()
                    {
                        self.keep(decision, decisions);
                    }
                    if decisions.is_empty() && self.last.is_some() {
                        match coming.recv().await {
                            Some(decision) => self.keep(decision, decisions),
                            None if self.live.is_closing() => return Ok(()),
                            None => return Err(self.too_slow()),
                        }
                        self.phase = Phase::Coming(coming);
                        continue;
                    }
                    self.phase = Phase::Coming(coming);
                    return Ok(());
                }
                Phase::Over => return Ok(()),
            }
        }
        Ok(())
    }

    /// Keeps what came, unless it was sent before.
    fn keep(&mut self, decision: Arc<Decision>, decisions: &mut Vec<Arc<Decision>>) {
        if !self.sent.contains(&decision.id) {
            decisions.push(decision);
        }
    }

    fn now(&self) -> Timestamp {
        self.asker.desk.app.clock.now()
    }

    /// Adds a page, oldest first, from an id on. Answers where the next begins, if there may be one.
    async fn page(&mut self, from: DecisionId, decisions: &mut Vec<Arc<Decision>>) -> Result<Option<DecisionId>> {
        // The list is newest first: what is before an entry is newer. An id just below lets this one in.
        let below = DecisionId::from_uuid(uuid::Uuid::from_u128(from.uuid().as_u128().saturating_sub(1)));
        let page = Page { after: None, before: Some(below.uuid()), take: Take::Last(PAGE_MAX) };
        let Asker { caller, desk, .. } = &*self.asker;
        let found = directory::decisions(caller, desk, self.topic.filter().clone(), page).await.map_err(not_found)?;
        let is_full = found.entries.len() >= usize::from(PAGE_MAX);
        let mut last = from;
        for decision in found.entries.into_iter().rev() {
            last = decision.id;
            if self.sent.insert(decision.id) {
                decisions.push(Arc::new(decision));
            }
        }
        // What is older than this can come no more.
        self.sent = self.sent.split_off(&least_before(last.made_at().min(self.now()), LATENESS * 2));
        let next = DecisionId::from_uuid(uuid::Uuid::from_u128(last.uuid().as_u128().saturating_add(1)));
        Ok(is_full.then_some(next))
    }

    fn too_slow(&self) -> Error {
        let cursor = self.cursor.to_string();
        let message = format!("You take less than comes, so this stream ends. Resume with after: \"{cursor}\".");
        coded("TOO_SLOW", &message).extend_with(|_, extensions| extensions.set("cursor", cursor.as_str()))
    }
}
