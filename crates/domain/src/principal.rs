//! On whose behalf: the chain that every movement and decision ends in.

use crate::id::{AgentId, CustomerId, SessionId, UserId};

/// Who is accountable for a use of units, from the organisation down to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principals {
    /// The organisation that pays.
    pub customer: CustomerId,
    /// The person in it, where one is named.
    pub user: Option<UserId>,
    /// The software that acts for them.
    pub agent: Option<AgentId>,
    /// Its run or task.
    pub session: Option<SessionId>,
}
