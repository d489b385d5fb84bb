//! Balances: units move between pockets, and never come into being or vanish on the way.

use crate::{config, units};
use almoner_domain::account::{Balance, Pocket};
use almoner_domain::units::Units;
use proptest::prelude::*;

const POCKETS: [Pocket; 6] = [Pocket::Free, Pocket::Carved, Pocket::Leased, Pocket::Held, Pocket::Used, Pocket::Lapsed];

fn pocket() -> impl Strategy<Value = Option<Pocket>> {
    proptest::option::weighted(0.8, proptest::sample::select(POCKETS.to_vec()))
}

fn amount() -> impl Strategy<Value = Units> {
    prop_oneof![8 => 0..50_i64, 1 => Just(i64::MAX), 1 => 0..=i64::MAX].prop_map(units)
}

fn postings() -> impl Strategy<Value = Vec<(Option<Pocket>, Option<Pocket>, Units)>> {
    proptest::collection::vec((pocket(), pocket(), amount()), 0..40)
}

fn total(balance: &Balance) -> i128 {
    POCKETS.iter().map(|pocket| i128::from(balance.get(*pocket).get())).sum()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn granted_is_the_sum_of_the_pockets_after_any_postings(postings in postings()) {
        let mut balance = Balance::default();
        for (from, to, amount) in postings {
            let _ = balance.post(from, to, amount);
            prop_assert!(balance.holds());
            prop_assert_eq!(total(&balance), i128::from(balance.granted().get()));
        }
    }

    #[test]
    fn a_posting_moves_its_amount_or_changes_nothing(postings in postings()) {
        let mut balance = Balance::default();
        for (from, to, amount) in postings {
            let before = balance;
            let moved = balance.post(from, to, amount).is_ok();
            if !moved {
                prop_assert_eq!(balance, before);
                continue;
            }
            for pocket in POCKETS {
                let out = if from == Some(pocket) { amount.get() } else { 0 };
                let into = if to == Some(pocket) { amount.get() } else { 0 };
                prop_assert_eq!(balance.get(pocket).get(), before.get(pocket).get() - out + into);
            }
        }
    }

    #[test]
    fn a_balance_reads_back_only_when_it_adds_up(counts in proptest::array::uniform6(0..100_i64), off in -1..=1_i64) {
        let granted = counts.iter().sum::<i64>() + off;
        prop_assume!(granted >= 0);
        let of = |pocket| units(counts[POCKETS.iter().position(|p| *p == pocket).unwrap()]);
        prop_assert_eq!(Balance::restore(units(granted), of).is_ok(), off == 0);
    }
}
