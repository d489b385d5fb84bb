//! The journal: what a gate writes before it answers.
//!
//! Promise: a record whose ticket said "durable" is found again by every later recovery, in the order in which it was appended,
//! through any crash, torn write and power cut; or the journal refuses to open and says where it is damaged. It never comes back
//! with silently less. An append waits for no disk. A journal that has failed once acknowledges nothing more.
//!
//! It will never know what a record means, what time it is, or that a ledger exists.
//!
//! What no journal can tell, so that nobody relies on it:
//! - A whole sector of the *last* batch that reads as zeros although its sync was reported done (a disk that lies about syncs, a
//!   sector that was zeroed later) looks like a write that was torn. Flipped bits do not, in any number short of 16 in a sector,
//!   wherever they are: those are refused.
//! - A last segment that was cut short by someone, or the removal of the last segments or of the whole folder. A file that is cut
//!   at any byte comes back with the whole records before the cut.
//! - A folder that was put back from a copy. The ledger's incarnations see that.
//!
//! Layout: `segment` (files and their heads), `batch` (what one write holds), `mask`. Reading: `survey` (torn or damaged),
//! `recovery`. Writing: `pending` (under the lock), `writer` (the thread), `segment_file`; `ticket` and `fate` tell who waits.

mod options;
mod position;
mod error;
mod ticket;
mod fate;
mod stats;
mod disk;
mod folder;
mod lossy;
mod segment;
mod batch;
mod mask;
mod pending;
mod writer;
mod segment_file;
mod stopwatch;
mod recovery;
mod survey;

pub use disk::{Disk, DiskFile};
pub use error::{Bound, JournalError};
pub use folder::FolderDisk;
pub use lossy::LossyDisk;
pub use options::JournalOptions;
pub use position::Position;
pub use recovery::{Records, Recovered};
pub use stats::JournalStats;
pub use survey::Tail;
pub use ticket::{Durable, Ticket};

use pending::Pending;
use segment_file::SegmentFile;
use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use writer::{Shared, Writer, trim};

/// A scratch buffer that has grown beyond this is not kept: it was one large record.
const SCRATCH_BYTES_MAX: usize = 64 << 10;

thread_local! {
    /// Where a thread lays out its records: outside the lock, and without an allocation for each.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An append-only journal in a folder, with one writer thread. Dropping it writes what was appended, without the mark of a
/// clean close.
pub struct Journal {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    thread: Mutex<Option<JoinHandle<Result<(), JournalError>>>>,
    /// One retires at a time.
    retiring: Mutex<()>,
}

impl Journal {
    /// Verifies what is in the folder, cuts a torn write off its end, and begins a new segment. Blocks on the disk.
    ///
    /// Refuses with [`JournalError::Damaged`] if anything that was synced does not verify, with [`JournalError::Version`] or
    /// [`JournalError::Stray`] if a file is not for this version to judge.
    pub fn open(disk: Arc<dyn Disk>, options: JournalOptions) -> Result<(Self, Recovered), JournalError> {
        options.check()?;
        let found = recovery::recover(&disk)?;
        if found.recovered.cut_bytes > 0 {
            let bytes = found.recovered.cut_bytes;
            tracing::warn!(bytes, "the journal ends in a torn write; nothing in what was cut had been acknowledged");
        }
        let head = found.next_head();
        let segment = SegmentFile::make(&*disk, head, options.segment_bytes)?;
        for number in found.untrimmed {
            trim(&*disk, number, found.ends.get(&number).copied().unwrap_or_default());
        }
        let mut segments = found.ends;
        segments.insert(head.number, options.segment_bytes);
        let shared = Arc::new(Shared::new(Pending::new(options, segments, head.number)));
        let segment_bytes = options.segment_bytes;
        let writer = Writer { shared: shared.clone(), disk: disk.clone(), segment, segment_bytes };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run())
            .map_err(JournalError::io("start", "the journal's thread"))?;
        let journal = Self { shared, disk, thread: Mutex::new(Some(thread)), retiring: Mutex::new(()) };
        Ok((journal, found.recovered))
    }

    /// Adds a record behind all that were appended. Never waits for the disk.
    ///
    /// Errors, after each of which nothing was written: [`JournalError::Full`] at a bound (deny, try later),
    /// [`JournalError::Failed`], [`JournalError::Closed`], [`JournalError::Size`].
    pub fn append(&self, payload: &[u8]) -> Result<Ticket, JournalError> {
        self.append_all(&[payload])
    }

    /// Adds records that stand side by side, all or none of them; a torn write may still keep only the first of them. The
    /// ticket's position is the first one's. Errors as for [`Journal::append`].
    pub fn append_all(&self, payloads: &[&[u8]]) -> Result<Ticket, JournalError> {
        self.add(payloads, false)
    }

    /// Adds a record that `encode` lays out at the end of the buffer it is given, which is empty. Its errors are passed on, and
    /// nothing is written then. It runs under no lock. Errors else as for [`Journal::append`].
    pub fn append_with<E: From<JournalError>>(
        &self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Ticket, E> {
        let mut scratch = SCRATCH.take();
        scratch.clear();
        let outcome = encode(&mut scratch).and_then(|()| Ok(self.append(&scratch)?));
        if scratch.capacity() <= SCRATCH_BYTES_MAX {
            SCRATCH.set(scratch);
        }
        outcome
    }

    /// Adds a record as the first of a new segment: the head of a checkpoint, after which older segments can be retired. Errors
    /// as for [`Journal::append`].
    pub fn begin_segment(&self, head: &[u8]) -> Result<Ticket, JournalError> {
        self.add(&[head], true)
    }

    /// Whether it is time for [`Journal::begin_segment`]. A journal that is not asked begins segments by itself, without a head.
    pub fn segment_is_full(&self) -> bool {
        self.shared.lock().segment_is_full()
    }

    /// A ticket that resolves once all that was appended before is durable.
    pub fn sync(&self) -> Ticket {
        self.shared.lock().barrier()
    }

    /// Removes all segments with a lower number than this, the oldest first. Never the one that is being written. Blocks on the
    /// disk; a crash at any point leaves a journal that recovers.
    pub fn retire_before(&self, segment: u64) -> Result<(), JournalError> {
        let _one_at_a_time = self.retiring.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Some(lowest) = self.shared.lock().lowest_before(segment) else {
                return Ok(());
            };
            let name = segment::name(lowest);
            // Synced one by one: were a later one gone and an earlier one back after a power cut, that would be a gap.
            match self.disk.remove(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(JournalError::io("remove", name)(error));
                }
                _ => self.disk.sync_dir().map_err(JournalError::io("sync the removal of", name))?,
            }
            self.shared.lock().segment_removed(lowest);
        }
    }

    /// The journal's figures.
    pub fn stats(&self) -> JournalStats {
        self.shared.lock().stats()
    }

    /// Takes no more records, writes and syncs all that were appended, marks the journal as closed, and ends its thread. Blocks
    /// until then. [`JournalError::Failed`] if that could not be done.
    pub fn close(&self) -> Result<(), JournalError> {
        self.end(true)
    }

    fn add(&self, payloads: &[&[u8]], new_segment: bool) -> Result<Ticket, JournalError> {
        let mut pending = self.shared.lock();
        let ticket = pending.append(payloads, new_segment)?;
        self.shared.unlock_and_call(pending);
        Ok(ticket)
    }

    fn end(&self, mark: bool) -> Result<(), JournalError> {
        self.shared.close(mark);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        match thread.map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(JournalError::failed("go on")(std::io::Error::other("the journal's thread panicked"))),
            None => Err(JournalError::Closed),
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // A failure has been told by then: by the writer, and to all who waited.
        let _told = self.end(false);
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Journal").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
