//! Schedules of the installation, as runners share them.

use crate::fault::Fault;
use crate::schedule::{NewSchedule, Outcome, Schedule, Slot};
use async_trait::async_trait;

/// What recurs.
#[async_trait]
pub trait Schedules: Send + Sync {
    /// Makes these where they are missing, and gives the others these terms.
    async fn register(&self, schedules: &[NewSchedule]) -> Result<(), Fault>;

    /// Notes the outcomes, then claims every slot that is due, in one transaction: of all runners that come at once one has
    /// each.
    async fn claim(&self, outcomes: &[Outcome]) -> Result<Vec<Slot>, Fault>;

    /// Notes the outcomes.
    async fn report(&self, outcomes: &[Outcome]) -> Result<(), Fault>;

    /// All, by name.
    async fn list(&self) -> Result<Vec<Schedule>, Fault>;
}
