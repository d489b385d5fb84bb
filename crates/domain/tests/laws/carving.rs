//! Carving: a child never outlives, outscopes or outspends its parent, and a refusal leaves no trace.

use crate::world::{World, id};
use crate::{config, units};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::{AllocationState, DEPTH_MAX};
use almoner_domain::id::{AccountId, AllocationId, UserId};
use almoner_domain::ledger::{CarveOrder, CarveRefusal, carve, end};
use almoner_domain::scope::Scope;
use almoner_domain::text::ToolName;
use almoner_domain::time::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

/// What a child asks for, as steps from the start of the world.
#[derive(Debug, Clone)]
struct Ask {
    below: usize,
    amount: i64,
    tools: Option<Vec<&'static str>>,
    not_before: Option<u64>,
    expires: Option<u64>,
    user: Option<u128>,
}

fn ask() -> impl Strategy<Value = Ask> {
    let tools = proptest::option::of(proptest::sample::subsequence(vec!["a", "b", "c"], 0..=3));
    let when = || proptest::option::of(0..200_u64);
    (0..12_usize, 0..60_i64, tools, when(), when(), proptest::option::weighted(0.1, 1..3_u128)).prop_map(
        |(below, amount, tools, not_before, expires, user)| Ask { below, amount, tools, not_before, expires, user },
    )
}

fn order(world: &World, root: AccountId, ask: &Ask, start: Timestamp) -> CarveOrder {
    let all: Vec<AllocationId> = world.allocations.keys().copied().collect();
    let parent = (!all.is_empty()).then(|| all[ask.below % all.len()]).filter(|_| ask.below > 1);
    let from = parent.map_or(root, |parent| world.allocations[&parent].lines[0].account);
    let mut order = world.order(from, parent, units(ask.amount));
    let when = |s: u64| start.saturating_add(Duration::from_secs(s));
    order.not_before = ask.not_before.map(when);
    order.expires_at = ask.expires.map(when);
    order.principals.user = ask.user.map(id::<UserId>);
    order.scope.tools = ask.tools.as_ref().map(|names| names.iter().map(|n| ToolName::parse(n).unwrap()).collect());
    order
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_child_never_outlives_outscopes_or_outspends_its_parent(asks in proptest::collection::vec(ask(), 1..25)) {
        let mut world = World::new();
        let root = world.open_root(units(200), Some(Duration::from_secs(150)));
        let start = world.now;
        for ask in asks {
            let order = order(&world, root, &ask, start);
            let before = (world.accounts.clone(), world.allocations.clone());
            let carved = world.act_if(Result::is_ok, |books| carve(books, &order)).unwrap();
            if carved.is_err() {
                prop_assert_eq!(&before, &(world.accounts.clone(), world.allocations.clone()));
            }
            world.pass(3);
        }
        prop_assert_eq!(world.check(), Ok(()));
        for child in world.allocations.values() {
            let Some(parent) = child.parent.map(|parent| &world.allocations[&parent]) else { continue };
            prop_assert!(child.scope.within(&parent.scope));
            prop_assert!(child.expires_at <= parent.expires_at);
            prop_assert!(child.not_before >= parent.not_before);
            prop_assert_eq!(child.principals.user, parent.principals.user);
            prop_assert_eq!(child.depth, parent.depth + 1);
            prop_assert!(child.lines[0].carved <= parent.lines[0].carved);
            prop_assert!(child.created_at < parent.expires_at);
        }
    }

    #[test]
    fn all_lines_are_carved_or_none(free in proptest::collection::vec(0..20_i64, 1..5), asked in proptest::collection::vec(1..20_i64, 5)) {
        let mut world = World::new();
        let roots: Vec<AccountId> = free.iter().map(|free| world.open_root(units(*free), None)).collect();
        let mut order = world.order(roots[0], None, units(1));
        order.lines = roots.iter().zip(&asked).zip(1..).map(|((root, asked), n)| (id(n), Some(*root), units(*asked))).collect();
        let carved = world.act_if(Result::is_ok, |books| carve(books, &order)).unwrap();
        let short = free.iter().zip(&asked).position(|(free, asked)| asked > free);
        match (carved, short) {
            (Ok(_), None) => {}
            (Err(CarveRefusal::Short { account, free: told, .. }), Some(at)) => {
                prop_assert_eq!((account, told), (roots[at], units(free[at])));
            }
            other => prop_assert!(false, "{other:?}"),
        }
        for ((root, free), asked) in roots.iter().zip(&free).zip(&asked) {
            let left = if short.is_none() { free - asked } else { *free };
            prop_assert_eq!(world.pocket(*root, Pocket::Free), units(left));
        }
    }

    #[test]
    fn ending_returns_everything_free_exactly_once(amounts in proptest::collection::vec(1..20_i64, 1..6), times in 1..4_usize) {
        let mut world = World::new();
        let root = world.open_root(units(200), None);
        // A chain: each carved out of the one before, as much as it has at most.
        let (mut parent, mut from, mut left) = (None, root, 200);
        for amount in &amounts {
            let amount = (*amount).min(left);
            let mut order = world.order(from, parent, units(amount));
            order.expires_at = if parent.is_none() { order.expires_at } else { None };
            world.act_if(Result::is_ok, |books| carve(books, &order)).unwrap().unwrap();
            (parent, from, left) = (Some(order.id), world.allocations[&order.id].lines[0].account, amount);
        }
        let top = world.allocations.values().find(|a| a.depth == 1).unwrap().id;
        for _ in 0..times {
            let ended = world.act(|books| end(books, top, AllocationState::Closed)).unwrap();
            prop_assert_eq!(ended.lines[0].returned, ended.lines[0].carved);
            prop_assert_eq!(world.pocket(root, Pocket::Free), units(200));
            prop_assert!(world.allocations.values().all(|a| a.state == AllocationState::Closed));
        }
    }
}

#[test]
fn a_chain_goes_as_deep_as_permitted_and_no_deeper() {
    let mut world = World::new();
    let root = world.open_root(units(100), None);
    let (mut parent, mut from) = (None, root);
    for depth in 1..=DEPTH_MAX + 1 {
        let mut order = world.order(from, parent, units(1));
        order.scope = Scope::default();
        let carved = world.act_if(Result::is_ok, |books| carve(books, &order)).unwrap();
        if depth > DEPTH_MAX {
            assert_eq!(carved, Err(CarveRefusal::TooDeep));
            return;
        }
        assert_eq!(carved, Ok(order.id));
        (parent, from) = (Some(order.id), world.allocations[&order.id].lines[0].account);
    }
}
