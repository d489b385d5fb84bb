//! What becomes of a batch, and those who wait to hear of it.
//!
//! One allocation a batch, shared by all its tickets. The writer settles it once and wakes all who wait in one go.

use super::error::JournalError;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

const OPEN: u8 = 0;
const DURABLE: u8 = 1;
const FAILED: u8 = 2;

/// Open until the batch is on the disk or never will be.
#[derive(Default)]
pub(super) struct Fate {
    state: AtomicU8,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// A slot for each that waits; empty once it has gone away.
    wakers: Vec<Option<Waker>>,
    failure: Option<JournalError>,
}

impl Fate {
    /// The fate of nothing: durable.
    pub(super) fn durable() -> Self {
        Self { state: AtomicU8::new(DURABLE), ..Self::default() }
    }

    /// Says what became of the batch. Only the first word counts.
    pub(super) fn settle(&self, outcome: Result<(), JournalError>) {
        let mut waiting = self.waiting();
        if self.state.load(Ordering::Relaxed) != OPEN {
            return;
        }
        let state = if outcome.is_ok() { DURABLE } else { FAILED };
        waiting.failure = outcome.err();
        self.state.store(state, Ordering::Release);
        let wakers = std::mem::take(&mut waiting.wakers);
        drop(waiting);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Asks, and leaves word to be woken. `slot` is the asker's place among those who wait: none at first.
    pub(super) fn poll(&self, slot: &mut Option<usize>, context: &Context<'_>) -> Poll<Result<(), JournalError>> {
        if self.state.load(Ordering::Acquire) == DURABLE {
            return Poll::Ready(Ok(()));
        }
        let mut waiting = self.waiting();
        match self.state.load(Ordering::Relaxed) {
            DURABLE => return Poll::Ready(Ok(())),
            FAILED => return Poll::Ready(waiting.failure.clone().map_or(Ok(()), Err)),
            _ => {}
        }
        let waker = context.waker();
        // A waker that is let go may drop a task, and with it another asker: not under the lock.
        let let_go = match slot.and_then(|slot| waiting.wakers.get_mut(slot)) {
            Some(Some(known)) if known.will_wake(waker) => None,
            Some(known) => known.replace(waker.clone()),
            None => {
                *slot = Some(waiting.wakers.len());
                waiting.wakers.push(Some(waker.clone()));
                None
            }
        };
        drop(waiting);
        drop(let_go);
        Poll::Pending
    }

    /// One who waited has gone away.
    pub(super) fn leave(&self, slot: usize) {
        if self.state.load(Ordering::Acquire) == OPEN {
            let let_go = self.waiting().wakers.get_mut(slot).and_then(Option::take);
            drop(let_go);
        }
    }

    /// Each step leaves it whole, so a panic elsewhere cannot have broken it.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
