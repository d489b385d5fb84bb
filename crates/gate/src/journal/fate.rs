//! What becomes of a batch, and those who wait to hear of it.
//!
//! One allocation a batch, shared by all its tickets. The writer settles it once. To wake a thread costs a system call and the
//! writer's time, so it wakes one waiter on each thread; that one, as it resolves or goes away, wakes the others from their own
//! thread, where it is cheap. A waiter may be woken and yet not look for long; so the writer asks again soon (`all_heard`) and
//! then wakes the rest itself (`tell_all`).

use super::error::JournalError;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

const OPEN: u8 = 0;
const DURABLE: u8 = 1;
const FAILED: u8 = 2;

/// Open until the batch is on the disk or never will be.
#[derive(Default)]
pub(super) struct Fate {
    state: AtomicU8,
    /// Groups of which one was woken and others still are to be.
    unheard: AtomicUsize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    groups: Vec<Group>,
    failure: Option<JournalError>,
}

/// Those who asked from one thread.
struct Group {
    thread: usize,
    /// Empty where one has gone away.
    wakers: Vec<Option<Waker>>,
}

/// An asker's place among those who wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    group: usize,
    index: usize,
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
        let mut first = Vec::with_capacity(waiting.groups.len());
        let mut unheard = 0;
        for group in &mut waiting.groups {
            group.wakers.retain(Option::is_some);
            first.extend(group.wakers.pop().flatten());
            unheard += usize::from(!group.wakers.is_empty());
        }
        self.unheard.store(unheard, Ordering::Release);
        self.state.store(state, Ordering::Release);
        drop(waiting);
        first.into_iter().for_each(Waker::wake);
    }

    /// Asks, and leaves word to be woken. `seat` is the asker's: none at first, and none once it has its answer.
    pub(super) fn poll(&self, seat: &mut Option<Seat>, context: &Context<'_>) -> Poll<Result<(), JournalError>> {
        let mut answer = Ok(());
        if self.state.load(Ordering::Acquire) != DURABLE {
            let mut waiting = self.waiting();
            match self.state.load(Ordering::Acquire) {
                OPEN => {
                    // A waker that is let go may drop a task, and with it another asker: not under the lock.
                    let let_go = waiting.sit(seat, context.waker());
                    drop(waiting);
                    drop(let_go);
                    return Poll::Pending;
                }
                FAILED => answer = waiting.failure.clone().map_or(Ok(()), Err),
                _ => {}
            }
        }
        if let Some(seat) = seat.take() {
            self.pass_on(seat.group);
        }
        Poll::Ready(answer)
    }

    /// One who waited goes away.
    pub(super) fn leave(&self, seat: Seat) {
        let mut waiting = self.waiting();
        if self.state.load(Ordering::Acquire) == OPEN {
            let let_go = waiting.waker(seat).and_then(Option::take);
            drop(waiting);
            drop(let_go);
        } else {
            // It may be the one that was woken for its group.
            drop(waiting);
            self.pass_on(seat.group);
        }
    }

    /// Whether everyone was woken.
    pub(super) fn all_heard(&self) -> bool {
        self.unheard.load(Ordering::Acquire) == 0
    }

    /// Wakes whoever still waits of a settled batch.
    pub(super) fn tell_all(&self) {
        if !self.all_heard() {
            let groups = self.waiting().groups.len();
            (0..groups).for_each(|group| self.pass_on(group));
        }
    }

    /// Wakes the rest of a group of a settled batch.
    fn pass_on(&self, group: usize) {
        if self.all_heard() {
            return;
        }
        let rest = self.waiting().groups.get_mut(group).map(|group| std::mem::take(&mut group.wakers));
        let rest = rest.unwrap_or_default();
        if !rest.is_empty() {
            self.unheard.fetch_sub(1, Ordering::AcqRel);
            rest.into_iter().flatten().for_each(Waker::wake);
        }
    }

    /// Each step leaves it whole, so a panic elsewhere cannot have broken it.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Leaves word, in the asker's seat if it has one, and returns the waker that this replaces.
    fn sit(&mut self, seat: &mut Option<Seat>, waker: &Waker) -> Option<Waker> {
        if let Some(known) = seat.and_then(|seat| self.waker(seat)) {
            let same = known.as_ref().is_some_and(|known| known.will_wake(waker));
            return if same { None } else { known.replace(waker.clone()) };
        }
        let thread = this_thread();
        let group = self.groups.iter().position(|group| group.thread == thread).unwrap_or_else(|| {
            self.groups.push(Group { thread, wakers: Vec::new() });
            self.groups.len() - 1
        });
        let wakers = &mut self.groups[group].wakers;
        *seat = Some(Seat { group, index: wakers.len() });
        wakers.push(Some(waker.clone()));
        None
    }

    fn waker(&mut self, seat: Seat) -> Option<&mut Option<Waker>> {
        self.groups.get_mut(seat.group)?.wakers.get_mut(seat.index)
    }
}

/// A number for each thread that ever waits.
fn this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}
