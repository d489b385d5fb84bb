//! A folder of the operating system, held by one process at a time.

use super::disk::{Disk, DiskFile};
use super::error::JournalError;
use rustix::fs::{FallocateFlags, FlockOperation};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file whose lock says that the folder is taken. It is never removed: a lock on a removed file would lock nothing.
const LOCK: &str = "lock";
/// Only the gate's own user reads its journal.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// A folder on a real disk, locked for as long as this lives.
#[derive(Debug)]
pub struct FolderDisk {
    path: PathBuf,
    _lock: File,
}

impl FolderDisk {
    /// Takes the folder, making it first if it is missing. [`JournalError::Locked`] if another process has it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        let shown = path.display().to_string();
        make_folder(&path).map_err(JournalError::io("make the folder", shown.clone()))?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path.join(LOCK))
            .map_err(JournalError::io("open the lock of", shown.clone()))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(JournalError::Locked { folder: path }),
            Err(error) => Err(JournalError::io("lock", shown)(error.into())),
        }
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
    // The folder's own name must outlast a power cut, too.
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

impl Disk for FolderDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        // A name that is not UTF-8 is not one of ours, whatever it is shown as.
        let name = |entry: io::Result<std::fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        std::fs::read_dir(&self.path)?.map(name).collect()
    }

    fn create(&self, name: &str, preallocate_bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(self.path.join(name))?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, preallocate_bytes) {
            Ok(()) => {}
            // A filesystem that cannot allocate ahead: a full disk then shows later, when a batch is written.
            Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(preallocate_bytes)?,
            Err(error) => return Err(error.into()),
        }
        self.sync_dir()?;
        Ok(Box::new(OpenFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenFile(OpenOptions::new().write(true).open(self.path.join(name))?)))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.path.join(name))
    }

    fn truncate(&self, name: &str, bytes: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.path.join(name))?.set_len(bytes)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

struct OpenFile(File);

impl DiskFile for OpenFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
