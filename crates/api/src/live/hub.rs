//! The hub: the one place of a process that looks whether something that is followed has changed.
//!
//! Ten times a second it has the gate beside it tell the ledger what was used of the accounts that are followed, reads these
//! accounts in one statement a realm, and hands on what differs. So its work grows with what is followed, and not with how many
//! follow it; and when nothing is followed it does nothing. Gates do not write what they use into the change feed: nobody
//! follows most accounts, and every flush would wait for the feed's lock. What changes more rarely does come by the feed.

use super::balances::Board;
use super::feed::Feeds;
use super::seats::Seats;
use almoner_app::{Desk, live};
use almoner_domain::fault::Fault;
use almoner_domain::id::AccountId;
use almoner_domain::notice::Change;
use almoner_domain::tenant::Realm;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often is looked, and how often a subscriber hears of something at most: ten times a second.
pub(crate) const PACE: Duration = Duration::from_millis(100);
/// How long the gate may take to tell the ledger before balances are shown as the ledger has them.
const TELL_WAIT: Duration = Duration::from_secs(1);
/// Entries of the change feed read at once.
const CHANGES_MAX: u64 = 1_000;

/// All that is followed at this process.
pub struct Live {
    pub(crate) desk: Desk,
    pub(crate) board: Board,
    pub(crate) feeds: Feeds,
    pub(crate) seats: Arc<Seats>,
    woken: Notify,
    closing: watch::Sender<bool>,
}

impl Live {
    /// Begins, on the runtime that this is called on. It ends with its last owner.
    pub fn start(desk: Desk) -> Arc<Self> {
        let live = Arc::new(Self {
            desk,
            board: Board::default(),
            feeds: Feeds::default(),
            seats: Arc::default(),
            woken: Notify::new(),
            closing: watch::Sender::new(false),
        });
        tokio::spawn(run(Arc::downgrade(&live)));
        live
    }

    /// Ends all streams: subscribers are told to connect again, which brings them to a process that goes on.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Waits until streams are to end.
    pub(crate) async fn closed(&self) {
        // An error would mean that the hub is gone, and then they end as well.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// Is it ending?
    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Something is followed from now on.
    pub(crate) fn wake(&self) {
        self.woken.notify_one();
    }

    fn is_idle(&self) -> bool {
        self.board.is_empty() && self.feeds.is_empty()
    }

    async fn turn(&self, position: &mut Option<i64>) -> Result<(), Fault> {
        self.board.prune();
        self.feeds.prune();
        if !self.board.is_empty() {
            let changes = self.changes(position).await?;
            self.balances(changes.as_deref()).await?;
        }
        self.feeds.turn(&self.desk).await
    }

    /// What has changed since the last time; none where that is not known, for this is the first.
    async fn changes(&self, position: &mut Option<i64>) -> Result<Option<Vec<(Realm, Change)>>, Fault> {
        let found = live::changes(&self.desk, *position, CHANGES_MAX).await?;
        let known = position.is_some();
        *position = found.last().map(|(at, ..)| *at).or(*position).or(Some(0));
        Ok(known.then(|| found.into_iter().map(|(_, realm, change)| (realm, change)).collect()))
    }

    async fn balances(&self, changes: Option<&[(Realm, Change)]>) -> Result<(), Fault> {
        let watched = self.board.watched();
        let accounts: Vec<AccountId> = watched.values().flatten().flat_map(|(_, picture)| picture.accounts()).collect();
        // Not in time: the ledger is slow or away. Then what it has is shown, and the rest in a coming turn.
        let _ = timeout(TELL_WAIT, live::tell(&self.desk, &accounts)).await;
        let mut failed = None;
        for (realm, topics) in watched {
            let ids = topics.iter().flat_map(|(_, picture)| picture.accounts()).collect();
            let found = live::accounts(&self.desk, realm, ids).await?;
            let found = found.into_iter().map(|account| (account.id, account)).collect();
            for (topic, picture) in topics {
                let is_touched =
                    changes.is_none_or(|all| all.iter().any(|(realm, change)| topic.is_touched_by(*realm, change)));
                // One that cannot be read keeps no other waiting.
                failed = self.board.update(&self.desk, topic, &picture, &found, is_touched).await.err().or(failed);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

async fn run(live: Weak<Live>) {
    let mut turns = interval(PACE);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut position = None;
    loop {
        turns.tick().await;
        let Some(live) = live.upgrade() else { return };
        if live.is_closing() {
            return;
        }
        if live.is_idle() {
            position = None;
            tokio::select! {
                () = live.woken.notified() => continue,
                () = live.closed() => return,
            }
        }
        if let Err(fault) = live.turn(&mut position).await {
            // Changes may have been read and not followed: the next turn looks at everything anew.
            position = None;
            tracing::debug!(error = &fault as &dyn std::error::Error, "what is followed could not be read");
        }
    }
}
