//! Split = whole: doing a thing in parts comes to the same as doing it at once.

use crate::world::{World, id, life};
use crate::{config, units};
use almoner_domain::account::Balance;
use almoner_domain::allocation::AllocationState;
use almoner_domain::id::{AccountId, LeaseId};
use almoner_domain::lease::{LeaseReport, Wish};
use almoner_domain::ledger::{carve, end, settle};
use proptest::prelude::*;

fn parts() -> impl Strategy<Value = Vec<i64>> {
    proptest::collection::vec(0..10_i64, 1..8)
}

fn tell(world: &mut World, account: AccountId, seq: u64, used: i64, wish: Wish) {
    let report = LeaseReport { lease: id::<LeaseId>(7), account, seq, used: units(used), held: units(0), wish };
    world.act(|books| settle(books, life(1), 1, 1, &report, &|_| None)).unwrap();
}

fn balance(world: &World, account: AccountId) -> Balance {
    world.accounts[&account].balance
}

fn raise(need: i64) -> Wish {
    Wish::Raise { need: units(need), want: units(0) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn use_told_in_parts_is_use_told_at_once(parts in parts()) {
        let whole: i64 = parts.iter().sum();
        let (mut one, mut other) = (World::new(), World::new());
        let (a, b) = (one.open_root(units(100), None), other.open_root(units(100), None));
        tell(&mut one, a, 1, 0, raise(80));
        tell(&mut other, b, 1, 0, raise(80));
        let (mut seq, mut used) = (1, 0);
        for part in &parts {
            (seq, used) = (seq + 1, used + part);
            tell(&mut one, a, seq, used, Wish::Keep);
        }
        tell(&mut other, b, 2, whole, Wish::Keep);
        prop_assert_eq!(balance(&one, a), balance(&other, b));
    }

    #[test]
    fn units_leased_in_parts_are_units_leased_at_once(parts in parts()) {
        let (mut one, mut other) = (World::new(), World::new());
        let (a, b) = (one.open_root(units(100), None), other.open_root(units(100), None));
        for (part, seq) in parts.iter().zip(1..) {
            tell(&mut one, a, seq, 0, raise(*part));
        }
        tell(&mut other, b, 1, 0, raise(parts.iter().sum()));
        prop_assert_eq!(balance(&one, a), balance(&other, b));
    }

    #[test]
    fn units_carved_in_parts_are_units_carved_at_once_and_come_back_the_same(parts in proptest::collection::vec(1..10_i64, 1..8)) {
        let (mut one, mut other) = (World::new(), World::new());
        let (a, b) = (one.open_root(units(100), None), other.open_root(units(100), None));
        let mut ids = Vec::new();
        for part in &parts {
            let order = one.order(a, None, units(*part));
            ids.push(one.act(|books| carve(books, &order)).unwrap().unwrap());
        }
        let order = other.order(b, None, units(parts.iter().sum()));
        let whole = other.act(|books| carve(books, &order)).unwrap().unwrap();
        prop_assert_eq!(balance(&one, a), balance(&other, b));
        for part in ids {
            one.act(|books| end(books, part, AllocationState::Closed)).unwrap();
        }
        other.act(|books| end(books, whole, AllocationState::Closed)).unwrap();
        prop_assert_eq!(balance(&one, a), balance(&other, b));
    }
}
