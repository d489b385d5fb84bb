//! The simulation: the ledger's laws and the gate's arithmetic, as they are in production, on a seeded clock, network and disk.
//!
//! Each seed is one run of some hundred steps: calls, holds and carvings, while messages are lost, doubled, delayed and
//! reordered, links are cut in one direction, processes are killed, power fails, disks are lost and clocks run apart. After
//! every step the oracle looks: conservation in every account; units that customers were told never above what the ledger has
//! charged, at each level; no false denial. At the end everything heals and each unit must be where it belongs.
//!
//! `SEED=n` runs one seed, `SEEDS=n` that many. A failure prints its seed.

mod simulation {
    pub(crate) mod rules;
    pub(crate) mod climate;
    pub(crate) mod disk;
    pub(crate) mod network;
    pub(crate) mod truth;
    pub(crate) mod oracle;
    pub(crate) mod gate;
    pub(crate) mod courier;
    pub(crate) mod recovery;
    pub(crate) mod world;
    pub(crate) mod customers;
    pub(crate) mod events;
    pub(crate) mod healing;
}

use almoner_testkit::Dice;
use simulation::climate::Climate;
use simulation::rules::{self, Rules};
use simulation::world::World;
use std::collections::BTreeMap;

/// Runs in one `make test`.
const SEEDS: u64 = 2_000;
/// Runs that a seeded bug must not survive.
const SEEDS_OF_A_BUG: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// The weather of a seed.
type Weather = fn(&mut Dice) -> Climate;

fn run<R: Rules>(seed: u64, weather: Weather) -> Result<World<R>, String> {
    let mut dice = Dice::new(seed);
    let climate = weather(&mut dice);
    World::<R>::in_climate(dice, climate).run().map_err(|what| format!("SEED={seed}: {what}"))
}

/// Runs seeds until one shows the broken rule, in the words that are expected of it.
fn expect_to_see<R: Rules>(shows: &str, weather: Weather) {
    let mut seen = String::new();
    for seed in 0..SEEDS_OF_A_BUG {
        match run::<R>(seed, weather) {
            Err(what) if what.contains(shows) => return,
            Err(what) => seen = what,
            Ok(_) => {}
        }
    }
    panic!("{SEEDS_OF_A_BUG} seeds did not show it; the last violation was {seen:?}");
}

#[test]
fn no_seed_breaks_a_promise() {
    if let Some(seed) = number("SEED") {
        let world = run::<rules::Real>(seed, Climate::of).unwrap_or_else(|what| panic!("{what}"));
        println!("SEED={seed}: {:?} {:?}", world.climate, world.truth);
        return;
    }
    let seeds = number("SEEDS").unwrap_or(SEEDS);
    // Two threads, because the machines of `make test` have at least two cores.
    let failures: Vec<String> = std::thread::scope(|scope| {
        let half =
            |odd: u64| move || (odd..seeds).step_by(2).find_map(|seed| run::<rules::Real>(seed, Climate::of).err());
        let threads = [scope.spawn(half(0)), scope.spawn(half(1))];
        threads.into_iter().filter_map(|thread| thread.join().expect("a run panicked; its seed is above")).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What a hundred seeds must have seen, or the weather is milder than it claims.
const MUST_BE_SEEN: [&str; 16] = [
    "a gate that is killed",
    "a power cut",
    "a lost disk",
    "a report of an earlier life",
    "a report out of order",
    "a recall",
    "a lease of what has ended",
    "a lease that is recovered",
    "a lease that is forfeited",
    "a lease in doubt",
    "an allocation that expires",
    "a hold that expires in the ledger",
    "a commit in the ledger",
    "a commit at its gate",
    "a month that ends",
    "a failover",
];

#[test]
fn the_weather_is_as_rough_as_it_claims() {
    let mut seen = BTreeMap::new();
    for seed in 0..100 {
        let world = run::<rules::Real>(seed, Climate::of).unwrap_or_else(|what| panic!("{what}"));
        world.seen.into_iter().for_each(|(what, times)| *seen.entry(what).or_insert(0) += times);
    }
    assert!(!seen.contains_key("a stranger that was let in"), "{seen:?}");
    let missing: Vec<_> = MUST_BE_SEEN.iter().filter(|what| !seen.contains_key(*what)).collect();
    assert!(missing.is_empty(), "{missing:?} in {seen:?}");
}

/// Runs in which nothing goes wrong, with less asked for than there is, about as much, and more.
fn calm<R: Rules>(gates: usize) -> Result<(), String> {
    for (quota, seed) in [20, 200, 300, 360, 600].into_iter().flat_map(|quota| (0..3).map(move |seed| (quota, seed))) {
        let told = |what| format!("SEED={seed} gates={gates} quota={quota}: {what}");
        let world = World::<R>::in_climate(Dice::new(seed), Climate::calm(gates, quota, 300)).run().map_err(told)?;
        let quota = i64::try_from(quota).unwrap_or(0);
        let could: i64 = world.truth.asked.values().map(|asked| *asked.min(&quota)).sum();
        if world.truth.told * 100 < could * 99 {
            return Err(told(format!("NOT SERVED: {} units of {could}", world.truth.told)));
        }
    }
    Ok(())
}

#[test]
fn without_faults_what_is_asked_for_and_there_is_served() {
    for gates in [1, 2, 3, 5, 8, 16] {
        assert_eq!(calm::<rules::Real>(gates), Ok(()));
    }
}

#[test]
fn the_simulation_catches_a_lease_that_returns_on_expiry() {
    expect_to_see::<rules::ReturnsOnExpiry>("OVER-GRANTED", Climate::of);
}

#[test]
fn the_simulation_catches_a_missing_sequence_check() {
    expect_to_see::<rules::NoSequenceCheck>("customers were told", Climate::of);
}

#[test]
fn the_simulation_catches_an_answer_before_its_record_is_on_the_disk() {
    expect_to_see::<rules::AnswersBeforeSync>("customers were told", Climate::of);
}

#[test]
fn the_simulation_catches_a_grant_that_the_standby_does_not_have() {
    expect_to_see::<rules::AnswersBeforeTheStandby>("OVER-GRANTED", Climate::of);
}

#[test]
fn the_simulation_catches_one_unit_too_many() {
    expect_to_see::<rules::ServesOneTooMany>("customers were told", Climate::of);
}

#[test]
fn the_simulation_catches_a_last_unit_that_is_never_served() {
    let seen = calm::<rules::KeepsTheLastUnit>(1);
    assert!(matches!(&seen, Err(what) if what.contains("NOT SERVED")), "{seen:?}");
}

#[test]
fn the_simulation_catches_a_forgotten_tenant() {
    expect_to_see::<rules::ForgetsTheTenant>("STRANGER", Climate::of);
}

#[test]
fn the_simulation_catches_a_hold_that_comes_free_before_its_record_is_on_the_disk() {
    expect_to_see::<rules::LoosensInMemory>("customers were told", Climate::of_held_marks);
}

#[test]
fn the_simulation_catches_a_mark_that_covers_the_next_lease() {
    expect_to_see::<rules::MixesMarks>("customers were told", Climate::of_held_marks);
}

#[test]
fn the_simulation_catches_a_mark_that_outlives_what_was_given_back() {
    expect_to_see::<rules::ClaimsOldMarks>("could not be settled", Climate::of);
}
