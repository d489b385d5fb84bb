//! The receipt for a record: ask it when the record is durable, or drop it.

use super::error::JournalError;
use super::fate::{Fate, Seat};
use super::position::Position;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The receipt for appended records. The records are written whether or not it is kept; to clone it costs no allocation.
#[derive(Clone)]
pub struct Ticket {
    fate: Arc<Fate>,
    position: Position,
}

impl Ticket {
    pub(super) fn new(fate: Arc<Fate>, position: Position) -> Self {
        Self { fate, position }
    }

    /// Where the record stands, or the first of several. Of a barrier: every record before this place is what it waits for.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Resolves once the record is synced, to its position. [`JournalError::Failed`] if it may never be: it is then unknown
    /// whether a later recovery will find it.
    ///
    /// The future may be dropped at any time, on any thread; another ticket's is not touched by it.
    pub fn durable(self) -> Durable {
        Durable { ticket: self, seat: None }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Ticket({})", self.position)
    }
}

/// Waits until records are durable.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Durable {
    ticket: Ticket,
    seat: Option<Seat>,
}

impl Future for Durable {
    type Output = Result<Position, JournalError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { ticket, seat } = self.get_mut();
        ticket.fate.poll(seat, context).map_ok(|()| ticket.position)
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        if let Some(seat) = self.seat {
            self.ticket.fate.leave(seat);
        }
    }
}
