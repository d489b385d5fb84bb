//! Settling holds: commit at the actual cost, release, extend, expire. Each hold is settled once, here or in the ledger.

use crate::answered::Claim;
use crate::call::{AskedUse, Call, HoldCall};
use crate::courier::Want;
use crate::credential::Credential;
use crate::decide::{Answer, Refusal, Request, mark};
use crate::gate::Gate;
use crate::handle::Target;
use crate::holds::OpenHold;
use crate::journal::Ticket;
use crate::purse::PurseState;
use crate::record::Part;
use almoner_domain::decision::{Decision, Operation, Use, UseKind, Verdict, share_out_drawn};
use almoner_domain::feature::{ExcessRule, Feature};
use almoner_domain::hold::{Hold, HoldPart};
use almoner_domain::id::{DecisionId, FeatureId, HoldId, Id};
use almoner_domain::ledger::HoldOrder;
use almoner_domain::ports::{ExtendRequest, HoldAnswer, HoldRequest, HoldStanding};
use almoner_domain::principal::Principals;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

/// What came of settling a hold at this gate.
enum Settled {
    Now(Arc<Decision>, Ticket),
    Before(Arc<Decision>, crate::journal::Position),
    /// Part of the excess may still be had from the ledger.
    Short(Vec<(usize, Units)>),
    /// It stands in the ledger, or is on its way there.
    Moved,
    Expired,
    Failed,
}

impl Gate {
    /// Answers `commit` (what is not named is spent as held) and `release` (what is not named is given back).
    pub async fn settle_hold(
        &self,
        by: Credential,
        operation: Operation,
        id: HoldId,
        call: &HoldCall,
    ) -> Result<Answer, Refusal> {
        let mark = call.key.as_ref().map(|key| mark(by, key));
        let mut claim = match self.turn(by, mark).await? {
            Ok(claim) => claim,
            Err(answer) => return Ok(answer),
        };
        let Some(hold) = self.holds.find(by.realm, id) else {
            return self.settle_in_ledger(by, operation, id, call, claim).await;
        };
        if let Some(index) = call.actual.iter().position(|asked| !was_asked(&hold.reserved, asked.feature.id)) {
            return Err(Refusal::NotHeld { index });
        }
        let fake = hold_call(&hold, by.realm);
        let request = Request { by, operation, call: &fake, mark };
        let mut asked = false;
        loop {
            match self.settle_here(&request, &hold, call, asked, &mut claim) {
                Settled::Now(decision, ticket) => {
                    self.watch(&hold.handle, None, &decision);
                    ticket.durable().await.map_err(|_| Refusal::Unavailable(None))?;
                    self.metrics.allowed(operation);
                    return Ok(Answer { decision, replayed: false });
                }
                Settled::Before(decision, position) => {
                    self.until_durable(Some(position)).await?;
                    return settled_before(decision, operation, call);
                }
                Settled::Short(lines) => {
                    let purses = lines.iter().map(|(line, _)| hold.handle.lines[*line].purse.clone());
                    let need = lines.iter().map(|(_, need)| *need).max().unwrap_or(Units::ZERO);
                    // Without more units the commit takes what there is; it never fails for them.
                    let _ = self.courier.run(purses, Want::Raise { need, cost: need }).await;
                    asked = true;
                }
                Settled::Moved => {
                    self.until_moved(&hold).await;
                    return self.settle_in_ledger(by, operation, id, call, claim).await;
                }
                Settled::Expired => return Err(Refusal::HoldExpired),
                Settled::Failed => return Err(Refusal::Unavailable(None)),
            }
        }
    }

    /// Settles a hold under the locks of its purses. `asked`: the ledger was asked for the excess.
    fn settle_here(
        &self,
        request: &Request<'_>,
        hold: &Arc<OpenHold>,
        call: &HoldCall,
        asked: bool,
        claim: &mut Option<Claim>,
    ) -> Settled {
        let now = self.clock.uptime();
        let Some(mut purses) = lock(hold) else { return Settled::Failed };
        if let Some((decision, position)) = hold.fate().settled.clone() {
            return Settled::Before(decision, position);
        }
        if purses.iter().any(|state| !state.holds.contains_key(&hold.id)) && !hold.parts.is_empty() {
            return Settled::Moved;
        }
        if hold.fate().expires_at <= self.clock.now() && request.operation != Operation::Expire {
            return Settled::Expired;
        }
        let uses = actual_uses(&hold.reserved, call, request.operation);
        let costs = costs(hold, &uses);
        if !asked && request.operation == Operation::Commit {
            let short = missing(hold, &costs, &purses, now);
            if !short.is_empty() {
                return Settled::Short(short);
            }
        }
        let spent: Vec<Units> = costs
            .iter()
            .zip(&hold.parts)
            .zip(&purses)
            .map(|((cost, part), state)| {
                part.1.min(cost.actual).saturating_add(cost.excess(part.1).min(state.idle(now)))
            })
            .collect();
        let decision = Arc::new(self.settlement(request, hold, uses, &spent, &purses, now));
        let parts: Vec<Part> = hold
            .parts
            .iter()
            .zip(&spent)
            .zip(&purses)
            .filter_map(|((part, spent), state)| {
                let lease = state.tally.as_ref()?.id();
                Some(Part { lease, used: *spent, held: Units::ZERO, unheld: part.1 })
            })
            .collect();
        let number = self.scribe.next_number();
        for ((line, _), state) in hold.parts.iter().zip(&mut purses) {
            self.courier.note_change(&hold.handle.lines[*line].purse, state, now, number);
        }
        let Ok(ticket) = self.scribe.decide(hold.handle.realm, &decision, &parts) else { return Settled::Failed };
        // From here on nothing can fail: the record is in the journal's buffer, and the tallies follow it.
        if let Some(claim) = claim {
            claim.give(decision.clone(), ticket.position());
        }
        hold.fate().settled = Some((decision.clone(), ticket.position()));
        for (((_, held), spent), state) in hold.parts.iter().zip(&spent).zip(&mut purses) {
            state.holds.remove(&hold.id);
            if let Some(tally) = &mut state.tally {
                let within = (*spent).min(*held);
                tally.spend_held(*held, within);
                tally.take(spent.saturating_sub(within));
            }
        }
        Settled::Now(decision, ticket)
    }

    fn settlement(
        &self,
        request: &Request<'_>,
        hold: &OpenHold,
        mut uses: Vec<Use>,
        spent: &[Units],
        purses: &[MutexGuard<'_, PurseState>],
        now: almoner_domain::time::Uptime,
    ) -> Decision {
        for (i, (line, held)) in hold.parts.iter().enumerate() {
            let feature = hold.handle.lines[*line].line.feature;
            let Some(used) = uses.iter_mut().find(|used| used.feature == feature) else { continue };
            let left = purses[i].remaining(now).saturating_add(*held).saturating_sub(spent[i]);
            if let UseKind::Metered { granted, remaining, .. } | UseKind::Drawn { granted, remaining, .. } =
                &mut used.kind
            {
                (*granted, *remaining) = (spent[i], left);
            }
        }
        share_out_drawn(&mut uses);
        let mut decision = self.decision(self.clock.now(), request, Some(&hold.handle), Verdict::Allow, uses, None);
        decision.hold = Some(hold.id);
        decision.dimensions = hold.reserved.dimensions.clone();
        decision
    }

    async fn settle_in_ledger(
        &self,
        by: Credential,
        operation: Operation,
        id: HoldId,
        call: &HoldCall,
        claim: Option<Claim>,
    ) -> Result<Answer, Refusal> {
        let standing = self.lookup.hold(by.realm, id).await.map_err(|fault| Refusal::Unavailable(Some(fault)))?;
        let (hold, reserved) = match standing {
            HoldStanding::Open(hold, reserved) => (hold, reserved),
            HoldStanding::Settled(decision) => return settled_before(Arc::new(decision), operation, call),
            HoldStanding::Expired => return Err(Refusal::HoldExpired),
            HoldStanding::Elsewhere(_) => return Err(Refusal::Unavailable(None)),
            HoldStanding::Unknown => return Err(Refusal::UnknownHold),
        };
        let uses = match &reserved {
            Some(reserved) => actual_uses(reserved, call, operation),
            None => actual_parts(&hold, call, operation),
        };
        let is_held = |asked: &AskedUse| match &reserved {
            Some(reserved) => was_asked(reserved, asked.feature.id),
            None => hold.parts.iter().any(|part| part.feature == asked.feature.id),
        };
        if let Some(index) = call.actual.iter().position(|asked| !is_held(asked)) {
            return Err(Refusal::NotHeld { index });
        }
        let mut actual = Vec::with_capacity(hold.parts.len());
        for part in &hold.parts {
            let cost = uses.iter().find(|used| used.feature == part.feature).and_then(|used| used.kind.requested());
            let feature = self.catalogue.by_id(by.realm, part.feature).await;
            let feature = feature.map_err(|fault| Refusal::Unavailable(Some(fault)))?;
            actual.push((
                part.feature,
                cost.unwrap_or(Units::ZERO),
                feature.as_deref().and_then(Feature::meter).map_or(ExcessRule::DenyExcess, |meter| meter.excess),
            ));
        }
        let order = HoldOrder { hold: id, actual, spend_unnamed: operation == Operation::Commit };
        let decision = self.ledger_decision(operation, &hold, uses, call, by);
        let request = HoldRequest { order, decision, excess: Vec::new() };
        let answer = self.ledger.settle_hold(by.realm, &request).await;
        drop(claim);
        match answer.map_err(|fault| Refusal::Unavailable(Some(fault)))? {
            HoldAnswer::Done(decision) => {
                self.metrics.allowed(operation);
                let decision = Arc::new(decision);
                self.answered.recall(decision.clone());
                Ok(Answer { decision, replayed: false })
            }
            HoldAnswer::Settled(Some(decision)) => settled_before(Arc::new(decision), operation, call),
            HoldAnswer::Settled(None) => Err(Refusal::HoldSettled),
            HoldAnswer::Expired => Err(Refusal::HoldExpired),
            HoldAnswer::Unknown => Err(Refusal::UnknownHold),
        }
    }

    /// The decision for a hold that stands in the ledger, as far as it is known before the ledger has settled it.
    fn ledger_decision(
        &self,
        operation: Operation,
        hold: &Hold,
        uses: Vec<Use>,
        call: &HoldCall,
        by: Credential,
    ) -> Decision {
        let at = self.clock.now();
        Decision {
            id: DecisionId::new(at, &*self.entropy),
            at,
            operation,
            verdict: Verdict::Allow,
            on_behalf_of: Some(hold.principals),
            allocation: hold.allocation,
            uses,
            hold: Some(hold.id),
            hold_expires_at: None,
            key: call.key.as_ref().map(|key| mark(by, key)),
            dimensions: Vec::new(),
        }
    }

    /// Waits until a hold that has left this gate's memory stands in the ledger: until then neither could answer for it.
    async fn until_moved(&self, hold: &OpenHold) {
        let purses = hold.parts.iter().map(|(line, _)| hold.handle.lines[*line].purse.clone());
        // Not heard: the ledger is asked all the same, and says what it knows.
        let _ = self.courier.run(purses, Want::Settle).await;
    }

    /// Answers `extend`: the hold stands until `ttl` from now, if that is later than it does.
    pub async fn extend_hold(&self, by: Credential, id: HoldId, ttl: Duration) -> Result<Answer, Refusal> {
        let now = self.clock.now();
        let until = now.saturating_add(ttl);
        if let Some(hold) = self.holds.find(by.realm, id) {
            if let Some(answer) = self.extend_here(by, &hold, until).await {
                return answer;
            }
            self.until_moved(&hold).await;
        }
        let standing = self.lookup.hold(by.realm, id).await.map_err(|fault| Refusal::Unavailable(Some(fault)))?;
        let hold = match standing {
            HoldStanding::Open(hold, _) => hold,
            HoldStanding::Settled(_) => return Err(Refusal::HoldSettled),
            HoldStanding::Expired => return Err(Refusal::HoldExpired),
            HoldStanding::Elsewhere(_) => return Err(Refusal::Unavailable(None)),
            HoldStanding::Unknown => return Err(Refusal::UnknownHold),
        };
        let none = HoldCall { actual: Vec::new(), key: None };
        let uses = actual_parts(&hold, &none, Operation::Extend);
        let mut decision = self.ledger_decision(Operation::Extend, &hold, uses, &none, by);
        decision.hold_expires_at = Some(until.max(hold.expires_at));
        let request = ExtendRequest { hold: id, until, decision };
        match self.ledger.extend_hold(by.realm, &request).await.map_err(|fault| Refusal::Unavailable(Some(fault)))? {
            HoldAnswer::Done(decision) => Ok(Answer { decision: Arc::new(decision), replayed: false }),
            HoldAnswer::Settled(_) => Err(Refusal::HoldSettled),
            HoldAnswer::Expired => Err(Refusal::HoldExpired),
            HoldAnswer::Unknown => Err(Refusal::UnknownHold),
        }
    }

    async fn extend_here(
        &self,
        by: Credential,
        hold: &Arc<OpenHold>,
        until: Timestamp,
    ) -> Option<Result<Answer, Refusal>> {
        let fake = hold_call(hold, by.realm);
        let request = Request { by, operation: Operation::Extend, call: &fake, mark: None };
        let (decision, ticket) = {
            let purses = lock(hold)?;
            let mut fate = hold.fate();
            if let Some((decision, _)) = &fate.settled {
                let expired = decision.operation == Operation::Expire;
                return Some(Err(if expired { Refusal::HoldExpired } else { Refusal::HoldSettled }));
            }
            if purses.iter().any(|state| !state.holds.contains_key(&hold.id)) && !hold.parts.is_empty() {
                return None;
            }
            if fate.expires_at <= self.clock.now() {
                return Some(Err(Refusal::HoldExpired));
            }
            let until = until.max(fate.expires_at);
            let uses = hold.reserved.uses.clone();
            let mut decision = self.decision(
                self.clock.now(),
                &request,
                Some(&hold.handle),
                Verdict::Allow,
                uses,
                Some((hold.id, until)),
            );
            decision.dimensions = hold.reserved.dimensions.clone();
            let decision = Arc::new(decision);
            let Ok(ticket) = self.scribe.decide(hold.handle.realm, &decision, &[]) else {
                return Some(Err(Refusal::Unavailable(None)));
            };
            fate.expires_at = until;
            (decision, ticket)
        };
        if ticket.durable().await.is_err() {
            return Some(Err(Refusal::Unavailable(None)));
        }
        Some(Ok(Answer { decision, replayed: false }))
    }

    /// Gives back holds whose time is over. An uncertain outcome is not refunded before this.
    pub(crate) fn expire_holds(&self) {
        let nothing = HoldCall { actual: Vec::new(), key: None };
        for hold in self.holds.take_due(self.clock.now()) {
            let realm = hold.handle.realm;
            let fake = hold_call(&hold, realm);
            let by = Credential { realm, key: almoner_domain::id::KeyId::from_uuid(uuid::Uuid::nil()) };
            let request = Request { by, operation: Operation::Expire, call: &fake, mark: None };
            match self.settle_here(&request, &hold, &nothing, true, &mut None) {
                Settled::Now(..) | Settled::Short(_) | Settled::Expired => {
                    // Its story stays at hand until the ledger has it.
                    self.holds.look_again(hold.id, self.clock.now().saturating_add(self.config.flush_interval * 50));
                }
                Settled::Before(..) | Settled::Moved => self.holds.forget(hold.id),
                // The journal takes no records: the units stay held until it does, or until recovery.
                Settled::Failed => {
                    self.holds.look_again(hold.id, self.clock.now().saturating_add(Duration::from_secs(1)))
                }
            }
        }
    }
}

/// What one part of a hold is to cost.
#[derive(Clone, Copy)]
struct Cost {
    actual: Units,
    rule: ExcessRule,
}

impl Cost {
    /// What is wanted above what is held, where the feature's rule lets it.
    fn excess(&self, held: Units) -> Units {
        match self.rule {
            ExcessRule::Overage => self.actual.saturating_sub(held),
            ExcessRule::DenyExcess => Units::ZERO,
        }
    }
}

fn costs(hold: &OpenHold, uses: &[Use]) -> Vec<Cost> {
    let cost = |(line, _): &(usize, Units)| {
        let line = &hold.handle.lines[*line];
        let used = uses.iter().find(|used| used.feature == line.line.feature);
        Cost { actual: used.and_then(|used| used.kind.requested()).unwrap_or(Units::ZERO), rule: line.meter.excess }
    };
    hold.parts.iter().map(cost).collect()
}

/// The uses of a hold with what they are to come to: as the call says, else as held (commit) or nothing.
fn actual_uses(reserved: &Decision, call: &HoldCall, operation: Operation) -> Vec<Use> {
    let mut uses = reserved.uses.clone();
    let named = |feature: FeatureId| call.actual.iter().find(|asked| asked.feature.id == feature).map(|a| a.amount);
    let mut charges: Vec<(FeatureId, Units)> = Vec::new();
    for used in &mut uses {
        if let UseKind::Metered { requested, .. } | UseKind::Priced { requested, .. } = &mut used.kind {
            let held = if operation == Operation::Commit { *requested } else { Units::ZERO };
            *requested = named(used.feature).unwrap_or(held);
        }
        if let UseKind::Priced { currency, rate, requested, .. } = &used.kind {
            charges.push((*currency, rate.charge(*requested)));
        }
    }
    for used in &mut uses {
        if let UseKind::Drawn { requested, .. } = &mut used.kind {
            *requested = charges.iter().filter(|(of, _)| *of == used.feature).map(|(_, charge)| *charge).sum();
        }
    }
    uses
}

/// The same of a hold whose opening is not known any more.
fn actual_parts(hold: &Hold, call: &HoldCall, operation: Operation) -> Vec<Use> {
    let used = |part: &HoldPart| {
        let named = call.actual.iter().find(|asked| asked.feature.id == part.feature).map(|asked| asked.amount);
        let held = if operation == Operation::Commit { part.amount } else { Units::ZERO };
        metered(part.feature, part.account, named.unwrap_or(held))
    };
    hold.parts.iter().map(used).collect()
}

/// Was this feature asked for when the hold was opened? What priced ones drew was not.
fn was_asked(reserved: &Decision, feature: FeatureId) -> bool {
    reserved.uses.iter().any(|used| used.feature == feature && !matches!(used.kind, UseKind::Drawn { .. }))
}

fn missing(
    hold: &OpenHold,
    costs: &[Cost],
    purses: &[MutexGuard<'_, PurseState>],
    now: almoner_domain::time::Uptime,
) -> Vec<(usize, Units)> {
    let short = |(((line, held), cost), state): ((&(usize, Units), &Cost), &MutexGuard<'_, PurseState>)| {
        let need = cost.excess(*held).saturating_sub(state.idle(now));
        (!need.is_zero() && !state.closed).then_some((*line, need))
    };
    hold.parts.iter().zip(costs).zip(purses).filter_map(short).collect()
}

/// Locks the purses of a hold, in the order of locks.
fn lock(hold: &OpenHold) -> Option<Vec<MutexGuard<'_, PurseState>>> {
    hold.parts.iter().map(|(line, _)| hold.handle.lines[*line].purse.open()).collect()
}

/// The answer for a hold that was settled before: the same one for the same amounts, else a conflict.
fn settled_before(decision: Arc<Decision>, operation: Operation, call: &HoldCall) -> Result<Answer, Refusal> {
    if decision.operation == Operation::Expire {
        return Err(Refusal::HoldExpired);
    }
    let same = decision.operation == operation
        && call.actual.iter().all(|asked| {
            decision.uses.iter().any(|used| used.feature == asked.feature.id && requested(used) == asked.amount)
        });
    if same { Ok(Answer { decision, replayed: true }) } else { Err(Refusal::HoldSettled) }
}

fn requested(used: &Use) -> Units {
    used.kind.requested().unwrap_or(Units::ZERO)
}

fn metered(feature: FeatureId, account: almoner_domain::id::AccountId, requested: Units) -> Use {
    let kind = UseKind::Metered {
        account: Some(account),
        requested,
        granted: Units::ZERO,
        remaining: Units::ZERO,
        blocked: false,
    };
    Use { feature, kind }
}

/// The call that a hold's decisions speak of: the one that opened it.
fn hold_call(hold: &OpenHold, _realm: almoner_domain::tenant::Realm) -> Call {
    let target = match hold.handle.standing.allocation {
        Some(id) => Target::Allocation(id),
        None => Target::Subject(subject_of(hold.handle.standing.principals)),
    };
    let ttl = Duration::ZERO;
    Call { target, uses: Vec::new(), key: None, dimensions: Vec::new(), ttl }
}

fn subject_of(principals: Principals) -> almoner_domain::ports::SubjectName {
    use almoner_domain::text::Named;
    almoner_domain::ports::SubjectName {
        customer: Named::Id(principals.customer),
        user: principals.user.map(Named::Id),
    }
}
