//! Chance for load: from a seed that is printed, so that a failed run can be told from another one.

use almoner_domain::entropy::Entropy;
use almoner_server::OsEntropy;
use almoner_testkit::Dice;
use std::ops::RangeInclusive;

/// A seed: from the variable `ALMONER_SEED` where there is one, else a new one. A suite prints it. Load of a real server is
/// not replayed by it to the letter, because the machine has a say; the choices of each client are.
///
/// # Panics
/// Panics when the variable is not a number.
pub fn seed() -> u64 {
    if let Ok(text) = std::env::var("ALMONER_SEED") {
        return text.parse().expect("ALMONER_SEED is a number");
    }
    let mut bytes = [0; 8];
    OsEntropy.fill(&mut bytes);
    // Short enough to be typed.
    u64::from_le_bytes(bytes) >> 40
}

/// An amount within bounds, both of which may come.
///
/// # Panics
/// Panics when the bounds are below zero or in the wrong order.
pub fn amount(dice: &mut Dice, within: &RangeInclusive<i64>) -> i64 {
    let bound = |at: &i64| u64::try_from(*at).expect("amounts are not below zero");
    i64::try_from(dice.between(bound(within.start()), bound(within.end()))).expect("an amount within its bounds")
}

/// True so many times in a hundred.
pub fn percent(dice: &mut Dice, times: u64) -> bool {
    dice.chance(times * 10)
}
