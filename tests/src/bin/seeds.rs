//! Plants each seeded bug in a copy of the repository's last commit, runs the test that is to notice, and says which did not.
//!
//! `cargo run --bin seeds [WORD]`: all, or those whose description has this word. PostgreSQL as the suites find it.

#![expect(clippy::print_stdout, reason = "what it found is what it is for")]

use almoner_tests::seeds::{SEEDS, Seed};
use anyhow::{Context, ensure};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// What `cargo nextest` ends with when tests were run and some failed. A build that fails ends otherwise, and proves nothing.
const TESTS_FAILED: i32 = 100;

fn main() -> anyhow::Result<ExitCode> {
    let word = std::env::args().nth(1).unwrap_or_default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository")?;
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("almoner");
    run(git(root).args(["worktree", "add", "--detach"]).arg(&copy))?;
    let unnoticed = plant_all(root, &copy, &word);
    run(git(root).args(["worktree", "remove", "--force"]).arg(&copy))?;
    let unnoticed = unnoticed?;
    for seed in &unnoticed {
        println!("NOT NOTICED by {}: {}", seed.suite, seed.says);
    }
    Ok(if unnoticed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plant_all(root: &Path, copy: &Path, word: &str) -> anyhow::Result<Vec<&'static Seed>> {
    let seeds: Vec<&Seed> = SEEDS.iter().filter(|seed| seed.says.contains(word)).collect();
    let mut unnoticed = Vec::new();
    for (at, seed) in seeds.iter().enumerate() {
        let is_noticed = plant(root, copy, seed).with_context(|| seed.says)?;
        let found = if is_noticed { "noticed" } else { "NOT NOTICED" };
        println!("{:>2}/{} {found}: {} ({})", at + 1, seeds.len(), seed.says, seed.suite);
        if !is_noticed {
            unnoticed.push(*seed);
        }
    }
    Ok(unnoticed)
}

/// Is the bug noticed?
fn plant(root: &Path, copy: &Path, seed: &Seed) -> anyhow::Result<bool> {
    let file = copy.join(seed.file);
    let sound = std::fs::read_to_string(&file)?;
    ensure!(sound.matches(seed.before).count() == 1, "what it replaces is not there once");
    std::fs::write(&file, sound.replace(seed.before, seed.after))?;
    // Beside the own builds, and all seeds in the same place: most of a build is the same.
    let target = root.join("target/seeds");
    let mut build = cargo(copy, &target);
    run(build.args(["build", "--workspace", "--bins", "--locked", "--quiet"]))?;
    let filter = format!("test({})", seed.test);
    let mut tests = cargo(copy, &target);
    tests.args(["nextest", "run", "--workspace", "--locked", "--test", seed.suite, "-E", &filter]);
    let ended = tests.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    std::fs::write(&file, sound)?;
    match ended.code() {
        Some(0) => Ok(false),
        Some(TESTS_FAILED) => Ok(true),
        code => anyhow::bail!("the test could not be run: {code:?}"),
    }
}

fn cargo(copy: &Path, target: &Path) -> Command {
    let mut command = Command::new("cargo");
    // A warning that a bug causes is no reason not to try it.
    command.current_dir(copy).env("CARGO_TARGET_DIR", target).env("RUSTFLAGS", "--cap-lints=warn");
    command
}

fn git(root: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(root);
    command
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status()?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
