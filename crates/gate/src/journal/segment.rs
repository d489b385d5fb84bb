//! How a segment is named and how it begins.
//!
//! The first sector: magic, format, number, end of the segment before, CRC32C of these, and a filler to its end. The end of the
//! segment before makes every segment but the last exact: what is missing before that byte was lost, what stands after it was
//! never acknowledged.

use super::error::JournalError;

/// Bytes of a sector: the unit that a disk writes whole or not at all.
pub(super) const SECTOR: usize = 512;
/// The same, as a file counts.
pub(super) const SECTOR_BYTES: u64 = 512;
/// Fills a sector behind what was to be written. Not zero: a sector that was written can be told from one that was not.
pub(super) const FILLER: u8 = 0xA5;
/// So many bytes of filler at least end a head and a batch: whether these were written tells whether the end was.
pub(super) const END_BYTES: usize = 8;

const MAGIC: &[u8; 8] = b"ALMJRNL\xA5";
const FORMAT: u32 = 1;
const CRC_AT: usize = 28;
const HEAD_BYTES: usize = 32;

/// The file name of a segment.
pub(super) fn name(number: u64) -> String {
    format!("journal-{number:016x}.seg")
}

/// What a file name says. None: not a segment's. An error: nearly one, so that passing over it might lose records.
pub(super) fn number(name: &str) -> Result<Option<u64>, JournalError> {
    let Some(digits) = name.strip_prefix("journal-").and_then(|rest| rest.strip_suffix(".seg")) else {
        return Ok(None);
    };
    match u64::from_str_radix(digits, 16) {
        Ok(number) if number > 0 && self::name(number) == name => Ok(Some(number)),
        _ => Err(JournalError::Stray { name: name.to_owned() }),
    }
}

/// How a segment begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHead {
    pub(super) number: u64,
    /// Bytes of the segment before, up to the end of its last record. 0: there is none.
    pub(super) previous_end: u64,
}

impl SegmentHead {
    /// The first sector.
    pub(super) fn to_sector(self) -> [u8; SECTOR] {
        let mut sector = [FILLER; SECTOR];
        sector[..8].copy_from_slice(MAGIC);
        sector[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        sector[12..20].copy_from_slice(&self.number.to_le_bytes());
        sector[20..CRC_AT].copy_from_slice(&self.previous_end.to_le_bytes());
        let crc = crc32c::crc32c(&sector[..CRC_AT]);
        sector[CRC_AT..HEAD_BYTES].copy_from_slice(&crc.to_le_bytes());
        sector
    }

    /// Reads the first sector of a segment. None: the segment was made but never begun, so nothing was ever written to it.
    pub(super) fn read(bytes: &[u8], number: u64) -> Result<Option<Self>, JournalError> {
        let damaged = |reason| Err(JournalError::Damaged { segment: number, offset: 0, reason });
        if never_begun(bytes) {
            return Ok(None);
        }
        let Some(sector) = bytes.get(..SECTOR) else {
            return damaged("the file ends within its head");
        };
        if &sector[..8] != MAGIC {
            return damaged("the head is not a journal's");
        }
        // Before the checksum: another format may well keep its checksum elsewhere.
        let found = u32_at(sector, 8);
        if found != FORMAT {
            return Err(JournalError::Version { segment: number, found, known: FORMAT });
        }
        let head = Self { number: u64_at(sector, 12), previous_end: u64_at(sector, 20) };
        if head.to_sector() != sector {
            return damaged("the head does not verify");
        }
        if head.number != number {
            return damaged("the head states another number than the file name");
        }
        Ok(Some(head))
    }
}

/// Whether the head was not written to its end, and nothing after it was.
fn never_begun(bytes: &[u8]) -> bool {
    let written = &bytes[..written_bytes(bytes)];
    written.len() < SECTOR && end_is_missing(written.get(SECTOR - END_BYTES..).unwrap_or_default())
}

/// Whether the filler that ends a head or a batch was not written to its end. `end` may be short where the file ends.
pub(super) fn end_is_missing(end: &[u8]) -> bool {
    let written = end.iter().take_while(|byte| **byte == FILLER).count();
    written < END_BYTES && end.iter().skip(written).all(|byte| *byte == 0)
}

/// Bytes up to the last that is not zero.
pub(super) fn written_bytes(bytes: &[u8]) -> usize {
    // By blocks from the end: a fresh segment is tens of megabytes of zeros.
    const ZEROS: [u8; 4096] = [0; 4096];
    let zeros = bytes.rchunks(ZEROS.len()).take_while(|block| **block == ZEROS[..block.len()]);
    let rest = bytes.len() - zeros.map(<[u8]>::len).sum::<usize>();
    bytes[..rest].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// A little-endian number. Zero where the bytes end, which no head takes for valid.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|raw| raw.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// The same of eight bytes.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|raw| raw.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_segments() {
        assert_eq!(number(&name(0xab)).unwrap(), Some(0xab));
        for foreign in ["lock", "journal-0000000000000001.seg.bak", "journal.seg", "x-journal-0000000000000001.seg"] {
            assert_eq!(number(foreign).unwrap(), None, "{foreign}");
        }
        for stray in ["journal-1.seg", "journal-00000000000000AB.seg", "journal-0000000000000000.seg", "journal-.seg"] {
            assert!(matches!(number(stray), Err(JournalError::Stray { .. })), "{stray}");
        }
    }

    #[test]
    fn a_head_that_was_not_written_is_told_from_a_damaged_one() {
        let sector = SegmentHead { number: 7, previous_end: 1024 }.to_sector();
        for written in 0..SECTOR {
            let mut cut = sector;
            cut[written..].fill(0);
            assert_eq!(SegmentHead::read(&cut, 7).unwrap(), None, "{written}");
            assert_eq!(SegmentHead::read(&sector[..written], 7).unwrap(), None, "{written}");
            let mut flipped = sector;
            flipped[written] ^= 1;
            assert!(SegmentHead::read(&flipped, 7).is_err(), "{written}");
        }
        assert!(SegmentHead::read(&sector, 8).is_err());
    }
}
