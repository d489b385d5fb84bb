//! The store on both databases: what is particular to an adapter. What every adapter of the ports promises is the contract
//! suite's, in the testkit.

#![expect(clippy::unwrap_used, reason = "in a test the panic is the report")]

mod support;

mod contract;
mod isolation;
mod schema;
mod windows;
mod carving;
mod settling;
mod holds;
mod sweeping;
mod scheduling;
mod racing;
mod feeding;
mod catalogue;
mod usage;
mod webhooks;
