//! A disk in memory that forgets what was not synced. For tests of whatever writes to a [`Disk`].
//!
//! It keeps apart what was written and what was synced. A power cut leaves the synced bytes and any part of the others, by
//! sectors of 512 bytes; names that were not synced may be there or not. A failed sync behaves as Linux does: what it should
//! have written counts as clean, so the next sync succeeds without it.
//!
//! It will never know who writes to it, and it is slow at nothing: what takes long on a real disk must be tested there.

use super::disk::{Disk, DiskFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SECTOR: usize = 512;

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct LossyDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    contents: Vec<Content>,
    /// Files by name: an index into `contents`.
    names: BTreeMap<String, usize>,
    /// Names as of the last sync of the folder.
    synced_names: BTreeMap<String, usize>,
    fail_next_sync: bool,
    lie_about_sync: bool,
    short_writes: bool,
    space: Option<usize>,
    /// Operations until the power is lost.
    operations_left: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct Content {
    written: Vec<u8>,
    synced: Vec<u8>,
    /// Sectors written since the last sync.
    dirty: BTreeSet<usize>,
}

impl LossyDisk {
    /// Loses power after so many more operations that change the disk: all later ones fail. Then see [`LossyDisk::power_cut`].
    pub fn lose_power_after(&self, operations: u64) {
        self.lock().operations_left = Some(operations);
    }

    /// The disk as it may be found after a power cut at this moment. `seed` chooses which unsynced sectors and names are there.
    pub fn power_cut(&self, seed: u64) -> Self {
        let state = self.lock();
        let mut dice = Dice(seed);
        let mut after = State::default();
        let all = state.names.iter().chain(&state.synced_names).collect::<BTreeMap<_, _>>();
        for (name, file) in all {
            let stays = state.names.get(name) == state.synced_names.get(name) || dice.below(2) == 0;
            if stays {
                after.synced_names.insert(name.clone(), after.contents.len());
                after.contents.push(state.contents[*file].after_power_cut(&mut dice));
            }
        }
        after.names = after.synced_names.clone();
        Self { state: Arc::new(Mutex::new(after)) }
    }

    /// The next sync of a file fails with `EIO`, and what it should have written is lost.
    pub fn fail_next_sync(&self) {
        self.lock().fail_next_sync = true;
    }

    /// Whether syncs are reported done without being done: the fault that a test of durability must be able to notice.
    pub fn lie_about_sync(&self, lie: bool) {
        self.lock().lie_about_sync = lie;
    }

    /// Whether each write stops half way.
    pub fn short_writes(&self, short: bool) {
        self.lock().short_writes = short;
    }

    /// How many more bytes can be written and allocated before `ENOSPC`. None: any number.
    pub fn limit_space(&self, bytes: Option<usize>) {
        self.lock().space = bytes;
    }

    /// Changes the bytes of a file, written and synced: for damage.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut state = self.lock();
        let file = state.file(name)?;
        let content = &mut state.contents[file];
        change(&mut content.written);
        content.synced = content.written.clone();
        Ok(())
    }

    /// The state, for an operation that changes it.
    fn powered(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        match &mut state.operations_left {
            Some(0) => return Err(eio()),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(state)
    }

    /// Each step leaves the state whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn file(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Takes as much of the space as there is, and fails if there is none.
    fn take_space(&mut self, bytes: usize) -> io::Result<usize> {
        let Some(space) = &mut self.space else { return Ok(bytes) };
        let taken = bytes.min(*space);
        *space -= taken;
        if taken == 0 && bytes > 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }
}

impl Content {
    fn sync(&mut self) {
        self.synced.resize(self.written.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            self.keep(sector);
        }
    }

    /// A sector reaches the disk.
    fn keep(&mut self, sector: usize) {
        let end = self.written.len().min((sector + 1) * SECTOR);
        let bytes = sector * SECTOR..end;
        if let Some(source) = self.written.get(bytes.clone()) {
            self.synced.resize(self.synced.len().max(end), 0);
            self.synced[bytes].copy_from_slice(source);
        }
    }

    fn after_power_cut(&self, dice: &mut Dice) -> Self {
        let mut after = self.clone();
        if dice.below(2) == 0 {
            after.synced.resize(self.written.len(), 0);
        }
        // None of the unsynced sectors, all, the first so many, or any.
        let kind = dice.below(4);
        let first = dice.below(self.dirty.len() as u64 + 1);
        for (count, sector) in (0..).zip(&self.dirty) {
            let reached = match kind {
                0 => false,
                1 => true,
                2 => count < first,
                _ => dice.below(2) == 0,
            };
            if reached {
                after.keep(*sector);
            }
        }
        Self { written: after.synced.clone(), synced: after.synced, dirty: BTreeSet::new() }
    }
}

impl Disk for LossyDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str, preallocate_bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.powered()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let bytes = usize::try_from(preallocate_bytes).map_err(io::Error::other)?;
        let file = state.contents.len();
        state.contents.push(Content::default());
        state.names.insert(name.to_owned(), file);
        if state.take_space(bytes)? < bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.contents[file].written = vec![0; bytes];
        drop(state);
        self.sync_dir()?;
        Ok(Box::new(LossyFile { disk: self.clone(), file }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = self.lock().file(name)?;
        Ok(Box::new(LossyFile { disk: self.clone(), file }))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.lock();
        Ok(state.contents[state.file(name)?].written.clone())
    }

    fn truncate(&self, name: &str, bytes: u64) -> io::Result<()> {
        let mut state = self.powered()?;
        let file = state.file(name)?;
        let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
        state.contents[file].written.truncate(bytes);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.powered()?.names.remove(name).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.powered()?;
        state.synced_names = state.names.clone();
        Ok(())
    }
}

struct LossyFile {
    disk: LossyDisk,
    file: usize,
}

impl DiskFile for LossyFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.powered()?;
        let asked = if state.short_writes { bytes.len().div_ceil(2) } else { bytes.len() };
        let taken = state.take_space(asked)?;
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let content = &mut state.contents[self.file];
        content.written.resize(content.written.len().max(from + taken), 0);
        content.written[from..from + taken].copy_from_slice(&bytes[..taken]);
        content.dirty.extend(from / SECTOR..(from + taken).div_ceil(SECTOR));
        Ok(taken)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut state = self.disk.powered()?;
        let (fails, lies) = (std::mem::take(&mut state.fail_next_sync), state.lie_about_sync);
        let content = &mut state.contents[self.file];
        if fails {
            content.dirty.clear();
            return Err(eio());
        }
        if !lies {
            content.sync();
        }
        Ok(())
    }
}

fn eio() -> io::Error {
    rustix::io::Errno::IO.into()
}

/// Numbers that follow from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}
