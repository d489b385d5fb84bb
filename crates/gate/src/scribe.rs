//! The scribe: writes records to the journal and keeps, in the same order, the decisions that the ledger does not have yet.
//!
//! A decision is appended and queued under one lock. So the queue is in the order of the journal, and "all up to this
//! position are in the ledger" can be said of it.

use crate::journal::{Journal, JournalError, Position, Ticket};
use crate::record::{Part, Record, decided};
use almoner_domain::decision::Decision;
use almoner_domain::tenant::Realm;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thiserror::Error;

/// A decision on its way to the ledger.
#[derive(Clone)]
pub(crate) struct Pending {
    /// Where its record is; none for one that needs none.
    pub(crate) position: Position,
    pub(crate) realm: Realm,
    pub(crate) decision: Arc<Decision>,
    /// Which one it is in this life: 0, 1, 2, ... in the order of the journal.
    pub(crate) number: u64,
}

/// Why a record was not written. Nothing was.
#[derive(Debug, Error)]
pub(crate) enum NotWritten {
    /// So many decisions wait for the ledger that no more are taken.
    #[error("too many decisions wait for the ledger")]
    Backlog,
    /// The journal does not take it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The record cannot be laid out.
    #[error(transparent)]
    Record(#[from] crate::record::Unreadable),
}

/// Writes records and keeps the backlog.
pub(crate) struct Scribe {
    journal: Journal,
    backlog: Mutex<VecDeque<Pending>>,
    backlog_max: usize,
    /// Decisions numbered so far.
    numbered: AtomicU64,
}

impl Scribe {
    pub(crate) fn new(journal: Journal, backlog_max: usize) -> Self {
        Self { journal, backlog: Mutex::new(VecDeque::new()), backlog_max, numbered: AtomicU64::new(0) }
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Appends a decision and queues it for the ledger.
    pub(crate) fn decide(&self, realm: Realm, decision: &Arc<Decision>, parts: &[Part]) -> Result<Ticket, NotWritten> {
        let bytes = decided(realm, decision, parts)?;
        let mut backlog = self.backlog();
        if backlog.len() >= self.backlog_max {
            return Err(NotWritten::Backlog);
        }
        let ticket = self.journal.append(&bytes)?;
        let number = self.numbered.fetch_add(1, Ordering::SeqCst);
        backlog.push_back(Pending { position: ticket.position(), realm, decision: decision.clone(), number });
        Ok(ticket)
    }

    /// The number that the next decision will have, or one that it would have had: whatever is decided from now on has no
    /// lower one.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbered.load(Ordering::SeqCst)
    }

    /// Appends a record that the ledger is not told of.
    pub(crate) fn write(&self, record: &Record) -> Result<Ticket, NotWritten> {
        Ok(self.journal.append(&record.to_bytes()?)?)
    }

    /// Is the record at this position durable?
    pub(crate) fn is_durable(&self, position: Position) -> bool {
        position < self.journal.stats().durable
    }

    /// Takes the oldest decisions out of the queue.
    pub(crate) fn take(&self, max: usize) -> Vec<Pending> {
        let mut backlog = self.backlog();
        let count = backlog.len().min(max);
        backlog.drain(..count).collect()
    }

    /// How many decisions wait, and the position of the first.
    pub(crate) fn waiting(&self) -> (usize, Option<Position>) {
        let backlog = self.backlog();
        (backlog.len(), backlog.front().map(|pending| pending.position))
    }

    /// The queue is whole after each step, so a panic elsewhere cannot have broken it.
    fn backlog(&self) -> MutexGuard<'_, VecDeque<Pending>> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
