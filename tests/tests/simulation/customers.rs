//! Customers: they call, hold and commit, at any gate, and keep their own record of what they were told.

use super::gate::{Call, Handle, LEDGER_PATIENCE, Outcome, Target};
use super::rules::Rules;
use super::world::{SKEW_MS, World, free};
use almoner_domain::allocation::AllocationState;
use almoner_domain::decision::{Decision, Operation, UseKind, Verdict};
use almoner_domain::feature::ExcessRule;
use almoner_domain::id::{AccountId, HoldId};
use almoner_domain::ledger::HoldOrder;
use almoner_domain::ports::{HoldAnswer, HoldRequest, HoldStanding, SubjectStanding};
use almoner_domain::tenant::Realm;
use almoner_domain::units::Units;
use almoner_testkit::memory::Core;
use std::time::Duration;

/// A hold that a customer has, and at which gate it was opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenHold {
    pub(crate) id: HoldId,
    pub(crate) gate: usize,
    pub(crate) realm: Realm,
    pub(crate) account: AccountId,
}

impl<R: Rules> World<R> {
    /// One customer does one thing.
    pub(crate) fn customers(&mut self) -> Result<(), String> {
        match self.dice.below(1_000) {
            0..100 if !self.holds.is_empty() => self.commit(),
            100..120 => self.call(true),
            _ => self.call(false),
        }
    }

    /// A call at some gate; `astray`: it names what another tenant has.
    fn call(&mut self, astray: bool) -> Result<(), String> {
        let gate = usize::try_from(self.dice.below(self.gates.len() as u64)).unwrap_or(0);
        let shop = usize::from(self.dice.chance(200));
        let named = if astray { 1 - shop } else { shop };
        let target = match self.dice.pick(&self.allocations[named]) {
            Some(allocation) if astray || self.dice.chance(500) => Target::Allocation(*allocation),
            _ if astray => return Ok(()),
            _ => Target::Subject(self.shops[shop].acme()),
        };
        let amount = if self.dice.chance(700) { 1 } else { self.dice.between(1, 4) };
        let amount = Units::new(i64::try_from(amount).unwrap_or(1)).unwrap_or(Units::ZERO);
        let realm = self.shops[shop].realm;
        if !self.gates[gate].up {
            return Ok(());
        }
        let Some(handle) = self.handle(gate, realm, &target) else { return Ok(()) };
        if handle.until.is_some_and(|until| until <= self.gates[gate].civil(self.now())) {
            // Over by the gate's own clock; it looks again, for a new month may have begun.
            self.gates[gate].handles.remove(&(realm, target));
            return Ok(());
        }
        self.gates[gate].purse(realm, &handle);
        *self.truth.asked.entry(realm).or_default() += amount.get();
        self.calls += 1;
        if astray {
            self.see("a stranger that was let in");
        }
        let hold = self.dice.chance(self.climate.holds).then(|| self.id());
        let least_free = free(&self.store.core(), handle.account);
        let (id, arrived) = (self.calls, self.now());
        let call = Call { id, amount, hold, arrived, least_free, attempt: None, heard: false };
        self.serve(gate, handle.account, call)?;
        self.check_in_time(gate, &handle)
    }

    /// What a gate knows of a target; none when there is no such thing, it has ended, or nobody can be asked.
    fn handle(&mut self, gate: usize, realm: Realm, target: &Target) -> Option<Handle> {
        if let Some(handle) = self.gates[gate].handles.get(&(realm, target.clone())) {
            return Some(handle.clone());
        }
        if !self.gates[gate].reaches_ledger() {
            return None;
        }
        let now = self.now();
        let mut core = self.store.core();
        let standing = match target {
            Target::Allocation(id) => core.allocation(now, realm, *id)?,
            Target::Subject(name) => match core.subject(now, realm, name).ok()? {
                SubjectStanding::Known(standing) => *standing,
                SubjectStanding::UnknownCustomer | SubjectStanding::UnknownUser => return None,
            },
        };
        let line = *standing.lines.first().filter(|_| standing.state == AllocationState::Active)?;
        self.chains.entry(line.account).or_insert_with(|| chain(&core, line.account));
        let handle = Handle { account: line.account, principals: standing.principals, until: line.window.end };
        drop(core);
        self.gates[gate].handles.insert((realm, target.clone()), handle.clone());
        Some(handle)
    }

    /// Serves a call as far as it can be served now, and looks at how it was answered.
    pub(crate) fn serve(&mut self, gate: usize, account: AccountId, call: Call) -> Result<(), String> {
        let now = self.now();
        if now.saturating_since(call.arrived) > LEDGER_PATIENCE {
            return Ok(());
        }
        match self.gates[gate].serve::<R>(account, &call, now) {
            Outcome::Taken => {
                self.truth.debited += if call.hold.is_none() { call.amount.get() } else { 0 };
                self.answers(gate)
            }
            Outcome::Waits => {
                if let Some(purse) = self.gates[gate].purses.get_mut(&account) {
                    purse.waiting.push(call);
                }
                Ok(())
            }
            Outcome::Exhausted if call.amount <= call.least_free => Err(format!(
                "FALSE DENIAL: call {} for {} units was denied, and never were fewer than {} free",
                call.id,
                call.amount.get(),
                call.least_free.get()
            )),
            Outcome::Exhausted => {
                self.see("a call that is denied");
                Ok(())
            }
            Outcome::Closed => self.check_closed(account),
        }
    }

    /// Customers hear what is safe on the gate's disk.
    pub(crate) fn answers(&mut self, gate: usize) -> Result<(), String> {
        for answer in self.gates[gate].answered::<R>() {
            let Some((owner, chain)) = self.chains.get(&answer.account) else {
                return Err("served from nowhere".into());
            };
            let realm = self.gates[gate].purses.get(&answer.account).map(|purse| purse.realm);
            if realm.is_some_and(|realm| realm != *owner) {
                return Err(format!("STRANGER: a customer of {realm:?} was served from {} of {owner}", answer.account));
            }
            self.truth.tell(chain, Some(answer.lease), answer.spent);
            self.told.push(answer.lease);
            if let Some(id) = answer.opened {
                self.holds.push(OpenHold { id, gate, realm: *owner, account: answer.account });
            }
        }
        Ok(())
    }

    /// A customer says what a held call cost: at the gate where it began, or wherever the ledger can be asked.
    fn commit(&mut self) -> Result<(), String> {
        let which = usize::try_from(self.dice.below(self.holds.len() as u64)).unwrap_or(0);
        let hold = self.holds.swap_remove(which);
        let actual = Units::new(i64::try_from(self.dice.between(0, 6)).unwrap_or(0)).unwrap_or(Units::ZERO);
        let now = self.now();
        let gate = &mut self.gates[hold.gate];
        if gate.up
            && let Some(spent) = gate.settle_hold(hold.account, hold.id, actual, false, now)
        {
            self.truth.debited += spent.get();
            self.see("a commit at its gate");
            return self.answers(hold.gate);
        }
        if self.gates.iter().any(|gate| gate.reaches_ledger()) {
            self.commit_in_ledger(hold, actual)?;
        }
        Ok(())
    }

    fn commit_in_ledger(&mut self, hold: OpenHold, actual: Units) -> Result<(), String> {
        let now = self.now();
        let HoldStanding::Open(standing, _) = self.store.core().hold(now, hold.realm, hold.id) else { return Ok(()) };
        let feature = standing.parts.first().map(|part| part.feature).ok_or("a hold without parts")?;
        let rule = if self.dice.chance(500) { ExcessRule::Overage } else { ExcessRule::DenyExcess };
        let decision = Decision {
            id: self.id(),
            at: now,
            operation: Operation::Commit,
            verdict: Verdict::Allow,
            on_behalf_of: Some(standing.principals),
            allocation: None,
            uses: Vec::new(),
            hold: Some(hold.id),
            hold_expires_at: None,
            key: None,
            dimensions: Vec::new(),
        };
        let order = HoldOrder { hold: hold.id, actual: vec![(feature, actual, rule)], spend_unnamed: true };
        let request = HoldRequest { order, decision, excess: Vec::new() };
        let answer = self.store.core().settle_hold(now, hold.realm, &request).map_err(|fault| fault.to_string())?;
        let HoldAnswer::Done(done) = answer else { return Ok(()) };
        let spent = match done.uses.first().map(|used| &used.kind) {
            Some(UseKind::Metered { granted, .. }) => *granted,
            other => return Err(format!("a commit that says nothing of units: {other:?}")),
        };
        self.truth.debited += spent.get();
        self.see("a commit in the ledger");
        // The answer itself may be lost: then the customer does not know, and what was spent stays spent.
        if !self.dice.chance(self.climate.drop) {
            let (_, chain) = &self.chains[&hold.account];
            self.truth.tell(chain, None, spent);
        }
        self.observe()
    }

    /// Nothing is served after its time, but for what clocks are apart.
    fn check_in_time(&self, gate: usize, handle: &Handle) -> Result<(), String> {
        let latest = handle.until.map(|until| until.saturating_add(Duration::from_millis(SKEW_MS)));
        let now = self.now();
        if latest.is_some_and(|latest| now > latest) {
            return Err(format!("gate {gate} took a call for {} at {now}, after {latest:?}", handle.account));
        }
        Ok(())
    }

    /// "Closed" is only said of what is closed or over.
    fn check_closed(&self, account: AccountId) -> Result<(), String> {
        let core = self.store.core();
        let row = core.accounts().find(|(_, row)| row.id == account).map(|(_, row)| row.clone());
        let over = row.as_ref().is_none_or(|row| row.closed || row.window.end.is_some_and(|end| end <= self.now()));
        if over { Ok(()) } else { Err(format!("FALSE DENIAL: a gate calls closed what is open: {row:?}")) }
    }
}

/// Whose an account is, and the accounts from it up to the root.
fn chain(core: &Core, account: AccountId) -> (Realm, Vec<AccountId>) {
    let mut chain = Vec::new();
    let (mut next, mut owner) = (Some(account), None);
    while let Some((realm, row)) = next.and_then(|id| core.accounts().find(|(_, row)| row.id == id)) {
        chain.push(row.id);
        owner = owner.or(Some(realm));
        next = row.parent;
    }
    (owner.expect("an account that was just looked up"), chain)
}
