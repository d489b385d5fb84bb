//! Figures of the criterion benches, from the files that criterion leaves.

use std::path::PathBuf;

/// Where criterion keeps its results.
#[derive(Debug)]
pub struct InProcess {
    root: PathBuf,
}

impl InProcess {
    /// The results in this folder (`CRITERION_HOME`).
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Nanoseconds for one operation on each of so many threads; none when it was not measured.
    pub fn nanos(&self, what: &str, spread: &str, threads: u32) -> Option<f64> {
        let file = self.root.join(what).join(spread).join(threads.to_string()).join("new/estimates.json");
        let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        estimates.get("median")?.get("point_estimate")?.as_f64()
    }

    /// How much more two threads do than one.
    pub fn scaling(&self, what: &str, spread: &str) -> Option<f64> {
        Some(2.0 * self.nanos(what, spread, 1)? / self.nanos(what, spread, 2)?)
    }
}
