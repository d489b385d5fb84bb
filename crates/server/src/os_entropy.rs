//! The machine's chance: the one place of the program that draws it.

use almoner_domain::entropy::Entropy;
use rand::RngCore;

/// A cryptographic generator of the thread, seeded by the operating system and again after each 64 KiB. Every decision
/// draws an id, and a system call for each would cost more than the decision.
#[derive(Debug, Clone, Copy)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(clippy::disallowed_methods, reason = "the adapter of the `Entropy` port: everybody else asks it")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let (mut a, mut b) = ([0u8; 16], [0u8; 16]);
        OsEntropy.fill(&mut a);
        OsEntropy.fill(&mut b);
        assert_ne!(a, b);
    }
}
