//! The journal's limits, each with its unit and its reason.

use super::batch::{END_BYTES, FRAME_BYTES, HEAD_BYTES};
use super::error::JournalError;
use super::segment::{SECTOR, SECTOR_BYTES};

/// How large a journal may grow, and its parts.
#[derive(Debug, Clone, Copy)]
pub struct JournalOptions {
    /// Bytes of a segment, allocated when it is made; a multiple of 512, below 4 GiB. Larger: fewer checkpoints. Smaller: disk
    /// comes back earlier, and recovery holds one segment in memory.
    pub segment_bytes: u64,
    /// Bytes that may wait for the disk. At the bound appends are refused, so that a slow disk denies and does not pile up.
    pub buffer_bytes_max: usize,
    /// Bytes of one record. A bound on what one call can make the journal do.
    pub record_bytes_max: usize,
    /// Bytes of all segments together. At the bound appends are refused until segments are retired.
    pub journal_bytes_max: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            buffer_bytes_max: 32 << 20,
            record_bytes_max: 1 << 20,
            journal_bytes_max: 8 << 30,
        }
    }
}

impl JournalOptions {
    /// Refuses options under which the largest record could never be written.
    pub(super) fn check(&self) -> Result<(), JournalError> {
        let refuse = |reason| Err(JournalError::Options { reason });
        if self.segment_bytes > u64::from(u32::MAX) || !self.segment_bytes.is_multiple_of(SECTOR_BYTES) {
            return refuse("segment_bytes must be a multiple of 512 below 4 GiB");
        }
        if self.record_bytes_max == 0 || self.record_bytes_max.saturating_add(FRAME_BYTES) > self.group_bytes_max() {
            return refuse("record_bytes_max must be at least 1, and fit in a segment and in buffer_bytes_max");
        }
        if self.journal_bytes_max < self.segment_bytes.saturating_mul(2) {
            return refuse("journal_bytes_max must be two segments or more");
        }
        Ok(())
    }

    /// Where the records of a segment must end: a sector is left for the mark of a clean close.
    pub(super) fn records_end_max(&self) -> u64 {
        self.segment_bytes.saturating_sub(SECTOR_BYTES)
    }

    /// The most bytes, with their frames, that the records of one append may be: one batch in an empty segment.
    pub(super) fn group_bytes_max(&self) -> usize {
        let segment = usize::try_from(self.records_end_max().saturating_sub(SECTOR_BYTES)).unwrap_or(usize::MAX);
        segment.min(self.buffer_bytes_max).saturating_sub(HEAD_BYTES + END_BYTES + SECTOR)
    }
}
