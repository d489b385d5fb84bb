//! Figures of a run: lines such as `[idle 93%] label: rps=52010 p50=1190us p99=3400us`, repetition by repetition.

use std::collections::BTreeMap;

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figure {
    /// Decisions (or whatever the peer does for one) a second.
    pub rate: f64,
    /// Half of the answers came within so many microseconds.
    pub p50_us: f64,
    /// 99 of 100 answers came within so many microseconds.
    pub p99_us: f64,
    /// Answers that were errors, denials or replays: a figure that has any says nothing about decisions.
    pub bad: f64,
}

/// A run: its repetitions in order, each with the figures of its labels.
#[derive(Debug, Default)]
pub struct Run {
    /// Labels in the order in which they were first seen.
    pub labels: Vec<String>,
    /// The figures, repetition by repetition.
    pub repetitions: Vec<BTreeMap<String, Figure>>,
    /// How idle the machine was before each measurement, in per cent.
    pub idle: Vec<f64>,
}

impl Run {
    /// Reads the lines of a run. Lines that are not figures are passed over.
    pub fn read(text: &str) -> Self {
        let mut run = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for line in text.lines() {
            let (idle, line) = split_idle(line);
            run.idle.extend(idle);
            let Some((label, said)) = line.split_once(':') else { continue };
            let label = label.trim().to_owned();
            // A label that comes again begins the next repetition, even if one measurement of it failed.
            if seen.is_empty() || seen.contains(&label) {
                seen.clear();
                run.repetitions.push(BTreeMap::new());
            }
            seen.push(label.clone());
            let Some(figure) = figure(said) else { continue };
            if !run.labels.contains(&label) {
                run.labels.push(label.clone());
            }
            if let Some(repetition) = run.repetitions.last_mut() {
                repetition.insert(label, figure);
            }
        }
        run
    }

    /// What `measure` comes to in each repetition that has all it needs.
    pub fn each(&self, measure: impl Fn(&BTreeMap<String, Figure>) -> Option<f64>) -> Vec<f64> {
        self.repetitions.iter().filter_map(measure).filter(|value| value.is_finite()).collect()
    }
}

/// Takes `[idle 93%] ` off a line; there may be several when a measurement waited.
fn split_idle(line: &str) -> (Vec<f64>, &str) {
    let (mut idle, mut rest) = (Vec::new(), line.trim_start());
    while let Some((share, after)) = rest.strip_prefix("[idle ").and_then(|after| after.split_once("%]")) {
        idle.extend(share.parse::<f64>());
        rest = after.trim_start();
    }
    (idle, rest)
}

fn figure(said: &str) -> Option<Figure> {
    let value = |name: &str| {
        let text = said.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
        text.trim_end_matches("us").parse::<f64>().ok()
    };
    let requests = value("rps")?;
    let sum = |names: &[&str]| names.iter().filter_map(|name| value(name)).sum();
    Some(Figure {
        rate: value("checks").unwrap_or(requests),
        p50_us: value("p50")?,
        p99_us: value("p99")?,
        bad: sum(&["non2xx", "err", "denied", "missing"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str =
        "[idle 90%] journal ceiling, 64 records a sync: walceil batch=64: 8000 fsync/s p50=110us p99=200us
[idle 86%] echo, 64 connections: rps=100000 p50=400us p90=1us p99=5500us p999=9us non2xx=0 err=0
Compiling something v1.0
[idle 99%] [idle 88%] almoner durable, batches: rps=10 checks=1000 p50=4000us p99=9000us non2xx=1 err=2 denied=3
[idle 70%] journal ceiling, 64 records a sync: walceil
[idle 99%] echo, 64 connections:
[idle 99%] almoner durable, batches: rps=20 checks=2000 p50=4000us p99=9000us";

    #[test]
    fn a_label_that_comes_again_begins_the_next_repetition() {
        let run = Run::read(RUN);
        assert_eq!(run.labels, ["echo, 64 connections", "almoner durable, batches"]);
        assert_eq!(run.repetitions.len(), 2);
        let echo = run.repetitions[0]["echo, 64 connections"];
        assert_eq!(echo, Figure { rate: 100_000.0, p50_us: 400.0, p99_us: 5_500.0, bad: 0.0 });
        assert!(!run.repetitions[1].contains_key("echo, 64 connections"), "that one failed");
        assert_eq!(run.each(|figures| Some(figures.get("almoner durable, batches")?.rate)), [1_000.0, 2_000.0]);
    }

    #[test]
    fn what_was_not_decided_and_how_idle_it_was_is_kept() {
        let run = Run::read(RUN);
        assert_eq!(run.repetitions[0]["almoner durable, batches"].bad, 6.0);
        assert_eq!(run.idle, [90.0, 86.0, 99.0, 88.0, 70.0, 99.0, 99.0]);
    }
}
