//! The debit: all lines of a call or none, and its record, under the locks of the purses it draws on.
//! Nothing here waits. What comes out is in the journal's buffer before any lock is released.

use crate::answered::Claim;
use crate::call::Call;
use crate::credential::Credential;
use crate::decide::{LedgerWord, Request};
use crate::gate::Gate;
use crate::handle::Handle;
use crate::holds::OpenHold;
use crate::journal::Ticket;
use crate::judge::{self, Draw};
use crate::moment::Moment;
use crate::purse::PurseState;
use crate::record::{Part, Record};
use almoner_domain::decision::{Decision, Operation, UseKind, Verdict, share_out_drawn};
use almoner_domain::feature::Durability;
use almoner_domain::id::{HoldId, Id};
use almoner_domain::time::Uptime;
use almoner_domain::units::Units;
use smallvec::SmallVec;
use std::sync::{Arc, MutexGuard};

/// What came of a debit.
pub(crate) enum Debit {
    /// All lines are debited and the record is appended.
    Done(Taken),
    /// Too few units are here; the ledger may have more.
    Short(Vec<Shortage>),
    /// The ledger has been heard and there are too few units anywhere.
    Exhausted { line: usize, left: Units, asked: Units },
    /// A purse gives nothing out any more.
    Closed,
    /// The debit could not be recorded, so it did not happen.
    Failed(String),
}

/// A debit that happened.
pub(crate) struct Taken {
    pub(crate) decision: Arc<Decision>,
    pub(crate) ticket: Ticket,
    /// Must the record be durable before the answer?
    pub(crate) wait: bool,
}

/// Units that are missing in one line.
pub(crate) struct Shortage {
    pub(crate) line: usize,
    /// How many are missing beside what is idle here.
    pub(crate) need: Units,
    /// What the call costs there.
    pub(crate) cost: Units,
    /// Do other gates hold units that could come back?
    pub(crate) elsewhere: bool,
}

impl Gate {
    /// Debits all draws or none. `word`: what the ledger has said for this call.
    pub(crate) fn debit(
        &self,
        request: &Request<'_>,
        handle: &Arc<Handle>,
        draws: &[Draw],
        moment: Moment,
        word: LedgerWord,
        claim: &mut Option<Claim>,
    ) -> Debit {
        let Moment { now, uptime } = moment;
        let mut purses = match open_all(handle, draws) {
            Ok(purses) => purses,
            Err(debit) => return debit,
        };
        if let Some(debit) = lacking(draws, &purses, uptime, word) {
            return debit;
        }
        let hold = (request.operation == Operation::Reserve).then(|| {
            let until = now.saturating_add(request.call.ttl);
            (HoldId::new(now, &*self.entropy), until)
        });
        let uses = granted_uses(request, handle, draws, &purses, uptime);
        let decision = Arc::new(self.decision(now, request, Some(handle), Verdict::Allow, uses, hold));
        let parts = parts(draws, &purses, hold.is_some());
        let number = self.scribe.next_number();
        for (draw, state) in draws.iter().zip(&mut purses) {
            self.courier.note_change(&handle.lines[draw.line].purse, state, uptime, number);
        }
        let ticket = match self.scribe.decide(request.by.realm, &decision, &parts) {
            Ok(ticket) => ticket,
            Err(why) => return Debit::Failed(why.to_string()),
        };
        // From here on nothing can fail: the record is in the journal's buffer, and the tallies follow it.
        if let Some(claim) = claim {
            claim.give(decision.clone(), ticket.position());
        }
        let mut wait = false;
        for (draw, state) in draws.iter().zip(&mut purses) {
            let hold_id = hold.map(|(id, _)| id);
            give_out(state, draw.amount, hold_id);
            wait |= match handle.lines[draw.line].durability {
                Durability::Durable => true,
                Durability::Fast => !self.covered(state),
            };
        }
        if let Some((id, until)) = hold {
            self.holds.open(OpenHold::new(id, until, handle.clone(), draws, &decision, ticket.position()));
        }
        Debit::Done(Taken { decision, ticket, wait })
    }

    /// Would a call be allowed by what is in memory now? It goes the way of a call up to its record, and what it sets aside it
    /// gives back under the same locks: nothing is spent, so nothing needs a record. For measurements.
    #[doc(hidden)]
    pub fn rehearse(&self, by: Credential, call: &Call, moment: Moment) -> bool {
        let Some(handle) = self.handles.known(by.realm, &call.target, moment.now) else { return false };
        let Ok(draws) = judge::judge(&handle, call, moment.now) else { return false };
        let Ok(mut purses) = open_all(&handle, &draws) else { return false };
        if lacking(&draws, &purses, moment.uptime, LedgerWord::NotHeard).is_some() {
            return false;
        }
        for (draw, state) in draws.iter().zip(&mut purses) {
            if let Some(tally) = &mut state.tally {
                tally.set_aside(draw.amount);
                tally.spend_held(draw.amount, Units::ZERO);
            }
        }
        true
    }

    /// In `fast` mode: does a synced mark cover what is used and held? Keeps the mark running ahead.
    fn covered(&self, state: &mut PurseState) -> bool {
        let Some(tally) = &mut state.tally else { return false };
        if let Some((mark, position)) = state.mark_on_its_way
            && self.scribe.is_durable(position)
        {
            tally.raise_mark(mark);
            state.mark_on_its_way = None;
        }
        let chunk = Units::new(tally.idle().get() / self.config.mark_parts + 1).unwrap_or(Units::ZERO);
        let half = tally.next_mark(Units::new(chunk.get() / 2).unwrap_or(Units::ZERO));
        if state.mark_on_its_way.is_none() && half > tally.mark() {
            let mark = tally.next_mark(chunk);
            // Not written: the next call tries again, and until then each call waits for its own record.
            if let Ok(ticket) = self.scribe.write(&Record::Marked { lease: tally.id(), mark }) {
                state.mark_on_its_way = Some((mark, ticket.position()));
            }
        }
        tally.within_mark()
    }
}

/// Purses that are open to be drawn on. Nearly every call draws on one or two.
type Open<'h> = SmallVec<[MutexGuard<'h, PurseState>; 4]>;

/// The locks of all purses drawn on, in their order.
fn open_all<'h>(handle: &'h Handle, draws: &[Draw]) -> Result<Open<'h>, Debit> {
    let mut purses = Open::new();
    for draw in draws {
        match handle.lines[draw.line].purse.open() {
            Some(state) if state.closed => return Err(Debit::Closed),
            Some(state) => purses.push(state),
            None => return Err(Debit::Failed("a part of this gate has failed".to_owned())),
        }
    }
    Ok(purses)
}

fn lacking(draws: &[Draw], purses: &[MutexGuard<'_, PurseState>], now: Uptime, word: LedgerWord) -> Option<Debit> {
    let mut shortages = Vec::new();
    for (draw, state) in draws.iter().zip(purses) {
        let idle = state.idle(now);
        let Some(need) = draw.amount.checked_sub(idle).filter(|need| !need.is_zero()) else { continue };
        let free = idle.saturating_add(state.free);
        let reach = match word {
            LedgerWord::NotHeard => Units::MAX,
            LedgerWord::Heard => free.saturating_add(state.elsewhere),
            LedgerWord::HeardEnough => free,
        };
        if draw.amount > reach {
            return Some(Debit::Exhausted { line: draw.line, left: free, asked: draw.amount });
        }
        // What others hold is waited for only where what is free is not enough.
        let elsewhere = word == LedgerWord::Heard && draw.amount > free;
        shortages.push(Shortage { line: draw.line, need, cost: draw.amount, elsewhere });
    }
    (!shortages.is_empty()).then_some(Debit::Short(shortages))
}

fn granted_uses(
    request: &Request<'_>,
    handle: &Handle,
    draws: &[Draw],
    purses: &[MutexGuard<'_, PurseState>],
    now: Uptime,
) -> Vec<almoner_domain::decision::Use> {
    let mut uses = judge::uses(Some(handle), request.call);
    for (draw, state) in draws.iter().zip(purses) {
        if let UseKind::Metered { granted, remaining, .. } | UseKind::Drawn { granted, remaining, .. } =
            &mut uses[draw.place].kind
        {
            *granted = draw.amount;
            *remaining = state.remaining(now).saturating_sub(draw.amount);
        }
    }
    share_out_drawn(&mut uses);
    uses
}

fn parts(draws: &[Draw], purses: &[MutexGuard<'_, PurseState>], holds: bool) -> Vec<Part> {
    let part = |(draw, state): (&Draw, &MutexGuard<'_, PurseState>)| {
        let lease = state.tally.as_ref()?.id();
        let (used, held) = if holds { (Units::ZERO, draw.amount) } else { (draw.amount, Units::ZERO) };
        Some(Part { lease, used, held, unheld: Units::ZERO })
    };
    draws.iter().zip(purses).filter_map(part).collect()
}

fn give_out(state: &mut PurseState, amount: Units, hold: Option<HoldId>) {
    state.given_since_raise = state.given_since_raise.saturating_add(amount);
    let Some(tally) = &mut state.tally else { return };
    let enough = match hold {
        None => tally.take(amount),
        Some(id) => {
            let enough = tally.set_aside(amount);
            state.holds.insert(id, amount);
            enough
        }
    };
    debug_assert!(enough, "checked under the same lock");
}
