//! What can go wrong with a journal, told apart by what the caller must do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// Why the journal did not do what it was asked.
#[derive(Debug, Clone, Error)]
pub enum JournalError {
    /// A bound is reached; nothing was written. Deny and try again later: room comes back.
    #[error("the journal is full: {0}")]
    Full(Bound),
    /// A write or a sync failed, now or earlier. What was not acknowledged may or may not be on the disk, and nothing more is
    /// written until the journal is opened again.
    #[error("the journal has failed: cannot {operation}")]
    Failed {
        /// What was being done.
        operation: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The journal was closed. Nothing was written.
    #[error("the journal is closed")]
    Closed,
    /// A record is empty, or more than the journal takes. Nothing was written.
    #[error("a record of {bytes} bytes: the journal takes 1 to {bytes_max}")]
    Size {
        /// Bytes of the record, or of all records that were to stand together.
        bytes: usize,
        /// The most it may be, in bytes.
        bytes_max: usize,
    },
    /// A segment is not what was written and synced. An operator must look: records may be lost.
    #[error("the journal is damaged: segment {segment:#x}, byte {offset}: {reason}")]
    Damaged {
        /// Which segment.
        segment: u64,
        /// Bytes from the start of the segment.
        offset: u64,
        /// What was found there.
        reason: &'static str,
    },
    /// A segment was written by another version, in a layout that this one does not know.
    #[error("segment {segment:#x} of the journal has format {found}; this version reads format {known} only")]
    Version {
        /// Which segment.
        segment: u64,
        /// The format that it states.
        found: u32,
        /// The format of this version.
        known: u32,
    },
    /// Another process has the folder.
    #[error("another process has the journal in {}", folder.display())]
    Locked {
        /// Which folder.
        folder: PathBuf,
    },
    /// A file is named nearly like a segment. It may be one that was renamed, so it is not passed over.
    #[error("the file {name:?} looks like a segment of the journal, but its name is not one")]
    Stray {
        /// The file's name.
        name: String,
    },
    /// The options contradict each other.
    #[error("the journal's options: {reason}")]
    Options {
        /// Which rule they break.
        reason: &'static str,
    },
    /// The folder could not be read, or not be prepared.
    #[error("cannot {operation} {name}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// To which file or folder.
        name: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

impl JournalError {
    /// Turns what the system said into an error that names the operation.
    pub(super) fn io(operation: &'static str, name: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, name: name.into(), source: Arc::new(source) }
    }

    /// The same for a write or a sync, which poison the journal.
    pub(super) fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Failed { operation, source: Arc::new(source) }
    }
}

/// Which bound is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Too many bytes wait for the disk. Room comes back with the next sync.
    Buffer,
    /// The segments take all the disk that they may. Room comes back when old ones are retired.
    Journal,
}

impl fmt::Display for Bound {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Buffer => "too many bytes wait for the disk",
            Self::Journal => "its segments take all the disk they may",
        })
    }
}
