//! The folder of a journal as the journal needs it: a port, so that a test can drop what was not synced.

use std::io;

/// A folder of files. What is promised to be durable is so once the call that promises it has returned.
pub trait Disk: Send + Sync + 'static {
    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a file that does not exist yet, with so many bytes allocated that read as zeros. Its name is durable on return,
    /// its size after the first sync of the file.
    fn create(&self, name: &str, preallocate_bytes: u64) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that exists, to write to it.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// All bytes of a file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Shortens a file to so many bytes. Durable at no stated time.
    fn truncate(&self, name: &str, bytes: u64) -> io::Result<()>;

    /// Removes a file. Durable after [`Disk::sync_dir`].
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names of files durable: those made, and those removed.
    fn sync_dir(&self) -> io::Result<()>;
}

/// A file that is open for writing.
pub trait DiskFile: Send {
    /// Writes bytes at an offset and says how many it wrote: fewer than asked is no error.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Makes all bytes written durable, and the size. After an error it is unknown which are, and asking again proves nothing.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// Writes all the bytes.
pub(super) fn write_all(file: &mut dyn DiskFile, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(offset, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
