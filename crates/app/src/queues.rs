//! Queues of the runner: whether work gets done.

use crate::authority::{self, FindError};
use crate::desk::Desk;
use almoner_domain::caller::Caller;
use almoner_domain::queue::QueueState;

/// How each queue stands, by name. They are the installation's: a tenant's staff sees how much there is to do, and nothing of
/// whose it is.
pub async fn list(caller: &Caller, desk: &Desk) -> Result<Vec<QueueState>, FindError> {
    authority::operator(caller)?;
    Ok(desk.queues.queues().await?)
}
