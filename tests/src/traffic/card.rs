//! What clients know of one card: what it was given, what they were allowed to spend, and what they cannot know.

use super::Ware;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// One feature of a card, or of a customer's month.
#[derive(Debug)]
pub struct Tab {
    /// Which feature.
    pub ware: &'static Ware,
    /// Units that it was given.
    pub granted: i64,
    sums: Mutex<Sums>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    spent: i64,
    unknown: i64,
}

impl Tab {
    /// A tab on which nothing is spent.
    pub fn new(ware: &'static Ware, granted: i64) -> Self {
        Self { ware, granted, sums: Mutex::default() }
    }

    /// Units of allowed answers.
    pub fn spent(&self) -> i64 {
        self.sums().spent
    }

    /// Units of allowed answers, and units of requests whose answer never came or has not come yet.
    pub fn spent_at_most(&self) -> i64 {
        let sums = *self.sums();
        sums.spent + sums.unknown
    }

    /// A request for so many units is on its way.
    pub fn ask(&self, amount: i64) {
        self.sums().unknown += amount;
    }

    /// The answer to a request for so many units: what was granted.
    ///
    /// # Panics
    /// Panics when more has been granted in all than there is.
    pub fn answered(&self, asked: i64, granted: i64) {
        let mut sums = self.sums();
        sums.unknown -= asked;
        sums.spent += granted;
        let (spent, all, feature) = (sums.spent, self.granted, self.ware.feature);
        drop(sums);
        assert!(spent <= all, "{spent} {feature} were allowed of {all}");
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An allocation.
#[derive(Debug)]
pub struct Card {
    /// Its id.
    pub id: String,
    /// Out of whose month it comes at last: an index into [`super::CUSTOMERS`].
    pub customer: usize,
    /// Out of which card it was carved.
    pub parent: Option<Arc<Self>>,
    /// What is on it.
    pub tabs: Vec<Tab>,
    closed: OnceLock<Value>,
}

impl Card {
    /// A card that was carved just now.
    pub fn new(id: String, customer: usize, parent: Option<Arc<Self>>, tabs: Vec<Tab>) -> Self {
        Self { id, customer, parent, tabs, closed: OnceLock::new() }
    }

    /// Has anybody been answered that it, or one above it, is closed?
    pub fn is_closed(&self) -> bool {
        self.closed.get().is_some() || self.parent.as_ref().is_some_and(|parent| parent.is_closed())
    }

    /// Somebody was answered that it is closed and what returned.
    ///
    /// # Panics
    /// Panics when somebody else was answered otherwise.
    pub fn note_closed(&self, returned: &Value) {
        let first = self.closed.get_or_init(|| returned.clone());
        assert_eq!(first, returned, "closing {} again was answered otherwise", self.id);
    }
}
