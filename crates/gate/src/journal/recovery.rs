//! Opens the folder of a journal: verifies every segment, and makes what was found durable before anyone acts on it.

use super::disk::{Disk, write_all};
use super::error::JournalError;
use super::position::Position;
use super::segment::{self, SegmentHead};
use super::survey::{Survey, Tail, survey};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

/// What an earlier life of the journal left.
#[derive(Debug)]
pub struct Recovered {
    /// All whole records, in order. They have been verified; they are read again one segment at a time, so take them before
    /// you retire their segments.
    pub records: Records,
    /// Bytes of an unacknowledged write that were cut off the end.
    pub cut_bytes: u64,
    /// How the journal ended.
    pub tail: Tail,
    /// The number of the segment that the next record is written to.
    pub next_segment: u64,
}

/// The records of an earlier life, in order. An item is an error if a segment cannot be read a second time; nothing follows it.
pub struct Records {
    disk: Arc<dyn Disk>,
    /// Segments to be read, with their ends in bytes.
    segments: VecDeque<(u64, usize)>,
    ready: VecDeque<(Position, Vec<u8>)>,
}

impl Iterator for Records {
    type Item = Result<(Position, Vec<u8>), JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(Ok(record));
            }
            let (number, end) = self.segments.pop_front()?;
            if let Err(error) = self.read(number, end) {
                self.segments.clear();
                self.ready.clear();
                return Some(Err(error));
            }
        }
    }
}

impl Records {
    fn read(&mut self, number: u64, end: usize) -> Result<(), JournalError> {
        let bytes = read(&*self.disk, number)?;
        let ready = &mut self.ready;
        survey_exactly(number, &bytes, end, &mut |offset, payload| {
            ready.push_back((Position { segment: number, offset: offset as u64 }, payload.to_vec()));
        })
        .map(|_| ())
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Records").field("segments", &self.segments).finish_non_exhaustive()
    }
}

/// What is in the folder.
pub(super) struct Found {
    pub(super) recovered: Recovered,
    /// Each segment's bytes, up to the end of its last record.
    pub(super) ends: BTreeMap<u64, u64>,
    /// Segments whose file is longer than that.
    pub(super) untrimmed: Vec<u64>,
}

impl Found {
    /// The head of the segment that comes next.
    pub(super) fn next_head(&self) -> SegmentHead {
        let previous_end = self.ends.last_key_value().map_or(0, |(_, end)| *end);
        SegmentHead { number: self.recovered.next_segment, previous_end }
    }
}

/// Verifies the folder and makes its end durable. Only what can never have been acknowledged is removed.
pub(super) fn recover(disk: &Arc<dyn Disk>) -> Result<Found, JournalError> {
    let mut numbers = numbers(&**disk)?;
    let mut found = Found {
        recovered: Recovered {
            records: Records { disk: disk.clone(), segments: VecDeque::new(), ready: VecDeque::new() },
            cut_bytes: 0,
            tail: Tail::None,
            next_segment: numbers.last().map_or(1, |last| last + 1),
        },
        ends: BTreeMap::new(),
        untrimmed: Vec::new(),
    };
    // From the last to the first: each head says where the segment before it ends.
    let mut end: Option<usize> = None;
    while let Some(number) = numbers.pop() {
        let bytes = read(&**disk, number)?;
        let Some(head) = SegmentHead::read(&bytes, number)? else {
            never_begun(&**disk, number, end)?;
            found.recovered.next_segment = number;
            continue;
        };
        let survey = match end {
            Some(end) => survey_exactly(number, &bytes, end, &mut |_, _| {})?,
            None => last_segment(&**disk, number, &bytes, &mut found.recovered)?,
        };
        found.ends.insert(number, survey.end as u64);
        if bytes.len() > survey.end {
            found.untrimmed.push(number);
        }
        found.recovered.records.segments.push_front((number, survey.end));
        end = Some(usize::try_from(head.previous_end).unwrap_or(usize::MAX));
    }
    Ok(found)
}

/// The numbers of the segments, ascending and without a gap. The first may be any: older ones are retired.
fn numbers(disk: &dyn Disk) -> Result<Vec<u64>, JournalError> {
    let mut numbers = Vec::new();
    for name in disk.list().map_err(JournalError::io("list", "the journal's folder"))? {
        numbers.extend(segment::number(&name)?);
    }
    numbers.sort_unstable();
    match numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        Some(pair) => Err(JournalError::Damaged {
            segment: pair[0] + 1,
            offset: 0,
            reason: "the segment is missing before another",
        }),
        None => Ok(numbers),
    }
}

fn read(disk: &dyn Disk, number: u64) -> Result<Vec<u8>, JournalError> {
    let name = segment::name(number);
    disk.read(&name).map_err(JournalError::io("read", name))
}

/// The process ended between making a segment and beginning it. That can be the last one only.
fn never_begun(disk: &dyn Disk, number: u64, end: Option<usize>) -> Result<(), JournalError> {
    if end.is_some() {
        return Err(JournalError::Damaged { segment: number, offset: 0, reason: "the head is missing" });
    }
    let name = segment::name(number);
    disk.remove(&name).and_then(|()| disk.sync_dir()).map_err(JournalError::io("remove", name))
}

/// A segment whose end is known. Whatever stands behind it was never acknowledged and was cut by an earlier recovery.
fn survey_exactly(
    number: u64,
    bytes: &[u8],
    end: usize,
    visit: &mut dyn FnMut(usize, &[u8]),
) -> Result<Survey, JournalError> {
    let known = bytes.get(..end.min(bytes.len())).unwrap_or_default();
    let survey = survey(number, known, visit).map_err(|damage| damaged(number, damage.offset, damage.reason))?;
    if survey.end != end {
        return Err(damaged(number, survey.end, "records are missing from here"));
    }
    Ok(survey)
}

/// The last segment. What is kept of its last batch may not be on the disk yet, only in the system's memory: the process may
/// have been killed before its sync, or the sync may have failed. So it is written and synced again, before it is acted on.
fn last_segment(disk: &dyn Disk, number: u64, bytes: &[u8], recovered: &mut Recovered) -> Result<Survey, JournalError> {
    let survey =
        survey(number, bytes, &mut |_, _| {}).map_err(|damage| damaged(number, damage.offset, damage.reason))?;
    let name = segment::name(number);
    let kept = bytes.get(survey.last..survey.end).unwrap_or_default();
    disk.open(&name)
        .and_then(|mut file| write_all(&mut *file, survey.last as u64, kept).and_then(|()| file.sync_data()))
        .map_err(JournalError::io("write again the end of", name))?;
    recovered.cut_bytes = survey.cut_bytes as u64;
    recovered.tail = survey.tail;
    Ok(survey)
}

fn damaged(segment: u64, offset: usize, reason: &'static str) -> JournalError {
    JournalError::Damaged { segment, offset: offset as u64, reason }
}
