//! What the server counts, for Prometheus.

use actix_web::http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// Seconds: from a decision out of memory to one that waited for the ledger.
const BUCKETS: [f64; 12] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counters of answers by class, and how long they took.
pub(crate) struct Meters {
    answers: [Counter; 5],
    seconds: Histogram,
}

impl Meters {
    /// Counters at zero, registered.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let answers: Family<[(&'static str, &'static str); 1], Counter> = Family::default();
        let seconds = Histogram::new(BUCKETS);
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("almoner_build", "What runs here", build);
        registry.register("almoner_http_answers", "HTTP answers, by class of status", answers.clone());
        registry.register_with_unit(
            "almoner_http_request_duration",
            "How long requests took, from their head to the head of the answer",
            Unit::Seconds,
            seconds.clone(),
        );
        // Looked up once: the family has a lock, and every request would take it.
        let answers = CLASSES.map(|class| answers.get_or_create(&[("class", class)]).clone());
        Self { answers, seconds }
    }

    /// Counts one answer.
    pub(crate) fn answered(&self, status: StatusCode, took: Duration) {
        if let Some(counter) = self.answers.get(usize::from(status.as_u16() / 100).saturating_sub(1)) {
            counter.inc();
        }
        self.seconds.observe(took.as_secs_f64());
    }
}
