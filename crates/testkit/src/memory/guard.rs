//! The runaway guard: how far it has gone with agents and allocations, step by step.

use super::core::Core;
use super::table::Eye;
use super::trail::Pen;
use almoner_domain::allocation::Allocation;
use almoner_domain::audit::{Action, AuditEntry};
use almoner_domain::guard::{Guard, GuardLink, GuardRules, GuardState, GuardStep, Guarded, Guarding, guarding};
use almoner_domain::id::{AgentId, Id};
use almoner_domain::notice::{Change, Event, Notice};
use almoner_domain::standing::{Stopped, Suspension};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;

impl Core {
    /// Takes a step; false where it goes nowhere.
    pub fn step_guard(&mut self, now: Timestamp, realm: Realm, step: &GuardStep) -> bool {
        let eye = self.eye(realm);
        let has_agent = self.rows.catalogue(realm).is_some_and(|c| c.agents.iter().any(|agent| agent.id == step.agent));
        let has_allocation = step.allocation.is_none_or(|id| self.rows.allocations.find(eye, id).is_some());
        if !has_agent || !has_allocation {
            return false;
        }
        let Some(after) = Guard::after(self.rows.guards.find(eye, step.guarded), step) else { return false };
        self.write_guard(now, eye, after, step.clone());
        true
    }

    /// Lets somebody go on; false where nothing holds them.
    pub(super) fn resume_guard(&mut self, pen: Pen<'_>, guarded: Guarded) -> bool {
        let eye = self.eye(pen.realm);
        let resumed = self.rows.guards.find(eye, guarded).and_then(|guard| guard.resumed(pen.now));
        let Some(resumed) = resumed else { return false };
        let (agent, allocation, customer, action) = match guarded {
            Guarded::Agent(agent) => (agent, None, None, Action::ResumeAgent),
            Guarded::Allocation(id) => {
                let Some(of) = self.rows.allocations.find(eye, id) else { return false };
                (of.agent, Some(id), Some(of.principals.customer), Action::ResumeAllocation)
            }
        };
        let (id, at) = (Id::new(pen.now, &self.ink), pen.now);
        let (state, epoch, why) = (resumed.state, resumed.epoch, resumed.why.clone());
        let step = GuardStep { id, guarded, agent, allocation, state, epoch, at, why };
        let (id, author) = (Id::new(at, &self.ink), pen.by.clone());
        let (subject, note) = (guarded.to_string(), resumed.why.clone());
        let entry = AuditEntry { id, at, author, action, subject, customer, note };
        self.rows.audit.put(eye, entry.id, entry);
        self.write_guard(at, eye, resumed, step);
        true
    }

    fn write_guard(&mut self, now: Timestamp, eye: Eye, guard: Guard, step: GuardStep) {
        let event = Event::Guarded(step.id, step.state);
        let notice = Notice { id: Id::new(now, &self.ink), at: step.at, event, allocation: None };
        let change = match step.guarded {
            Guarded::Agent(id) => Change::Agent(id),
            Guarded::Allocation(id) => Change::Allocation(id),
        };
        self.rows.guards.put(eye, guard.guarded, guard);
        self.rows.guard_steps.put(eye, step.id, step);
        self.rows.announce(eye, vec![notice]);
        self.rows.changes.push((eye.realm, change));
    }

    /// What agents of a realm are guarded by.
    pub(super) fn guard_rules(&self, realm: Realm, agents: &[AgentId]) -> Vec<(AgentId, GuardRules)> {
        let Some(catalogue) = self.rows.catalogue(realm) else { return Vec::new() };
        agents.iter().filter_map(|id| Some((*id, *catalogue.guard_rules.get(id)?))).collect()
    }

    /// Is an agent stopped, in all that it does?
    pub(super) fn stops(&self, eye: Eye, agent: AgentId) -> Option<Suspension> {
        let guard = self.rows.guards.find(eye, Guarded::Agent(agent))?;
        let is_stopped = guard.state == GuardState::Suspended;
        is_stopped.then(|| Suspension::Guarded { stopped: Stopped::Agent, why: guard.why.clone() })
    }

    /// What the guard makes of an allocation.
    pub(super) fn guarding(&self, eye: Eye, of: &Allocation) -> (Option<Suspension>, Option<Box<Guarding>>) {
        let mut chain = Vec::new();
        let mut next = Some(of);
        while let Some(allocation) = next {
            chain.push(GuardLink { allocation: allocation.id, agent: allocation.agent });
            next = allocation.parent.and_then(|id| self.rows.allocations.find(eye, id));
        }
        let agents: Vec<AgentId> = chain.iter().map(|link| link.agent).collect();
        let guards: Vec<Guard> = self.rows.guards.seen(eye).cloned().collect();
        guarding(&chain, &self.guard_rules(eye.realm, &agents), &guards)
    }
}
