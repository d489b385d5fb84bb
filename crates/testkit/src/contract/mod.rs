//! The contract of the ports: one function a promise, each run against every adapter.
//!
//! An adapter's crate implements [`Adapter`] and writes [`contract_suite!`](crate::contract_suite); each promise becomes a test of
//! its own against a fresh store with two image shops in it. What is promised is what a user would notice.

#![expect(clippy::unwrap_used, reason = "a promise is a test: the panic is the report")]

mod suite;
mod world;
mod hand;

pub mod catalogue;
pub mod removing;
pub mod carving;
pub mod narrowing;
pub mod ending;
pub mod granting;
pub mod adjusting;
pub mod windows;
pub mod changing;
pub mod leasing;
pub mod lives;
pub mod silence;
pub mod holding;
pub mod deciding;
pub mod sweeping;
pub mod feed;
pub mod listing;
pub mod finding;
pub mod nesting;
pub mod trail;
pub mod isolation;
pub mod spending;
pub mod charting;
pub mod ranking;
pub mod allotting;
pub mod conditions;
pub mod timing;
pub mod delivering;
pub mod guarding;
pub mod pruning;

pub use hand::{GateHand, LeaseHand};
pub use world::{Adapter, Audit, Fresh, World};
