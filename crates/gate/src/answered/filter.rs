//! A filter without false negatives over the idempotency keys within retention.
//!
//! Keys go into generations by the time they were first used; a generation is dropped when its last key is older than
//! retention. A generation is a chain of Bloom filters, each twice as large as the one before, so that a small gate costs
//! little and a large one stays below a dozen probes a key.

use almoner_domain::ledger::RETENTION;
use almoner_domain::time::Timestamp;
use fastbloom::AtomicBloomFilter;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

/// Keys of the first filter of a generation.
const FIRST_CAPACITY: u64 = 65_536;
/// One new key in so many is taken for an old one and costs a look-up in the store.
const FALSE_POSITIVES: f64 = 1e-4;
/// Generations within retention: keys are kept up to a tenth longer than promised.
const GENERATIONS: i64 = 10;

struct Block {
    bloom: AtomicBloomFilter,
    capacity: u64,
    count: AtomicU64,
}

struct Generation {
    /// Which tenth of retention, counted from the epoch.
    number: i64,
    blocks: Vec<Block>,
}

pub(super) struct Filter {
    generations: RwLock<VecDeque<Generation>>,
    keys: AtomicU64,
    keys_max: u64,
}

impl Block {
    fn new(capacity: u64) -> Self {
        let items = usize::try_from(capacity).unwrap_or(usize::MAX);
        let bloom = AtomicBloomFilter::with_false_pos(FALSE_POSITIVES).expected_items(items);
        Self { bloom, capacity, count: AtomicU64::new(0) }
    }

    /// Takes the key unless the block is full.
    fn insert(&self, key: &[u8; 16]) -> bool {
        let room = self.count.fetch_add(1, Ordering::Relaxed) < self.capacity;
        if room {
            self.bloom.insert(key);
        }
        room
    }
}

fn number(at: Timestamp) -> i64 {
    let span = i64::try_from(RETENTION.as_micros()).unwrap_or(i64::MAX) / GENERATIONS;
    at.as_micros().div_euclid(span)
}

impl Filter {
    pub(super) fn new(keys_max: u64) -> Self {
        Self { generations: RwLock::new(VecDeque::new()), keys: AtomicU64::new(0), keys_max }
    }

    /// Must it refuse new keys?
    pub(super) fn is_full(&self) -> bool {
        self.keys.load(Ordering::Relaxed) >= self.keys_max
    }

    /// False: the key has not been used. True: perhaps it has.
    pub(super) fn perhaps(&self, key: [u8; 16]) -> bool {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        generations.iter().flat_map(|g| &g.blocks).any(|block| block.bloom.contains(&key))
    }

    /// Remembers a key that was used at an instant.
    pub(super) fn insert(&self, key: [u8; 16], at: Timestamp) {
        let number = number(at);
        self.keys.fetch_add(1, Ordering::Relaxed);
        {
            let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
            let block = generations.iter().find(|g| g.number == number).and_then(|g| g.blocks.last());
            if block.is_some_and(|block| block.insert(&key)) {
                return;
            }
        }
        self.grow(number, &key);
    }

    fn grow(&self, number: i64, key: &[u8; 16]) {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if !generations.iter().any(|g| g.number == number) {
            generations.push_back(Generation { number, blocks: vec![Block::new(FIRST_CAPACITY)] });
            self.retire(&mut generations, number);
        }
        let Some(generation) = generations.iter_mut().find(|g| g.number == number) else { return };
        while !generation.blocks.last().is_some_and(|block| block.insert(key)) {
            let capacity = generation.blocks.last().map_or(FIRST_CAPACITY, |block| block.capacity * 2);
            generation.blocks.push(Block::new(capacity));
        }
    }

    /// Drops generations whose last key is older than retention by now.
    fn retire(&self, generations: &mut VecDeque<Generation>, newest: i64) {
        generations.retain(|generation| {
            let keep = generation.number >= newest - GENERATIONS - 1;
            if !keep {
                let count: u64 =
                    generation.blocks.iter().map(|b| b.count.load(Ordering::Relaxed).min(b.capacity)).sum();
                self.keys.fetch_sub(count.min(self.keys.load(Ordering::Relaxed)), Ordering::Relaxed);
            }
            keep
        });
    }

    /// Keys remembered, and bytes they take.
    pub(super) fn size(&self) -> (u64, u64) {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let bits: usize = generations.iter().flat_map(|g| &g.blocks).map(|block| block.bloom.num_bits()).sum();
        (self.keys.load(Ordering::Relaxed), bits as u64 / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(i: u64) -> [u8; 16] {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&i.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
        key[8..].copy_from_slice(&i.to_le_bytes());
        key
    }

    #[test]
    fn no_key_within_retention_is_ever_forgotten_and_few_new_ones_are_doubted() {
        let filter = Filter::new(u64::MAX);
        let day = 24 * 3_600 * 1_000_000;
        for i in 0..200_000 {
            filter.insert(key(i), Timestamp::from_micros((i as i64 % 30) * day));
        }
        assert!((0..200_000).all(|i| filter.perhaps(key(i))));
        let doubted = (200_000..400_000).filter(|i| filter.perhaps(key(*i))).count();
        assert!(doubted < 200, "{doubted} of 200,000 new keys were taken for old ones");
    }

    #[test]
    fn keys_older_than_retention_make_room() {
        let filter = Filter::new(2);
        filter.insert(key(1), Timestamp::from_micros(0));
        filter.insert(key(2), Timestamp::from_micros(0));
        assert!(filter.is_full());
        filter.insert(key(3), Timestamp::from_micros(i64::try_from(RETENTION.as_micros()).unwrap() * 2));
        assert!(!filter.is_full());
        assert!(!filter.perhaps(key(1)));
    }
}
