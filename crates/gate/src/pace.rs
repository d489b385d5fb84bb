//! Paces: how many calls of an allocation this gate has allowed of late.
//!
//! A call takes its place before anything is debited, and gives it back where it is not allowed after all, so that of calls that race
//! no more go through than the pace says. Another gate keeps a book of its own, and so does the next life of this one.

use crate::denial;
use crate::handle::Handle;
use almoner_domain::conditions::Pace;
use almoner_domain::decision::Denial;
use almoner_domain::id::AllocationId;
use almoner_domain::standing::Standing;
use almoner_domain::time::{Timestamp, Uptime};
use moka::sync::Cache;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Calls that all books together may remember, at 8 bytes each. Beyond it the book that was not asked for the longest begins anew.
const REMEMBERED_MAX: u64 = 16_000_000;

/// The books of all allocations that have a pace. They outlive handles, which are made anew whenever something changes.
pub(crate) struct Paces {
    books: Cache<AllocationId, Arc<Book>>,
}

/// When calls of one allocation were allowed, oldest first: those of the last span alone.
pub(crate) struct Book {
    calls_max: usize,
    allowed: Mutex<VecDeque<Uptime>>,
}

/// One pace that a handle is held to.
pub(crate) struct HeldTo {
    pub(crate) allocation: AllocationId,
    pub(crate) pace: Pace,
    book: Arc<Book>,
}

impl Paces {
    pub(crate) fn new() -> Self {
        let weigh = |_: &AllocationId, book: &Arc<Book>| u32::try_from(book.calls_max).unwrap_or(u32::MAX);
        Self { books: Cache::builder().weigher(weigh).max_capacity(REMEMBERED_MAX).build() }
    }

    /// The paces that an allocation is held to: its own, and those of the allocations it was carved from.
    pub(crate) fn of(&self, standing: &Standing) -> Vec<HeldTo> {
        let held_to = |(allocation, pace): (AllocationId, Pace)| {
            let new = || Arc::new(Book { calls_max: pace.calls(), allowed: Mutex::default() });
            HeldTo { allocation, pace, book: self.books.get_with(allocation, new) }
        };
        let paces = standing.conditions.iter().filter_map(|(id, conditions)| Some((*id, conditions.pace?)));
        paces.map(held_to).collect()
    }
}

impl Book {
    /// The calls of the span that ends now.
    fn within(&self, pace: Pace, now: Uptime) -> MutexGuard<'_, VecDeque<Uptime>> {
        // Instants alone, which a panic elsewhere cannot have left half written.
        let mut allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        while allowed.front().is_some_and(|first| first.saturating_add(pace.per()) <= now) {
            allowed.pop_front();
        }
        allowed
    }
}

/// How long until a call has a place among those that were allowed; none where it has one now.
fn wait(allowed: &VecDeque<Uptime>, pace: Pace, now: Uptime) -> Option<Duration> {
    let over = allowed.len().checked_sub(pace.calls())?;
    let free_at = allowed.get(over)?.saturating_add(pace.per());
    Some(free_at.saturating_since(now))
}

/// Places that a call has taken. They are given back with it, unless it was allowed.
#[must_use]
pub(crate) struct Places<'h> {
    handle: &'h Handle,
    taken: SmallVec<[(usize, Uptime); 2]>,
}

impl<'h> Places<'h> {
    /// Takes a place in each book that a handle is held to, or says why not.
    pub(crate) fn take(handle: &'h Handle, now: Uptime, at: Timestamp) -> Result<Self, Denial> {
        let mut places = Self { handle, taken: SmallVec::new() };
        for (index, held) in handle.paces.iter().enumerate() {
            let mut allowed = held.book.within(held.pace, now);
            if let Some(wait) = wait(&allowed, held.pace, now) {
                return Err(denial::too_fast(handle, held, wait, at));
            }
            // Two threads may read the clock in another order than they come here: the book stays in order.
            let instant = allowed.back().map_or(now, |last| (*last).max(now));
            allowed.push_back(instant);
            places.taken.push((index, instant));
        }
        Ok(places)
    }

    /// The call was allowed.
    pub(crate) fn keep(mut self) {
        self.taken.clear();
    }
}

impl Drop for Places<'_> {
    fn drop(&mut self) {
        for (index, instant) in &self.taken {
            let book = &self.handle.paces[*index].book;
            let mut allowed = book.allowed.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = allowed.iter().rposition(|one| one == instant) {
                allowed.remove(place);
            }
        }
    }
}

/// Would a call have its places now?
pub(crate) fn look(handle: &Handle, now: Uptime, at: Timestamp) -> Result<(), Denial> {
    Places::take(handle, now, at).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use almoner_domain::id::Id;
    use almoner_domain::principal::Principals;
    use almoner_domain::tenant::{Environment, Realm};

    fn id<I: Id>(number: u128) -> I {
        I::from_uuid(uuid::Uuid::from_u128(number))
    }

    /// A handle that may be called so often in so many seconds.
    fn handle(paces: &[(u32, u64)]) -> Handle {
        let principals = Principals { customer: id(1), user: None, agent: None, session: None };
        let realm = Realm { tenant: id(2), environment: Environment::Live };
        let mut handle = Handle::of_nothing(realm, principals);
        for (number, (calls, per_s)) in paces.iter().enumerate() {
            let book = Book { calls_max: 0, allowed: Mutex::default() };
            let pace = Pace::new(*calls, *per_s).unwrap();
            handle.paces.push(HeldTo { allocation: id(number as u128), pace, book: Arc::new(book) });
        }
        handle
    }

    fn at(seconds: u64) -> Uptime {
        Uptime::from_micros(seconds * 1_000_000)
    }

    fn call(handle: &Handle, seconds: u64) -> Result<(), Option<u32>> {
        let places = Places::take(handle, at(seconds), Timestamp::from_micros(0));
        places.map(Places::keep).map_err(|denial| denial.retry_after_s)
    }

    #[test]
    fn so_many_calls_go_through_in_any_span() {
        let handle = handle(&[(2, 60)]);
        assert_eq!(call(&handle, 50), Ok(()));
        assert_eq!(call(&handle, 55), Ok(()));
        assert_eq!(call(&handle, 60), Err(Some(51)), "not anew with each minute");
        assert_eq!(call(&handle, 109), Err(Some(2)));
        assert_eq!(call(&handle, 110), Ok(()));
        assert_eq!(call(&handle, 114), Err(Some(2)));
        assert_eq!(call(&handle, 115), Ok(()));
    }

    #[test]
    fn what_was_not_allowed_takes_no_place() {
        let handle = handle(&[(5, 60), (1, 10)]);
        drop(Places::take(&handle, at(0), Timestamp::from_micros(0)).unwrap());
        assert_eq!(call(&handle, 0), Ok(()));
        for _ in 0..9 {
            assert!(call(&handle, 1).is_err(), "the second pace");
        }
        assert_eq!((10..50).step_by(10).filter(|second| call(&handle, *second).is_ok()).count(), 4);
        assert!(call(&handle, 50).is_err(), "the first pace has five");
        assert!(look(&handle, at(60), Timestamp::from_micros(0)).is_ok() && call(&handle, 60).is_ok());
    }

    #[test]
    fn of_calls_that_race_so_many_go_through() {
        let handle = handle(&[(100, 60)]);
        let allowed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..100).filter(|_| call(&handle, 1).is_ok()).count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(allowed, 100);
    }
}
