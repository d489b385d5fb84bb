//! What has been appended and is not yet durable: the batch that is being filled, and those that wait for the writer.
//!
//! Everything here is done under one lock and touches no disk, so an append never waits for one. Where a record will stand is
//! decided here, when it is appended; the writer only follows.

use super::batch::{Batch, FRAME_BYTES};
use super::error::{Bound, JournalError};
use super::fate::Fate;
use super::options::JournalOptions;
use super::position::Position;
use super::segment::SECTOR_BYTES;
use super::stats::JournalStats;
use super::ticket::Ticket;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Buffers kept to be used again: the one being filled takes over from the one being written.
const SPARE_BUFFERS: usize = 2;
/// A larger buffer is given back: it was a burst.
const SPARE_BYTES_MAX: usize = 4 << 20;

/// Whether records are taken.
pub(super) enum Mode {
    /// They are.
    Open,
    /// No more; what waits is still written, then perhaps a mark that the journal was closed.
    Closing { mark: bool },
    /// No more, and nothing is written.
    Failed(JournalError),
}

/// The state behind the journal's lock.
pub(super) struct Pending {
    pub(super) mode: Mode,
    /// The writer sleeps and must be called.
    pub(super) asleep: bool,
    options: JournalOptions,
    /// The batch that is being filled.
    open: Batch,
    /// Batches cut off where a segment ended, in order.
    queue: VecDeque<Batch>,
    /// The fate of the last batch that was cut off.
    latest: Arc<Fate>,
    /// The fate of the batch that is being written.
    writing: Arc<Fate>,
    /// The fate of the batch before it. Of those who waited for it, some may still have to be told.
    written: Arc<Fate>,
    /// Bytes cut off and not yet durable.
    waiting_bytes: usize,
    /// Bytes of each segment.
    segments: BTreeMap<u64, u64>,
    /// The last segment that is on the disk.
    made: u64,
    spare: Vec<Vec<u8>>,
    records: u64,
    syncs: u64,
    last_sync: Duration,
    durable: Position,
}

impl Pending {
    /// `segments`: what is on the disk, the last one new and empty.
    pub(super) fn new(options: JournalOptions, segments: BTreeMap<u64, u64>, segment: u64) -> Self {
        Self {
            mode: Mode::Open,
            asleep: false,
            options,
            open: Batch::new(segment, SECTOR_BYTES, Vec::new()),
            queue: VecDeque::new(),
            latest: Arc::new(Fate::durable()),
            writing: Arc::new(Fate::durable()),
            written: Arc::new(Fate::durable()),
            waiting_bytes: 0,
            segments,
            made: segment,
            spare: Vec::new(),
            records: 0,
            syncs: 0,
            last_sync: Duration::ZERO,
            durable: Position { segment, offset: SECTOR_BYTES },
        }
    }

    /// Adds records side by side, in a new segment if asked or needed.
    pub(super) fn append(&mut self, payloads: &[&[u8]], new_segment: bool) -> Result<Ticket, JournalError> {
        match &self.mode {
            Mode::Open => {}
            Mode::Closing { .. } => return Err(JournalError::Closed),
            Mode::Failed(failure) => return Err(failure.clone()),
        }
        let bytes = self.measure(payloads)?;
        let batch_bytes = self.open.bytes_with(bytes);
        if self.waiting_bytes.saturating_add(batch_bytes) > self.options.buffer_bytes_max {
            return Err(JournalError::Full(Bound::Buffer));
        }
        if self.open.base + batch_bytes as u64 > self.options.records_end_max()
            || (new_segment && !self.segment_is_fresh())
        {
            self.turn_over()?;
        }
        let ticket = Ticket::new(self.open.fate.clone(), self.open.next());
        payloads.iter().for_each(|payload| self.open.push(payload));
        self.records += payloads.len() as u64;
        Ok(ticket)
    }

    /// A ticket for all that was appended.
    pub(super) fn barrier(&self) -> Ticket {
        let fate = if self.open.is_empty() { &self.latest } else { &self.open.fate };
        Ticket::new(fate.clone(), self.open.next())
    }

    /// Whether little of the segment is left: an eighth, so that what comes until the caller has noticed still fits.
    pub(super) fn segment_is_full(&self) -> bool {
        self.open.end() >= self.options.segment_bytes / 8 * 7
    }

    /// Hands the writer the next batch, oldest first.
    pub(super) fn take(&mut self) -> Option<Batch> {
        let batch = match self.queue.pop_front() {
            Some(batch) => batch,
            None if self.open.is_empty() => return None,
            None => self.cut_off(self.open.segment, self.open.end()),
        };
        self.writing = batch.fate.clone();
        Some(batch)
    }

    /// A segment is on the disk.
    pub(super) fn segment_made(&mut self, segment: u64) {
        self.made = segment;
    }

    /// A batch is durable: its fate is to be settled. The one before it, too, to be told to whoever has not heard.
    pub(super) fn written(&mut self, batch: Batch, took: Duration) -> (Arc<Fate>, Arc<Fate>) {
        let fate = batch.fate.clone();
        let before = std::mem::replace(&mut self.written, fate.clone());
        self.waiting_bytes = self.waiting_bytes.saturating_sub(batch.bytes_with(0));
        self.syncs += 1;
        self.last_sync = took;
        self.durable = Position { segment: batch.segment, offset: batch.end() };
        let buffer = batch.into_buffer();
        if self.spare.len() < SPARE_BUFFERS && buffer.capacity() <= SPARE_BYTES_MAX {
            self.spare.push(buffer);
        }
        (fate, before)
    }

    /// The fate of the last batch that is durable.
    pub(super) fn last_written(&self) -> &Arc<Fate> {
        &self.written
    }

    /// The journal is lost: returns the fates of all that will never be written, and of the last that was. Only the first
    /// failure counts.
    pub(super) fn fail(&mut self, failure: &JournalError) -> Vec<Arc<Fate>> {
        if matches!(self.mode, Mode::Failed(_)) {
            return Vec::new();
        }
        self.mode = Mode::Failed(failure.clone());
        self.waiting_bytes = 0;
        let mut lost = vec![self.written.clone(), self.writing.clone()];
        lost.extend(self.queue.drain(..).map(|batch| batch.fate));
        lost.push(self.open.fate.clone());
        self.latest = self.open.fate.clone();
        lost
    }

    /// The lowest segment, if it is below this one and below the one that is being written.
    pub(super) fn lowest_before(&self, segment: u64) -> Option<u64> {
        let lowest = *self.segments.keys().next()?;
        (lowest < segment.min(self.made)).then_some(lowest)
    }

    pub(super) fn segment_removed(&mut self, segment: u64) {
        self.segments.remove(&segment);
    }

    pub(super) fn stats(&self) -> JournalStats {
        JournalStats {
            segments: self.segments.len(),
            disk_bytes: self.segments.values().sum(),
            pending_bytes: self.waiting_bytes + self.open.bytes_with(0),
            records: self.records,
            syncs: self.syncs,
            last_sync: self.last_sync,
            durable: self.durable,
            failed: matches!(self.mode, Mode::Failed(_)),
        }
    }

    /// Bytes of the records with their frames.
    fn measure(&self, payloads: &[&[u8]]) -> Result<usize, JournalError> {
        let bytes_max = self.options.record_bytes_max;
        if let Some(wrong) = payloads.iter().find(|payload| payload.is_empty() || payload.len() > bytes_max) {
            return Err(JournalError::Size { bytes: wrong.len(), bytes_max });
        }
        let bytes = payloads.iter().map(|payload| payload.len() + FRAME_BYTES).sum();
        let group_bytes_max = self.options.group_bytes_max();
        if bytes == 0 || bytes > group_bytes_max {
            return Err(JournalError::Size { bytes, bytes_max: group_bytes_max });
        }
        Ok(bytes)
    }

    fn segment_is_fresh(&self) -> bool {
        self.open.base == SECTOR_BYTES && self.open.is_empty()
    }

    /// The next record will begin a new segment. The old one shrinks to what it holds.
    fn turn_over(&mut self) -> Result<(), JournalError> {
        let (old, end) = (self.open.segment, self.open.end());
        let before: u64 = self.segments.range(..old).map(|(_, bytes)| bytes).sum();
        if before + end + self.options.segment_bytes > self.options.journal_bytes_max {
            return Err(JournalError::Full(Bound::Journal));
        }
        self.segments.insert(old, end);
        self.segments.insert(old + 1, self.options.segment_bytes);
        let batch = self.cut_off(old + 1, SECTOR_BYTES);
        if !batch.is_empty() {
            self.queue.push_back(batch);
        }
        Ok(())
    }

    /// Begins another batch and returns the one that was being filled.
    fn cut_off(&mut self, segment: u64, base: u64) -> Batch {
        let next = Batch::new(segment, base, self.spare.pop().unwrap_or_default());
        let batch = std::mem::replace(&mut self.open, next);
        if !batch.is_empty() {
            self.latest = batch.fate.clone();
            self.waiting_bytes += batch.bytes_with(0);
        }
        batch
    }
}
