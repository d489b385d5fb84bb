//! The sweep: what time alone asks for. Allocations and holds that are over end, leases of silent gates go in doubt, and months
//! turn.

use crate::chore::Chore;
use crate::jobs::Failure;
use crate::meters::Meters;
use almoner_domain::ports::{Ledger, Swept};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// Things of each kind found at once: large enough to be cheap, small enough that each transaction is short.
const SWEEP_MAX: u64 = 500;
/// Rounds in one run. What is left then is the next slot's: no run takes for ever.
const ROUNDS_MAX: u32 = 100;

/// The sweep.
pub struct Sweep {
    ledger: Arc<dyn Ledger>,
    period: Duration,
    meters: Arc<Meters>,
}

impl Sweep {
    /// Of a ledger, so often.
    pub(crate) fn new(ledger: Arc<dyn Ledger>, period: Duration, meters: Arc<Meters>) -> Self {
        Self { ledger, period, meters }
    }
}

#[async_trait]
impl Chore for Sweep {
    fn name(&self) -> &'static str {
        "sweep"
    }

    fn period(&self) -> Duration {
        self.period
    }

    async fn run(&self) -> Result<(), Failure> {
        for _ in 0..ROUNDS_MAX {
            let done = self.ledger.sweep(SWEEP_MAX).await?;
            if done != Swept::default() {
                tracing::info!(?done, "swept");
                self.meters.swept(done);
            }
            let Swept { allocations, holds, leases, windows, changes, .. } = done;
            if [allocations, holds, leases, windows, changes].iter().all(|count| *count < SWEEP_MAX) {
                break;
            }
        }
        Ok(())
    }
}
