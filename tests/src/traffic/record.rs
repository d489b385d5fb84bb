//! The record that all clients keep together.

use super::card::{Card, Tab};
use super::{CUSTOMERS, WARES};
use crate::client::Setbacks;
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A keyed request that was answered: asked again, it must be answered the same.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Where.
    pub path: String,
    /// What.
    pub body: Value,
    /// The answer's status.
    pub status: u16,
    /// The answer, byte for byte.
    pub answer: Vec<u8>,
}

/// A keyed request whose answer never came and that nobody asked for again. Asking again would tell.
#[derive(Debug, Clone)]
pub struct Unresolved {
    /// Where.
    pub path: String,
    /// What.
    pub body: Value,
    /// Of which card, or of which customer's month (by index).
    pub drawn_on: Result<Arc<Card>, usize>,
    /// Indices of tabs there, and units asked of each; none for a carving. A reserve spends none of them.
    pub parts: Vec<(usize, i64)>,
}

/// Everything that clients know.
#[derive(Debug)]
pub struct Record {
    /// What is spent straight on each customer's month, in the order of [`WARES`].
    pub months: Vec<Vec<Tab>>,
    cards: Mutex<Vec<Arc<Card>>>,
    answered: Mutex<Vec<Answered>>,
    unresolved: Mutex<Vec<Unresolved>>,
    answers: AtomicUsize,
    denials: AtomicUsize,
    broken: AtomicUsize,
    could_not_know: AtomicUsize,
}

/// How much there was.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Answers.
    pub answers: usize,
    /// Denials among them.
    pub denials: usize,
    /// Connections that broke.
    pub broken: usize,
    /// Times that the gate could not know.
    pub could_not_know: usize,
    /// Cards.
    pub cards: usize,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { answers, denials, broken, could_not_know, cards } = self;
        write!(
            f,
            "{answers} answers, {denials} denials, {broken} broken connections, {could_not_know} times unavailable, {cards} cards"
        )
    }
}

impl Default for Record {
    fn default() -> Self {
        let month = || WARES.iter().map(|ware| Tab::new(ware, ware.month)).collect();
        Self {
            months: CUSTOMERS.iter().map(|_| month()).collect(),
            cards: Mutex::default(),
            answered: Mutex::default(),
            unresolved: Mutex::default(),
            answers: AtomicUsize::new(0),
            denials: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            could_not_know: AtomicUsize::new(0),
        }
    }
}

impl Record {
    /// All cards that any client knows of.
    pub fn cards(&self) -> Vec<Arc<Card>> {
        lock(&self.cards).clone()
    }

    /// A card was carved.
    pub fn add_card(&self, card: Card) -> Arc<Card> {
        let card = Arc::new(card);
        lock(&self.cards).push(card.clone());
        card
    }

    /// How many cards there are.
    pub fn cards_count(&self) -> usize {
        lock(&self.cards).len()
    }

    /// A keyed request was answered.
    pub fn add_answered(&self, answered: Answered) {
        lock(&self.answered).push(answered);
    }

    /// Keyed answers from the given one on.
    pub fn answered_since(&self, from: usize) -> Vec<Answered> {
        lock(&self.answered)[from..].to_vec()
    }

    /// How many keyed answers there are.
    pub fn answered_count(&self) -> usize {
        lock(&self.answered).len()
    }

    /// A keyed request was given up.
    pub fn add_unresolved(&self, request: Unresolved) {
        lock(&self.unresolved).push(request);
    }

    /// Takes the requests that were given up.
    pub fn take_unresolved(&self) -> Vec<Unresolved> {
        std::mem::take(&mut *lock(&self.unresolved))
    }

    /// Counts an answer.
    pub fn count(&self, denied: bool) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.denials.fetch_add(usize::from(denied), Ordering::Relaxed);
    }

    /// Counts what came before an answer.
    pub fn count_setbacks(&self, setbacks: Setbacks) {
        self.broken.fetch_add(setbacks.broken, Ordering::Relaxed);
        self.could_not_know.fetch_add(setbacks.could_not_know, Ordering::Relaxed);
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        Counts {
            answers: read(&self.answers),
            denials: read(&self.denials),
            broken: read(&self.broken),
            could_not_know: read(&self.could_not_know),
            cards: self.cards_count(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
