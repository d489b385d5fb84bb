//! The data folder: whose it is, whether it can be written and synced, how much room there is, and what its files say
//! about the clock.

use super::Finding;
use crate::{DataDir, wiring};
use almoner_domain::time::Timestamp;
use rustix::fs::{FlockOperation, flock, statvfs};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Below this the journal soon refuses to write, and with it every decision.
const SPACE_FAIL_BYTES: u64 = 128 * 1024 * 1024;
/// Below this somebody should look.
const SPACE_NOTE_BYTES: u64 = 1024 * 1024 * 1024;
/// Files from further ahead than this mean that the clock went back.
const CLOCK_SLACK_S: i64 = 60;
/// Syncs of the probe; the slowest is told.
const SYNCS: u32 = 5;

pub(super) fn examine(root: &Path, served: bool) -> Vec<Finding> {
    let dir = DataDir::at(root);
    let Ok(about) = fs::metadata(root) else {
        return vec![Finding::note("data folder", format!("{} does not exist yet", root.display())), clock(&dir)];
    };
    let mut findings = Vec::new();
    if about.permissions().mode() & 0o077 == 0 {
        findings.push(Finding::ok("data folder", root.display().to_string()));
    } else {
        let detail = format!("others can look into {}: chmod 700 it", root.display());
        findings.push(Finding::note("data folder", detail));
    }
    findings.push(writable(root));
    findings.push(journal(&dir, served));
    findings.push(space(root));
    findings.push(clock(&dir));
    findings
}

fn writable(root: &Path) -> Finding {
    let probe = root.join(format!(".doctor-{}", std::process::id()));
    let result = probe_syncs(&probe);
    let _ = fs::remove_file(&probe);
    match result {
        Ok(slowest_us) => {
            let detail = format!("4 KiB synced in at most {}.{} ms", slowest_us / 1_000, slowest_us % 1_000 / 100);
            Finding::ok("disk", detail)
        }
        Err(why) => Finding::fail("disk", format!("cannot write in {}: {why}", root.display())),
    }
}

fn probe_syncs(probe: &Path) -> std::io::Result<u128> {
    let clock = wiring::clock();
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(probe)?;
    let mut slowest = 0;
    for _ in 0..SYNCS {
        let begun = clock.uptime();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        slowest = slowest.max(clock.uptime().saturating_since(begun).as_micros());
    }
    Ok(slowest)
}

fn journal(dir: &DataDir, served: bool) -> Finding {
    let folder = dir.journal();
    if served {
        return Finding::ok("journal", format!("{} is in use", folder.display()));
    }
    // Opened without making it: looking changes nothing.
    let Ok(lock) = File::open(folder.join("lock")) else {
        return Finding::note("journal", format!("{} is not there yet", folder.display()));
    };
    match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Finding::ok("journal", format!("{} is free", folder.display())),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Finding::note("journal", format!("{} is held by a process that does not answer here", folder.display()))
        }
        Err(why) => Finding::fail("journal", format!("{}: {why}", folder.display())),
    }
}

fn space(root: &Path) -> Finding {
    let free = match statvfs(root) {
        Ok(about) => about.f_bavail.saturating_mul(about.f_frsize),
        Err(why) => return Finding::fail("space", why.to_string()),
    };
    let detail = format!("{} MiB free", free / (1024 * 1024));
    match free {
        free if free < SPACE_FAIL_BYTES => Finding::fail("space", format!("{detail}: make room")),
        free if free < SPACE_NOTE_BYTES => Finding::note("space", format!("{detail}: make room soon")),
        _ => Finding::ok("space", detail),
    }
}

/// Windows, expiries and lease terms follow the civil clock. Files that were written later than now say that it went back.
fn clock(dir: &DataDir) -> Finding {
    let now = wiring::clock().now();
    let newest = [dir.root().to_owned(), dir.journal()]
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.mtime()))
        .max()
        .unwrap_or(0);
    let ahead_s = newest - now.as_micros() / 1_000_000;
    if ahead_s > CLOCK_SLACK_S {
        return Finding::fail("clock", format!("files here are {ahead_s} s ahead of {now}: set the clock"));
    }
    // The year in which this program was first built.
    if now < Timestamp::from_micros(1_767_225_600_000_000) {
        return Finding::fail("clock", format!("{now} is before this program was made: set the clock"));
    }
    Finding::ok("clock", now.to_string())
}
