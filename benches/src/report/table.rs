//! The table as text that is Markdown and reads well in a terminal too.

use super::figures::{Figure, Run};
use super::in_process::InProcess;
use super::rows::{ROWS, Row};

/// Below this share of idle time before a measurement others were at work, and its figures are theirs too.
const QUIET_PERCENT: f64 = 85.0;

/// The table of ratios, and below it the figures that it rests on.
pub fn render(run: &Run, in_process: &InProcess) -> String {
    let mut text = String::new();
    let head = ["ours", "beside", "figure", "must", "aim", "verdict"];
    text.push_str(&grid(&head, &ROWS.iter().map(|row| ratio(row, run, in_process)).collect::<Vec<_>>()));
    text.push_str(
        "\nMedians of the repetitions, each ratio taken within one; in brackets the least and the largest.\n\n",
    );
    let head = ["measured", "a second", "p50 ms", "p99 ms", "not decided"];
    text.push_str(&grid(&head, &run.labels.iter().map(|label| figures(label, run)).collect::<Vec<_>>()));
    let disturbed = run.idle.iter().filter(|share| **share < QUIET_PERCENT).count();
    text.push_str(&format!(
        "\n{} repetitions. The machine was busy with other work before {disturbed} of {} measurements.\n",
        run.repetitions.len(),
        run.idle.len(),
    ));
    text
}

fn ratio(row: &Row, run: &Run, in_process: &InProcess) -> Vec<String> {
    let values = row.measure.values(run, in_process);
    let value = median(&values);
    let figure = match (value, values.as_slice()) {
        (None, _) => String::new(),
        (Some(value), [_]) => short(value),
        (Some(value), _) => {
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            format!("{} ({} to {})", short(value), short(least), short(largest))
        }
    };
    let target = |target: f64| format!("{} {} {}", if row.least { "<=" } else { ">=" }, short(target), row.unit);
    let verdict = row.verdict(value);
    vec![
        row.ours.to_owned(),
        row.beside.to_owned(),
        figure,
        target(row.must).trim_end().to_owned(),
        target(row.aim).trim_end().to_owned(),
        verdict.to_owned(),
    ]
}

fn figures(label: &str, run: &Run) -> Vec<String> {
    let of = |what: fn(&Figure) -> f64| run.each(|figures| figures.get(label).map(what));
    let middle = |what| median(&of(what)).unwrap_or(f64::NAN);
    let bad: f64 = of(|figure| figure.bad).iter().sum();
    vec![
        label.to_owned(),
        format!("{:.0}", middle(|figure| figure.rate)),
        format!("{:.2}", middle(|figure| figure.p50_us) / 1_000.0),
        format!("{:.2}", middle(|figure| figure.p99_us) / 1_000.0),
        if bad > 0.0 { format!("{bad:.0}: NOT VALID") } else { "0".to_owned() },
    ]
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some((upper + lower) / 2.0)
}

/// Three digits are more than a shared machine can promise.
fn short(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn grid(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::len);
        cells.chain([head[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("| {} |\n", padded.join(" | "))
    };
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = line(&mut head.iter().copied());
    text.push_str(&line(&mut rules.iter().map(String::as_str)));
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_ratio_is_taken_within_a_repetition_and_judged_by_the_median() {
        let run = Run::read(
            "echo, 64 connections: rps=100 p50=1us p99=1us\nalmoner durable uniform, 64 connections: rps=40 p50=1us p99=1us\n\
             echo, 64 connections: rps=50 p50=1us p99=1us\nalmoner durable uniform, 64 connections: rps=30 p50=1us p99=1us\n\
             echo, 64 connections: rps=80 p50=1us p99=1us\nalmoner durable uniform, 64 connections: rps=56 p50=1us p99=1us denied=7",
        );
        let text = render(&run, &InProcess::at(PathBuf::from("nowhere")));
        let row = text.lines().nth(2).unwrap_or_default();
        // The third has denials: what it shows is not the rate of decisions.
        assert!(row.contains("0.50 (0.40 to 0.60)") && row.contains(">= 0.50") && row.contains("| must"), "{row}");
        assert!(text.contains("7: NOT VALID"), "a figure that is not of decisions is marked:\n{text}");
        assert!(text.contains("not measured"), "a row without figures says so:\n{text}");
    }
}
