//! `check`: what a call would be answered, changing nothing and recorded nowhere.

use crate::call::Call;
use crate::credential::Credential;
use crate::decide::{Answer, Refusal, Request};
use crate::denial;
use crate::gate::Gate;
use crate::handle::{Handle, NoHandle, Target};
use crate::judge::{self, Draw, judge};
use crate::moment::Moment;
use crate::pace;
use crate::session::Drawn;
use almoner_domain::account::Pocket;
use almoner_domain::decision::{Denial, Operation, Reason, UseKind, Verdict};
use almoner_domain::fault::Fault;
use almoner_domain::id::AccountId;
use almoner_domain::principal::Principals;
use almoner_domain::statement::Right;
use almoner_domain::units::Units;
use std::sync::Arc;

impl Gate {
    /// Answers `check`.
    pub async fn check(&self, by: Credential, call: &Call) -> Result<Answer, Refusal> {
        let request = Request { by, operation: Operation::Consume, call, mark: None };
        let away = |fault| Refusal::Unavailable(Some(fault));
        let Target::Session(session) = &call.target else { return self.check_there(&request).await };
        match self.drawn_on(by, session, true).await.map_err(away)? {
            Drawn::Allocation(id) => {
                let call = Call { target: Target::Allocation(id), ..call.clone() };
                self.check_there(&Request { call: &call, ..request }).await
            }
            Drawn::Would(standing) => {
                let handle = Arc::new(self.handles.imagined(by.realm, *standing).await.map_err(away)?);
                let draws = match judge(&handle, call, self.clock.now()) {
                    Ok(draws) => draws,
                    Err(denial) => return Ok(self.peek(&request, Some((&handle, &[], &[])), Some(denial))),
                };
                let now = self.clock.uptime();
                let free = |draw: &Draw| {
                    handle.lines[draw.line].purse.open().map_or(Units::ZERO, |state| state.remaining(now))
                };
                let left: Vec<Units> = draws.iter().map(free).collect();
                Ok(self.weighed(&request, &handle, &draws, &left))
            }
            Drawn::Denied(denial, whom) => {
                let handle = whom.map(|whom| Arc::new(Handle::of_nothing(by.realm, whom)));
                Ok(self.peek(&request, handle.as_ref().map(|handle| (handle, &[][..], &[][..])), Some(denial)))
            }
        }
    }

    async fn check_there(&self, request: &Request<'_>) -> Result<Answer, Refusal> {
        let Request { by, call, .. } = *request;
        let handle = match self.handles.find(by.realm, &call.target, self.clock.now()).await {
            Ok(handle) => handle,
            Err(NoHandle::Allocation) => return Err(Refusal::UnknownAllocation),
            Err(NoHandle::Customer | NoHandle::User) => {
                return Ok(self.peek(request, None, Some(denial::unknown_subject())));
            }
            Err(NoHandle::Fault(fault)) => return Err(Refusal::Unavailable(Some(fault))),
        };
        let Moment { now, uptime } = Moment::read(&*self.clock);
        let draws = match judge(&handle, call, now).and_then(|draws| pace::look(&handle, uptime, now).map(|()| draws)) {
            Ok(draws) => draws,
            Err(denial) => return Ok(self.peek(request, Some((&handle, &[], &[])), Some(denial))),
        };
        if let Err(denial) = self.guards.admit(&handle, uptime, false) {
            return Ok(self.peek(request, Some((&handle, &[], &[])), Some(denial)));
        }
        let left = self.left(by, call, &handle, &draws).await.map_err(|fault| Refusal::Unavailable(Some(fault)))?;
        Ok(self.weighed(request, &handle, &draws, &left))
    }

    /// The answer, by what is left of each draw.
    fn weighed(&self, request: &Request<'_>, handle: &Arc<Handle>, draws: &[Draw], left: &[Units]) -> Answer {
        let short = draws.iter().zip(left).find(|(draw, left)| draw.amount > **left);
        let denial = short.map(|(draw, left)| {
            denial::exhausted(handle, &handle.lines[draw.line], *left, draw.amount, self.clock.now())
        });
        self.peek(request, Some((handle, draws, left)), denial)
    }

    /// What is left in each line drawn on. Where what is idle here is not enough, the ledger is read.
    async fn left(&self, by: Credential, call: &Call, handle: &Handle, draws: &[Draw]) -> Result<Vec<Units>, Fault> {
        let now = self.clock.uptime();
        let idle = |draw: &Draw| {
            let purse = &handle.lines[draw.line].purse;
            purse.open().map_or(Units::ZERO, |state| if state.closed { Units::ZERO } else { state.idle(now) })
        };
        let at_hand = |draw: &Draw| {
            let state = handle.lines[draw.line].purse.open().filter(|state| !state.closed)?;
            (state.idle(now) >= draw.amount).then(|| state.remaining(now))
        };
        // What is idle here can be had for certain, and then what is left is known well enough.
        if let Some(left) = draws.iter().map(at_hand).collect() {
            return Ok(left);
        }
        let free = self.free(by, call).await?;
        let left = |draw: &Draw| {
            let account = handle.lines[draw.line].line.account;
            let free = free.iter().find(|(id, _)| *id == account).map_or(Units::ZERO, |(_, free)| *free);
            idle(draw).saturating_add(free)
        };
        Ok(draws.iter().map(left).collect())
    }

    async fn free(&self, by: Credential, call: &Call) -> Result<Vec<(AccountId, Units)>, Fault> {
        let mut free = Vec::new();
        match &call.target {
            Target::Allocation(id) => {
                let statement = self.lookup.statement(by.realm, *id).await?;
                let lines = statement.into_iter().flat_map(|statement| statement.lines);
                free.extend(lines.map(|line| (line.account, line.balance.get(Pocket::Free))));
            }
            // Its allocation was found before.
            Target::Session(_) => {}
            Target::Subject(subject) => {
                let statement = self.lookup.entitlements(by.realm, subject).await?;
                for line in statement.into_iter().flat_map(|statement| statement.lines) {
                    if let Right::Quota { line, .. } = line.right {
                        free.push((line.account, line.balance.get(Pocket::Free)));
                    }
                }
            }
        }
        Ok(free)
    }

    fn peek(
        &self,
        request: &Request<'_>,
        seen: Option<(&Arc<Handle>, &[Draw], &[Units])>,
        denial: Option<Denial>,
    ) -> Answer {
        let handle = seen.map(|(handle, _, _)| handle.as_ref());
        let mut uses = judge::uses(handle, request.call);
        for draw in seen.iter().flat_map(|(_, draws, _)| draws.iter()) {
            if let UseKind::Metered { requested, granted, .. } | UseKind::Drawn { requested, granted, .. } =
                &mut uses[draw.place].kind
            {
                *granted = if denial.is_none() { *requested } else { Units::ZERO };
            }
        }
        let lines = || {
            seen.iter().flat_map(|(handle, draws, left)| {
                draws.iter().zip(*left).map(move |(draw, left)| (handle.lines[draw.line].line.feature, *left))
            })
        };
        let left = |feature| lines().find(|(of, _)| *of == feature).map_or(Units::ZERO, |(_, left)| left);
        let is_blocking = denial.as_ref().is_some_and(|denial| denial.reason == Reason::Exhausted);
        judge::tell_left(&mut uses, left, is_blocking);
        let verdict = denial.map_or(Verdict::Allow, Verdict::Deny);
        let mut decision = self.decision(self.clock.now(), request, handle, verdict, uses, None);
        if matches!(request.call.target, Target::Session(_)) {
            // What would be made has no id yet.
            decision.allocation = None;
            decision.on_behalf_of = decision.on_behalf_of.map(|whom| Principals { session: None, ..whom });
        }
        Answer { decision: Arc::new(decision), replayed: false }
    }
}
