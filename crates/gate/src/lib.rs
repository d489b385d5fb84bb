//! The data plane: may this agent do this now? Answered from leased units in memory, durable in the gate's own journal.
//!
//! Promise: for every budget, units allowed here never exceed what the ledger has charged for them; an acknowledged decision
//! is in the journal or the ledger; one debit for an idempotency key. It will never know a database, GraphQL, a job queue,
//! or how plans and customers are made: it knows the ports of the domain.

mod allocate;
mod answered;
mod call;
mod catalogue;
mod check;
mod config;
mod courier;
mod credential;
mod debit;
mod decide;
mod epoch;
mod denial;
mod gate;
mod guard;
mod handle;
mod holds;
pub mod http;
pub mod journal;
mod judge;
pub mod lease;
mod meter;
mod moment;
mod near;
mod metrics;
mod pace;
mod purse;
pub mod record;
mod recover;
mod scribe;
mod session;
mod settle_hold;
mod watch;

pub use call::{AskedUse, Call, CallKey, HoldCall};
pub use config::GateConfig;
pub use credential::Credential;
pub use decide::{Answer, Refusal};
pub use gate::{Gate, GateError, GateParts};
pub use handle::Target;
pub use http::{openapi, routes};
pub use meter::Metered;
pub use moment::Moment;
pub use recover::RecoveryError;
