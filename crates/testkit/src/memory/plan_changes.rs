//! Subscriptions that change: moved to other terms, cancelled, paused and resumed, now or at their time.

use super::catalogue::Catalogue;
use super::core::{Core, broken};
use super::ports::MemoryStore;
use super::trail::Pen;
use almoner_domain::account::{Account, AccountOwner};
use almoner_domain::audit::{Action, Author};
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::grant::Grant;
use almoner_domain::id::{AccountId, AllocationId, CustomerId, EntitlementId, Id, SubscriptionId};
use almoner_domain::lease::LeaseState;
use almoner_domain::ledger::{self, Books};
use almoner_domain::notice::{Change, Event, Notice};
use almoner_domain::plan::PlanVersion;
use almoner_domain::plan_change::{Effects, PlanChange, PlanChangeState, Turn, When, entitle, period_end, turns};
use almoner_domain::ports::{PlanChangeAnswer, PlanChangeRequest, PlanChanged, PlanChanges, Steered};
use almoner_domain::subscription::{Entitlement, Subscription, SubscriptionStep};
use almoner_domain::tenant::Realm;
use almoner_domain::text::Named;
use almoner_domain::time::Timestamp;
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[async_trait]
impl PlanChanges for MemoryStore {
    async fn change(&self, realm: Realm, request: &PlanChangeRequest) -> Result<PlanChangeAnswer, Fault> {
        let (mut core, now) = self.here("change_plan")?;
        core.change_plan(now, realm, request)
    }

    async fn preview(&self, realm: Realm, request: &PlanChangeRequest) -> Result<PlanChangeAnswer, Fault> {
        let (mut core, now) = self.here("preview_plan_change")?;
        let before = core.snapshot();
        let answer = core.change_plan(now, realm, request);
        core.fail_over(before);
        answer
    }

    async fn withdraw(&self, realm: Realm, customer: &Named<CustomerId>, by: &Author) -> Result<Steered, Fault> {
        let (mut core, now) = self.here("withdraw_plan_change")?;
        core.withdraw(Pen { now, realm, by }, customer)
    }

    async fn pause(
        &self,
        realm: Realm,
        customer: &Named<CustomerId>,
        is_paused: bool,
        by: &Author,
    ) -> Result<Steered, Fault> {
        let (mut core, now) = self.here("pause")?;
        core.pause(Pen { now, realm, by }, customer, is_paused)
    }

    async fn scheduled(&self, realm: Realm, of: Vec<SubscriptionId>) -> Result<Vec<PlanChange>, Fault> {
        let (core, _) = self.here("scheduled")?;
        let all = core.rows.catalogue(realm).map_or(&[][..], |known| &known.changes);
        let asked =
            |change: &&PlanChange| change.state == PlanChangeState::Pending && of.contains(&change.subscription);
        Ok(all.iter().filter(asked).cloned().collect())
    }
}

impl Core {
    /// Customers of any realm whose subscription is due to change.
    pub(super) fn due_customers(&self, now: Timestamp, limit: usize) -> Vec<(Realm, CustomerId)> {
        let due = self.rows.catalogues.iter().flat_map(|(realm, known)| {
            let due = known.subscriptions.iter().filter(|subscription| subscription.is_due(now));
            due.map(|subscription| (*realm, subscription.customer))
        });
        due.take(limit).collect()
    }

    /// Does the customer's subscription give nothing for now?
    pub(super) fn is_paused(&self, now: Timestamp, realm: Realm, customer: CustomerId) -> bool {
        let running = self.rows.catalogue(realm).and_then(|known| known.running(customer, now));
        running.is_some_and(Subscription::is_paused)
    }

    /// Makes the change of a customer's subscription that is due, where one is; false where none is.
    pub(super) fn make_due(&mut self, now: Timestamp, realm: Realm, customer: CustomerId) -> Result<bool, Fault> {
        let Some(known) = self.rows.catalogue(realm) else { return Ok(false) };
        let Some(old) = known.running(customer, now).filter(|old| old.is_due(now)).cloned() else { return Ok(false) };
        let Some(due) = pending(known, old.id).cloned() else { return Ok(false) };
        let terms = due.to.and_then(|plan| terms(known, plan, due.at));
        self.settle_change(realm, &due, PlanChangeState::Applied);
        let (new, _) = self.put_in_place(now, realm, &old, &due, terms.as_ref())?;
        let by = Author::runner();
        self.sign_change(Pen { now, realm, by: &by }, &new, terms.as_ref(), "as it was scheduled");
        Ok(true)
    }

    fn change_plan(
        &mut self,
        now: Timestamp,
        realm: Realm,
        request: &PlanChangeRequest,
    ) -> Result<PlanChangeAnswer, Fault> {
        let old = match self.held(now, realm, &request.customer)? {
            Ok(old) => old,
            Err(Steered::UnknownCustomer) => return Ok(PlanChangeAnswer::UnknownCustomer),
            Err(_) => return Ok(PlanChangeAnswer::NotSubscribed),
        };
        let known = self.rows.catalogue(realm).cloned().unwrap_or_default();
        let at = match request.when {
            When::Now => Some(now),
            When::PeriodEnd => period_end(&own(&known, old.id), now),
        };
        let Some(at) = at else { return Ok(PlanChangeAnswer::NeverRenews) };
        let plan = request.to.as_ref().map(|name| known.plans.iter().find(|plan| plan.external_id == *name));
        let target = match plan {
            None => None,
            Some(plan) => match plan.and_then(|plan| terms(&known, plan.id, at)) {
                None => return Ok(PlanChangeAnswer::UnknownPlan),
                Some(terms) if terms.id == old.plan_version => return Ok(PlanChangeAnswer::Unchanged),
                terms => terms,
            },
        };
        let scheduled = pending(&known, old.id).cloned();
        let mut change = PlanChange {
            id: request.id,
            customer: old.customer,
            subscription: old.id,
            to: target.as_ref().map(|terms| terms.plan),
            at,
            ends_trial: false,
            created_at: now,
            state: PlanChangeState::Pending,
        };
        let pen = Pen { now, realm, by: &request.by };
        if request.when == When::PeriodEnd {
            if let Some(scheduled) = scheduled {
                return Ok(PlanChangeAnswer::Scheduled(scheduled));
            }
            let effects = self.foresee(realm, &old, target.as_ref(), at)?;
            let subscription = Subscription { changes_at: Some(at), ..old };
            self.known(realm).changes.push(change.clone());
            self.steer(pen, &subscription, SubscriptionStep::Scheduled);
            self.sign_change(pen, &subscription, target.as_ref(), &format!("at {at}"));
            return Ok(PlanChangeAnswer::Done(Box::new(PlanChanged { change, subscription, effects })));
        }
        if let Some(scheduled) = scheduled {
            self.settle_change(realm, &scheduled, PlanChangeState::Withdrawn);
        }
        change.state = PlanChangeState::Applied;
        self.known(realm).changes.push(change.clone());
        let (subscription, effects) = self.put_in_place(now, realm, &old, &change, target.as_ref())?;
        self.sign_change(pen, &subscription, target.as_ref(), "now");
        Ok(PlanChangeAnswer::Done(Box::new(PlanChanged { change, subscription, effects })))
    }

    /// The catalogue, to be changed.
    fn known(&mut self, realm: Realm) -> &mut Catalogue {
        let known = self.rows.catalogues.entry(realm).or_default();
        known.version += 1;
        known
    }

    fn settle_change(&mut self, realm: Realm, change: &PlanChange, state: PlanChangeState) {
        let changes = self.known(realm).changes.iter_mut();
        changes.filter(|other| other.id == change.id).for_each(|other| other.state = state);
    }

    /// A customer's running subscription, once what is due of it is made.
    fn held(
        &mut self,
        now: Timestamp,
        realm: Realm,
        customer: &Named<CustomerId>,
    ) -> Result<Result<Subscription, Steered>, Fault> {
        let found = self.rows.catalogue(realm).and_then(|known| known.customer(customer)).map(|customer| customer.id);
        let Some(customer) = found else { return Ok(Err(Steered::UnknownCustomer)) };
        self.make_due(now, realm, customer)?;
        let running = self.rows.catalogue(realm).and_then(|known| known.running(customer, now)).cloned();
        Ok(running.ok_or(Steered::NotSubscribed))
    }

    fn put_in_place(
        &mut self,
        now: Timestamp,
        realm: Realm,
        old: &Subscription,
        change: &PlanChange,
        terms: Option<&PlanVersion>,
    ) -> Result<(Subscription, Effects), Fault> {
        let (eye, entropy) = (self.eye(realm), Arc::clone(&self.entropy));
        let (effects, turns, books) = self.changed(realm, old, terms, now, &*entropy)?;
        self.rows.write_back(eye, books);
        let by = Author::runner();
        let pen = Pen { now, realm, by: &by };
        let ended = Subscription { ended_at: Some(change.at), changes_at: None, ..old.clone() };
        let Some(terms) = terms else {
            self.steer(pen, &ended, SubscriptionStep::Ended);
            return Ok((ended, effects));
        };
        let new = Subscription {
            id: Id::new(now, &*entropy),
            plan_version: terms.id,
            started_at: change.at,
            changes_at: None,
            ..old.clone()
        };
        let moved = entitle(&turns, &new, &|| Id::new(now, &*entropy));
        let known = self.known(realm);
        put(known, &ended);
        known.subscriptions.push(new.clone());
        for going_on in moved.going_on {
            let there = known.entitlements.iter_mut().filter(|one| one.id == going_on.id);
            there.for_each(|one| *one = going_on.clone());
        }
        known.entitlements.extend(moved.begun);
        self.tell_step(pen, new.id, SubscriptionStep::Changed);
        Ok((new, effects))
    }

    fn foresee(
        &self,
        realm: Realm,
        old: &Subscription,
        terms: Option<&PlanVersion>,
        at: Timestamp,
    ) -> Result<Effects, Fault> {
        self.changed(realm, old, terms, at, &*self.entropy).map(|(effects, ..)| effects)
    }

    /// The books as a change at an instant leaves them, which nobody has written back.
    fn changed<'e>(
        &self,
        realm: Realm,
        old: &Subscription,
        terms: Option<&PlanVersion>,
        now: Timestamp,
        entropy: &'e dyn almoner_domain::entropy::Entropy,
    ) -> Result<(Effects, Vec<Turn>, Books<'e>), Fault> {
        let missing = || Fault { operation: "change_plan", kind: FaultKind::Broken, source: None };
        let known = self.rows.catalogue(realm).ok_or_else(missing)?;
        let entitlements = own(known, old.id);
        let turns = turns(&entitlements, terms.map_or(&[], |terms| &terms.lines));
        let left = known.versions.iter().find(|version| version.id == old.plan_version).ok_or_else(missing)?;
        let mut books = Books::new(now, entropy);
        let last = self.load_change(realm, &entitlements, &mut books);
        let into = |grant: &&Grant| last.values().any(|account| *account == grant.account);
        let grants: Vec<Grant> = self.rows.grants.seen(self.eye(realm)).filter(into).cloned().collect();
        let effects = ledger::change_plan(&mut books, &turns, &last, &grants, left.live_rule);
        Ok((effects.map_err(|error| broken("change_plan", error))?, turns, books))
    }

    fn load_change(
        &self,
        realm: Realm,
        entitlements: &[Entitlement],
        books: &mut Books<'_>,
    ) -> BTreeMap<EntitlementId, AccountId> {
        let eye = self.eye(realm);
        let mut last: BTreeMap<EntitlementId, &Account> = BTreeMap::new();
        for account in self.rows.accounts.seen(eye) {
            let AccountOwner::Entitlement(id) = account.owner else { continue };
            let is_later = last.get(&id).is_none_or(|other| other.window.start < account.window.start);
            if is_later && entitlements.iter().any(|one| one.id == id) {
                last.insert(id, account);
            }
        }
        last.retain(|_, account| !account.closed && account.window.contains(books.now));
        let customers: BTreeSet<CustomerId> = entitlements.iter().map(|one| one.customer).collect();
        let allocations: Vec<AllocationId> = self
            .rows
            .allocations
            .seen(eye)
            .filter(|allocation| customers.contains(&allocation.principals.customer))
            .map(|allocation| allocation.id)
            .collect();
        allocations.into_iter().for_each(|id| self.rows.load_family(eye, books, id));
        last.values().for_each(|account| self.rows.load_chain(eye, books, account.id));
        let active = self.rows.leases.seen(eye).filter(|lease| lease.state == LeaseState::Active);
        for lease in active.filter(|lease| books.accounts.find(lease.account).is_some()) {
            books.leases.load(lease.id, lease.clone());
        }
        last.into_iter().map(|(id, account)| (id, account.id)).collect()
    }

    fn withdraw(&mut self, pen: Pen<'_>, customer: &Named<CustomerId>) -> Result<Steered, Fault> {
        let old = match self.held(pen.now, pen.realm, customer)? {
            Ok(old) => old,
            Err(answer) => return Ok(answer),
        };
        let found = self.rows.catalogue(pen.realm).and_then(|known| pending(known, old.id)).cloned();
        let Some(pending) = found else { return Ok(Steered::Already) };
        self.settle_change(pen.realm, &pending, PlanChangeState::Withdrawn);
        let now = Subscription { changes_at: None, ..old };
        self.steer(pen, &now, SubscriptionStep::Withdrawn);
        let note = format!("what was scheduled at {}", pending.at);
        self.sign(pen, Action::WithdrawPlanChange, now.id, now.customer, note);
        Ok(Steered::Done(Box::new(now)))
    }

    fn pause(&mut self, pen: Pen<'_>, customer: &Named<CustomerId>, is_paused: bool) -> Result<Steered, Fault> {
        let old = match self.held(pen.now, pen.realm, customer)? {
            Ok(old) => old,
            Err(answer) => return Ok(answer),
        };
        if old.is_paused() == is_paused {
            return Ok(Steered::Already);
        }
        let now = Subscription { paused_at: is_paused.then_some(pen.now), ..old };
        let (step, action) = match is_paused {
            true => (SubscriptionStep::Paused, Action::PauseSubscription),
            false => (SubscriptionStep::Resumed, Action::ResumeSubscription),
        };
        self.steer(pen, &now, step);
        self.sign(pen, action, now.id, now.customer, String::new());
        Ok(Steered::Done(Box::new(now)))
    }

    fn steer(&mut self, pen: Pen<'_>, subscription: &Subscription, step: SubscriptionStep) {
        put(self.known(pen.realm), subscription);
        self.tell_step(pen, subscription.id, step);
    }

    fn tell_step(&mut self, pen: Pen<'_>, id: SubscriptionId, step: SubscriptionStep) {
        self.rows.changes.push((pen.realm, Change::Catalogue));
        let event = Event::SubscriptionChanged(id, step);
        let notice = Notice { id: Id::new(pen.now, &*self.entropy), at: pen.now, event, allocation: None };
        self.rows.announce(self.eye(pen.realm), vec![notice]);
    }

    fn sign_change(&mut self, pen: Pen<'_>, subscription: &Subscription, terms: Option<&PlanVersion>, when: &str) {
        let (action, note) = match terms {
            Some(terms) => (Action::ChangePlan, format!("to {} (version {}), {when}", terms.id, terms.number)),
            None => (Action::CancelSubscription, when.to_owned()),
        };
        self.sign(pen, action, subscription.id, subscription.customer, note);
    }
}

fn pending(known: &Catalogue, subscription: SubscriptionId) -> Option<&PlanChange> {
    let of = |change: &&PlanChange| change.subscription == subscription && change.state == PlanChangeState::Pending;
    known.changes.iter().find(of)
}

/// What a subscription gives, users' shares included.
fn own(known: &Catalogue, subscription: SubscriptionId) -> Vec<Entitlement> {
    known.entitlements.iter().filter(|one| one.subscription == subscription).cloned().collect()
}

/// The terms of a plan that are in force at an instant.
fn terms(known: &Catalogue, plan: almoner_domain::id::PlanId, at: Timestamp) -> Option<PlanVersion> {
    let in_force = known.versions.iter().filter(|version| version.plan == plan && version.effective_from <= at);
    in_force.max_by_key(|version| version.number).cloned()
}

fn put(known: &mut Catalogue, subscription: &Subscription) {
    let there = known.subscriptions.iter_mut().filter(|one| one.id == subscription.id);
    there.for_each(|one| *one = subscription.clone());
}
