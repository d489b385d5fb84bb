//! Calendars against another implementation: Python's `datetime` and `zoneinfo` (`tests/oracles/windows.py`), for every zone of
//! the database, between 1970 and 2100, near changes of clocks and elsewhere.

use almoner_domain::calendar::{Calendar, Window};
use almoner_domain::period::UsagePeriod;
use almoner_domain::time::Timestamp;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Set to try the cases of one run again.
const SEED: &str = "CALENDAR_SEED";
/// Fewer would mean that most zones were left out.
const CASES_MIN: usize = 5_000;
const ZONES_MIN: usize = 400;

#[derive(Deserialize)]
struct Case {
    zone: String,
    anchor: String,
    period: String,
    from: i64,
    starts: Vec<i64>,
}

#[expect(clippy::disallowed_methods, reason = "each run tries other cases, and prints how to try them again")]
fn seed() -> String {
    std::env::var(SEED).unwrap_or_else(|_| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos()).to_string()
    })
}

fn asked(seed: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles");
    let python = folder.join(".venv/bin/python");
    assert!(python.exists(), "the oracle's library is missing: run deploy/dev/prerequisites.sh oracles");
    let out = Command::new(python).arg(folder.join("windows.py")).arg(seed).output().expect("an oracle");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a case"))
        .collect()
}

#[test]
fn windows_are_what_another_implementation_says() {
    let seed = seed();
    let cases = asked(&seed);
    let zones: BTreeSet<&str> = cases.iter().map(|case| case.zone.as_str()).collect();
    assert!(cases.len() >= CASES_MIN && zones.len() >= ZONES_MIN, "{} cases, {} zones", cases.len(), zones.len());
    let mut wrong = Vec::new();
    for Case { zone, anchor, period, from, starts } in &cases {
        let calendar = Calendar::local(anchor, zone).unwrap();
        let windows = calendar.windows(UsagePeriod::parse(period).unwrap(), Timestamp::from_micros(*from));
        let found: Result<Vec<Window>, _> = windows.take(starts.len() - 1).collect();
        let wanted = starts
            .windows(2)
            .map(|pair| Window { start: Timestamp::from_micros(pair[0]), end: Some(Timestamp::from_micros(pair[1])) });
        if found.as_ref().ok() != Some(&wanted.clone().collect()) {
            let wanted: Vec<Window> = wanted.collect();
            wrong.push(format!("{zone}, {period}, anchor {anchor}, from {from}:\n  {found:?}\n  {wanted:?}"));
        }
    }
    let first: Vec<&String> = wrong.iter().take(3).collect();
    assert!(wrong.is_empty(), "{} of {}; {SEED}={seed} tries them again. {first:#?}", wrong.len(), cases.len());
}
