//! A decision without HTTP, on one thread and on two, spread over 10,000 allocations and all on one.
//!
//! - `held`: units taken from a tally under the lock of its purse, by whoever has the handle already;
//! - `look-up`: what every allowed call pays before its record: the handle out of the cache, window, scope, entitlement,
//!   the lock, and the units set aside;
//! - `decide`: all of it, key, decision and record included, in `fast` durability, so that no disk is waited for. The gate is
//!   real, with its journal and its courier, which take their share of the processors meanwhile; its ledger lends and forgets.
//!
//! A figure is nanoseconds for one operation *on each thread*: two threads that scale perfectly show the same as one.

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use almoner_benches::fixture::ALLOCATIONS;
use almoner_benches::lender::{id, plenty};
use almoner_benches::rig::Rig;
use almoner_domain::lease::{LeaseReply, Wish};
use almoner_domain::time::{Clock, Uptime};
use almoner_domain::units::Units;
use almoner_gate::lease::Tally;
use almoner_server::SystemClock;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

criterion_group! {
    name = decision;
    config = Criterion::default().without_plots().sample_size(30).measurement_time(Duration::from_secs(3));
    targets = held, in_gate
}
criterion_main!(decision);

const SPREADS: [(&str, usize); 2] = [("uniform", ALLOCATIONS), ("hot", 1)];
const THREADS: [usize; 2] = [1, 2];

/// One operation: no two of a run are the same.
struct Turn {
    sample: u64,
    thread: usize,
    number: u64,
    /// On which allocation.
    which: usize,
}

/// Measures an operation for both spreads, on one thread and on two.
fn measure(c: &mut Criterion, name: &str, operation: impl Fn(Turn) + Sync) {
    let mut group = c.benchmark_group(name);
    for (spread, among) in SPREADS {
        for threads in THREADS {
            group.bench_function(BenchmarkId::new(spread, threads), |bencher| {
                bencher.iter_custom(|turns| on_threads(threads, turns, among, &operation));
            });
        }
    }
    group.finish();
}

/// Lets each thread do all turns, and says how long one took for its own.
fn on_threads(threads: usize, turns: u64, among: usize, operation: &(impl Fn(Turn) + Sync)) -> Duration {
    static SAMPLES: AtomicU64 = AtomicU64::new(0);
    let sample = SAMPLES.fetch_add(1, Ordering::Relaxed);
    let begin = Barrier::new(threads);
    let one = |thread: usize| {
        let mut chance = 0x9E37_79B9_7F4A_7C15_u64 ^ ((thread as u64 + 1) << 32);
        begin.wait();
        let begun = Instant::now();
        for number in 0..turns {
            // Xorshift: a nanosecond or two, and no pattern that a processor could learn.
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            operation(Turn { sample, thread, number, which: chance as usize % among });
        }
        begun.elapsed()
    };
    let total: Duration = std::thread::scope(|scope| {
        let one = &one;
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || one(thread))).collect();
        running.into_iter().map(|thread| thread.join().expect("a thread that counts does not panic")).sum()
    });
    total / u32::try_from(threads).unwrap_or(1)
}

/// A purse as the gate has it, for whoever holds its handle.
struct Purse {
    state: Mutex<PurseState>,
}

struct PurseState {
    tally: Option<Tally>,
    closed: bool,
    given_since_raise: Units,
}

impl Purse {
    fn new(number: usize, now: Uptime) -> Arc<Self> {
        let mut tally = Tally::opened(id(number), id(number));
        tally.report(Wish::Raise { need: plenty(), want: plenty() }, now);
        let none = Units::ZERO;
        tally.applied(LeaseReply::Applied { n: plenty(), free: none, elsewhere: none, recalled: false, closed: false });
        let state = PurseState { tally: Some(tally), closed: false, given_since_raise: Units::ZERO };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// What `debit` does under the lock, apart from the record.
    fn take(&self, amount: Units, now: Uptime) -> bool {
        let Ok(mut state) = self.state.lock() else { return false };
        if state.closed {
            return false;
        }
        let taken = state.tally.as_mut().is_some_and(|tally| tally.live(now) && tally.take(amount));
        if taken {
            state.given_since_raise = state.given_since_raise.saturating_add(amount);
        }
        taken
    }
}

fn held(c: &mut Criterion) {
    let now = SystemClock.uptime();
    let purses: Vec<_> = (0..ALLOCATIONS).map(|number| Purse::new(number, now)).collect();
    let one = Units::new(1).expect("not below zero");
    measure(c, "held", |turn| {
        assert!(purses[turn.which].take(black_box(one), now), "there is plenty");
    });
}

fn in_gate(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let rig = Rig::open(folder.path()).expect("a gate");
    measure(c, "look-up", |turn| {
        assert!(rig.rehearse(turn.which), "there is plenty");
    });
    measure(c, "decide", |turn| {
        let key = format!("{}-{}-{}", turn.sample, turn.thread, turn.number);
        rig.decide(turn.which, &key).expect("a decision");
    });
}
