//! Conditions of allocations: told to gates with those of the allocations above, and an end for what lies idle.

use super::World;
use super::hand::LeaseHand;
use crate::image_shop::{GENERATIONS, units};
use almoner_domain::allocation::AllocationState;
use almoner_domain::conditions::{Conditions, IDLE_TOLD_WITHIN, IdleTimeout, Pace};
use almoner_domain::hours::{BusinessHours, Holiday, Opening, TimeOfDay};
use almoner_domain::id::{AllocationId, FeatureId};
use almoner_domain::lease::{LEDGER_TERM, Wish};
use almoner_domain::period::Weekday;
use almoner_domain::ports::{CarveRequest, Source};
use almoner_domain::zone::Zone;

/// How long what is idle here may lie so.
const IDLE_S: u64 = 600;
/// Until it ends.
const ENDS_S: u64 = IDLE_S + IDLE_TOLD_WITHIN.as_secs();

fn idle() -> Conditions {
    idle_for(IDLE_S)
}

fn idle_for(seconds: u64) -> Conditions {
    Conditions { idle_timeout: Some(IdleTimeout::new(seconds).unwrap()), ..Conditions::default() }
}

/// All that can be said.
pub(super) fn full() -> Conditions {
    let days = [Weekday::Monday, Weekday::Friday].into();
    let time = |text| TimeOfDay::parse(text).unwrap();
    let opening = Opening { days, from: time("09:00"), until: time("24:00") };
    let holidays = ["2026-12-25", "2027-01-01"].map(|date| Holiday::parse(date).unwrap()).into();
    let hours = BusinessHours::new(Zone::parse("Europe/Berlin").unwrap(), vec![opening], holidays).unwrap();
    Conditions { hours: Some(hours), pace: Some(Pace::new(3, 60).unwrap()), ..idle() }
}

async fn with(w: &World, source: Source, lines: &[(FeatureId, i64)], conditions: Conditions) -> AllocationId {
    let request = CarveRequest { conditions, ..w.shop.carve(w.id(), source, lines) };
    w.carved(&request).await.allocation.id
}

async fn idling(w: &World) -> AllocationId {
    with(w, Source::Subject(w.shop.ada()), &[(w.shop.generate.id, 10)], idle()).await
}

async fn state(w: &World, id: AllocationId) -> AllocationState {
    w.statement(id).await.allocation.state
}

/// Uses two units of an allocation, and gives back what else its gate had.
async fn used(w: &World, id: AllocationId) {
    let account = w.statement(id).await.lines[0].account;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, account, 5).await;
    lease.used = 2;
    gate.settle(w, &mut lease, &[], 0).await;
}

/// A gate is told an allocation's conditions, and those of each above it, nearest first.
pub async fn conditions_come_with_those_above(w: &World) {
    let line = |amount| [(w.shop.generate.id, amount)];
    let top = with(w, Source::Subject(w.shop.ada()), &line(10), full()).await;
    let plain = w.below(top, &line(6)).await.allocation.id;
    let below = with(w, Source::Allocation(plain), &line(2), idle()).await;
    let standing = w.lookup.allocation(w.shop.realm, below).await.unwrap().unwrap();
    assert_eq!(standing.conditions, [(below, idle()), (top, full())]);
    assert_eq!(w.statement(top).await.allocation.conditions, full());
    assert!(w.statement(plain).await.allocation.conditions.is_empty());
}

/// What nobody uses ends, and what is used ends so long after its last use.
pub async fn what_lies_idle_ends(w: &World) {
    let (quiet, busy) = (idling(w).await, idling(w).await);
    w.pass(300);
    used(w, busy).await;
    w.pass(ENDS_S - 301);
    assert_eq!(w.sweep().await.allocations, 0, "a second is left");
    w.pass(1);
    assert_eq!(w.sweep().await.allocations, 1);
    assert_eq!((state(w, quiet).await, state(w, busy).await), (AllocationState::Expired, AllocationState::Active));
    w.pass(299);
    assert_eq!(w.sweep().await.allocations, 0);
    w.pass(1);
    assert_eq!(w.sweep().await.allocations, 1);
    assert_eq!(state(w, busy).await, AllocationState::Expired);
    assert_eq!(w.free().await, GENERATIONS - 2, "what was left is back");
}

/// A call that is under way keeps an allocation, and so does a gate that may have allowed what it has not told yet.
pub async fn what_may_be_in_use_is_not_idle(w: &World) {
    let held = idling(w).await;
    let longer = idle_for(2 * LEDGER_TERM.as_secs());
    let doubtful = with(w, Source::Subject(w.shop.ada()), &[(w.shop.generate.id, 10)], longer).await;
    let account = w.statement(held).await.lines[0].account;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, account, 5).await;
    gate.settle(w, &mut lease, &[(w.id(), 5)], 3_600).await;
    let account = w.statement(doubtful).await.lines[0].account;
    let silent = w.gate().await;
    let mut lease: LeaseHand = silent.lease(w, account, 5).await;
    for _ in 0..16 {
        w.pass(120);
        w.sweep().await;
    }
    assert_eq!((state(w, held).await, state(w, doubtful).await), (AllocationState::Active, AllocationState::Active));
    lease.used = 1;
    silent.settle(w, &mut lease, &[], 0).await;
    w.pass(3_600);
    w.sweep().await;
    assert_eq!(state(w, doubtful).await, AllocationState::Expired);
    assert_eq!(state(w, held).await, AllocationState::Active, "its hold was given up just now");
    w.pass(ENDS_S);
    w.sweep().await;
    assert_eq!(state(w, held).await, AllocationState::Expired);
}

/// What is used below an allocation is use of it; when it ends, all below it does.
pub async fn what_is_used_below_is_not_idle(w: &World) {
    let top = idling(w).await;
    let below = w.below(top, &[(w.shop.generate.id, 6)]).await.allocation.id;
    w.pass(500);
    used(w, below).await;
    w.pass(500);
    assert_eq!(w.sweep().await.allocations, 0);
    w.pass(ENDS_S - 500);
    assert_eq!(w.sweep().await.allocations, 2);
    assert_eq!((state(w, top).await, state(w, below).await), (AllocationState::Expired, AllocationState::Expired));
}

/// A lease that is kept without use is none.
pub async fn what_a_gate_keeps_without_use_lies_idle(w: &World) {
    let id = idling(w).await;
    let account = w.statement(id).await.lines[0].account;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, account, 5).await;
    for _ in 0..ENDS_S / 15 {
        w.pass(15);
        gate.say(w, &mut lease, Wish::Keep).await;
    }
    assert_eq!(w.sweep().await.allocations, 1);
    assert_eq!(state(w, id).await, AllocationState::Expired);
    gate.settle(w, &mut lease, &[], 0).await;
    assert_eq!(
        w.quota(w.shop.generate.id).await.balance.get(almoner_domain::account::Pocket::Free),
        units(GENERATIONS)
    );
}
