//! Use cases of the control plane: what people and programs of a tool provider may do to its catalogue, customers and keys.
//!
//! Promise: every use case takes its caller first, is one authorised unit of work, and answers a refusal by name.
//! It will never know a wire format, a database, a runtime, or how units move: that is the ledger's, in `domain`.

pub mod agents;
pub mod allocations;
mod app;
pub mod audit;
mod authority;
pub mod customers;
mod desk;
pub mod directory;
pub mod entitlements;
pub mod features;
pub mod image_shop;
pub mod keys;
pub mod leases;
pub mod lists;
pub mod live;
pub mod plan_changes;
pub mod plans;
pub mod policies;
pub mod prices;
pub mod queues;
pub mod schedules;
pub mod removal;
pub mod grants;
pub mod guards;
pub mod shares;
pub mod statements;
pub mod subscriptions;
pub mod tenants;
pub mod usage;
pub mod users;
pub mod webhooks;

pub use app::App;
pub use authority::{FindError, Forbidden};
pub use desk::Desk;
