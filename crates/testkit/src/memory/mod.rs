//! The store in memory: the same ports, the same laws, no database.
//!
//! Every command does what the SQL adapter does: load the rows that it needs into `Books`, call one law, write back what
//! changed, or nothing. [`Core`] is synchronous, so a simulation runs it without a runtime; [`MemoryStore`] puts it behind the ports.

mod table;
mod rows;
mod laws;
mod core;
mod settle;
mod decisions;
mod carve;
mod windows;
mod holds;
mod sweep;
mod treasury;
mod reads;
mod plan_changes;
mod policies;
mod ports;
mod catalogue;
mod work;
mod webhook;
mod trail;
mod page;
mod directory;
mod lists;
mod guard;
mod happening;
mod deliveries;
mod usage;
mod pruning;

pub use self::core::{Core, Snapshot};
pub use laws::{Laws, Production};
pub use ports::MemoryStore;
