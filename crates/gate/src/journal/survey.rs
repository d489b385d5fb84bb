//! Reads a segment and tells a torn write from damage.
//!
//! A batch is written only once all before it are synced, and nothing in it is acknowledged before it is synced itself. So a
//! batch of which a sector is missing, and after which nothing was written, was never acknowledged: it is a torn write and is cut
//! behind its last whole record. Everything else that does not verify is damage. What tells the two apart is that a sector that
//! was written never reads as zeros, nor nearly (see `mask`), and that a batch ends in filler.

use super::batch::{BatchHead, END_BYTES, FRAME_BYTES, HEAD_BYTES, payload};
use super::mask;
use super::position::Position;
use super::segment::{FILLER, SECTOR, end_is_missing, written_bytes};
use std::borrow::Cow;

/// How a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// There was no journal.
    None,
    /// By a clean close.
    Closed,
    /// By a whole batch: the process ended without a close.
    Unclosed,
    /// By a batch that was not written to its end, and so was never acknowledged. What of it is whole was kept.
    Torn,
}

/// What a segment holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Survey {
    /// Where its last record ends, or the filler or the mark behind it.
    pub(super) end: usize,
    /// Where the last batch begins of which anything is kept; 0, the head, if there is none.
    pub(super) last: usize,
    pub(super) tail: Tail,
    /// Bytes of a torn batch that are not kept.
    pub(super) cut_bytes: usize,
}

/// Something that was synced is not there any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) offset: usize,
    pub(super) reason: &'static str,
}

/// Reads all batches of a segment, whose head has been read. Bytes beyond the end of the file count as zeros. `visit` is given
/// each record's offset and payload; what it was given before damage is found must be thrown away.
pub(super) fn survey(segment: u64, bytes: &[u8], visit: &mut dyn FnMut(usize, &[u8])) -> Result<Survey, Damage> {
    let mut at = SECTOR;
    let mut last = 0;
    loop {
        let place = Position { segment, offset: at as u64 };
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(head) = BatchHead::read(rest, place) else {
            return after_last(segment, rest, at, last);
        };
        let (kept, flaw) = records(head, rest, place, visit);
        if let Some(flaw) = flaw {
            return torn(head, rest, at, kept, flaw).map(|survey| match kept {
                0 => Survey { end: at, last, ..survey },
                _ => survey,
            });
        }
        (last, at) = (at, at + head.batch_bytes());
        if head.closes {
            return closed(bytes, at, last);
        }
    }
}

/// Something in a batch that does not verify.
struct Flaw {
    /// Bytes from the start of the batch.
    offset: usize,
    reason: &'static str,
}

/// Visits a batch's records up to the first that is not whole, and says where, in the batch, the last whole one ends (0: none).
fn records(
    head: BatchHead,
    batch: &[u8],
    place: Position,
    visit: &mut dyn FnMut(usize, &[u8]),
) -> (usize, Option<Flaw>) {
    let end = head.batch_bytes();
    let masked = batch.get(HEAD_BYTES..batch.len().min(end - END_BYTES)).unwrap_or_default();
    let mut plain = Cow::Borrowed(masked);
    if head.mask != 0 {
        mask::apply(plain.to_mut(), head.mask);
    }
    let (mut at, mut kept) = (0, 0);
    for _ in 0..head.records {
        let offset = HEAD_BYTES + at;
        let framed = plain.get(at..plain.len().min(head.records_bytes)).unwrap_or_default();
        let Some(payload) = payload(framed, Position { offset: place.offset + offset as u64, ..place }) else {
            return (kept, Some(Flaw { offset, reason: "a record does not verify" }));
        };
        visit(place.offset as usize + offset, payload);
        at += FRAME_BYTES + payload.len();
        kept = HEAD_BYTES + at;
    }
    let filler = plain.get(at..).into_iter().chain(batch.get(end - END_BYTES..end)).flatten();
    let filler_bytes = filler.take_while(|byte| **byte == FILLER).count();
    let whole = at == head.records_bytes && HEAD_BYTES + at + filler_bytes == end;
    let flaw = Flaw { offset: HEAD_BYTES + at, reason: "a batch does not end in filler" };
    (kept, (!whole).then_some(flaw))
}

/// Whether a batch that does not verify is a torn write, to be cut at `kept`, or damaged.
fn torn(head: BatchHead, rest: &[u8], at: usize, kept: usize, flaw: Flaw) -> Result<Survey, Damage> {
    let damage = Damage { offset: at + flaw.offset, reason: flaw.reason };
    let (batch, after) = rest.split_at(rest.len().min(head.batch_bytes()));
    if written_bytes(after) > 0 {
        return Err(damage);
    }
    let sector_missing = batch.chunks(SECTOR).any(|sector| written_bytes(sector) == 0);
    let end = batch.get(head.batch_bytes() - END_BYTES..).unwrap_or_default();
    // Where only a part of the end is missing, all records come before what is missing: each must be whole.
    let records_whole = flaw.offset == HEAD_BYTES + head.records_bytes;
    let end_missing = if records_whole { end_is_missing(end) } else { written_bytes(end) == 0 };
    if !sector_missing && !end_missing {
        return Err(damage);
    }
    let cut_bytes = written_bytes(batch).saturating_sub(kept);
    Ok(Survey { end: at + kept, last: at, tail: Tail::Torn, cut_bytes })
}

/// What follows the last batch: nothing, or a batch whose head is missing.
fn after_last(segment: u64, rest: &[u8], at: usize, last: usize) -> Result<Survey, Damage> {
    let cut_bytes = written_bytes(rest);
    if cut_bytes == 0 {
        return Ok(Survey { end: at, last, tail: Tail::Unclosed, cut_bytes });
    }
    let torn = Ok(Survey { end: at, last, tail: Tail::Torn, cut_bytes });
    if cut_bytes <= HEAD_BYTES {
        return torn;
    }
    let sector = rest.get(..SECTOR.min(rest.len())).unwrap_or_default();
    if written_bytes(sector) > 0 {
        return Err(Damage { offset: at, reason: "a batch's head does not verify" });
    }
    let follows = (0..cut_bytes).step_by(SECTOR).find(|ahead| {
        let place = Position { segment, offset: (at + ahead) as u64 };
        rest.get(*ahead..).is_some_and(|rest| BatchHead::read(rest, place).is_some())
    });
    match follows {
        Some(_) => Err(Damage { offset: at, reason: "a batch is missing before another" }),
        None => torn,
    }
}

/// Nothing is ever written after the mark of a clean close.
fn closed(bytes: &[u8], at: usize, last: usize) -> Result<Survey, Damage> {
    match written_bytes(bytes.get(at..).unwrap_or_default()) {
        0 => Ok(Survey { end: at, last, tail: Tail::Closed, cut_bytes: 0 }),
        _ => Err(Damage { offset: at, reason: "something follows the mark of a clean close" }),
    }
}
