//! Handles that a thread has met, kept beside it: what nearly every call finds without a line of memory that others write.
//!
//! The cache of handles is shared by all threads and keeps account of each look-up, which costs more than all that a decision
//! does with what it finds. A thread's own slots cost a few loads. A slot is good as long as the epoch of its handle is the
//! same, so that what is forgotten is forgotten on all threads at once; and it does not keep its handle, so that what the cache
//! lets go is gone.

use crate::handle::Handle;
use almoner_domain::id::{AllocationId, Id};
use almoner_domain::tenant::Realm;
use std::cell::RefCell;
use std::sync::{Arc, Weak};

/// Slots of each thread; an allocation has one place.
const SLOTS: usize = 1 << 14;
/// One look-up in so many goes to the shared cache all the same, so that the cache knows what is in use.
const TELL_EVERY: u8 = 64;

thread_local! {
    static NEAR: RefCell<Vec<Slot>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Default)]
struct Slot {
    /// Whose handle it is: a process may have several gates.
    owner: u64,
    epoch: u64,
    found: u8,
    handle: Weak<Handle>,
}

fn place(id: AllocationId) -> usize {
    // The end of a UUIDv7 is chance.
    let [.., a, b] = *id.uuid().as_bytes();
    usize::from(u16::from_be_bytes([a, b])) % SLOTS
}

/// The handle that this thread met in this epoch.
pub(crate) fn find(owner: u64, epoch: u64, realm: Realm, id: AllocationId) -> Option<Arc<Handle>> {
    NEAR.with_borrow_mut(|slots| {
        let slot = slots.get_mut(place(id))?;
        if slot.owner != owner || slot.epoch != epoch {
            return None;
        }
        slot.found = (slot.found + 1) % TELL_EVERY;
        if slot.found == 0 {
            return None;
        }
        slot.handle.upgrade().filter(|handle| handle.standing.allocation == Some(id) && handle.realm == realm)
    })
}

/// Keeps a handle that was in the cache in this epoch.
pub(crate) fn keep(owner: u64, epoch: u64, id: AllocationId, handle: &Arc<Handle>) {
    NEAR.with_borrow_mut(|slots| {
        if slots.is_empty() {
            slots.resize(SLOTS, Slot::default());
        }
        if let Some(slot) = slots.get_mut(place(id)) {
            *slot = Slot { owner, epoch, found: 0, handle: Arc::downgrade(handle) };
        }
    });
}
