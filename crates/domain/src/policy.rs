//! Policies: rules that make an allocation just in time, when a session of a kind first appears.
//!
//! A session gets one allocation, in the call that brings it, however many calls race. How much it gets is up to what the policy
//! says: less where the day's cap, or what is free, is less. What a policy handed out on a day and got back unspent counts no more
//! towards that day's cap.

use crate::agent::Agent;
use crate::calendar::Window;
use crate::conditions::Conditions;
use crate::id::{AgentId, CustomerId, FeatureId, PolicyId};
use crate::ledger::SPAN_MAX;
use crate::scope::Scope;
use crate::text::{ExternalId, Label, Name, SessionKind};
use crate::time::Timestamp;
use crate::units::Units;
use crate::zone::Zone;
use std::collections::BTreeSet;
use std::time::Duration;
use thiserror::Error;

/// The most features that one policy hands out.
pub const POLICY_LINES_MAX: usize = 16;
/// The most agents that one policy names.
pub const POLICY_AGENTS_MAX: usize = 100;

/// A rule that makes allocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Our id.
    pub id: PolicyId,
    /// The provider's own id, unique in the realm.
    pub external_id: ExternalId,
    /// What people call it.
    pub name: Name,
    /// For sessions of which agents.
    pub agents: AgentSelector,
    /// For sessions of which kind.
    pub session_kind: SessionKind,
    /// On behalf of which customer, whoever its user is; none for any. Caps are each customer's own.
    pub customer: Option<CustomerId>,
    /// What a session gets.
    pub lines: Vec<PolicyLine>,
    /// With which tools, on which resources.
    pub scope: Scope,
    /// In which hours, how fast, and how long an allocation may lie idle.
    pub conditions: Conditions,
    /// How long an allocation lasts from the call that made it: whole seconds, up to [`SPAN_MAX`].
    pub lifetime: Duration,
    /// How many of a customer's allocations may be live at once; none for any number.
    pub live_max: Option<u32>,
    /// In whose civil time a day is one.
    pub zone: Zone,
    /// When it came into force.
    pub created_at: Timestamp,
    /// When it was retired: it makes no new allocations from then on.
    pub retired_at: Option<Timestamp>,
}

/// Which agents a policy is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentSelector {
    /// Every agent.
    Any,
    /// Those that bear this label.
    Labelled(Label),
    /// These.
    These(BTreeSet<AgentId>),
}

/// What a session gets of one feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyLine {
    /// Of which feature.
    pub feature: FeatureId,
    /// Up to how many units.
    pub up_to: Units,
    /// How many of a customer's units may be out on one day, spent or still in allocations of that day; none for any number.
    pub a_day: Option<Units>,
}

/// Why a policy cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// It hands out nothing, or too much to look over.
    #[error("a policy hands out 1 to {POLICY_LINES_MAX} features")]
    Lines,
    /// One feature twice.
    #[error("this feature is handed out twice; say it once")]
    Repeated(usize),
    /// None of it.
    #[error("must be greater than zero")]
    Nothing(usize),
    /// A session would get more than a day has.
    #[error("is less than what one session gets")]
    DayTooShort(usize),
    /// No agent, or too many.
    #[error("names 1 to {POLICY_AGENTS_MAX} agents")]
    Agents,
    /// No time, or more than an allocation may live.
    #[error("must be between 1 second and 366 days")]
    Lifetime,
    /// None may be live.
    #[error("must be at least 1")]
    Live,
}

impl Policy {
    /// Checks what it says.
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.lines.is_empty() || self.lines.len() > POLICY_LINES_MAX {
            return Err(PolicyError::Lines);
        }
        for (at, line) in self.lines.iter().enumerate() {
            if self.lines[..at].iter().any(|other| other.feature == line.feature) {
                return Err(PolicyError::Repeated(at));
            }
            if line.up_to.is_zero() {
                return Err(PolicyError::Nothing(at));
            }
            if line.a_day.is_some_and(|day| day < line.up_to) {
                return Err(PolicyError::DayTooShort(at));
            }
        }
        if let AgentSelector::These(agents) = &self.agents
            && (agents.is_empty() || agents.len() > POLICY_AGENTS_MAX)
        {
            return Err(PolicyError::Agents);
        }
        if self.lifetime.as_secs() == 0 || self.lifetime > SPAN_MAX {
            return Err(PolicyError::Lifetime);
        }
        if self.live_max == Some(0) { Err(PolicyError::Live) } else { Ok(()) }
    }

    /// Does it make allocations for sessions of this kind, of this agent, on behalf of this customer?
    pub fn is_for(&self, agent: &Agent, kind: &SessionKind, customer: CustomerId) -> bool {
        let is_agent = match &self.agents {
            AgentSelector::Any => true,
            AgentSelector::Labelled(label) => agent.labels.contains(label),
            AgentSelector::These(agents) => agents.contains(&agent.id),
        };
        let is_in_force = self.retired_at.is_none();
        is_in_force && is_agent && self.session_kind == *kind && self.customer.is_none_or(|id| id == customer)
    }

    /// How closely it looks: of several that are for a session the closest makes its allocation.
    fn closeness(&self) -> (bool, u8) {
        let agents = match self.agents {
            AgentSelector::These(_) => 2,
            AgentSelector::Labelled(_) => 1,
            AgentSelector::Any => 0,
        };
        (self.customer.is_some(), agents)
    }
}

/// The policy that makes a session's allocation: one of its customer before one of any, one that names its agent before one that
/// names a label, and of equal ones the oldest.
pub fn choose<'p>(
    policies: impl IntoIterator<Item = &'p Policy>,
    agent: &Agent,
    kind: &SessionKind,
    customer: CustomerId,
) -> Option<&'p Policy> {
    let fitting = policies.into_iter().filter(|policy| policy.is_for(agent, kind, customer));
    fitting.min_by_key(|policy| (std::cmp::Reverse(policy.closeness()), policy.id))
}

/// Why a policy makes no allocation now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyRefusal {
    /// As many are live as may be.
    Live {
        /// How many.
        live_max: u32,
    },
    /// The day's units of a feature are out.
    Day {
        /// Of which feature.
        feature: FeatureId,
        /// How many a day has.
        a_day: Units,
        /// When the next day begins.
        resets_at: Option<Timestamp>,
    },
}

impl Policy {
    /// What a session gets now: of each feature up to what the policy says, what the day has left and what is free, which
    /// `free` tells. `out` tells what is out of the day's units, `live` how many allocations are.
    ///
    /// A line of which nothing is free keeps what the policy says, so that carving it says who has too little.
    pub fn amounts(
        &self,
        live: u64,
        day: Window,
        out: impl Fn(FeatureId) -> Units,
        free: impl Fn(FeatureId) -> Units,
    ) -> Result<Vec<(FeatureId, Units)>, PolicyRefusal> {
        if let Some(live_max) = self.live_max.filter(|max| live >= u64::from(*max)) {
            return Err(PolicyRefusal::Live { live_max });
        }
        let mut amounts = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            let mut amount = line.up_to;
            if let Some(a_day) = line.a_day {
                let left = a_day.saturating_sub(out(line.feature));
                if left.is_zero() {
                    return Err(PolicyRefusal::Day { feature: line.feature, a_day, resets_at: day.end });
                }
                amount = amount.min(left);
            }
            let free = free(line.feature);
            amounts.push((line.feature, if free.is_zero() { amount } else { amount.min(free) }));
        }
        Ok(amounts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn id<I: Id>(number: u128) -> I {
        I::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn units(count: i64) -> Units {
        Units::new(count).unwrap()
    }

    fn policy(number: u128) -> Policy {
        Policy {
            id: id(number),
            external_id: ExternalId::parse("support").unwrap(),
            name: Name::parse("Support").unwrap(),
            agents: AgentSelector::Any,
            session_kind: SessionKind::parse("support_ticket").unwrap(),
            customer: None,
            lines: vec![PolicyLine { feature: id(1), up_to: units(50), a_day: Some(units(510)) }],
            scope: Scope::default(),
            conditions: Conditions::default(),
            lifetime: Duration::from_secs(7_200),
            live_max: Some(20),
            zone: Zone::parse("Europe/Berlin").unwrap(),
            created_at: Timestamp::from_micros(0),
            retired_at: None,
        }
    }

    fn agent(labels: &[&str]) -> Agent {
        Agent {
            id: id(7),
            external_id: ExternalId::parse("support").unwrap(),
            name: Name::parse("Support agent").unwrap(),
            labels: labels.iter().map(|label| Label::parse(label).unwrap()).collect(),
        }
    }

    #[test]
    fn the_closest_policy_makes_the_allocation() {
        let any = policy(1);
        let label = Label::parse("triage").unwrap();
        let labelled = Policy { agents: AgentSelector::Labelled(label), ..policy(2) };
        let named = Policy { agents: AgentSelector::These([id(7)].into()), ..policy(3) };
        let own = Policy { customer: Some(id(5)), ..policy(4) };
        let retired = Policy { retired_at: Some(Timestamp::from_micros(1)), ..own.clone() };
        let kind = &any.session_kind;
        let chosen = |policies: &[&Policy], labels: &[&str], customer| {
            choose(policies.iter().copied(), &agent(labels), kind, id(customer))
                .map(|policy| policy.id.uuid().as_u128())
        };
        assert_eq!(chosen(&[&any, &policy(9)], &[], 5), Some(1), "the older one");
        assert_eq!(chosen(&[&any, &labelled], &["triage"], 5), Some(2));
        assert_eq!(chosen(&[&any, &labelled], &["other"], 5), Some(1));
        assert_eq!(chosen(&[&any, &labelled, &named], &["triage"], 5), Some(3));
        assert_eq!(chosen(&[&any, &named, &own], &[], 5), Some(4));
        assert_eq!(chosen(&[&any, &own], &[], 6), Some(1));
        assert_eq!(chosen(&[&retired], &[], 5), None);
        let chat = SessionKind::parse("chat").unwrap();
        assert_eq!(choose([&any], &agent(&[]), &chat, id(5)), None);
    }

    #[test]
    fn a_session_gets_up_to_what_is_left() {
        let day = Window { start: Timestamp::from_micros(0), end: Some(Timestamp::from_micros(9)) };
        let amounts = |live, out, free| policy(1).amounts(live, day, |_| units(out), |_| units(free));
        assert_eq!(amounts(0, 0, 5_000), Ok(vec![(id(1), units(50))]));
        assert_eq!(amounts(19, 500, 5_000), Ok(vec![(id(1), units(10))]), "to the unit");
        assert_eq!(amounts(0, 0, 30), Ok(vec![(id(1), units(30))]));
        assert_eq!(amounts(20, 0, 5_000), Err(PolicyRefusal::Live { live_max: 20 }));
        let refusal = PolicyRefusal::Day { feature: id(1), a_day: units(510), resets_at: day.end };
        assert_eq!(amounts(0, 510, 5_000), Err(refusal));
    }

    #[test]
    fn a_policy_that_cannot_be_says_why() {
        let with = |change: fn(&mut Policy)| {
            let mut policy = policy(1);
            change(&mut policy);
            policy.check()
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(with(|p| p.lines.clear()), Err(PolicyError::Lines));
        assert_eq!(with(|p| p.lines.push(p.lines[0])), Err(PolicyError::Repeated(1)));
        assert_eq!(with(|p| p.lines[0].up_to = Units::ZERO), Err(PolicyError::Nothing(0)));
        assert_eq!(with(|p| p.lines[0].a_day = Some(Units::ZERO)), Err(PolicyError::DayTooShort(0)));
        assert_eq!(with(|p| p.agents = AgentSelector::These(BTreeSet::new())), Err(PolicyError::Agents));
        assert_eq!(with(|p| p.lifetime = Duration::ZERO), Err(PolicyError::Lifetime));
        assert_eq!(with(|p| p.live_max = Some(0)), Err(PolicyError::Live));
    }
}
