//! The chore: entries of the outbox become deliveries, and deliveries that are due become tasks.

use super::wire::wire;
use crate::chore::Chore;
use crate::jobs::{DELIVER, Failure, Jobs};
use almoner_domain::delivery::Due;
use almoner_domain::id::DeliveryId;
use almoner_domain::ports::Deliveries;
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::time::Clock;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// Entries that one transaction goes through.
const ENTRIES_MAX: u64 = 200;
/// Transactions of one run: what is left then is left to the next run.
const ROUNDS_MAX: u32 = 20;
/// Deliveries of one realm that are put into the queue in one run, so that one receiver that is slow does not fill it.
const DUE_OF_REALM_MAX: u64 = 32;
/// A task that is due for so long and was not done is put into the queue again: it was lost with the queue, or failed there.
const AGAIN_S: i64 = 30;

pub(super) struct Pump {
    deliveries: Arc<dyn Deliveries>,
    jobs: Jobs,
    clock: Arc<dyn Clock>,
    interval: Duration,
}

impl Pump {
    pub(super) fn new(deliveries: Arc<dyn Deliveries>, jobs: Jobs, clock: Arc<dyn Clock>, interval: Duration) -> Self {
        Self { deliveries, jobs, clock, interval }
    }
}

#[async_trait]
impl Chore for Pump {
    fn name(&self) -> &'static str {
        "webhooks"
    }

    fn period(&self) -> Duration {
        self.interval
    }

    async fn run(&self) -> Result<(), Failure> {
        for _ in 0..ROUNDS_MAX {
            if self.deliveries.pump(ENTRIES_MAX, wire).await?.notices < ENTRIES_MAX {
                break;
            }
        }
        let now_s = self.clock.now().as_micros() / 1_000_000;
        for due in self.deliveries.due(DUE_OF_REALM_MAX).await? {
            // Each attempt is a task of its own.
            let key = format!("{} {} {}", due.id, due.attempts, now_s / AGAIN_S);
            self.jobs.push(DELIVER, &write(due), Some(&key)).await?;
        }
        Ok(())
    }
}

/// A task of the queue.
fn write(due: Due) -> String {
    format!("{} {}", due.realm, due.id)
}

/// What a task is about; none where it is no task of this queue.
pub(super) fn read(task: &str) -> Option<(Realm, DeliveryId)> {
    let (realm, id) = task.split_once(' ')?;
    let (tenant, environment) = realm.split_once('/')?;
    let realm = Realm { tenant: tenant.parse().ok()?, environment: Environment::parse(environment)? };
    Some((realm, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use almoner_domain::id::{Id, TenantId};

    #[test]
    fn a_task_reads_back_as_itself() {
        let realm = Realm { tenant: TenantId::from_uuid(uuid(1)), environment: Environment::Test };
        let due = Due { realm, id: DeliveryId::from_uuid(uuid(2)), attempts: 3 };
        assert_eq!(read(&write(due)), Some((realm, due.id)));
        assert_eq!(read("ten_1/live whd_1"), None);
    }

    fn uuid(number: u128) -> uuid::Uuid {
        uuid::Uuid::from_u128(number)
    }
}
