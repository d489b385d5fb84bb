//! Chores: work that recurs, and how a slot of one travels through a queue.

use crate::jobs::{Failure, Handler};
use almoner_domain::schedule::{NewSchedule, Outcome, Slot};
use almoner_domain::time::{Clock, Timestamp};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::mpsc;

/// The queue of all chores.
pub const CHORES: &str = "chores";

/// How long a chore's claim holds its next slot up when its runner dies: longer than nearly all runs take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Work that recurs. It takes its truth from the store and may run twice, even at once, without harm.
#[async_trait]
pub trait Chore: Send + Sync + 'static {
    /// Its name, and its schedule's: letters and hyphens.
    fn name(&self) -> &'static str;
    /// From one run to the next.
    fn period(&self) -> Duration;
    /// How long a run may take before another runner may begin the next.
    fn patience(&self) -> Duration {
        PATIENCE + self.period()
    }
    /// Does what there is to do.
    async fn run(&self) -> Result<(), Failure>;
}

/// Its schedule.
pub(crate) fn schedule(chore: &dyn Chore) -> NewSchedule {
    NewSchedule { name: chore.name(), period: chore.period(), patience: chore.patience() }
}

/// Why a task of the queue of chores is not done.
#[derive(Debug, Error)]
enum ChoreError {
    #[error("it is no slot of a schedule")]
    Unreadable,
    #[error("no chore here has this name")]
    Unknown,
    #[error("it panicked; the log says where")]
    Panicked,
}

/// Does chores by their slots, and says how they went.
pub(crate) struct Chores {
    pub(crate) chores: Vec<Arc<dyn Chore>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) outcomes: mpsc::Sender<Outcome>,
}

#[async_trait]
impl Handler for Chores {
    async fn handle(&self, task: &str) -> Result<(), Failure> {
        let slot = read(task).ok_or(ChoreError::Unreadable)?;
        let chore = self.chores.iter().find(|chore| chore.name() == slot.schedule).cloned();
        let done = match chore {
            // In a task of its own, so that a panic is an outcome like any other.
            Some(chore) => match tokio::spawn(async move { chore.run().await }).await {
                Ok(done) => done,
                Err(_) => Err(ChoreError::Panicked.into()),
            },
            // A runner of another version: its neighbours know.
            None => Err(ChoreError::Unknown.into()),
        };
        if let Err(error) = &done {
            tracing::warn!(schedule = slot.schedule, %error, cause = ?error.source(), "a chore failed; its next slot tries again");
        }
        let error = done.as_ref().err().map(ToString::to_string);
        let outcome = Outcome { slot, ended_at: self.clock.now(), error };
        // Where nobody listens any more, the claim ends by itself.
        let _ = self.outcomes.try_send(outcome);
        done
    }
}

/// A slot as a task, and as the key by which it is put into the queue once. The claim is part of it: a slot that is claimed
/// again is another's, and its first task may be lost.
pub(crate) fn write(slot: &Slot) -> String {
    format!("{}@{}@{}", slot.schedule, slot.due_at.as_micros(), slot.claimed_at.as_micros())
}

fn read(task: &str) -> Option<Slot> {
    let mut parts = task.split('@');
    let (schedule, due, claimed) = (parts.next()?, parts.next()?, parts.next()?);
    let at = |text: &str| text.parse().ok().map(Timestamp::from_micros);
    Some(Slot { schedule: schedule.to_owned(), due_at: at(due)?, claimed_at: at(claimed)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_reads_back_as_itself() {
        let at = Timestamp::from_micros;
        let slot = Slot { schedule: "sweep".to_owned(), due_at: at(-1), claimed_at: at(7) };
        assert_eq!(read(&write(&slot)), Some(slot));
        assert_eq!(read("sweep@x@1"), None);
    }
}
