//! Holds that stand in the ledger because their lease was settled.

use crate::support::{BOTH, GENERATE, QUOTA, Shop, id, mark, report, units};
use almoner_domain::account::Pocket;
use almoner_domain::decision::{Decision, Operation, UseKind};
use almoner_domain::feature::ExcessRule;
use almoner_domain::hold::Hold;
use almoner_domain::id::{AccountId, HoldId};
use almoner_domain::lease::Wish;
use almoner_domain::ledger::HoldOrder;
use almoner_domain::ports::{ExtendRequest, HoldAnswer, HoldRequest, HoldStanding, LeaseBatch, Ledger, Lookup};
use almoner_domain::principal::Principals;
use almoner_domain::statement::Right;
use almoner_domain::units::Units;
use std::time::Duration;

/// A shop with a hold of 10 in its ledger, for a minute.
async fn with_hold(on: crate::support::On) -> (Shop, AccountId, HoldId) {
    let shop = Shop::open(on).await;
    let (gate, account) = (shop.gate(1).await, shop.account().await);
    let lease = shop.lease(gate, account, 100).await;
    let hold: HoldId = shop.new_id();
    let expires_at = shop.now().saturating_add(Duration::from_secs(60));
    let reserve = Decision {
        operation: Operation::Reserve,
        hold: Some(hold),
        hold_expires_at: Some(expires_at),
        ..shop.consumed(account, 10, None)
    };
    let open = LeaseBatch { decisions: vec![reserve.clone()], ..LeaseBatch::default() };
    shop.settle(gate, &open).await;
    assert_eq!(shop.store.hold(shop.realm, hold).await.unwrap(), HoldStanding::Elsewhere(reserve));
    let facts = Hold {
        id: hold,
        allocation: None,
        principals: Principals { customer: id(crate::support::CUSTOMER), user: None, agent: None, session: None },
        expires_at,
        open: true,
        parts: vec![],
    };
    let wish = Wish::Settle { holds: vec![(hold, units(10))] };
    let settle =
        LeaseBatch { reports: vec![report(lease, account, 2, 5, wish)], holds: vec![facts], decisions: vec![] };
    shop.settle(gate, &settle).await;
    shop.sound().await;
    (shop, account, hold)
}

async fn balance(shop: &Shop, pocket: Pocket) -> Units {
    let lines = shop.store.entitlements(shop.realm, &shop.customer()).await.unwrap().unwrap().lines;
    let Right::Quota { line, .. } = &lines[0].right else { panic!() };
    line.balance.get(pocket)
}

fn commit(shop: &Shop, hold: HoldId, actual: Option<i64>, rule: ExcessRule) -> HoldRequest {
    HoldRequest {
        order: HoldOrder {
            hold,
            actual: actual.map(|count| (id(GENERATE), units(count), rule)).into_iter().collect(),
            spend_unnamed: true,
        },
        decision: Decision {
            operation: Operation::Commit,
            hold: Some(hold),
            uses: vec![],
            ..shop.consumed(id(1), 0, Some(mark(3, 3)))
        },
        excess: actual.map(|_| (id(GENERATE), rule)).into_iter().collect(),
    }
}

fn granted(answer: &HoldAnswer) -> (Units, Units) {
    let HoldAnswer::Done(decision) = answer else { panic!("{answer:?}") };
    match decision.uses[0].kind {
        UseKind::Metered { granted, remaining, .. } => (granted, remaining),
        _ => panic!("{decision:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_below_the_hold_frees_the_rest_and_happens_once() {
    for on in BOTH {
        let (shop, _, hold) = with_hold(on).await;
        assert!(matches!(shop.store.hold(shop.realm, hold).await.unwrap(), HoldStanding::Open(_, _)));
        let request = commit(&shop, hold, Some(4), ExcessRule::DenyExcess);
        let answer = shop.store.settle_hold(shop.realm, &request).await.unwrap();
        assert_eq!(granted(&answer), (units(4), units(QUOTA - 9)));
        assert_eq!(shop.store.settle_hold(shop.realm, &request).await.unwrap(), answer, "the same request again");
        let HoldAnswer::Done(decision) = answer else { panic!() };
        assert_eq!(shop.store.hold(shop.realm, hold).await.unwrap(), HoldStanding::Settled(decision.clone()));
        assert_eq!(shop.store.answered(shop.realm, [3; 16]).await.unwrap(), Some(decision.clone()));
        let other = commit(&shop, hold, Some(5), ExcessRule::DenyExcess);
        assert_eq!(shop.store.settle_hold(shop.realm, &other).await.unwrap(), HoldAnswer::Settled(Some(decision)));
        assert_eq!(balance(&shop, Pocket::Used).await, units(9));
        assert_eq!(balance(&shop, Pocket::Held).await, units(0));
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_above_the_hold_follows_the_rule() {
    for on in BOTH {
        for (rule, expected) in [(ExcessRule::DenyExcess, 10), (ExcessRule::Overage, 25)] {
            let (shop, _, hold) = with_hold(on).await;
            let answer = shop.store.settle_hold(shop.realm, &commit(&shop, hold, Some(25), rule)).await.unwrap();
            assert_eq!(granted(&answer).0, units(expected), "{rule:?}");
            shop.sound().await;
        }
        let (shop, _, hold) = with_hold(on).await;
        let answer =
            shop.store.settle_hold(shop.realm, &commit(&shop, hold, None, ExcessRule::DenyExcess)).await.unwrap();
        assert_eq!(granted(&answer).0, units(10), "what is not named is spent as held");
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_lives_as_long_as_it_is_given_and_then_frees_itself() {
    for on in BOTH {
        let (shop, _, hold) = with_hold(on).await;
        shop.clock.advance(Duration::from_secs(50));
        let until = shop.now().saturating_add(Duration::from_secs(60));
        let extend = ExtendRequest {
            hold,
            until,
            decision: Decision { operation: Operation::Extend, hold: Some(hold), ..shop.consumed(id(1), 0, None) },
        };
        let answer = shop.store.extend_hold(shop.realm, &extend).await.unwrap();
        assert!(matches!(&answer, HoldAnswer::Done(decision) if decision.hold_expires_at == Some(until)), "{answer:?}");
        shop.clock.advance(Duration::from_secs(59));
        assert_eq!(shop.store.sweep(10).await.unwrap().holds, 0);
        assert!(matches!(shop.store.hold(shop.realm, hold).await.unwrap(), HoldStanding::Open(_, _)));
        shop.clock.advance(Duration::from_secs(1));
        assert_eq!(shop.store.hold(shop.realm, hold).await.unwrap(), HoldStanding::Expired, "before any sweep");
        assert_eq!(shop.store.extend_hold(shop.realm, &extend).await.unwrap(), HoldAnswer::Expired);
        assert_eq!(shop.store.sweep(10).await.unwrap().holds, 1);
        assert_eq!(shop.store.sweep(10).await.unwrap().holds, 0);
        assert_eq!(shop.store.hold(shop.realm, hold).await.unwrap(), HoldStanding::Expired);
        let late =
            shop.store.settle_hold(shop.realm, &commit(&shop, hold, None, ExcessRule::DenyExcess)).await.unwrap();
        assert_eq!(late, HoldAnswer::Expired);
        assert_eq!(balance(&shop, Pocket::Free).await, units(QUOTA - 5));
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_nobody_knows_is_unknown() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let hold = shop.new_id();
        assert_eq!(shop.store.hold(shop.realm, hold).await.unwrap(), HoldStanding::Unknown);
        let request = commit(&shop, hold, None, ExcessRule::DenyExcess);
        assert_eq!(shop.store.settle_hold(shop.realm, &request).await.unwrap(), HoldAnswer::Unknown);
    }
}
