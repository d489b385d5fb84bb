//! How rough a run is: how often what goes wrong, drawn from its seed.

use almoner_testkit::Dice;

/// Chances are in a thousand: of each message for the network, of each step for the rest.
#[derive(Debug, Clone)]
pub(crate) struct Climate {
    /// Gates.
    pub(crate) gates: usize,
    /// Steps before everything heals.
    pub(crate) steps: u32,
    /// A message is lost.
    pub(crate) drop: u64,
    /// A message arrives twice.
    pub(crate) double: u64,
    /// A message takes very long.
    pub(crate) slow: u64,
    /// The longest a prompt message takes.
    pub(crate) delay_max_ms: u64,
    /// A gate is cut off in one direction or both, or found again.
    pub(crate) cut: u64,
    /// A gate is killed.
    pub(crate) kill: u64,
    /// Of kills: the power fails, and what was not synced is gone.
    pub(crate) power: u64,
    /// Of kills: the disk is gone.
    pub(crate) disk: u64,
    /// The ledger fails over to its standby: what is on its way is lost.
    pub(crate) failover: u64,
    /// Nothing happens for minutes.
    pub(crate) lull: u64,
    /// People carve and end allocations.
    pub(crate) people: u64,
    /// Allocations at the start.
    pub(crate) allocations: u64,
    /// Of calls: the cost is not known beforehand.
    pub(crate) holds: u64,
    /// Gates that run in `fast` mode, in a thousand.
    pub(crate) fast: u64,
    /// Gates' clocks may run so many percent apart.
    pub(crate) clock_percent: u64,
    /// Units of the customers' quotas.
    pub(crate) quota: u64,
    /// Does the month end during the run?
    pub(crate) month_ends: bool,
}

impl Climate {
    /// The weather of a seed: some runs are rough in everything, some in few things.
    pub(crate) fn of(dice: &mut Dice) -> Self {
        let mut some = |max: u64| if dice.chance(600) { dice.between(0, max) } else { 0 };
        let (drop, double, slow) = (some(150), some(200), some(60));
        let (cut, kill, failover, lull) = (some(15), some(12), some(4), some(20));
        let (power, disk, people) = (some(1_000), some(120), some(40));
        Self {
            gates: usize::try_from(dice.between(1, 5)).unwrap_or(1),
            steps: 700,
            drop,
            double,
            slow,
            delay_max_ms: dice.between(1, 4_000),
            cut,
            kill,
            power,
            disk,
            failover,
            lull,
            people,
            allocations: dice.between(0, 5),
            holds: if dice.chance(700) { dice.between(0, 300) } else { 0 },
            fast: [0, 500, 1_000][usize::try_from(dice.below(3)).unwrap_or(0)],
            clock_percent: 10,
            quota: dice.between(40, 800),
            month_ends: dice.chance(300),
        }
    }

    /// Gates in `fast` mode that hold much and lose their power often: what a mark and a hold mean together.
    pub(crate) fn of_held_marks(dice: &mut Dice) -> Self {
        let mild = Self::of(dice);
        Self { fast: 1_000, holds: 500, kill: 15, power: 1_000, disk: 0, ..mild }
    }

    /// Nothing goes wrong: what is asked for and is there must be served.
    pub(crate) fn calm(gates: usize, quota: u64, steps: u32) -> Self {
        Self {
            gates,
            steps,
            drop: 0,
            double: 0,
            slow: 0,
            delay_max_ms: 20,
            cut: 0,
            kill: 0,
            power: 0,
            disk: 0,
            failover: 0,
            lull: 0,
            people: 0,
            allocations: 0,
            holds: 0,
            fast: 0,
            clock_percent: 0,
            quota,
            month_ends: false,
        }
    }
}
