//! Epochs of a cache, so that nothing that was read before a change is kept after it.
//!
//! Whoever reads from the store takes the epoch first, puts what it read into the cache, and then looks whether the epoch is
//! still the same; if not, it takes its entry out again. Whoever forgets begins a new epoch before taking entries out. In
//! whatever order the two meet, one of them takes the entry out.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often something was forgotten.
#[derive(Default)]
pub(crate) struct Epoch(AtomicU64);

impl Epoch {
    /// The epoch now.
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Begins a new one.
    pub(crate) fn begin_next(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
