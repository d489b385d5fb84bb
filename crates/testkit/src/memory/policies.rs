//! Allocations for sessions: the one that a session has, or the one that a policy makes for it.

use super::core::{Core, broken};
use super::trail::Pen;
use super::windows::Whom;
use almoner_domain::account::Pocket;
use almoner_domain::agent::Session;
use almoner_domain::allocation::{Allocation, AllocationState};
use almoner_domain::audit::Action;
use almoner_domain::calendar::Window;
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::id::{AllocationId, CustomerId, FeatureId, Id, PolicyId, SessionId};
use almoner_domain::ledger::{self, Books, CarveOrder, CarveRefusal};
use almoner_domain::policy::{Policy, choose};
use almoner_domain::ports::{SessionAnswer, SessionRequest};
use almoner_domain::principal::Principals;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use std::sync::Arc;

/// An allocation that a policy made, on which day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    policy: PolicyId,
    customer: CustomerId,
    day: Timestamp,
    allocation: AllocationId,
}

impl Core {
    /// What a session draws on, made by a policy where it has nothing yet.
    pub fn carve_for_session(
        &mut self,
        now: Timestamp,
        realm: Realm,
        request: &SessionRequest,
    ) -> Result<SessionAnswer, Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let subject = match self.whom(now, realm, &request.subject)? {
            Whom::UnknownCustomer => return Ok(SessionAnswer::UnknownCustomer),
            Whom::UnknownUser => return Ok(SessionAnswer::UnknownUser),
            Whom::Known(subject) => subject,
        };
        let Some(catalogue) = self.rows.catalogue(realm) else { return Ok(SessionAnswer::UnknownCustomer) };
        let Some(agent) = catalogue.agent(&request.agent).cloned() else { return Ok(SessionAnswer::UnknownAgent) };
        let (customer, user) = (subject.customer.id, subject.user_id());
        let whom = Principals { customer, user, agent: Some(agent.id), session: None };
        let named = |session: &&Session| session.agent == agent.id && session.name == request.session;
        let session = self.rows.sessions.seen(eye).find(named).cloned();
        let of_session = |allocation: &&Allocation| {
            let whom = allocation.principals;
            (whom.customer, whom.user) == (customer, user) && whom.session == session.as_ref().map(|s| s.id)
        };
        let newest = self.rows.allocations.seen(eye).filter(of_session);
        let newest =
            newest.max_by_key(|a| (a.state == AllocationState::Active && a.expires_at > now, a.created_at, a.id));
        if let Some(allocation) = newest.filter(|_| session.is_some()) {
            return Ok(SessionAnswer::Allocation { id: allocation.id, is_new: false });
        }
        let chosen = choose(&catalogue.policies, &agent, &request.session.kind, customer).cloned();
        let Some(policy) = chosen else { return Ok(SessionAnswer::NoPolicy(whom)) };
        if subject.is_paused() {
            return Ok(SessionAnswer::Refused(CarveRefusal::Paused, whom));
        }
        if let Some(stopped) = self.stops(eye, agent.id) {
            return Ok(SessionAnswer::Stopped(stopped, whom));
        }

        let accounts = policy
            .lines
            .iter()
            .filter_map(|line| Some((line.feature, self.rows.account_of(eye, &subject, line.feature, now)?.clone())));
        let accounts: Vec<_> = accounts.collect();
        let from = |feature: FeatureId| accounts.iter().find(|(of, _)| *of == feature).map(|(_, account)| account);
        let free = |feature| {
            let (free, leased) = from(feature).map_or((Units::ZERO, Units::ZERO), |account| {
                (account.balance.get(Pocket::Free), account.balance.get(Pocket::Leased))
            });
            if request.takes_less || leased.is_zero() { free } else { Units::MAX }
        };
        let day = policy.zone.day(now).map_err(|error| Fault::new("carve_for_session", FaultKind::Broken, error))?;
        let (live, out) =
            (self.live(realm, &policy, customer, now), |feature| self.out(realm, &policy, customer, day, feature));
        let amounts = match policy.amounts(live, day, out, free) {
            Ok(amounts) => amounts,
            Err(refusal) => return Ok(SessionAnswer::Held { policy: policy.name, refusal, whom }),
        };
        let session = session.unwrap_or_else(|| Session {
            id: SessionId::new(now, &*entropy),
            agent: agent.id,
            name: request.session.clone(),
        });
        let principals = Principals { session: Some(session.id), ..whom };
        let order = CarveOrder {
            id: request.id,
            parent: None,
            principals,
            agent: agent.id,
            lines: amounts.iter().map(|(feature, amount)| (*feature, from(*feature).map(|a| a.id), *amount)).collect(),
            scope: policy.scope.clone(),
            not_before: None,
            expires_at: Some(now.saturating_add(policy.lifetime)),
            durability: None,
            conditions: policy.conditions.clone(),
        };
        let mut books = Books::new(now, &*entropy);
        accounts.iter().for_each(|(_, account)| self.rows.load_chain(eye, &mut books, account.id));
        if let Err(refusal) = ledger::carve(&mut books, &order).map_err(|error| broken("carve_for_session", error))? {
            return Ok(SessionAnswer::Refused(refusal, whom));
        }
        let before = request.only_look.then(|| self.rows.clone());
        self.rows.write_back(eye, books);
        self.rows.sessions.put(eye, session.id, session);
        if let Some(before) = before {
            let standing = self.allocation(now, realm, request.id);
            self.rows = before;
            return Ok(
                standing.map_or(SessionAnswer::NoPolicy(whom), |standing| SessionAnswer::Would(Box::new(standing)))
            );
        }
        let made = Made { policy: policy.id, customer, day: day.start, allocation: request.id };
        self.rows.made.push((realm, made));
        let pen = Pen { now, realm, by: &request.by };
        self.sign(pen, Action::CarveAllocation, request.id, customer, policy.external_id.to_string());
        Ok(SessionAnswer::Allocation { id: request.id, is_new: true })
    }

    fn made(&self, realm: Realm, policy: &Policy, customer: CustomerId) -> impl Iterator<Item = (Made, &Allocation)> {
        let (eye, policy) = (self.eye(realm), policy.id);
        let of = move |(owner, made): &&(Realm, Made)| {
            (eye.sees)(eye.realm, *owner) && made.policy == policy && made.customer == customer
        };
        let found = move |(_, made): &(Realm, Made)| Some((*made, self.rows.allocations.find(eye, made.allocation)?));
        self.rows.made.iter().filter(of).filter_map(found)
    }

    fn live(&self, realm: Realm, policy: &Policy, customer: CustomerId, now: Timestamp) -> u64 {
        let live = |(_, a): &(Made, &Allocation)| a.state == AllocationState::Active && a.expires_at > now;
        self.made(realm, policy, customer).filter(live).count() as u64
    }

    /// What is out of the day's units of a feature.
    fn out(&self, realm: Realm, policy: &Policy, customer: CustomerId, day: Window, feature: FeatureId) -> Units {
        let eye = self.eye(realm);
        let today = self.made(realm, policy, customer).filter(|(made, _)| made.day == day.start);
        let lines = today.flat_map(|(_, allocation)| &allocation.lines).filter(|line| line.feature == feature);
        let accounts = lines.filter_map(|line| self.rows.accounts.find(eye, line.account));
        accounts.map(|account| account.balance.granted()).sum()
    }
}
