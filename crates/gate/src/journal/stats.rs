//! What can be said of a journal at a glance.

use super::position::Position;
use std::time::Duration;

/// The journal's figures, since it was opened unless said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalStats {
    /// Segments on the disk, or about to be.
    pub segments: usize,
    /// Bytes that they take, with what is allocated to the last.
    pub disk_bytes: u64,
    /// Bytes that wait for the disk.
    pub pending_bytes: usize,
    /// Records appended.
    pub records: u64,
    /// Batches synced. Records over syncs: how many share one.
    pub syncs: u64,
    /// How long the last batch took to write and sync.
    pub last_sync: Duration,
    /// Every record before this place is durable.
    pub durable: Position,
    /// A write or a sync has failed: nothing more is written.
    pub failed: bool,
}
