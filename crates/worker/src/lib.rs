//! The background door: what nobody should have to ask for, done once however many runners there are, and whenever one dies.
//!
//! Promise: when something is due is decided by the store (a slot of a schedule is claimed by one runner), what is to be done is
//! told by a queue, and each piece of work takes its truth from the store and may be done twice without harm. So a task that is
//! lost between claim and queue, or with a runner, is made up for by the next slot. It will never know a rule of the ledger, SQL
//! of the store, GraphQL or HTTP towards callers.
//!
//! It grows in two places:
//!
//! - **Something that recurs** is a [`Chore`]: a name, a period and what is done. It is given to [`RunnerParts::chores`] and has its
//!   schedule from then on; nothing else is needed. Chores of all kinds share the queue [`CHORES`].
//! - **Something of which there are many** is a queue of its own: [`RunnerParts::lines`] gets its name and the [`Handler`] of its
//!   tasks, and whoever has the [`Jobs`] pushes tasks with [`Jobs::push`], each a short text such as an id, with a key by which
//!   it is pushed once. The queue does not try again by itself: what failed stays due in the store, where a chore finds it.

mod jobs;
mod chore;
mod runner;
mod timetable;
mod meters;
mod sweep;
mod prune;
mod webhook;

pub use chore::{CHORES, Chore};
pub use jobs::{DELIVER, Failure, Handler, Jobs, JobsConfig, JobsError};
pub use prune::Prune;
pub use runner::{Line, Runner, RunnerParts};
pub use sweep::Sweep;
pub use webhook::{SignError, WebhookConfig, WebhookParts, catalogue, catalogue_document, public_key, webhooks, wire};
