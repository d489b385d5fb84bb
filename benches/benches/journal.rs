//! Group commit: what the journal makes durable for many appenders that each wait for their own record, beside a bare loop of
//! write and fdatasync on the same disk, in turns.
//!
//! Records are decisions as the gate writes them. `REPS` (3) and `SECONDS` (2, for each measurement) may be set.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use almoner_domain::decision::{Decision, KeyMark, Operation, Use, UseKind, Verdict};
use almoner_domain::id::Id;
use almoner_domain::principal::Principals;
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use almoner_gate::journal::{FolderDisk, Journal, JournalOptions};
use almoner_gate::record::{Part, Record};
use anyhow::Context;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Records that the bare loop syncs at once, and that one appender appends at once.
const BATCH: usize = 64;
/// Bytes of the bare loop's file, written before: a block that is written for the first time costs more.
const FILE_BYTES: usize = 256 << 20;

/// What is measured, in turns.
const MEASUREMENTS: [(&str, Kind); 6] = [
    ("write + fdatasync, 64 records at a time", Kind::Bare),
    ("journal, 1 appender", Kind::Appenders(1, 1)),
    ("journal, 16 appenders", Kind::Appenders(16, 1)),
    ("journal, 64 appenders", Kind::Appenders(64, 1)),
    ("journal, 256 appenders", Kind::Appenders(256, 1)),
    ("journal, 1 appender, 64 records at a time", Kind::Appenders(1, BATCH)),
];

#[derive(Clone, Copy)]
enum Kind {
    Bare,
    /// So many, each with so many records at a time.
    Appenders(usize, usize),
}

/// What came of one measurement.
struct Outcome {
    records_per_s: f64,
    syncs_per_s: f64,
    /// How long each wait for durability took.
    waits: Vec<Duration>,
}

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` asks whether it runs, not how fast.
    let quick = std::env::args().any(|argument| argument == "--test");
    let set = |name: &str, default: u64| std::env::var(name).map_or(Ok(default), |text| text.parse::<u64>());
    let reps = if quick { 1 } else { set("REPS", 3).context("REPS")? };
    let time =
        if quick { Duration::from_millis(20) } else { Duration::from_secs(set("SECONDS", 2).context("SECONDS")?) };
    let record = record()?;
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut outcomes: Vec<Vec<Outcome>> = MEASUREMENTS.iter().map(|_| Vec::new()).collect();
    for rep in 0..reps {
        for (number, (_, kind)) in MEASUREMENTS.iter().enumerate() {
            let place = folder.path().join(format!("{rep}-{number}"));
            outcomes[number].push(match *kind {
                Kind::Bare => bare(&place, &record, time)?,
                Kind::Appenders(count, at_once) => {
                    runtime.block_on(appenders(&place, &record, count, at_once, time))?
                }
            });
        }
    }
    print(record.len(), &mut outcomes);
    Ok(())
}

/// The loop that a journal cannot beat: the same bytes at a time, nobody to wake.
fn bare(place: &Path, record: &[u8], time: Duration) -> anyhow::Result<Outcome> {
    let mut file = File::options().create_new(true).write(true).open(place)?;
    file.write_all(&vec![0; FILE_BYTES])?;
    file.sync_all()?;
    let bytes = record.repeat(BATCH);
    let (begun, mut offset, mut waits) = (Instant::now(), 0, Vec::new());
    while begun.elapsed() < time {
        if offset + bytes.len() > FILE_BYTES {
            offset = 0;
        }
        let sent = Instant::now();
        file.write_all_at(&bytes, offset as u64)?;
        rustix::fs::fdatasync(&file)?;
        waits.push(sent.elapsed());
        offset += bytes.len();
    }
    let syncs_per_s = waits.len() as f64 / begun.elapsed().as_secs_f64();
    std::fs::remove_file(place)?;
    Ok(Outcome { records_per_s: syncs_per_s * BATCH as f64, syncs_per_s, waits })
}

async fn appenders(
    place: &Path,
    record: &[u8],
    count: usize,
    at_once: usize,
    time: Duration,
) -> anyhow::Result<Outcome> {
    let (journal, _) = Journal::open(Arc::new(FolderDisk::open(place)?), JournalOptions::default())?;
    let (journal, record): (_, Arc<[u8]>) = (Arc::new(journal), record.into());
    let before = journal.stats();
    let begun = Instant::now();
    let tasks: Vec<_> =
        (0..count).map(|_| tokio::spawn(appender(journal.clone(), record.clone(), at_once, begun + time))).collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    let (after, took) = (journal.stats(), begun.elapsed().as_secs_f64());
    journal.close()?;
    std::fs::remove_dir_all(place)?;
    Ok(Outcome {
        records_per_s: (after.records - before.records) as f64 / took,
        syncs_per_s: (after.syncs - before.syncs) as f64 / took,
        waits,
    })
}

/// Appends, waits until that is durable, and appends again.
async fn appender(
    journal: Arc<Journal>,
    record: Arc<[u8]>,
    at_once: usize,
    until: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let payloads: Vec<&[u8]> = vec![&record; at_once];
    let mut waits = Vec::new();
    loop {
        let sent = Instant::now();
        if sent >= until {
            return Ok(waits);
        }
        journal.append_all(&payloads)?.durable().await?;
        waits.push(sent.elapsed());
    }
}

/// A decision with an idempotency key on one line of an allocation, which is nearly every record there is.
fn record() -> anyhow::Result<Vec<u8>> {
    fn id<I: Id>(number: u128) -> I {
        I::from_uuid(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 | number))
    }
    let units = |count| Units::new(count);
    let realm = Realm { tenant: id(1), environment: Environment::Live };
    let principals = Principals { customer: id(2), user: Some(id(3)), agent: Some(id(4)), session: Some(id(5)) };
    let used = UseKind::Metered {
        account: Some(id(6)),
        requested: units(1)?,
        granted: units(1)?,
        remaining: units(123_456)?,
        blocked: false,
    };
    let decision = Decision {
        id: id(7),
        at: Timestamp::from_micros(1_790_000_000_000_000),
        operation: Operation::Consume,
        verdict: Verdict::Allow,
        on_behalf_of: Some(principals),
        allocation: Some(id(8)),
        uses: vec![Use { feature: id(9), kind: used }],
        hold: None,
        hold_expires_at: None,
        key: Some(KeyMark { principal: id(10), key: [11; 16], body: [12; 16] }),
        dimensions: Vec::new(),
    };
    let part = Part { lease: id(13), used: units(1)?, held: Units::ZERO, unheld: Units::ZERO };
    let record = Record::Decided { realm, decision: Box::new(decision), parts: vec![part] };
    record.to_bytes().context("cannot lay out a record")
}

fn print(record_bytes: usize, outcomes: &mut [Vec<Outcome>]) {
    println!("Records of {record_bytes} bytes; medians of {} repetitions.\n", outcomes.first().map_or(0, Vec::len));
    println!("| what | records/s | syncs/s | records a sync | p50 us | p99 us | beside the bare loop |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut bare = None;
    for ((what, _), outcomes) in MEASUREMENTS.iter().zip(outcomes) {
        let records = median(outcomes.iter().map(|outcome| outcome.records_per_s));
        let syncs = median(outcomes.iter().map(|outcome| outcome.syncs_per_s));
        let p50 = median(outcomes.iter_mut().map(|outcome| percentile(&mut outcome.waits, 50)));
        let p99 = median(outcomes.iter_mut().map(|outcome| percentile(&mut outcome.waits, 99)));
        let beside = records / *bare.get_or_insert(records);
        println!("| {what} | {records:.0} | {syncs:.0} | {:.1} | {p50:.0} | {p99:.0} | {beside:.2} |", records / syncs);
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// In microseconds.
fn percentile(waits: &mut [Duration], percent: usize) -> f64 {
    waits.sort_unstable();
    waits.get(waits.len() * percent / 100).map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e6)
}
