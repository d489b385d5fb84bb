//! What a gate counts, for Prometheus. No label carries a tenant, customer or key.

use crate::answered::Answered;
use crate::holds::Holds;
use crate::scribe::Scribe;
use almoner_domain::decision::{Operation, Reason};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type ByWord = Family<[(&'static str, &'static str); 1], Counter>;

/// Counters and gauges of a gate.
#[derive(Default)]
pub(crate) struct Metrics {
    allowed: ByWord,
    denied: ByWord,
    leases_lost: Counter,
    ledger_faults: Counter,
    unstorable: Counter,
    backlog: Gauge,
    journal_bytes: Gauge,
    journal_syncs: Gauge,
    idempotency_keys: Gauge,
    idempotency_bytes: Gauge,
    holds: Gauge,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let r = registry;
        r.register("almoner_gate_allowed", "Calls allowed, by operation", self.allowed.clone());
        r.register("almoner_gate_denied", "Calls denied, by reason", self.denied.clone());
        r.register(
            "almoner_gate_leases_lost",
            "Leases given up because ledger and gate disagreed",
            self.leases_lost.clone(),
        );
        r.register(
            "almoner_gate_ledger_faults",
            "Rounds in which the ledger was not heard",
            self.ledger_faults.clone(),
        );
        r.register("almoner_gate_unstorable", "Decisions that the store could not take", self.unstorable.clone());
        r.register("almoner_gate_backlog", "Decisions that the ledger does not have yet", self.backlog.clone());
        r.register("almoner_gate_journal_bytes", "Bytes of the journal on disk", self.journal_bytes.clone());
        r.register("almoner_gate_journal_syncs", "Syncs of the journal in this life", self.journal_syncs.clone());
        r.register("almoner_gate_idempotency_keys", "Idempotency keys known", self.idempotency_keys.clone());
        r.register("almoner_gate_holds", "Holds in memory", self.holds.clone());
        r.register(
            "almoner_gate_idempotency_bytes",
            "Bytes of the filter of idempotency keys",
            self.idempotency_bytes.clone(),
        );
    }

    pub(crate) fn allowed(&self, operation: Operation) {
        self.allowed.get_or_create(&[("operation", operation.as_str())]).inc();
    }

    pub(crate) fn denied(&self, reason: Reason) {
        self.denied.get_or_create(&[("reason", reason.as_str())]).inc();
    }

    pub(crate) fn lease_lost(&self) {
        self.leases_lost.inc();
    }

    pub(crate) fn ledger_fault(&self) {
        self.ledger_faults.inc();
    }

    pub(crate) fn decision_unstorable(&self) {
        self.unstorable.inc();
    }

    /// Reads what is not counted as it happens.
    pub(crate) fn observe(&self, scribe: &Scribe, answered: &Answered, holds: &Holds) {
        let set = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        let stats = scribe.journal().stats();
        let (keys, bytes) = answered.size();
        set(&self.backlog, scribe.waiting().0 as u64);
        set(&self.journal_bytes, stats.disk_bytes);
        set(&self.journal_syncs, stats.syncs);
        set(&self.holds, holds.len() as u64);
        set(&self.idempotency_keys, keys);
        set(&self.idempotency_bytes, bytes);
    }
}
