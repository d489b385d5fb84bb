//! Use cases of the control plane: what people and programs of a tool provider may do to its catalogue, customers and keys.
//!
//! Promise: every use case takes its caller first, is one authorised unit of work, and answers a refusal by name.
//! It will never know a wire format, a database, a runtime, or how units move: that is the ledger's, in `domain`.

pub mod agents;
pub mod allocations;
mod app;
mod authority;
pub mod customers;
mod desk;
pub mod directory;
pub mod entitlements;
pub mod features;
pub mod image_shop;
pub mod keys;
pub mod leases;
pub mod plans;
pub mod shares;
pub mod subscriptions;
pub mod tenants;
pub mod users;

pub use app::App;
pub use authority::{FindError, Forbidden};
pub use desk::Desk;
