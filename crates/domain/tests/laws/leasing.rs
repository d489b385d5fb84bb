//! Leases: how large they are, and what a report that is not the next one can do.

use crate::world::{World, id, life};
use crate::{config, units};
use almoner_domain::account::Pocket;
use almoner_domain::hold::Hold;
use almoner_domain::id::{AccountId, HoldId, LeaseId};
use almoner_domain::lease::{LeaseReply, LeaseReport, LeaseState, Wish};
use almoner_domain::ledger::{lease_size, settle};
use almoner_domain::units::Units;
use proptest::prelude::*;

fn report(lease: u128, account: AccountId, seq: u64, used: i64, held: i64, wish: Wish) -> LeaseReport {
    LeaseReport { lease: id::<LeaseId>(lease), account, seq, used: units(used), held: units(held), wish }
}

fn tell(world: &mut World, report: &LeaseReport) -> LeaseReply {
    let facts = |hold: HoldId| {
        let principals = crate::world::principals();
        Some(Hold { id: hold, allocation: None, principals, expires_at: world_end(), open: true, parts: Vec::new() })
    };
    world.act(|books| settle(books, life(1), 1, 1, report, &facts)).unwrap()
}

fn world_end() -> almoner_domain::time::Timestamp {
    almoner_domain::time::Timestamp::from_micros(i64::MAX)
}

fn raise(need: i64, want: i64) -> Wish {
    Wish::Raise { need: units(need), want: units(want) }
}

/// A lease of 20 units out of 100, of which 5 are used, told in two reports.
fn begun() -> (World, AccountId) {
    let mut world = World::new();
    let root = world.open_root(units(100), None);
    tell(&mut world, &report(1, root, 1, 0, 0, raise(20, 0)));
    tell(&mut world, &report(1, root, 2, 5, 0, Wish::Keep));
    (world, root)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_lease_is_enough_for_the_call_and_never_more_than_there_is(
        need in 0..1_000_i64, want in 0..=i64::MAX, free in 0..1_000_i64, gates in 0..20_u32,
    ) {
        prop_assume!(need <= free);
        let size = lease_size(units(need), units(want), units(free), gates);
        prop_assert!(size >= units(need));
        prop_assert!(size <= units(free));
        // Beyond the call's need, all gates could have as much and half would still be free.
        let shared = i128::from(size.get()) * 2 * i128::from(gates.max(1)) <= i128::from(free);
        prop_assert!(size == units(need) || (shared && size.get() <= want));
    }

    #[test]
    fn near_the_end_a_lease_is_just_what_the_call_needs(need in 1..10_i64, want in 0..1_000_i64, gates in 5..20_u32) {
        prop_assert_eq!(lease_size(units(need), units(want), units(9.max(need)), gates), units(need));
    }

    #[test]
    fn a_report_told_again_changes_nothing_and_is_answered_the_same(
        used in 5..=20_i64, need in 0..90_i64, times in 1..4_usize,
    ) {
        let (mut world, root) = begun();
        let told = report(1, root, 3, used, 0, raise(need, 0));
        let first = tell(&mut world, &told);
        let balance = world.accounts[&root].balance;
        for _ in 0..times {
            prop_assert_eq!(tell(&mut world, &told), first);
            prop_assert_eq!(world.accounts[&root].balance, balance);
        }
    }

    #[test]
    fn only_the_next_report_is_applied(seq in 0..8_u64, used in 5..=20_i64) {
        prop_assume!(seq != 3);
        let (mut world, root) = begun();
        let balance = world.accounts[&root].balance;
        // At the last number it contradicts the report that was applied.
        let reply = tell(&mut world, &report(1, root, seq, used, 0, Wish::GiveBack));
        prop_assert_eq!(reply, LeaseReply::OutOfSequence { expected: 3 });
        prop_assert_eq!(world.accounts[&root].balance, balance);
    }

    #[test]
    fn a_claim_beyond_the_lease_or_below_what_was_told_moves_nothing(used in 0..60_i64, held in 0..60_i64) {
        prop_assume!(used < 5 || used + held > 20);
        let (mut world, root) = begun();
        let balance = world.accounts[&root].balance;
        let reply = tell(&mut world, &report(1, root, 3, used, held, Wish::GiveBack));
        prop_assert_eq!(reply, LeaseReply::Overdrawn { n: units(20) });
        prop_assert_eq!(world.accounts[&root].balance, balance);
    }

    #[test]
    fn holds_that_are_more_than_the_lease_are_refused_and_not_a_fault(used in 5..=20_i64, parts in proptest::collection::vec(1..20_i64, 1..4)) {
        let (mut world, root) = begun();
        let holds: Vec<_> = parts.iter().zip(1..).map(|(amount, n)| (id::<HoldId>(n), units(*amount))).collect();
        let sum: i64 = parts.iter().sum();
        let told = report(1, root, 3, used, sum.min(20 - used), Wish::Settle { holds });
        let reply = tell(&mut world, &told);
        let fits = used + sum <= 20;
        prop_assert_eq!(matches!(reply, LeaseReply::Applied { .. }), fits, "{:?}", reply);
        prop_assert_eq!(world.pocket(root, Pocket::Held), if fits { units(sum) } else { units(0) });
        prop_assert_eq!(world.check(), Ok(()));
    }

    #[test]
    fn whoever_comes_short_makes_the_others_be_asked(free in 0..20_i64, need in 1..60_i64) {
        let mut world = World::new();
        let root = world.open_root(units(30 + free), None);
        tell(&mut world, &report(1, root, 1, 0, 0, raise(30, 0)));
        tell(&mut world, &report(2, root, 1, 0, 0, raise(need, 0)));
        let recalled = world.leases[&id::<LeaseId>(1)].state == LeaseState::Recalling;
        prop_assert_eq!(recalled, need > free);
        prop_assert_eq!(world.leases[&id::<LeaseId>(2)].n, if need > free { Units::ZERO } else { units(need) });
    }

    #[test]
    fn what_a_gate_gives_back_is_free_for_the_next_at_once(used in 5..=20_i64) {
        let (mut world, root) = begun();
        tell(&mut world, &report(1, root, 3, used, 0, Wish::GiveBack));
        prop_assert_eq!(world.pocket(root, Pocket::Free), units(100 - used));
        let reply = tell(&mut world, &report(2, root, 1, 0, 0, raise(100 - used, 0)));
        let all = matches!(reply, LeaseReply::Applied { n, .. } if n == units(100 - used));
        prop_assert!(all, "{reply:?}");
    }
}

/// One report that names an account which the realm does not have must not keep the others of its batch out.
#[test]
fn a_report_about_an_account_that_is_not_there_is_answered_not_a_fault() {
    let (mut world, _) = begun();
    let reply = tell(&mut world, &report(9, id(12_345), 1, 0, 0, raise(1, 1)));
    assert_eq!(reply, LeaseReply::Unknown);
    assert_eq!(world.leases.len(), 1);
}
