//! Grants: the order in which they burn, and how much of each has burnt.

use crate::{config, units};
use almoner_domain::grant::{Grant, GrantKind, GrantStage, burn, burn_order};
use almoner_domain::id::{AccountId, EntitlementId, GrantId, Id};
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use proptest::prelude::*;
use uuid::Uuid;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn grants() -> impl Strategy<Value = Vec<Grant>> {
    // Few different values, so that each rule of the order decides between some of them.
    let one = (0..3_i16, proptest::option::of(10..13_i64), 0..3_i64, 0..100_i64);
    proptest::collection::vec(one, 0..12).prop_map(|all| {
        let grant = |(i, (priority, expires, created, amount)): (usize, (i16, Option<i64>, i64, i64))| Grant {
            id: GrantId::from_uuid(Uuid::from_u128(i as u128)),
            entitlement: EntitlementId::from_uuid(Uuid::nil()),
            account: AccountId::from_uuid(Uuid::nil()),
            kind: GrantKind::TopUp,
            amount: units(amount),
            priority,
            effective_at: at(0),
            expires_at: expires.map(at),
            created_at: at(created),
            voided_at: None,
            taken_back: Units::ZERO,
            lapsed: Units::ZERO,
            stage: GrantStage::Live,
            carried_from: None,
            external_id: None,
        };
        all.into_iter().enumerate().map(grant).collect()
    })
}

fn sum(burnt: &[(GrantId, Units)]) -> i64 {
    burnt.iter().map(|(_, amount)| amount.get()).sum()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn priority_goes_first_then_earlier_expiry_then_earlier_creation(mut grants in grants()) {
        burn_order(&mut grants);
        let never = i64::MAX;
        for pair in grants.windows(2) {
            let rank = |g: &Grant| {
                (g.priority, g.expires_at.map_or(never, Timestamp::as_micros), g.created_at.as_micros())
            };
            prop_assert!(rank(&pair[0]) <= rank(&pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn the_order_does_not_depend_on_where_a_grant_stood_before(grants in grants(), turn in 0..12_usize) {
        let mut one = grants.clone();
        let mut other = grants;
        if !other.is_empty() {
            let by = turn % other.len();
            other.rotate_left(by);
        }
        burn_order(&mut one);
        burn_order(&mut other);
        prop_assert_eq!(one, other);
    }

    #[test]
    fn what_burns_is_what_was_spent_and_no_grant_burns_past_its_amount(mut grants in grants(), spent in 0..1_500_i64) {
        burn_order(&mut grants);
        let burnt = burn(&grants, units(spent));
        let whole: i64 = grants.iter().map(|g| g.amount.get()).sum();
        prop_assert_eq!(sum(&burnt), spent.min(whole));
        for (grant, (id, amount)) in grants.iter().zip(&burnt) {
            prop_assert_eq!(grant.id, *id);
            prop_assert!(*amount <= grant.amount);
        }
    }

    #[test]
    fn a_grant_burns_only_once_those_before_it_are_gone(mut grants in grants(), spent in 0..1_500_i64) {
        burn_order(&mut grants);
        let burnt = burn(&grants, units(spent));
        for later in 1..grants.len() {
            if !burnt[later].1.is_zero() {
                prop_assert!(grants[..later].iter().zip(&burnt).all(|(grant, (_, amount))| grant.amount == *amount));
            }
        }
    }

    #[test]
    fn spending_more_never_unburns(mut grants in grants(), spent in 0..1_500_i64, more in 0..100_i64) {
        burn_order(&mut grants);
        let (before, after) = (burn(&grants, units(spent)), burn(&grants, units(spent + more)));
        prop_assert!(before.iter().zip(&after).all(|(b, a)| b.1 <= a.1));
    }
}
