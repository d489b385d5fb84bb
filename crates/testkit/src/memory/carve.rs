//! Carving an allocation.

use super::core::{Core, broken};
use super::rows::CarveKey;
use super::table::Eye;
use super::trail::Pen;
use super::windows::Whom;
use almoner_domain::agent::Session;
use almoner_domain::audit::Action;
use almoner_domain::fault::Fault;
use almoner_domain::id::{AccountId, AgentId, AllocationId, FeatureId, Id, SessionId};
use almoner_domain::ledger::{self, Books, CarveOrder, CarveRefusal, RETENTION};
use almoner_domain::ports::{CarveAnswer, CarveRequest, Source};
use almoner_domain::principal::Principals;
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use std::sync::Arc;

/// Who gives units: on whose behalf, and from which account for each feature.
struct Giver {
    parent: Option<AllocationId>,
    principals: Principals,
    accounts: Vec<(FeatureId, AccountId)>,
}

impl Core {
    /// Carves all lines of a request, or none.
    pub fn carve(&mut self, now: Timestamp, realm: Realm, request: &CarveRequest) -> Result<CarveAnswer, Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        if let Some(answer) = self.repeated(now, realm, request) {
            return Ok(answer);
        }
        let giver = match self.giver(now, realm, request)? {
            Ok(giver) => giver,
            Err(answer) => return Ok(answer),
        };
        let agent = self.rows.catalogue(realm).and_then(|c| c.agent(&request.agent)).map(|agent| agent.id);
        let Some(agent) = agent else { return Ok(CarveAnswer::UnknownAgent) };
        let session = self.session(eye, now, agent, request);
        let order = order(request, &giver, agent, session.id);

        let mut books = Books::new(now, &*entropy);
        if let Some(parent) = giver.parent {
            self.rows.load_family(eye, &mut books, parent);
        }
        giver.accounts.iter().for_each(|(_, account)| self.rows.load_chain(eye, &mut books, *account));
        if let Err(refusal) = ledger::carve(&mut books, &order).map_err(|error| broken("carve", error))? {
            return Ok(CarveAnswer::Refused(refusal));
        }
        self.rows.write_back(eye, books);
        self.rows.sessions.put(eye, session.id, session);
        if let Some(mark) = request.key {
            self.rows.carve_keys.put(eye, mark.key, CarveKey { allocation: request.id, body: mark.body });
        }
        let pen = Pen { now, realm, by: &request.by };
        self.sign(pen, Action::CarveAllocation, request.id, order.principals.customer, String::new());
        Ok(self.statement(realm, request.id).map_or(CarveAnswer::UnknownParent, CarveAnswer::Carved))
    }

    /// The answer to a request that was made before: by its key, or by the id that the caller chose for it.
    fn repeated(&mut self, now: Timestamp, realm: Realm, request: &CarveRequest) -> Option<CarveAnswer> {
        let eye = self.eye(realm);
        if let Some(mark) = request.key
            && let Some(kept) = self.rows.carve_keys.find(eye, mark.key).copied()
        {
            let carved_at = self.rows.allocations.find(eye, kept.allocation).map(|a| a.created_at)?;
            if now < carved_at.saturating_add(RETENTION) {
                return Some(if kept.body == mark.body {
                    self.replay(realm, kept.allocation)?
                } else {
                    CarveAnswer::KeyReused
                });
            }
            self.rows.carve_keys.remove(eye, mark.key);
        }
        self.replay(realm, request.id)
    }

    fn replay(&self, realm: Realm, id: AllocationId) -> Option<CarveAnswer> {
        self.statement(realm, id).map(CarveAnswer::Replayed)
    }

    fn giver(
        &mut self,
        now: Timestamp,
        realm: Realm,
        request: &CarveRequest,
    ) -> Result<Result<Giver, CarveAnswer>, Fault> {
        let eye = self.eye(realm);
        let principals = |customer, user| Principals { customer, user, agent: None, session: None };
        match &request.source {
            Source::Allocation(parent) => {
                let Some(parent) = self.rows.allocations.find(eye, *parent) else {
                    return Ok(Err(CarveAnswer::UnknownParent));
                };
                let accounts = parent.lines.iter().map(|line| (line.feature, line.account)).collect();
                if self.is_paused(now, realm, parent.principals.customer) {
                    return Ok(Err(CarveAnswer::Refused(CarveRefusal::Paused)));
                }
                let principals = principals(parent.principals.customer, parent.principals.user);
                Ok(Ok(Giver { parent: Some(parent.id), principals, accounts }))
            }
            Source::Subject(name) => Ok(match self.whom(now, realm, name)? {
                Whom::UnknownCustomer => Err(CarveAnswer::UnknownCustomer),
                Whom::UnknownUser => Err(CarveAnswer::UnknownUser),
                Whom::Known(subject) if subject.is_paused() => Err(CarveAnswer::Refused(CarveRefusal::Paused)),
                Whom::Known(subject) => {
                    let account = |feature: FeatureId| {
                        self.rows.account_of(eye, &subject, feature, now).map(|account| (feature, account.id))
                    };
                    let accounts = request.lines.iter().filter_map(|(feature, _)| account(*feature)).collect();
                    let principals = principals(subject.customer.id, subject.user_id());
                    Ok(Giver { parent: None, principals, accounts })
                }
            }),
        }
    }

    /// The session that a request names, which comes into being when it is new.
    fn session(&self, eye: Eye, now: Timestamp, agent: AgentId, request: &CarveRequest) -> Session {
        let named = |session: &&Session| session.agent == agent && session.name == request.session;
        self.rows.sessions.seen(eye).find(named).cloned().unwrap_or_else(|| Session {
            id: SessionId::new(now, &*self.entropy),
            agent,
            name: request.session.clone(),
        })
    }
}

fn order(request: &CarveRequest, giver: &Giver, agent: AgentId, session: SessionId) -> CarveOrder {
    let account = |feature: FeatureId| giver.accounts.iter().find(|(f, _)| *f == feature).map(|(_, account)| *account);
    CarveOrder {
        id: request.id,
        parent: giver.parent,
        principals: Principals { agent: Some(agent), session: Some(session), ..giver.principals },
        agent,
        lines: request.lines.iter().map(|(feature, amount)| (*feature, account(*feature), *amount)).collect(),
        scope: request.scope.clone(),
        not_before: request.not_before,
        expires_at: request.expires_at,
        durability: request.durability,
        conditions: request.conditions.clone(),
    }
}
