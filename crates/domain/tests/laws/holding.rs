//! Holds that stand in the ledger: spent once, at what the call cost, never more than the rule permits.

use crate::world::{World, feature, id, life, principals};
use crate::{config, units};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::AllocationState;
use almoner_domain::feature::ExcessRule;
use almoner_domain::hold::Hold;
use almoner_domain::id::{AccountId, HoldId, LeaseId};
use almoner_domain::lease::{LeaseReply, LeaseReport, Wish};
use almoner_domain::ledger::{HoldOrder, HoldRefusal, carve, end, expire_hold, extend_hold, settle, settle_hold};
use proptest::prelude::*;
use std::time::Duration;

const TTL: Duration = Duration::from_secs(60);

fn hold() -> HoldId {
    id(50)
}

fn order(actual: i64, excess: ExcessRule) -> HoldOrder {
    HoldOrder { hold: hold(), actual: vec![(feature(), units(actual), excess)], spend_unnamed: true }
}

/// Leases `held + idle` units out of an account and settles the lease with `held` of them in a hold.
fn stand(world: &mut World, account: AccountId, lease: u128, held: i64, idle: i64) -> LeaseReply {
    let expires_at = world.now.saturating_add(TTL);
    let facts =
        Hold { id: hold(), allocation: None, principals: principals(), expires_at, open: true, parts: Vec::new() };
    let lease = id::<LeaseId>(lease);
    let raise = Wish::Raise { need: units(held + idle), want: units(0) };
    let close = Wish::Settle { holds: vec![(hold(), units(held))] };
    let mut reply = LeaseReply::Unknown;
    for (seq, held, wish) in [(1, 0, raise), (2, held, close)] {
        let report = LeaseReport { lease, account, seq, used: units(0), held: units(held), wish };
        reply = world.act(|books| settle(books, life(1), 1, 1, &report, &|_| Some(facts.clone()))).unwrap();
    }
    reply
}

fn begun(quota: i64, held: i64) -> (World, AccountId) {
    let mut world = World::new();
    let root = world.open_root(units(quota), None);
    stand(&mut world, root, 77, held, 0);
    (world, root)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_commit_spends_what_the_call_cost_within_its_rule(
        quota in 1..40_i64, held in 1..40_i64, actual in 0..80_i64, overage in any::<bool>(),
    ) {
        prop_assume!(held <= quota);
        let (mut world, root) = begun(quota, held);
        let rule = if overage { ExcessRule::Overage } else { ExcessRule::DenyExcess };
        let spent = world.act(|books| settle_hold(books, &order(actual, rule))).unwrap().unwrap();
        let most = if overage { quota } else { held };
        prop_assert_eq!(spent[0].1, units(actual.min(most)));
        prop_assert_eq!(world.pocket(root, Pocket::Used), spent[0].1);
        prop_assert_eq!(world.pocket(root, Pocket::Free), units(quota - actual.min(most)));
        prop_assert_eq!(world.check(), Ok(()));
    }

    #[test]
    fn a_hold_is_settled_once(held in 1..40_i64, first in 0..60_i64, second in 0..60_i64) {
        let (mut world, root) = begun(100, held);
        world.act(|books| settle_hold(books, &order(first, ExcessRule::Overage))).unwrap().unwrap();
        let balance = world.accounts[&root].balance;
        let again = world.act(|books| settle_hold(books, &order(second, ExcessRule::Overage))).unwrap();
        prop_assert_eq!(again, Err(HoldRefusal::Settled));
        world.pass(1_000);
        world.act(|books| expire_hold(books, hold())).unwrap();
        prop_assert_eq!(world.accounts[&root].balance, balance);
    }

    #[test]
    fn an_uncertain_outcome_is_not_refunded_before_its_time(held in 1..40_i64, after in 0..120_u64, extended in any::<bool>()) {
        let (mut world, root) = begun(100, held);
        let until = world.now.saturating_add(TTL * 2);
        if extended {
            world.act(|books| extend_hold(books, hold(), until)).unwrap().unwrap();
        }
        world.pass(after);
        world.act(|books| expire_hold(books, hold())).unwrap();
        let over = Duration::from_secs(after) >= if extended { TTL * 2 } else { TTL };
        prop_assert_eq!(world.pocket(root, Pocket::Held), units(if over { 0 } else { held }));
        let commit = world.act(|books| settle_hold(books, &order(held, ExcessRule::DenyExcess))).unwrap();
        prop_assert_eq!(commit.is_ok(), !over);
    }

    #[test]
    fn what_a_closed_allocation_still_held_goes_to_its_parent(held in 1..20_i64, actual in 0..40_i64) {
        let mut world = World::new();
        let root = world.open_root(units(100), None);
        let line = world.order(root, None, units(20));
        world.act(|books| carve(books, &line)).unwrap().unwrap();
        let account = world.allocations[&line.id].lines[0].account;
        stand(&mut world, account, 77, held, 0);
        world.act(|books| end(books, line.id, AllocationState::Closed)).unwrap();
        prop_assert_eq!(world.pocket(root, Pocket::Free), units(100 - held));
        // Whatever the rule says, an allocation that has ended gives no more than was set aside.
        world.act(|books| settle_hold(books, &order(actual, ExcessRule::Overage))).unwrap().unwrap();
        prop_assert_eq!(world.pocket(root, Pocket::Free), units(100 - actual.min(held)));
        prop_assert_eq!(world.check(), Ok(()));
    }

    /// A hold on two accounts whose second lease is settled late: nothing may be held for a call that is over.
    #[test]
    fn a_part_that_comes_after_its_hold_was_settled_is_free_again(first in 1..20_i64, second in 1..20_i64, commits in any::<bool>()) {
        let mut world = World::new();
        let (one, other) = (world.open_root(units(20), None), world.open_root(units(20), None));
        stand(&mut world, one, 77, first, 0);
        if commits {
            world.act(|books| settle_hold(books, &order(first, ExcessRule::DenyExcess))).unwrap().unwrap();
        } else {
            world.pass(1_000);
            world.act(|books| expire_hold(books, hold())).unwrap();
        }
        let reply = stand(&mut world, other, 78, second, 0);
        let applied = matches!(reply, LeaseReply::Applied { .. });
        prop_assert!(applied, "{reply:?}");
        prop_assert_eq!(world.pocket(other, Pocket::Held), units(0));
        prop_assert_eq!(world.pocket(other, Pocket::Free), units(20));
        prop_assert_eq!(world.check(), Ok(()));
    }
}
