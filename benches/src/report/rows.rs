//! The rows of the table: what is set beside what, and what it should come to.
//!
//! Targets are ratios because machines differ. They bind for one run, in which what is compared was interleaved.

use super::figures::{Figure, Run};
use super::in_process::InProcess;
use std::collections::BTreeMap;

/// TigerBeetle, one replica, batches of 8,189 transfers, on the machine that the targets were set on. It is not run here.
const TIGERBEETLE: f64 = 514_000.0;

const ECHO: &str = "echo, 64 connections";
const ECHO_256: &str = "echo, 256 connections";
const ECHO_1: &str = "echo, 1 connection";
const SYNC: &str = "fdatasync";
const REDIS: &str = "redis, appendonly no, uniform";
const REDIS_SYNCED: &str = "redis, appendfsync always, uniform";
const POSTGRES: &str = "postgresql c16, uniform";
const POSTGRES_KEYED: &str = "postgresql c16, uniform + idempotency";
const POSTGRES_HOT: &str = "postgresql c16, hot row";
const DURABLE: &str = "almoner durable uniform, 64 connections";
const DURABLE_256: &str = "almoner durable uniform, 256 connections";
const DURABLE_1: &str = "almoner durable uniform, 1 connection";
const DURABLE_HOT: &str = "almoner durable hot, 64 connections";
const DURABLE_BATCH: &str = "almoner durable uniform, batches of 100";
const FAST: &str = "almoner fast uniform, 64 connections";
const FAST_256: &str = "almoner fast uniform, 256 connections";

/// How a row's value is got.
pub(super) enum Measure {
    /// The rate of the first over the rate of the second.
    Rate(&'static str, &'static str),
    /// The slowest hundredth of the second over that of the first: above one, ours is the faster.
    Tail(&'static str, &'static str),
    /// The median of the first, beyond that of HTTP alone, in syncs.
    Syncs(&'static str),
    /// The rate over TigerBeetle's.
    Transfers(&'static str),
    /// The median in milliseconds.
    Millis(&'static str),
    /// Nanoseconds of one thread in process.
    Nanos(&'static str),
    /// What two threads do over what one does, in process.
    Scaling(&'static str),
}

/// A row of the table.
pub(super) struct Row {
    pub(super) ours: &'static str,
    pub(super) beside: &'static str,
    pub(super) measure: Measure,
    pub(super) must: f64,
    pub(super) aim: f64,
    /// Is less better?
    pub(super) least: bool,
    pub(super) unit: &'static str,
}

const fn more(ours: &'static str, beside: &'static str, measure: Measure, must: f64, aim: f64) -> Row {
    Row { ours, beside, measure, must, aim, least: false, unit: "" }
}

const fn less(
    ours: &'static str,
    beside: &'static str,
    measure: Measure,
    must: f64,
    aim: f64,
    unit: &'static str,
) -> Row {
    Row { ours, beside, measure, must, aim, least: true, unit }
}

/// The targets, in the order in which they were set.
pub(super) const ROWS: &[Row] = &[
    more("durable, 64 connections", "actix-web, no logic", Measure::Rate(DURABLE, ECHO), 0.50, 0.65),
    more("durable, 256 connections", "actix-web, no logic", Measure::Rate(DURABLE_256, ECHO_256), 0.65, 0.80),
    more("fast, 64 connections", "actix-web, no logic", Measure::Rate(FAST, ECHO), 0.75, 0.90),
    more("fast, 256 connections", "actix-web, no logic", Measure::Rate(FAST_256, ECHO_256), 0.75, 0.90),
    more("durable, 64 connections", "Redis, appendfsync always", Measure::Rate(DURABLE, REDIS_SYNCED), 1.3, 1.7),
    more("durable, p99", "the same, its p99 over ours", Measure::Tail(DURABLE, REDIS_SYNCED), 1.0, 1.0),
    more("durable, 64 connections", "Redis, appendonly no", Measure::Rate(DURABLE, REDIS), 0.8, 1.0),
    more("durable, 64 connections", "PostgreSQL, uniform", Measure::Rate(DURABLE, POSTGRES), 3.3, 4.3),
    more("durable, 64 connections", "PostgreSQL, + idempotency", Measure::Rate(DURABLE, POSTGRES_KEYED), 4.2, 5.5),
    more("durable, all on one", "PostgreSQL, hot row", Measure::Rate(DURABLE_HOT, POSTGRES_HOT), 17.0, 22.0),
    more("durable, all on one", "durable, uniform", Measure::Rate(DURABLE_HOT, DURABLE), 0.95, 1.0),
    less("durable, 1 connection, p50", "HTTP alone, p50", Measure::Syncs(DURABLE_1), 1.5, 1.1, "syncs"),
    more("durable, batches of 100", "TigerBeetle's 514k, not run", Measure::Transfers(DURABLE_BATCH), 2.0, 3.0),
    less("durable, batches of 100, p50", "", Measure::Millis(DURABLE_BATCH), 5.0, 3.0, "ms"),
    less("in process, with look-up", "", Measure::Nanos("look-up"), 60.0, 45.0, "ns"),
    less("in process, held handle", "", Measure::Nanos("held"), 35.0, 12.0, "ns"),
    more("two threads, with look-up", "one thread", Measure::Scaling("look-up"), 1.7, 1.9),
    more("two threads, held handle", "one thread", Measure::Scaling("held"), 1.7, 1.9),
];

impl Measure {
    /// Its value in each repetition.
    pub(super) fn values(&self, run: &Run, in_process: &InProcess) -> Vec<f64> {
        // A figure that counts denials, errors or replays says nothing about decisions, so no ratio is taken with it.
        let of = |label: &'static str, what: fn(&Figure) -> f64| {
            move |figures: &BTreeMap<String, Figure>| figures.get(label).filter(|figure| figure.bad == 0.0).map(what)
        };
        let rate = |label| of(label, |figure| figure.rate);
        let p50 = |label| of(label, |figure| figure.p50_us);
        let p99 = |label| of(label, |figure| figure.p99_us);
        match *self {
            Self::Rate(ours, theirs) => run.each(|f| Some(rate(ours)(f)? / rate(theirs)(f)?)),
            Self::Tail(ours, theirs) => run.each(|f| Some(p99(theirs)(f)? / p99(ours)(f)?)),
            Self::Syncs(ours) => run.each(|f| Some((p50(ours)(f)? - p50(ECHO_1)(f)?) / p50(SYNC)(f)?)),
            Self::Transfers(ours) => run.each(|f| Some(rate(ours)(f)? / TIGERBEETLE)),
            Self::Millis(ours) => run.each(|f| Some(p50(ours)(f)? / 1_000.0)),
            Self::Nanos(what) => in_process.nanos(what, "uniform", 1).into_iter().collect(),
            Self::Scaling(what) => in_process.scaling(what, "uniform").into_iter().collect(),
        }
    }
}

impl Row {
    /// What the value amounts to.
    pub(super) fn verdict(&self, value: Option<f64>) -> &'static str {
        let reaches = |value: f64, target: f64| if self.least { value <= target } else { value >= target };
        match value {
            None => "not measured",
            Some(value) if reaches(value, self.aim) => "aim",
            Some(value) if reaches(value, self.must) => "must",
            Some(_) => "MISSED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_target_is_reached_from_its_own_side() {
        let (high, low) = (&ROWS[0], &ROWS[11]);
        assert_eq!([0.49, 0.5, 0.65].map(|v| high.verdict(Some(v))), ["MISSED", "must", "aim"]);
        assert_eq!([1.6, 1.5, 1.1].map(|v| low.verdict(Some(v))), ["MISSED", "must", "aim"]);
        assert_eq!(high.verdict(None), "not measured");
    }

    #[test]
    fn the_wait_of_one_connection_is_counted_in_syncs() {
        let run = Run::read(
            "fdatasync: rps=8000 p50=100us p99=1us\necho, 1 connection: rps=1 p50=60us p99=1us\n\
             almoner durable uniform, 1 connection: rps=1 p50=190us p99=1us",
        );
        let values = Measure::Syncs(DURABLE_1).values(&run, &InProcess::at(PathBuf::from("nowhere")));
        assert_eq!(values, [1.3]);
    }
}
