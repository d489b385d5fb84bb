//! Measurements, as ratios side by side in one run.
//!
//! What is measured stands in `benches/` (in process) and `load/` (over HTTP); here is what these share: the customers and
//! allocations to measure on, and the table that says what the figures mean. `README.md` tells how to read them.

pub mod fixture;
pub mod lender;
pub mod rig;
pub mod report;
