//! Changes of plan: whatever is lowered and raised while units are out, a quota has what is due, or what was used where that is more.

use crate::desk::Desk;
use crate::world::{World, entitlement, feature};
use crate::{config, units};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::AllocationState;
use almoner_domain::grant::Grant;
use almoner_domain::id::{AccountId, AllocationId, LeaseId};
use almoner_domain::lease::Wish;
use almoner_domain::ledger::{carve, change_plan, end};
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::{LiveRule, Offer};
use almoner_domain::plan_change::{Effects, Turn};
use almoner_domain::units::Units;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What can happen to a quota.
#[derive(Debug, Clone)]
enum Step {
    /// Another plan: so many units, by this rule.
    Change(i64, LiveRule),
    /// An allocation of so many units, out of the quota or of one that there is.
    Carve(i64, Option<usize>),
    /// One of them ends.
    End(usize),
    /// The gate leases so much more of the quota or of an allocation.
    Raise(usize, i64),
    /// A call there.
    Use(usize, i64),
    /// The gate gives back what it holds idle there.
    GiveBack(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rule = prop_oneof![Just(LiveRule::Keep), Just(LiveRule::Shrink), Just(LiveRule::End)];
    let one = prop_oneof![
        3 => (0..200_i64, rule).prop_map(|(quota, rule)| Step::Change(quota, rule)),
        2 => (1..60_i64, proptest::option::of(0..4_usize)).prop_map(|(amount, from)| Step::Carve(amount, from)),
        1 => (0..4_usize).prop_map(Step::End),
        3 => (0..4_usize, 1..60_i64).prop_map(|(at, need)| Step::Raise(at, need)),
        4 => (0..4_usize, 1..60_i64).prop_map(|(at, amount)| Step::Use(at, amount)),
        2 => (0..4_usize).prop_map(Step::GiveBack),
    ];
    proptest::collection::vec(one, 1..60)
}

struct Scene {
    world: World,
    desk: Desk,
    root: AccountId,
    quota: i64,
    cards: Vec<AllocationId>,
    leases: BTreeMap<AccountId, LeaseId>,
}

impl Scene {
    fn new(quota: i64) -> Self {
        let mut world = World::new();
        let root = world.open_root(units(quota), None);
        Self { world, desk: Desk::new(), root, quota, cards: Vec::new(), leases: BTreeMap::new() }
    }

    fn change(&mut self, quota: i64, rule: LiveRule) -> Effects {
        let old = entitlement(1, None, units(self.quota));
        let new = Offer::Quota { amount: units(quota), period: UsagePeriod::MONTH, beyond: Default::default() };
        let last = BTreeMap::from([(old.id, self.root)]);
        let turn = Turn { feature: feature(), old: Some(old), shares: Vec::new(), new: Some(new) };
        let grants: Vec<Grant> = self.world.grants.values().cloned().collect();
        self.quota = quota;
        self.world.act(|books| change_plan(books, &[turn], &last, &grants, rule)).unwrap()
    }

    /// An account by number: the quota, or a line of an allocation.
    fn account(&self, at: usize) -> AccountId {
        let card = at.checked_sub(1).and_then(|at| self.cards.get(at));
        card.map_or(self.root, |card| self.world.allocations[card].lines[0].account)
    }

    fn carve(&mut self, amount: i64, from: Option<usize>) {
        let parent = from.and_then(|at| self.cards.get(at)).copied();
        let from = parent.map_or(self.root, |card| self.world.allocations[&card].lines[0].account);
        let order = self.world.order(from, parent, units(amount));
        let carved = self.world.act_if(Result::is_ok, |books| carve(books, &order)).unwrap();
        self.cards.extend(carved.ok());
    }

    fn end(&mut self, at: usize) {
        if let Some(card) = self.cards.get(at).copied() {
            self.world.act(|books| end(books, card, AllocationState::Closed)).unwrap();
        }
    }

    fn say(&mut self, at: usize, wish: Wish) {
        let account = self.account(at);
        let lease = *self.leases.entry(account).or_insert_with(|| self.desk.open(account));
        let message = self.desk.send(lease, wish);
        self.desk.deliver(message, &mut self.world).unwrap();
    }

    fn take(&mut self, at: usize, amount: i64) {
        if let Some(lease) = self.leases.get(&self.account(at)).copied() {
            self.desk.take(lease, amount);
            self.say(at, Wish::Keep);
        }
    }

    fn step(&mut self, step: &Step) {
        self.world.pass(1);
        match *step {
            Step::Change(quota, rule) => drop(self.change(quota, rule)),
            Step::Carve(amount, from) => self.carve(amount, from),
            Step::End(at) => self.end(at),
            Step::Raise(at, need) => self.say(at, Wish::Raise { need: units(need), want: Units::ZERO }),
            Step::Use(at, amount) => self.take(at, amount),
            Step::GiveBack(at) => self.say(at, Wish::GiveBack),
        }
    }

    fn used(&self) -> Units {
        self.world.accounts.values().map(|account| account.balance.get(Pocket::Used)).sum()
    }

    /// What a quota has, less what is owed of it: what is due, or what was used where that is more.
    fn holds(&self) -> Result<(), String> {
        self.world.check()?;
        let root = &self.world.accounts[&self.root];
        let has = root.balance.granted().saturating_sub(root.owed);
        let should = units(self.quota).max(self.used());
        if has == should { Ok(()) } else { Err(format!("{} may be used, not {}: {root:?}", has.get(), should.get())) }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_quota_has_what_is_due_or_what_was_used_where_that_is_more(steps in steps()) {
        let mut scene = Scene::new(100);
        let mut used = Units::ZERO;
        for step in &steps {
            scene.step(step);
            scene.holds().map_err(|what| TestCaseError::fail(format!("{step:?}: {what}")))?;
            prop_assert!(scene.used() >= used, "what is used is never taken");
            used = scene.used();
        }
        // When all is back nothing is owed, and what is free is what is due and not used.
        for at in 0..scene.cards.len() + 1 {
            scene.say(at, Wish::Settle { holds: Vec::new() });
        }
        for at in 0..scene.cards.len() {
            scene.end(at);
        }
        scene.holds().map_err(TestCaseError::fail)?;
        let root = &scene.world.accounts[&scene.root];
        prop_assert_eq!(root.owed, Units::ZERO);
        prop_assert_eq!(root.balance.get(Pocket::Free), units(scene.quota).saturating_sub(scene.used()));
    }
}

#[test]
fn a_change_tells_what_it_took_and_what_is_out() {
    let mut scene = Scene::new(100);
    scene.carve(40, None);
    scene.say(0, Wish::Raise { need: units(30), want: Units::ZERO });
    scene.take(0, 10);
    let told = scene.change(20, LiveRule::Keep).features.pop().unwrap().shift;
    assert_eq!((told.taken_back, told.pending, told.granted), (units(30), units(50), Units::ZERO));
    let told = scene.change(90, LiveRule::Keep).features.pop().unwrap().shift;
    assert_eq!((told.granted, told.pending), (units(20), Units::ZERO), "what is out is a part of what is due again");
    scene.end(0);
    assert_eq!(scene.world.pocket(scene.root, Pocket::Free), units(60));
}
