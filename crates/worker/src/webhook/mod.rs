//! Webhooks: what happened goes from the outbox to endpoints, at least once and under one id.
//!
//! The store says what is due and who is at it; the queue only brings it to a runner. So a task that is lost is pushed again, one
//! that comes twice finds that somebody is at it, and a runner that dies lets its claim run out.

mod address;
mod deliver;
mod pump;
mod sign;
mod wire;
mod catalogue;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod open_seal;
#[cfg(test)]
mod outage;

pub use catalogue::{catalogue, catalogue_document};
pub use sign::{SignError, public_key};
pub use wire::wire;

use crate::chore::Chore;
use crate::jobs::{DELIVER, Jobs};
use crate::runner::Line;
use address::MachineNames;
use almoner_domain::address::Callable;
use almoner_domain::delivery::Retries;
use almoner_domain::entropy::Entropy;
use almoner_domain::ports::{Deliveries, Seal};
use almoner_domain::time::Clock;
use deliver::Deliver;
use pump::Pump;
use std::sync::Arc;
use std::time::Duration;

/// Attempts that one runner makes at once. Each waits for somebody else most of the time.
const ATTEMPTS_AT_ONCE_MAX: usize = 64;

/// How webhooks are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Which addresses may be called.
    pub callable: Callable,
    /// How often the outbox and what is due are looked at.
    pub interval: Duration,
    /// How long an attempt may take in all. Its claim holds for twice that.
    pub timeout: Duration,
    /// When attempts follow one another.
    pub retries: Retries,
}

/// What webhooks are delivered with.
pub struct WebhookParts {
    /// What is on its way.
    pub deliveries: Arc<dyn Deliveries>,
    /// What opens the secrets.
    pub seal: Arc<dyn Seal>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// The queues.
    pub jobs: Jobs,
    /// How.
    pub config: WebhookConfig,
}

/// The chore that finds what is to be delivered, and the queue that delivers it.
///
/// # Errors
/// When no HTTP client can be made.
pub fn webhooks(parts: WebhookParts) -> Result<(Arc<dyn Chore>, Line), reqwest::Error> {
    let WebhookParts { deliveries, seal, clock, entropy, jobs, config } = parts;
    let pump = Pump::new(Arc::clone(&deliveries), jobs, Arc::clone(&clock), config.interval);
    let deliver = Deliver::new(deliveries, seal, clock, entropy, config, Arc::new(MachineNames))?;
    let line = Line { queue: DELIVER, concurrency: ATTEMPTS_AT_ONCE_MAX, handler: Arc::new(deliver) };
    Ok((Arc::new(pump), line))
}
