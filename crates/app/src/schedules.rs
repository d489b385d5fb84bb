//! Schedules of the runner: what recurs, and how it went the last time.

use crate::authority::{self, FindError};
use crate::desk::Desk;
use almoner_domain::caller::Caller;
use almoner_domain::schedule::Schedule;

/// All schedules, by name. They are the installation's.
pub async fn list(caller: &Caller, desk: &Desk) -> Result<Vec<Schedule>, FindError> {
    authority::operator(caller)?;
    Ok(desk.schedules.list().await?)
}
