//! What all workers share.

use super::meters::Meters;
use almoner_domain::entropy::Entropy;
use almoner_domain::time::Clock;
use almoner_gate::Gate;
use almoner_worker::Runner;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What all workers share.
pub(crate) struct Shared {
    /// The gate, where it runs here.
    pub(crate) gate: Option<Arc<Gate>>,
    /// The runner, where it runs here.
    pub(crate) runner: Option<Runner>,
    /// For durations.
    pub(crate) clock: Arc<dyn Clock>,
    /// For request ids.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// What the server counts.
    pub(crate) meters: Meters,
    /// What `/metrics` tells.
    pub(crate) registry: Registry,
    open: AtomicUsize,
    stopping: AtomicBool,
}

impl Shared {
    /// Around what has started.
    pub(crate) fn new(
        gate: Option<Arc<Gate>>,
        runner: Option<Runner>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let mut registry = Registry::default();
        let meters = Meters::new(&mut registry);
        if let Some(gate) = &gate {
            gate.metrics(&mut registry);
        }
        if let Some(runner) = &runner {
            runner.metrics(&mut registry);
        }
        let (open, stopping) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { gate, runner, clock, entropy, meters, registry, open, stopping }
    }

    /// Why it can do nothing now; none where it can.
    pub(crate) fn trouble(&self) -> Option<&'static str> {
        if self.is_stopping() {
            return Some("it is stopping");
        }
        if self.gate.as_ref().is_some_and(|gate| !gate.is_ready()) {
            return Some(
                "the gate cannot decide: its journal failed, or another process took over its identity; its log says which",
            );
        }
        let idle = self.runner.as_ref().is_some_and(|runner| !runner.is_ready());
        idle.then_some("the runner does nothing any more; its log says why")
    }

    /// No longer ready; connections close after their next answer.
    pub(crate) fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Is it about to end?
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Requests without an answer yet.
    pub(crate) fn open_requests(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Counts a request as open until the guard is dropped, however it ends.
    pub(crate) fn open(&self) -> OpenRequest<'_> {
        self.open.fetch_add(1, Ordering::AcqRel);
        OpenRequest(&self.open)
    }
}

/// A request without an answer yet.
pub(crate) struct OpenRequest<'s>(&'s AtomicUsize);

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
