//! Decisions: each kept once; a second one under the same idempotency key is kept without it and gives its units back.

use super::core::Core;
use super::table::Eye;
use almoner_domain::account::Pocket;
use almoner_domain::decision::{Decision, Operation, Use, UseKind, Verdict, share_out_drawn};
use almoner_domain::hold::{Hold, HoldPart};
use almoner_domain::id::{AccountId, DecisionId, HoldId, Id};
use almoner_domain::ledger::{Books, RETENTION};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;

/// A decision as it is kept.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) decision: Decision,
    /// What it spent went back: its call had been answered before.
    pub(super) given_back: bool,
}

/// Units that a second decision under one key had spent.
pub(super) struct Refund {
    pub(super) decision: DecisionId,
    pub(super) account: AccountId,
    pub(super) amount: Units,
}

impl Core {
    /// Keeps decisions, each once. Answers what must be given back.
    pub(super) fn store_decisions(&mut self, eye: Eye, decisions: &[Decision]) -> Vec<Refund> {
        let mut refunds = Vec::new();
        for decision in decisions {
            if self.rows.decisions.find(eye, decision.id).is_some() {
                continue;
            }
            let first = decision.key.and_then(|key| self.owner(eye, key.key, decision.at)).cloned();
            if let Some(key) = decision.key.filter(|_| first.is_none()) {
                self.let_go(eye, key.key);
                self.rows.answered.put(eye, key.key, decision.id);
            }
            let given_back = first.as_ref().is_some_and(|first| is_spent_twice(decision, first));
            if given_back {
                refunds.extend(refunds_of(decision));
            } else {
                self.rows.counted.push((eye.realm, decision.clone()));
            }
            let key = decision.key.filter(|_| first.is_none());
            self.rows.decisions.put(
                eye,
                decision.id,
                Kept { decision: Decision { key, ..decision.clone() }, given_back },
            );
        }
        refunds
    }

    /// The decision that owns a key at an instant, unless its retention is over by then.
    fn owner(&self, eye: Eye, key: [u8; 16], at: Timestamp) -> Option<&Decision> {
        let id = self.rows.answered.find(eye, key)?;
        let decision = &self.rows.decisions.find(eye, *id)?.decision;
        (at < decision.at.saturating_add(RETENTION)).then_some(decision)
    }

    /// Whose key it was, and is not any more.
    fn let_go(&mut self, eye: Eye, key: [u8; 16]) {
        let owner = self.rows.answered.find(eye, key).and_then(|id| self.rows.decisions.find(eye, *id)).cloned();
        if let Some(mut kept) = owner {
            kept.decision.key = None;
            self.rows.decisions.put(eye, kept.decision.id, kept);
        }
    }

    /// The decision taken for a key, within its retention.
    pub fn answered(&self, now: Timestamp, realm: Realm, key: [u8; 16]) -> Option<Decision> {
        self.owner(self.eye(realm), key, now).cloned()
    }

    /// What was allowed of a hold, oldest first.
    pub(super) fn of_hold(&self, eye: Eye, hold: HoldId) -> Vec<&Decision> {
        let about = |d: &&Decision| d.hold == Some(hold) && d.verdict == Verdict::Allow;
        let mut found: Vec<&Decision> =
            self.rows.decisions.seen(eye).map(|kept| &kept.decision).filter(about).collect();
        found.sort_by_key(|decision| (decision.at, decision.id));
        found
    }

    /// The decision by which a hold ended.
    pub(super) fn that_ended(&self, eye: Eye, hold: HoldId) -> Option<&Decision> {
        let ends = |d: &&Decision| matches!(d.operation, Operation::Commit | Operation::Release | Operation::Expire);
        self.of_hold(eye, hold).into_iter().find(ends)
    }

    /// Keys of all realms decided since an instant, after the given one.
    pub fn keys_since(
        &self,
        since: Timestamp,
        after: Option<(Timestamp, [u8; 16])>,
        limit: u64,
    ) -> Vec<(Timestamp, [u8; 16])> {
        let all = self.rows.decisions.all().map(|(_, kept)| &kept.decision);
        let keyed = all.filter_map(|decision| Some((decision.at, decision.key?.key)));
        let wanted = |(at, key): &(Timestamp, [u8; 16])| *at >= since && after.is_none_or(|after| (*at, *key) > after);
        let mut keys: Vec<_> = keyed.filter(wanted).collect();
        keys.sort_unstable();
        keys.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        keys
    }

    /// The decision that says that a hold's time ran out.
    pub(super) fn expiry(&self, now: Timestamp, books: &Books<'_>, hold: &Hold) -> Decision {
        let decision = Decision {
            id: DecisionId::new(now, &*self.entropy),
            at: now,
            operation: Operation::Expire,
            verdict: Verdict::Allow,
            on_behalf_of: Some(hold.principals),
            allocation: hold.allocation,
            uses: Vec::new(),
            hold: Some(hold.id),
            hold_expires_at: Some(hold.expires_at),
            key: None,
            dimensions: Vec::new(),
        };
        let nothing: Vec<(HoldPart, Units)> = hold.parts.iter().map(|part| (*part, Units::ZERO)).collect();
        filled(books, &decision, &nothing)
    }
}

/// Given back only where both were allowed and asked for the same thing: then the caller has had one answer twice.
fn is_spent_twice(second: &Decision, first: &Decision) -> bool {
    let spent = |d: &Decision| d.operation == Operation::Consume && d.verdict == Verdict::Allow;
    let same = second.key.map(|key| key.body) == first.key.map(|key| key.body);
    same && spent(second) && spent(first)
}

fn refunds_of(decision: &Decision) -> Vec<Refund> {
    let units = |used: &Use| {
        let (account, amount) = used.kind.charged().filter(|(_, granted)| !granted.is_zero())?;
        Some(Refund { decision: decision.id, account, amount })
    };
    decision.uses.iter().filter_map(units).collect()
}

/// A decision with what was spent of each part of its hold, and what is left where it came from.
pub(super) fn filled(books: &Books<'_>, decision: &Decision, spent: &[(HoldPart, Units)]) -> Decision {
    let mut decision = decision.clone();
    for (part, granted) in spent {
        let remaining = books.accounts.find(part.account).map_or(Units::ZERO, |a| a.balance.get(Pocket::Free));
        let at = decision.uses.iter().position(|used| used.feature == part.feature);
        let requested = at.and_then(|at| decision.uses[at].kind.requested());
        let requested = requested.unwrap_or(if granted.is_zero() { *granted } else { part.amount });
        let (account, granted) = (part.account, *granted);
        let kind = match at.map(|at| &decision.uses[at].kind) {
            Some(UseKind::Drawn { .. }) => UseKind::Drawn { account, requested, granted, remaining },
            _ => UseKind::Metered { account: Some(account), requested, granted, remaining, blocked: false },
        };
        match at {
            Some(at) => decision.uses[at].kind = kind,
            None => decision.uses.push(Use { feature: part.feature, kind }),
        }
    }
    share_out_drawn(&mut decision.uses);
    decision
}
