//! The path of a call, as a straight line: find the handle, check, debit all lines or none, append, await durable, answer.

use crate::answered::{self, Claim, Turn};
use crate::call::{Call, CallKey};
use crate::courier::Want;
use crate::credential::Credential;
use crate::debit::{Debit, Shortage, Taken};
use crate::denial;
use crate::gate::Gate;
use crate::handle::{Handle, NoHandle, Target};
use crate::journal::Position;
use crate::judge::{self, judge};
use crate::moment::Moment;
use crate::pace::Places;
use crate::session::Drawn;
use almoner_domain::decision::{Decision, Denial, KeyMark, Operation, Reason, Use, Verdict};
use almoner_domain::fault::Fault;
use almoner_domain::id::{DecisionId, Id};
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use std::sync::Arc;
use thiserror::Error;

/// A call may see the units it waits for taken by another so many times before it is told to come again.
const ROUNDS_MAX: u32 = 64;

/// A decision as it is given.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The decision.
    pub decision: Arc<Decision>,
    /// Was it taken by an earlier call with the same key?
    pub replayed: bool,
}

/// Why there is no decision: the request itself is wrong, or nothing can be known of it.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The idempotency key was used with another body.
    #[error("the idempotency key was used before with another body")]
    KeyReused,
    /// The realm has no such allocation.
    #[error("there is no such allocation")]
    UnknownAllocation,
    /// The realm has no such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// The customer has no such user.
    #[error("the customer has no such user")]
    UnknownUser,
    /// The realm has no such hold.
    #[error("there is no such hold")]
    UnknownHold,
    /// The hold's time is over.
    #[error("the hold has expired")]
    HoldExpired,
    /// The hold was settled before, in another way.
    #[error("the hold is settled already, with other amounts")]
    HoldSettled,
    /// A feature that is not in the hold.
    #[error("the hold has no such feature")]
    NotHeld {
        /// Which of the named uses.
        index: usize,
    },
    /// The store cannot be asked. Nothing was changed.
    #[error("the gate cannot know now")]
    Unavailable(#[source] Option<Fault>),
}

impl Gate {
    /// Decides `consume` and `reserve`.
    pub async fn decide(&self, by: Credential, operation: Operation, call: &Call) -> Result<Answer, Refusal> {
        let moment = Moment::read(&*self.clock);
        let mark = call.key.as_ref().map(|key| mark(by, key));
        let request = Request { by, operation, call, mark };
        let claim = match self.turn(by, mark).await {
            Ok(Ok(claim)) => claim,
            Ok(Err(answer)) => return Ok(answer),
            Err(Refusal::Unavailable(fault)) => return Ok(self.cannot_know(&request, None, fault.as_ref())),
            Err(refusal) => return Err(refusal),
        };
        let drawn;
        let call = match &call.target {
            Target::Allocation(_) | Target::Subject(_) => call,
            Target::Session(session) => match self.drawn_on(by, session, false).await {
                Ok(Drawn::Allocation(id)) => {
                    drawn = Call { target: Target::Allocation(id), ..call.clone() };
                    &drawn
                }
                // Only who looks is told what would be made.
                Ok(Drawn::Would(_)) => return Ok(self.cannot_know(&request, None, None)),
                Ok(Drawn::Denied(denial, whom)) => {
                    let whom = whom.map(|whom| Handle::of_nothing(by.realm, whom));
                    return self.deny(&request, claim, whom.as_ref(), denial).await;
                }
                Err(fault) => return Ok(self.cannot_know(&request, None, Some(&fault))),
            },
        };
        let request = Request { call, ..request };
        match self.handles.find(by.realm, &call.target, moment.now).await {
            Err(NoHandle::Allocation) => Err(Refusal::UnknownAllocation),
            Err(NoHandle::Customer | NoHandle::User) => {
                self.deny(&request, claim, None, denial::unknown_subject()).await
            }
            Err(NoHandle::Fault(fault)) => Ok(self.cannot_know(&request, None, Some(&fault))),
            Ok(handle) if handle.standing.guard.is_none() => self.decide_on(&request, claim, handle, moment).await,
            Ok(handle) => {
                let answer = self.decide_on(&request, claim, handle.clone(), moment).await?;
                self.watch(&handle, Some(call), &answer.decision);
                Ok(answer)
            }
        }
    }

    async fn decide_on(
        &self,
        request: &Request<'_>,
        mut claim: Option<Claim>,
        mut handle: Arc<Handle>,
        mut moment: Moment,
    ) -> Result<Answer, Refusal> {
        let mut word = LedgerWord::NotHeard;
        let mut is_admitted = false;
        let patience = moment.uptime.saturating_add(self.config.recall_patience);
        for _ in 0..ROUNDS_MAX {
            let draws = match judge(&handle, request.call, moment.now) {
                Ok(draws) => draws,
                Err(denial) => return self.deny(request, claim, Some(&handle), denial).await,
            };
            let places = match Places::take(&handle, moment.uptime, moment.now) {
                Ok(places) => places,
                Err(denial) => return self.deny(request, claim, Some(&handle), denial).await,
            };
            if !std::mem::replace(&mut is_admitted, true)
                && let Err(denial) = self.guards.admit(&handle, moment.uptime, true)
            {
                return self.deny(request, claim, Some(&handle), denial).await;
            }
            match self.debit(request, &handle, &draws, moment, word, &mut claim) {
                Debit::Done(taken) => {
                    places.keep();
                    return Ok(self.confirm(request, &handle, taken).await);
                }
                Debit::Exhausted { line, left, asked } => {
                    let denial = denial::exhausted(&handle, &handle.lines[line], left, asked, moment.now);
                    return self.deny(request, claim, Some(&handle), denial).await;
                }
                Debit::Short(shortages) => match self.fetch(&handle, &shortages).await {
                    Ok(()) if self.clock.uptime() < patience => word = LedgerWord::Heard,
                    Ok(()) => word = LedgerWord::HeardEnough,
                    Err(why) => return Ok(self.unavailable(request, Some(&handle), &why)),
                },
                Debit::Closed => match self.look_again(request, &handle).await {
                    Ok(again) => {
                        drop(places);
                        handle = again;
                    }
                    Err(denial) => return self.deny(request, claim, Some(&handle), denial).await,
                },
                Debit::Failed(why) => return Ok(self.unavailable(request, Some(&handle), &why)),
            }
            // It has waited.
            moment = Moment::read(&*self.clock);
        }
        Ok(self.unavailable(request, Some(&handle), "others are faster for the last units"))
    }

    /// Whose turn a keyed call is: a claim to decide, or the answer given before.
    pub(crate) async fn turn(
        &self,
        by: Credential,
        mark: Option<KeyMark>,
    ) -> Result<Result<Option<Claim>, Answer>, Refusal> {
        let Some(mark) = mark else { return Ok(Ok(None)) };
        match self.answered.begin(by.realm, mark).await {
            Ok(Turn::First(claim)) => Ok(Ok(Some(claim))),
            Ok(Turn::Again(decision, position)) => {
                self.until_durable(position).await?;
                Ok(Err(Answer { decision, replayed: true }))
            }
            Ok(Turn::Reused) => Err(Refusal::KeyReused),
            Ok(Turn::Full) => Err(Refusal::Unavailable(None)),
            Err(fault) => Err(Refusal::Unavailable(Some(fault))),
        }
    }

    /// An answer is said again only when its record cannot be lost any more.
    pub(crate) async fn until_durable(&self, position: Option<Position>) -> Result<(), Refusal> {
        if position.is_none_or(|position| self.scribe.is_durable(position)) {
            return Ok(());
        }
        self.scribe.journal().sync().durable().await.map(|_| ()).map_err(|_| Refusal::Unavailable(None))
    }

    /// The handle of a target that must be there.
    pub(crate) async fn find(&self, by: Credential, target: &Target) -> Result<Arc<Handle>, Refusal> {
        self.handles.find(by.realm, target, self.clock.now()).await.map_err(|missing| match missing {
            NoHandle::Allocation => Refusal::UnknownAllocation,
            NoHandle::Customer => Refusal::UnknownCustomer,
            NoHandle::User => Refusal::UnknownUser,
            NoHandle::Fault(fault) => Refusal::Unavailable(Some(fault)),
        })
    }

    async fn find_handle(&self, by: Credential, call: &Call) -> Result<Arc<Handle>, NoHandle> {
        self.handles.find(by.realm, &call.target, self.clock.now()).await
    }

    /// A purse is closed: the allocation is ending, or the window is over and there is a new one.
    async fn look_again(&self, request: &Request<'_>, handle: &Handle) -> Result<Arc<Handle>, Denial> {
        self.handles.forget(request.by.realm, &request.call.target);
        let ended = || denial::ended(handle, Reason::Expired);
        match self.find_handle(request.by, request.call).await {
            Ok(again) if again.lines.iter().all(|line| !line.purse.is_closed()) => Ok(again),
            Ok(_) => Err(ended()),
            Err(NoHandle::Fault(_)) => Err(denial::unavailable("the store is away")),
            Err(_) => Err(ended()),
        }
    }

    /// Asks the ledger for the units that are missing here.
    pub(crate) async fn fetch(&self, handle: &Handle, shortages: &[Shortage]) -> Result<(), String> {
        let mut word = Vec::with_capacity(shortages.len());
        for shortage in shortages {
            let purse = handle.lines[shortage.line].purse.clone();
            word.push(self.courier.ask(purse, Want::Raise { need: shortage.need, cost: shortage.cost }));
        }
        for word in word {
            let heard = tokio::time::timeout(self.config.lease_patience, word).await;
            match heard {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(why))) => return Err(why),
                Ok(Err(_)) => return Err("the gate is stopping".to_owned()),
                Err(_) => return Err("the ledger does not answer".to_owned()),
            }
        }
        if shortages.iter().any(|shortage| shortage.elsewhere) {
            // Others have been asked for what they hold idle; they answer with their next report.
            tokio::time::sleep(self.config.flush_interval).await;
        }
        Ok(())
    }

    async fn confirm(&self, request: &Request<'_>, handle: &Handle, taken: Taken) -> Answer {
        let Taken { decision, ticket, wait } = taken;
        if wait && ticket.durable().await.is_err() {
            // The units stay charged: whether the record will be found again nobody can say now.
            return self.unavailable(request, Some(handle), "the journal does not take records");
        }
        self.metrics.allowed(request.operation);
        Answer { decision, replayed: false }
    }

    pub(crate) async fn deny(
        &self,
        request: &Request<'_>,
        mut claim: Option<Claim>,
        handle: Option<&Handle>,
        denial: Denial,
    ) -> Result<Answer, Refusal> {
        if denial.reason == Reason::Unavailable {
            return Ok(self.unavailable_as(request, handle, denial));
        }
        self.metrics.denied(denial.reason);
        let uses = self.denied_uses(request.call, handle, denial.reason);
        let decision = Arc::new(self.decision(self.clock.now(), request, handle, Verdict::Deny(denial), uses, None));
        let ticket = match self.scribe.decide(request.by.realm, &decision, &[]) {
            Ok(ticket) => ticket,
            Err(why) => return Ok(self.unavailable(request, handle, &why.to_string())),
        };
        // A denial spends nothing, so only one that must be said again has to be safe before it is said.
        if let Some(claim) = &mut claim {
            claim.give(decision.clone(), ticket.position());
            if ticket.durable().await.is_err() {
                return Ok(self.unavailable(request, handle, "the journal does not take records"));
            }
        }
        Ok(Answer { decision, replayed: false })
    }

    /// The uses of a denied call: what is left of each, and which feature stopped it.
    fn denied_uses(&self, call: &Call, handle: Option<&Handle>, reason: Reason) -> Vec<Use> {
        let mut uses = judge::uses(handle, call);
        let now = self.clock.uptime();
        let left = |feature| {
            let (_, line) = handle?.line(feature)?;
            line.purse.open().map(|state| state.remaining(now))
        };
        judge::tell_left(&mut uses, |feature| left(feature).unwrap_or(Units::ZERO), reason == Reason::Exhausted);
        uses
    }

    fn cannot_know(&self, request: &Request<'_>, handle: Option<&Handle>, fault: Option<&Fault>) -> Answer {
        if let Some(fault) = fault {
            tracing::warn!(error = fault as &dyn std::error::Error, "a call cannot be decided");
        }
        self.unavailable(request, handle, "the store is away")
    }

    /// Not recorded, and not remembered for its key: a retry decides anew.
    pub(crate) fn unavailable(&self, request: &Request<'_>, handle: Option<&Handle>, why: &str) -> Answer {
        self.unavailable_as(request, handle, denial::unavailable(why))
    }

    fn unavailable_as(&self, request: &Request<'_>, handle: Option<&Handle>, denial: Denial) -> Answer {
        self.metrics.denied(denial.reason);
        let uses = judge::uses(handle, request.call);
        let decision = self.decision(self.clock.now(), request, handle, Verdict::Deny(denial), uses, None);
        Answer { decision: Arc::new(decision), replayed: false }
    }

    /// A decision with a new id.
    pub(crate) fn decision(
        &self,
        at: Timestamp,
        request: &Request<'_>,
        handle: Option<&Handle>,
        verdict: Verdict,
        uses: Vec<Use>,
        hold: Option<(almoner_domain::id::HoldId, Timestamp)>,
    ) -> Decision {
        Decision {
            id: DecisionId::new(at, &*self.entropy),
            at,
            operation: request.operation,
            verdict,
            on_behalf_of: handle.map(|handle| handle.standing.principals),
            allocation: handle.and_then(|handle| handle.standing.allocation),
            uses,
            hold: hold.map(|(id, _)| id),
            hold_expires_at: hold.map(|(_, at)| at),
            key: request.mark,
            dimensions: request.call.dimensions.clone(),
        }
    }
}

/// Has the ledger been heard for this call, and for how long?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LedgerWord {
    /// What is known of free units may be old.
    NotHeard,
    /// What is free is known; units that others hold idle may still come back.
    Heard,
    /// Others have had their time to give back.
    HeardEnough,
}

/// One call being decided.
pub(crate) struct Request<'c> {
    pub(crate) by: Credential,
    pub(crate) operation: Operation,
    pub(crate) call: &'c Call,
    pub(crate) mark: Option<KeyMark>,
}

/// A call's key, hashed with whose it is.
pub(crate) fn mark(by: Credential, key: &CallKey) -> KeyMark {
    answered::mark(by.realm, by.key, key.key.as_str(), key.body)
}
