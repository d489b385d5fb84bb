//! Traffic of many clients at once, each of which keeps its own record of what it was answered.
//!
//! The record is the truth that the server is held to. Units of an answer that never came are *unknown*: they may have been
//! spent or not, and nobody may count on either.

mod card;
mod reckoning;
mod record;
mod worker;

pub use card::{Card, Tab};
pub use record::{Answered, Counts, Record, Unresolved};
pub use worker::{Nerve, Worker};

use std::ops::RangeInclusive;

/// What is used, in which sizes.
#[derive(Debug)]
pub struct Ware {
    /// The feature.
    pub feature: &'static str,
    /// Units of it in a month.
    pub month: i64,
    /// Units of it on a card.
    pub card: RangeInclusive<i64>,
    /// Units of it in a call.
    pub call: RangeInclusive<i64>,
}

/// Plenty of one, less of another, and one that runs out all the time.
pub const WARES: [Ware; 3] = [
    Ware { feature: "assistant.input_tokens", month: 30_000_000, card: 500..=20_000, call: 1..=900 },
    Ware { feature: "assistant.output_tokens", month: 6_000_000, card: 100..=4_000, call: 1..=300 },
    Ware { feature: "image.generate", month: 1_000, card: 3..=20, call: 1..=2 },
];

/// Whose months are drawn on.
pub const CUSTOMERS: [&str; 2] = ["acme-shop", "bolt-store"];
