//! What runners count and show, for Prometheus. No label carries a tenant, customer or key.

use almoner_domain::ports::Swept;
use almoner_domain::queue::QueueState;
use almoner_domain::schedule::Schedule;
use almoner_domain::time::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

type Gauges<const N: usize> = Family<[(&'static str, String); N], Gauge>;
type Counters = Family<[(&'static str, &'static str); 1], Counter>;

/// Counters and gauges of a runner. Queues and schedules are the installation's: each runner shows all of them.
#[derive(Default)]
pub(crate) struct Meters {
    tasks: Gauges<2>,
    oldest: Gauges<1>,
    success_age: Gauges<1>,
    failures: Gauges<1>,
    swept: Counters,
}

impl Meters {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("almoner_queue_tasks", "Tasks in a queue, by their state", self.tasks.clone());
        registry.register_with_unit(
            "almoner_queue_oldest_age",
            "How long the oldest waiting task of a queue has waited",
            Unit::Seconds,
            self.oldest.clone(),
        );
        registry.register_with_unit(
            "almoner_schedule_success_age",
            "How long ago a schedule's work last went well",
            Unit::Seconds,
            self.success_age.clone(),
        );
        registry.register("almoner_schedule_failures", "Runs of a schedule that failed", self.failures.clone());
        registry.register("almoner_swept", "What this runner ended because its time was over", self.swept.clone());
    }

    /// Counts a sweep.
    pub(crate) fn swept(&self, done: Swept) {
        let Swept { allocations, holds, leases, windows, resets, changes } = done;
        for (kind, count) in [
            ("allocations", allocations),
            ("holds", holds),
            ("leases_in_doubt", leases),
            ("windows", windows),
            ("resets", resets),
            ("plan_changes", changes),
        ] {
            self.swept.get_or_create(&[("kind", kind)]).inc_by(count);
        }
    }

    /// Shows how queues and schedules stand.
    pub(crate) fn observe(&self, queues: &[QueueState], schedules: &[Schedule], now: Timestamp) {
        for queue in queues {
            let QueueState { name, waiting, running, failed, done, oldest } = queue;
            for (state, count) in [("waiting", waiting), ("running", running), ("failed", failed), ("done", done)] {
                let labels = [("queue", name.clone()), ("state", state.to_owned())];
                self.tasks.get_or_create(&labels).set(i64::try_from(*count).unwrap_or(i64::MAX));
            }
            self.oldest.get_or_create(&[("queue", name.clone())]).set(oldest.map_or(0, |at| age(at, now)));
        }
        for schedule in schedules {
            let labels = [("schedule", schedule.name.clone())];
            // One that never went well has no age, and an alert on its absence finds it.
            if let Some(at) = schedule.succeeded_at {
                self.success_age.get_or_create(&labels).set(age(at, now));
            }
            self.failures.get_or_create(&labels).set(i64::try_from(schedule.failures).unwrap_or(i64::MAX));
        }
    }
}

fn age(at: Timestamp, now: Timestamp) -> i64 {
    i64::try_from(now.saturating_since(at).as_secs()).unwrap_or(i64::MAX)
}
