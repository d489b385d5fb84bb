//! Masks: so that no sector that was written reads as zeros.
//!
//! A sector of zeros means "was not written" to recovery. Records are the caller's bytes and may well hold 512 zeros; a batch
//! with such a sector is written XORed with a word that leaves every sector far from zero. Nearly every batch needs none.

use super::segment::SECTOR;

/// A sector with fewer bits set is too near to zeros: few flips could make it zeros, and then a loss look like a torn write.
const BITS_MIN: u32 = 16;
/// Any odd constant with many bits. Its multiples are far apart, so each sector can rule out one mask at most and the search ends.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The mask under which none of these sectors is near to zeros; 0, which changes nothing, if it can be.
pub(super) fn choose(sectors: &[u8]) -> u64 {
    let mut mask = 0_u64;
    while sectors.chunks_exact(SECTOR).any(|sector| is_thin(sector, mask)) {
        mask = mask.wrapping_add(STEP);
    }
    mask
}

/// Puts a mask on, or takes it off. `bytes` begin at a multiple of eight in the segment.
pub(super) fn apply(bytes: &mut [u8], mask: u64) {
    let mask = mask.to_le_bytes();
    for word in bytes.chunks_mut(8) {
        word.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}

fn is_thin(sector: &[u8], mask: u64) -> bool {
    let mut bits = 0;
    for word in sector.chunks_exact(8) {
        let word = u64::from_le_bytes([word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]]);
        bits += (word ^ mask).count_ones();
        if bits >= BITS_MIN {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_sectors_need_no_mask() {
        assert_eq!(choose(&[b'x'; 3 * SECTOR]), 0);
        assert_eq!(choose(&[]), 0);
    }

    #[test]
    fn a_sector_made_to_meet_each_mask_is_passed() {
        // Sector i is what mask i would turn into zeros.
        let mut sectors = vec![0; 40 * SECTOR];
        for (step, sector) in (0_u64..).zip(sectors.chunks_mut(SECTOR)) {
            apply(sector, STEP.wrapping_mul(step));
        }
        let mask = choose(&sectors);
        assert_eq!(mask, STEP.wrapping_mul(40));
        apply(&mut sectors, mask);
        assert!(sectors.chunks(SECTOR).all(|sector| !is_thin(sector, 0)));
    }
}
