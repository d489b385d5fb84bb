//! The `almoner` program: command line, configuration, telemetry, wiring, serving, shutdown.
//!
//! Promise: the only place that knows which adapter stands behind which port, reads the machine's clock and chance, and
//! prints. It will never decide anything about units, customers or calls: it starts those who do.

mod cli;
pub mod config;
mod data_dir;
mod http;
mod open_files;
mod seal;
mod os_entropy;
mod serve;
mod shutdown;
mod system_clock;
mod telemetry;
mod wiring;

pub use cli::main;
pub use data_dir::DataDir;
pub use os_entropy::OsEntropy;
pub use system_clock::SystemClock;
