//! Prints the table of ratios of a run.
//!
//!     load-report RUN_LOG [CRITERION_HOME]

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use almoner_benches::report::{InProcess, Run, render};
use anyhow::{Context, bail};
use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (log, criterion) = match arguments.as_slice() {
        [log] => (log, PathBuf::new()),
        [log, criterion] => (log, criterion.clone()),
        _ => bail!("usage: load-report RUN_LOG [CRITERION_HOME]"),
    };
    let text = std::fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
    print!("{}", render(&Run::read(&text), &InProcess::at(criterion)));
    Ok(())
}
