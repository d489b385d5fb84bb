//! Limits of a gate: each with its unit and its reason. A limit that is reached denies; it never guesses.

use std::time::Duration;

/// How a gate is set up.
#[derive(Debug, Clone)]
pub struct GateConfig {
    /// Where people find the console, for the links in denials. None: denials carry no link.
    pub public_url: Option<String>,
    /// How often used units and decisions are told to the ledger while the backlog is small.
    pub flush_interval: Duration,
    /// Decisions told to the ledger in one transaction: large enough to be cheap, small enough not to delay a lease.
    pub flush_decisions_max: usize,
    /// Decisions in memory that the ledger does not have yet. At the bound calls are denied as `unavailable`.
    pub backlog_max: usize,
    /// Above this backlog the gate flushes without pause, at the cost of the calls it serves.
    pub backlog_calm: usize,
    /// Allocations and subjects kept in memory; those beyond are looked up again.
    pub handles_max: u64,
    /// Idempotency keys known within their retention. At the bound keyed calls are denied as `unavailable`: a key is never
    /// forgotten early.
    pub idempotency_keys_max: u64,
    /// How long a presented API key is trusted without asking again. Also how long a revoked key may still work here.
    pub credential_ttl: Duration,
    /// How often the change feed is read.
    pub feed_interval: Duration,
    /// How long a call waits for units from the ledger before it is denied as `unavailable`.
    pub lease_patience: Duration,
    /// How long a call waits for units that another gate holds idle before it is denied as `exhausted`.
    pub recall_patience: Duration,
    /// In `fast` mode: how far the synced mark runs ahead, in units of the lease: one part in so many.
    pub mark_parts: i64,
    /// Calls served at once, over all connections; more are answered 429.
    pub calls_max: usize,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            public_url: None,
            flush_interval: Duration::from_millis(200),
            flush_decisions_max: 2_000,
            backlog_max: 1_000_000,
            backlog_calm: 400_000,
            handles_max: 1_000_000,
            idempotency_keys_max: 64_000_000,
            credential_ttl: Duration::from_secs(5),
            feed_interval: Duration::from_millis(100),
            lease_patience: Duration::from_secs(5),
            recall_patience: Duration::from_secs(1),
            mark_parts: 8,
            calls_max: 10_000,
        }
    }
}
