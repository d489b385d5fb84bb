//! Chance as an argument, so that a simulation replays from its seed.

/// A source of unpredictable bytes. The server's is the operating system's; a test's is seeded.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`. Never fails: a system without randomness must not start.
    fn fill(&self, bytes: &mut [u8]);
}
