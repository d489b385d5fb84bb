//! Seats: how many connections are kept open for streams, in all and for one key.

use almoner_domain::key::KeyHash;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections for streams at one process: each is a task and some buffers. More is for more processes.
pub(crate) const SEATS_MAX: usize = 2_000;
/// Connections by one key: a console in many tabs, or a program of many workers. More is a leak of connections.
pub(crate) const SEATS_OF_KEY_MAX: usize = 100;

#[derive(Default)]
struct Taken {
    all: usize,
    by_key: HashMap<KeyHash, usize>,
}

/// The seats of a process.
#[derive(Default)]
pub(crate) struct Seats {
    taken: Mutex<Taken>,
}

/// A connection's seat. It is free again when this is dropped.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    key: Option<KeyHash>,
}

impl Seats {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for somebody who has not said by which key; none where all are taken.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Seat> {
        let mut taken = self.taken();
        if taken.all >= SEATS_MAX {
            return None;
        }
        taken.all += 1;
        Some(Seat { seats: self.clone(), key: None })
    }
}

impl Seat {
    /// Says by which key it is taken; false where that key has too many.
    pub(crate) fn claim(&mut self, key: KeyHash) -> bool {
        let mut taken = self.seats.taken();
        let own = taken.by_key.entry(key).or_default();
        if *own >= SEATS_OF_KEY_MAX {
            return false;
        }
        *own += 1;
        self.key = Some(key);
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.all -= 1;
        if let Some(key) = self.key
            && let Some(own) = taken.by_key.get_mut(&key)
        {
            *own -= 1;
            if *own == 0 {
                taken.by_key.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_so_many_and_each_is_free_again() {
        let seats = Arc::new(Seats::default());
        let (key, other) = (KeyHash::of("a"), KeyHash::of("b"));
        let mut held: Vec<Seat> = (0..SEATS_OF_KEY_MAX).map(|_| seats.take().unwrap()).collect();
        assert!(held.iter_mut().all(|seat| seat.claim(key)));
        assert!(!seats.take().unwrap().claim(key));
        assert!(seats.take().unwrap().claim(other));
        held.pop();
        assert!(seats.take().unwrap().claim(key));
        held.extend((held.len()..SEATS_MAX).map(|_| seats.take().unwrap()));
        assert!(seats.take().is_none());
    }
}
