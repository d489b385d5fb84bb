//! Keeping house between rounds: leases that need word, leases that nobody uses, segments that nobody needs.

use super::round::{Rounds, Settling};
use super::{Want, Word};
use crate::lease::Tally;
use crate::purse::{Purse, PurseState};
use crate::record::Record;
use almoner_domain::hold::Hold;
use almoner_domain::id::HoldId;
use almoner_domain::units::Units;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How often all purses are looked through.
const KEEP_INTERVAL: Duration = Duration::from_secs(5);

impl Rounds {
    pub(super) async fn keep(&mut self) {
        if self.scribe.journal().segment_is_full() {
            self.next_segment();
        }
        if self.last_keep.elapsed() < KEEP_INTERVAL {
            return;
        }
        self.last_keep = Instant::now();
        self.keep_leases();
        self.retire_segments();
        self.metrics.observe(&self.scribe, &self.answered, &self.holds);
    }

    /// Leases that were used are kept; those that nobody used for half a term go back.
    fn keep_leases(&mut self) {
        let now = self.clock.uptime();
        for purse in self.purses.all() {
            let Some(state) = purse.open() else { continue };
            let Some(tally) = &state.tally else {
                drop(state);
                self.purses.forget_if_empty(purse.account);
                continue;
            };
            if !tally.wants_word(now) || tally.is_reporting() {
                continue;
            }
            let unused = state.given_since_raise.is_zero() && state.holds.is_empty();
            drop(state);
            if unused {
                self.start_settling(&purse, Vec::new());
            } else {
                drop(self.courier.ask(purse, Want::Tell));
            }
        }
    }

    /// Takes the lease out of a purse and sends it back. A hold that draws on several purses moves as a whole, so their
    /// leases go with it.
    pub(super) fn start_settling(&mut self, purse: &Arc<Purse>, waiting: Vec<oneshot::Sender<Word>>) {
        let family = self.family(purse);
        let mut waiting = Some(waiting);
        let mut guards: Vec<_> = family.iter().filter_map(|member| Some((member, member.open()?))).collect();
        let mut any = false;
        for (member, state) in &mut guards {
            let Some(tally) = state.tally.take() else { continue };
            let senders = if member.account == purse.account { waiting.take().unwrap_or_default() } else { Vec::new() };
            self.settle_tally(member, state, tally, senders);
            any |= member.account == purse.account;
        }
        drop(guards);
        let Some(mut waiting) = waiting.filter(|_| !any) else { return };
        // Nothing to settle any more: those who wait share in what is under way, or are told at once.
        self.tell_when_settled(purse.account, &mut waiting);
    }

    /// The purses that must be settled together, in the order of locks.
    fn family(&self, purse: &Arc<Purse>) -> Vec<Arc<Purse>> {
        let mut members = vec![purse.clone()];
        let mut seen = BTreeSet::from([purse.account]);
        let mut next = 0;
        while next < members.len() {
            let holds: Vec<HoldId> = members[next].open().map_or(Vec::new(), |s| s.holds.keys().copied().collect());
            for other in holds.into_iter().flat_map(|hold| self.holds.purses_of(hold)) {
                if seen.insert(other.account) {
                    members.push(other);
                }
            }
            next += 1;
        }
        members.sort_by_key(|member| member.account);
        members
    }

    pub(super) fn settle_tally(
        &mut self,
        purse: &Arc<Purse>,
        state: &mut PurseState,
        tally: Tally,
        waiting: Vec<oneshot::Sender<Word>>,
    ) {
        let holds: Vec<(HoldId, Units)> = state.holds.drain().collect();
        let facts: Vec<Hold> = holds.iter().filter_map(|(id, _)| self.holds.facts(*id)).collect();
        state.dirty_since = None;
        state.free = Units::ZERO;
        let settling = Settling { purse: purse.clone(), tally, holds, facts, segment: state.segment, waiting };
        self.settling.insert(settling.tally.id(), settling);
    }

    /// Starts a new segment and carries over what recovery would need of the older ones.
    fn next_segment(&mut self) {
        let Ok(head) = Record::Begin(self.life).to_bytes() else { return };
        let Ok(ticket) = self.scribe.journal().begin_segment(&head) else { return };
        let segment = ticket.position().segment;
        self.segment = segment;
        for purse in self.purses.all() {
            let Some(mut state) = purse.open() else { continue };
            let Some(tally) = &state.tally else { continue };
            let record = carried(&purse, tally, state.holds.iter().map(|(id, amount)| (*id, *amount)).collect());
            if self.scribe.write(&record).is_ok() {
                state.segment = segment;
            }
        }
        for settling in self.settling.values_mut() {
            let record = carried(&settling.purse, &settling.tally, settling.holds.clone());
            if self.scribe.write(&record).is_ok() {
                settling.segment = segment;
            }
        }
        self.holds.carry(segment, |realm, hold| self.scribe.write(&Record::HoldCarried { realm, hold }).is_ok());
    }

    /// Deletes segments of which nothing is needed any more.
    fn retire_segments(&mut self) {
        let stats = self.scribe.journal().stats();
        if stats.segments < 2 {
            return;
        }
        let purses = self.purses.all();
        let leases = purses.iter().filter_map(|purse| {
            let state = purse.open()?;
            state.tally.as_ref().map(|_| state.segment)
        });
        let settling = self.settling.values().map(|settling| settling.segment);
        let decisions = self.in_hand.first().map(|pending| pending.position.segment);
        let waiting = self.scribe.waiting().1.map(|position| position.segment);
        let needed = leases
            .chain(settling)
            .chain(decisions)
            .chain(waiting)
            .chain(self.holds.oldest_segment())
            .chain([self.segment])
            .min();
        if let Some(oldest) = needed
            && let Err(why) = self.scribe.journal().retire_before(oldest)
        {
            tracing::warn!(%why, "old segments of the journal could not be deleted; they are tried again");
        }
    }
}

fn carried(purse: &Purse, tally: &Tally, holds: Vec<(HoldId, Units)>) -> Record {
    Record::Carried {
        realm: purse.realm,
        lease: tally.id(),
        account: purse.account,
        used: tally.used(),
        held: tally.held(),
        mark: tally.mark(),
        holds,
    }
}
