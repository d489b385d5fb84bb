//! Balances that are followed: for each topic one slot with the latest state. A subscriber that is slow finds the latest.

use super::hub::{Live, PACE};
use almoner_app::Desk;
use almoner_app::live::{BalanceTopic, Picture};
use almoner_domain::account::Account;
use almoner_domain::fault::Fault;
use almoner_domain::id::AccountId;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use futures::stream::{self, Stream};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// A state and the instant it is of.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) at: Timestamp,
    pub(crate) picture: Arc<Picture>,
}

type Slot = watch::Sender<Arc<Frame>>;

/// The slots of all topics that somebody follows.
#[derive(Default)]
pub(crate) struct Board {
    slots: Mutex<HashMap<BalanceTopic, Slot>>,
}

impl Board {
    fn slots(&self) -> MutexGuard<'_, HashMap<BalanceTopic, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots().is_empty()
    }

    /// Forgets what nobody follows any more.
    pub(crate) fn prune(&self) {
        self.slots().retain(|_, slot| slot.receiver_count() > 0);
    }

    /// All that is followed, realm by realm, with its latest state.
    pub(crate) fn watched(&self) -> BTreeMap<Realm, Vec<(BalanceTopic, Arc<Picture>)>> {
        let mut watched: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (topic, slot) in &*self.slots() {
            watched.entry(topic.realm()).or_default().push((*topic, slot.borrow().picture.clone()));
        }
        watched
    }

    /// Shows what differs from the latest state. Where accounts do not tell it all the topic is looked at anew.
    pub(crate) async fn update(
        &self,
        desk: &Desk,
        topic: BalanceTopic,
        latest: &Picture,
        accounts: &HashMap<AccountId, Account>,
        is_touched: bool,
    ) -> Result<(), Fault> {
        let now = desk.app.clock.now();
        let same = latest.with(now, |id| accounts.get(&id).cloned()).filter(|_| !is_touched);
        let next = match same {
            Some(next) => Some(next),
            None => topic.look(desk).await?,
        };
        let Some(next) = next else {
            // It is gone, and so are its streams.
            self.slots().remove(&topic);
            return Ok(());
        };
        if next == *latest {
            return Ok(());
        }
        let is_last = next.is_last();
        let mut slots = self.slots();
        if let Some(slot) = slots.get(&topic) {
            slot.send_replace(Arc::new(Frame { at: now, picture: Arc::new(next) }));
        }
        if is_last {
            slots.remove(&topic);
        }
        Ok(())
    }

    fn join(&self, topic: BalanceTopic) -> Option<watch::Receiver<Arc<Frame>>> {
        self.slots().get(&topic).map(|slot| {
            let mut receiver = slot.subscribe();
            receiver.mark_changed();
            receiver
        })
    }

    fn open(&self, topic: BalanceTopic, frame: Frame) -> watch::Receiver<Arc<Frame>> {
        let is_last = frame.picture.is_last();
        let fresh = watch::Sender::new(Arc::new(frame));
        let mut slots = self.slots();
        // A last state needs no slot: its sender goes, and the stream ends after it.
        let slot = if is_last { &fresh } else { slots.entry(topic).or_insert(fresh) };
        let mut receiver = slot.subscribe();
        receiver.mark_changed();
        receiver
    }
}

impl Live {
    /// Follows a topic: first its present state, then each that differs, at most one in [`PACE`]. `None` where it is gone.
    pub(crate) async fn balances_of(
        self: &Arc<Self>,
        topic: BalanceTopic,
    ) -> Result<Option<impl Stream<Item = Arc<Frame>> + use<>>, Fault> {
        let receiver = match self.board.join(topic) {
            Some(receiver) => receiver,
            None => {
                let at = self.desk.app.clock.now();
                let Some(picture) = topic.look(&self.desk).await? else { return Ok(None) };
                self.board.open(topic, Frame { at, picture: Arc::new(picture) })
            }
        };
        self.wake();
        Ok(Some(stream::unfold((receiver, Instant::now()), |(mut receiver, due)| async move {
            receiver.changed().await.ok()?;
            let came = Instant::now();
            sleep_until(due).await;
            let frame = receiver.borrow_and_update().clone();
            // By the clock and not by when it was sent: turns are a pace apart already, and being late must not add up.
            Some((frame, (receiver, came.max(due + PACE))))
        })))
    }
}
