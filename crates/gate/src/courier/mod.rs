//! The courier: all that a gate tells the ledger and asks of it, one transaction after another.
//!
//! Calls never talk to the ledger themselves. They leave an errand and wait for word; the courier takes all errands that
//! have come in the meantime into one round. So a lease has one report on its way at most, and a thousand calls that wait
//! for units cost one transaction.

mod keep;
mod round;

use crate::purse::{Purse, PurseState};
use almoner_domain::time::Uptime;
use almoner_domain::units::Units;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

pub(crate) use round::Rounds;

/// What is wanted of the ledger for a purse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Units for a call that waits.
    Raise {
        /// Missing beside what is idle.
        need: Units,
        /// What the call costs.
        cost: Units,
    },
    /// That it knows what is used and held.
    Tell,
    /// That it has back what is idle.
    GiveBack,
    /// That it has everything back and the lease ends.
    Settle,
}

/// The ledger has been heard; or why not.
pub(crate) type Word = Result<(), String>;

pub(crate) struct Errand {
    purse: Arc<Purse>,
    want: Want,
    done: oneshot::Sender<Word>,
}

/// Where errands are left.
pub(crate) struct Courier {
    errands: mpsc::UnboundedSender<Errand>,
    /// Purses with use that the ledger has not heard of, each with a number that none of the decisions on it since is below.
    changed: Mutex<VecDeque<(u64, Arc<Purse>)>>,
}

impl Courier {
    /// A courier, and what its rounds take errands from. The queue is bounded by the calls that wait, which are bounded.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Errand>) {
        let (errands, receiver) = mpsc::unbounded_channel();
        (Self { errands, changed: Mutex::new(VecDeque::new()) }, receiver)
    }

    /// Leaves an errand. The receiver fails when the gate stops before it is run.
    pub(crate) fn ask(&self, purse: Arc<Purse>, want: Want) -> oneshot::Receiver<Word> {
        let (done, word) = oneshot::channel();
        self.ask_for(purse, want, done);
        word
    }

    /// Leaves an errand of somebody who waits already.
    fn ask_for(&self, purse: Arc<Purse>, want: Want, done: oneshot::Sender<Word>) {
        // A courier that has stopped drops the errand, and with it the sender that is waited for.
        let _ = self.errands.send(Errand { purse, want, done });
    }

    /// Leaves errands for several purses and waits until the ledger has been heard for all.
    pub(crate) async fn run(&self, purses: impl IntoIterator<Item = Arc<Purse>>, want: Want) -> Word {
        let words: Vec<_> = purses.into_iter().map(|purse| self.ask(purse, want)).collect();
        for word in words {
            word.await.map_err(|_| "the gate is stopping".to_owned())??;
        }
        Ok(())
    }

    /// Notes that a purse is used, so that the ledger hears of it in a coming round. Said under its lock and before the decision
    /// is recorded, with the number that the decision will have at least: so whoever has seen the decision sees the note.
    pub(crate) fn note_change(&self, purse: &Arc<Purse>, state: &mut PurseState, now: Uptime, number: u64) {
        if state.dirty_since.is_none() {
            state.dirty_since = Some(now);
            self.changed().push_back((number, purse.clone()));
        }
    }

    fn take_changed(&self, max: usize) -> Vec<Arc<Purse>> {
        let mut changed = self.changed();
        let count = changed.len().min(max);
        changed.drain(..count).map(|(_, purse)| purse).collect()
    }

    /// All decisions below this number are on purses that the ledger has heard of since.
    fn told_below(&self) -> u64 {
        self.changed().iter().map(|(number, _)| *number).min().unwrap_or(u64::MAX)
    }

    fn changed(&self) -> MutexGuard<'_, VecDeque<(u64, Arc<Purse>)>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
