//! From the lines of a run to one table of ratios, with what must be reached, what is aimed at, and a verdict.

mod figures;
mod in_process;
mod rows;
mod table;

pub use figures::{Figure, Run};
pub use in_process::InProcess;
pub use table::render;
