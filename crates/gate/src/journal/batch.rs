//! A batch: the records that one write and one sync make durable together, and how they are laid out.
//!
//! A batch begins and ends at a sector's boundary, so a sector that was synced is never written again:
//!
//! | bytes | |
//! | --- | --- |
//! | 32 | head: magic, kind, bytes of records, number of records, mask, filler, CRC32C over place and head |
//! | 8 + n each | records: length, CRC32C over (segment, offset, length, payload), payload; XORed with the mask |
//! | 8 to 519 | filler, to the end of the sector; the last eight bytes without the mask |

use super::fate::Fate;
use super::mask;
use super::position::Position;
use super::segment::{FILLER, SECTOR, u32_at, u64_at};
use std::sync::Arc;

pub(super) use super::segment::END_BYTES;

/// Bytes of a batch's head.
pub(super) const HEAD_BYTES: usize = 32;
/// Bytes of a record beside its payload.
pub(super) const FRAME_BYTES: usize = 8;

const MAGIC: u32 = u32::from_le_bytes(*b"BTCH");
const KIND_RECORDS: u32 = 1;
const KIND_CLOSE: u32 = 2;
const CRC_AT: usize = 28;

/// Bytes that a batch takes in the segment for so many bytes of framed records.
pub(super) const fn padded(records_bytes: usize) -> usize {
    (HEAD_BYTES + records_bytes + END_BYTES).next_multiple_of(SECTOR)
}

/// What a batch's head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchHead {
    /// Whether it marks a clean close.
    pub(super) closes: bool,
    /// Bytes of the records with their frames.
    pub(super) records_bytes: usize,
    /// How many records.
    pub(super) records: u32,
    /// What the records are XORed with.
    pub(super) mask: u64,
}

impl BatchHead {
    /// Reads the head at this place. None: there is none, or it does not verify.
    pub(super) fn read(bytes: &[u8], place: Position) -> Option<Self> {
        let head = bytes.get(..HEAD_BYTES)?;
        let records_bytes = u32_at(head, 8) as usize;
        let this = Self {
            closes: u32_at(head, 4) == KIND_CLOSE,
            records_bytes,
            records: u32_at(head, 12),
            mask: u64_at(head, 16),
        };
        (this.to_bytes(place) == head).then_some(this)
    }

    /// Bytes of the whole batch.
    pub(super) fn batch_bytes(&self) -> usize {
        padded(self.records_bytes)
    }

    fn to_bytes(self, place: Position) -> [u8; HEAD_BYTES] {
        let kind = if self.closes { KIND_CLOSE } else { KIND_RECORDS };
        // A batch is bounded by its segment, which is below 4 GiB.
        let records_bytes = u32::try_from(self.records_bytes).unwrap_or(u32::MAX);
        let mut head = [FILLER; HEAD_BYTES];
        head[..4].copy_from_slice(&MAGIC.to_le_bytes());
        head[4..8].copy_from_slice(&kind.to_le_bytes());
        head[8..12].copy_from_slice(&records_bytes.to_le_bytes());
        head[12..16].copy_from_slice(&self.records.to_le_bytes());
        head[16..24].copy_from_slice(&self.mask.to_le_bytes());
        let crc = crc32c::crc32c_append(place_crc(place), &head[..CRC_AT]);
        head[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        head
    }
}

/// The payload of the record that begins `bytes`. None: no whole record is there, or it does not verify.
pub(super) fn payload(bytes: &[u8], place: Position) -> Option<&[u8]> {
    let length = u32_at(bytes.get(..FRAME_BYTES)?, 0);
    let payload = bytes[FRAME_BYTES..].get(..length as usize)?;
    let valid = length > 0 && record_crc(place, length, payload) == u32_at(bytes, 4);
    valid.then_some(payload)
}

/// Bound to the place, so that a stale or a moved record never verifies.
fn place_crc(place: Position) -> u32 {
    let mut raw = [0; 16];
    raw[..8].copy_from_slice(&place.segment.to_le_bytes());
    raw[8..].copy_from_slice(&place.offset.to_le_bytes());
    crc32c::crc32c(&raw)
}

fn record_crc(place: Position, length: u32, payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(place_crc(place), &length.to_le_bytes());
    crc32c::crc32c_append(crc, payload)
}

/// A batch that is being filled, waits, or is being written.
pub(super) struct Batch {
    pub(super) segment: u64,
    /// Where it begins in the segment, in bytes.
    pub(super) base: u64,
    pub(super) records: u32,
    /// What becomes of it: shared with the tickets of its records.
    pub(super) fate: Arc<Fate>,
    /// Bytes of the records, with their frames.
    records_bytes: usize,
    /// Room for the head, then the records.
    buffer: Vec<u8>,
}

impl Batch {
    /// An empty batch. `buffer` is used again for its allocation.
    pub(super) fn new(segment: u64, base: u64, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.resize(HEAD_BYTES, 0);
        Self { segment, base, records: 0, fate: Arc::default(), records_bytes: 0, buffer }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Where the next record would stand.
    pub(super) fn next(&self) -> Position {
        Position { segment: self.segment, offset: self.base + (HEAD_BYTES + self.records_bytes) as u64 }
    }

    /// Bytes that the batch takes in the segment, with so many bytes more of records with their frames.
    pub(super) fn bytes_with(&self, more: usize) -> usize {
        match self.records_bytes + more {
            0 => 0,
            records_bytes => padded(records_bytes),
        }
    }

    /// Where the batch ends in the segment.
    pub(super) fn end(&self) -> u64 {
        self.base + self.bytes_with(0) as u64
    }

    /// Adds a record. The caller has seen to it that it fits.
    pub(super) fn push(&mut self, payload: &[u8]) {
        let place = self.next();
        // A record is bounded by its segment, which is below 4 GiB.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        self.buffer.extend_from_slice(&length.to_le_bytes());
        self.buffer.extend_from_slice(&record_crc(place, length, payload).to_le_bytes());
        self.buffer.extend_from_slice(payload);
        self.records_bytes += FRAME_BYTES + payload.len();
        self.records += 1;
    }

    /// The bytes to write.
    pub(super) fn sealed(&mut self) -> &[u8] {
        self.seal(false);
        &self.buffer
    }

    /// The bytes that mark a clean close, at the end of this segment's last batch.
    pub(super) fn close(segment: u64, base: u64) -> Vec<u8> {
        let mut mark = Self::new(segment, base, Vec::new());
        mark.seal(true);
        mark.buffer
    }

    /// The allocation, to be used again.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    fn seal(&mut self, closes: bool) {
        let records_bytes = self.records_bytes;
        let end = padded(records_bytes);
        self.buffer.resize(end, FILLER);
        // The first sector holds the head and the last one filler: only those between can be near to zeros.
        let between = self.buffer.get(SECTOR..end - SECTOR).unwrap_or_default();
        let mask = mask::choose(between);
        if mask != 0 {
            mask::apply(&mut self.buffer[HEAD_BYTES..end - END_BYTES], mask);
        }
        let head = BatchHead { closes, records_bytes, records: self.records, mask };
        let place = Position { segment: self.segment, offset: self.base };
        self.buffer[..HEAD_BYTES].copy_from_slice(&head.to_bytes(place));
    }
}
