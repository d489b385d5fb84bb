//! The writer: one thread that turns batches into durable ones.
//!
//! While it syncs a batch the next one fills; when there is none it sleeps, and the append that finds it asleep calls it. It
//! never spins.

use super::batch::Batch;
use super::disk::Disk;
use super::error::JournalError;
use super::pending::{Mode, Pending};
use super::segment::{self, SegmentHead};
use super::segment_file::SegmentFile;
use super::stopwatch::Stopwatch;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one waiter may take to wake the others of its thread before the writer does it.
const PATIENCE: Duration = Duration::from_millis(1);

/// What appenders and the writer share.
pub(super) struct Shared {
    pending: Mutex<Pending>,
    bell: Condvar,
}

impl Shared {
    pub(super) fn new(pending: Pending) -> Self {
        Self { pending: Mutex::new(pending), bell: Condvar::new() }
    }

    /// No caller's code runs under the lock and each step leaves the state whole, so a panic cannot have broken it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the lock, and calls the writer if it sleeps.
    pub(super) fn unlock_and_call(&self, mut pending: MutexGuard<'_, Pending>) {
        let asleep = std::mem::take(&mut pending.asleep);
        drop(pending);
        if asleep {
            self.bell.notify_one();
        }
    }

    /// Takes no more records; what waits is still written.
    pub(super) fn close(&self, mark: bool) {
        let mut pending = self.lock();
        if matches!(pending.mode, Mode::Open) {
            pending.mode = Mode::Closing { mark };
        }
        self.unlock_and_call(pending);
    }

    /// Gives the journal up: all that waits hears of it, and so does each append from now on.
    fn fail(&self, failure: &JournalError) {
        let lost = self.lock().fail(failure);
        for fate in lost {
            fate.settle(Err(failure.clone()));
            fate.tell_all();
        }
    }

    /// Waits for something to write.
    fn next(&self) -> Next {
        let mut pending = self.lock();
        loop {
            if let Some(batch) = pending.take() {
                return Next::Write(batch);
            }
            let end = match pending.mode {
                Mode::Open => None,
                Mode::Closing { mark } => Some(Next::End { mark }),
                Mode::Failed(_) => Some(Next::End { mark: false }),
            };
            if let Some(end) = end {
                let written = pending.last_written().clone();
                drop(pending);
                written.tell_all();
                return end;
            }
            pending = self.sleep(pending);
        }
    }

    /// Sleeps until an append calls; or, while some who wait may not have heard, only until they should have.
    fn sleep<'a>(&'a self, mut pending: MutexGuard<'a, Pending>) -> MutexGuard<'a, Pending> {
        let written = pending.last_written().clone();
        pending.asleep = true;
        if written.all_heard() {
            return self.bell.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
        let (pending, slept) = self.bell.wait_timeout(pending, PATIENCE).unwrap_or_else(PoisonError::into_inner);
        if !slept.timed_out() {
            return pending;
        }
        drop(pending);
        written.tell_all();
        self.lock()
    }
}

enum Next {
    Write(Batch),
    End { mark: bool },
}

/// The thread's own state.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) segment: SegmentFile,
    /// Bytes allocated to a new segment.
    pub(super) segment_bytes: u64,
}

impl Writer {
    /// Writes until the journal is closed, or until a write fails.
    pub(super) fn run(mut self) -> Result<(), JournalError> {
        let mut alarm = Alarm { shared: self.shared.clone(), armed: true };
        let outcome = self.write_all();
        alarm.armed = false;
        if let Err(failure) = &outcome {
            tracing::error!(
                error = failure as &dyn std::error::Error,
                "the journal has failed: nothing more is acknowledged"
            );
            self.shared.fail(failure);
        }
        outcome
    }

    fn write_all(&mut self) -> Result<(), JournalError> {
        let shared = self.shared.clone();
        loop {
            let mut batch = match shared.next() {
                Next::Write(batch) => batch,
                Next::End { mark } => return self.end(mark),
            };
            let took = self.write(&mut batch)?;
            let (fate, before) = shared.lock().written(batch, took);
            fate.settle(Ok(()));
            before.tell_all();
        }
    }

    fn write(&mut self, batch: &mut Batch) -> Result<Duration, JournalError> {
        let stopwatch = Stopwatch::start();
        if batch.segment != self.segment.number {
            self.turn_over(batch.segment)?;
        }
        // Its tickets have been given out with this place. A panic fails the journal.
        assert_eq!(batch.base, self.segment.end(), "a batch stands where its records were told to");
        self.segment.write(batch.sealed())?;
        Ok(stopwatch.elapsed())
    }

    /// Begins the next segment. Every batch of the old one is durable by now, so its end can be stated.
    fn turn_over(&mut self, number: u64) -> Result<(), JournalError> {
        let (old, end) = (self.segment.number, self.segment.end());
        let head = SegmentHead { number, previous_end: end };
        self.segment = SegmentFile::make(&*self.disk, head, self.segment_bytes)?;
        self.shared.lock().segment_made(number);
        trim(&*self.disk, old, end);
        Ok(())
    }

    fn end(&mut self, mark: bool) -> Result<(), JournalError> {
        if !mark {
            return Ok(());
        }
        let (number, end) = (self.segment.number, self.segment.end());
        self.segment.write(&Batch::close(number, end))?;
        trim(&*self.disk, number, self.segment.end());
        Ok(())
    }
}

/// Gives back the disk that a finished segment does not use. Recovery does not need it, so a failure is only told.
pub(super) fn trim(disk: &dyn Disk, number: u64, bytes: u64) {
    if let Err(error) = disk.truncate(&segment::name(number), bytes) {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            segment = number,
            "cannot trim a segment of the journal"
        );
    }
}

/// Fails the journal if the thread panics: those who wait must not wait for ever.
struct Alarm {
    shared: Arc<Shared>,
    armed: bool,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if self.armed {
            self.shared.fail(&JournalError::failed("go on")(io::Error::other("the journal's thread panicked")));
        }
    }
}
