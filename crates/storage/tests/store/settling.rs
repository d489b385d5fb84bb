//! Flushes of gates: leases, decisions and their idempotency.

use crate::support::{BOTH, GENERATE, QUOTA, Shop, id, mark, raise, report, reports, units};
use almoner_domain::account::Pocket;
use almoner_domain::decision::{Decision, Denial, Level, Operation, Reason, UseKind, Verdict};
use almoner_domain::lease::{LEDGER_TERM, LeaseReply, LeaseState, Wish};
use almoner_domain::ledger::RETENTION;
use almoner_domain::ports::{LeaseBatch, Ledger, Lookup};
use almoner_domain::statement::Right;
use almoner_domain::units::Units;
use almoner_testkit::author;
use std::time::Duration;

async fn balance(shop: &Shop, pocket: Pocket) -> Units {
    let lines = shop.store.entitlements(shop.realm, &shop.customer()).await.unwrap().unwrap().lines;
    let line = lines.iter().find(|line| line.feature == id(GENERATE)).unwrap();
    let Right::Quota { line, .. } = &line.right else { panic!("{line:?}") };
    line.balance.get(pocket)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_is_applied_once_however_often_it_comes() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let (gate, account) = (shop.gate(1).await, shop.account().await);
        let lease = shop.lease(gate, account, 100).await;
        let batch = LeaseBatch {
            reports: vec![report(lease, account, 2, 30, Wish::Keep)],
            holds: vec![],
            decisions: vec![shop.consumed(account, 30, Some(mark(1, 1)))],
        };
        let first = shop.settle(gate, &batch).await;
        assert!(matches!(first[0], LeaseReply::Applied { n, .. } if n == units(100)), "{first:?}");
        assert_eq!(shop.settle(gate, &batch).await, first, "resent");
        let older = reports(vec![raise(lease, account, 1, 0, 100)]);
        assert_eq!(shop.settle(gate, &older).await, [LeaseReply::OutOfSequence { expected: 3 }], "late");
        let ahead = reports(vec![report(lease, account, 4, 31, Wish::Keep)]);
        assert_eq!(shop.settle(gate, &ahead).await, [LeaseReply::OutOfSequence { expected: 3 }], "one was lost");
        let over = reports(vec![report(lease, account, 3, 101, Wish::Keep)]);
        assert_eq!(shop.settle(gate, &over).await, [LeaseReply::Overdrawn { n: units(100) }]);
        assert_eq!(balance(&shop, Pocket::Used).await, units(30));
        let stored = shop.store.answered(shop.realm, [1; 16]).await.unwrap().unwrap();
        assert_eq!(stored, batch.decisions[0]);
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_life_fences_the_earlier_one() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let (old, account) = (shop.gate(1).await, shop.account().await);
        let lease = shop.lease(old, account, 100).await;
        let new = shop.gate(1).await;
        assert_eq!((old.number, new.number), (1, 2));
        assert_eq!(shop.report(old, report(lease, account, 2, 5, Wish::GiveBack)).await, LeaseReply::Fenced);
        assert_eq!(shop.report(old, raise(shop.new_id(), account, 1, 0, 10)).await, LeaseReply::Fenced);
        let left = shop.store.unsettled(new).await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!((left[0].0, left[0].1.id, left[0].1.used), (shop.realm, lease, units(5)));
        let seq = left[0].1.seq + 1;
        let settled = shop.report(new, report(lease, account, seq, 8, Wish::Settle { holds: vec![] })).await;
        assert!(matches!(settled, LeaseReply::Applied { .. }), "{settled:?}");
        assert_eq!(shop.store.unsettled(new).await.unwrap(), []);
        assert_eq!(balance(&shop, Pocket::Used).await, units(8));
        assert_eq!(balance(&shop, Pocket::Free).await, units(QUOTA - 8));
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_finds_nothing_free_has_others_recalled() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let account = shop.account().await;
        let (one, other) = (shop.gate(1).await, shop.gate(2).await);
        let lease = shop.lease(one, account, QUOTA).await;
        let wanting = shop.new_id();
        let reply = shop.report(other, raise(wanting, account, 1, 0, 10)).await;
        assert!(
            matches!(reply, LeaseReply::Applied { n, elsewhere, .. } if n.is_zero() && elsewhere == units(QUOTA)),
            "{reply:?}"
        );
        assert_eq!(shop.store.recalled(one).await.unwrap(), [(shop.realm, lease)]);
        assert_eq!(shop.store.recalled(other).await.unwrap(), []);
        shop.report(one, report(lease, account, 2, 7, Wish::GiveBack)).await;
        assert_eq!(shop.store.recalled(one).await.unwrap(), []);
        let reply = shop.report(other, raise(wanting, account, 2, 0, 10)).await;
        assert!(matches!(reply, LeaseReply::Applied { n, .. } if n == units(10)), "{reply:?}");
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_sized_by_the_gates_that_are_alive() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let account = shop.account().await;
        let gate = shop.gate(1).await;
        for node in 2..=5 {
            shop.gate(node).await;
        }
        let ask = |lease| report(lease, account, 1, 0, Wish::Raise { need: units(1), want: units(QUOTA) });
        let reply = shop.report(gate, ask(shop.new_id())).await;
        assert!(matches!(reply, LeaseReply::Applied { n, .. } if n == units(QUOTA / 10)), "five gates: {reply:?}");
        shop.clock.advance(Duration::from_secs(31));
        shop.store.recalled(gate).await.unwrap();
        let reply = shop.report(gate, ask(shop.new_id())).await;
        assert!(
            matches!(reply, LeaseReply::Applied { n, .. } if n == units(450)),
            "one gave a sign of life: {reply:?}"
        );
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_report_does_not_keep_the_others_out() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let (gate, account) = (shop.gate(1).await, shop.account().await);
        let (good, bad) = (shop.lease(gate, account, 100).await, shop.lease(gate, account, 100).await);
        // The hold that it names comes without its facts.
        let batch = LeaseBatch {
            reports: vec![
                report(bad, account, 2, 10, Wish::Settle { holds: vec![(shop.new_id(), units(5))] }),
                report(good, account, 2, 20, Wish::Keep),
                report(shop.new_id(), id(0xbad), 1, 0, Wish::Keep),
            ],
            holds: vec![],
            decisions: vec![shop.consumed(account, 20, None)],
        };
        let replies = shop.settle(gate, &batch).await;
        assert_eq!(replies[0], LeaseReply::Overdrawn { n: units(100) });
        assert!(matches!(replies[1], LeaseReply::Applied { .. }), "{replies:?}");
        assert_eq!(replies[2], LeaseReply::Unknown);
        assert_eq!(balance(&shop, Pocket::Used).await, units(20), "the wrong one left no trace");
        assert_eq!(balance(&shop, Pocket::Leased).await, units(180));
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_two_gates_served_is_charged_once() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let account = shop.account().await;
        let (one, other) = (shop.gate(1).await, shop.gate(2).await);
        let (a, b) = (shop.lease(one, account, 100).await, shop.lease(other, account, 100).await);
        let first = shop.consumed(account, 30, Some(mark(1, 1)));
        let flush = |lease, decision: &Decision| LeaseBatch {
            reports: vec![report(lease, account, 2, 30, Wish::Keep)],
            holds: vec![],
            decisions: vec![decision.clone(), shop.consumed(account, 0, None)],
        };
        shop.settle(one, &flush(a, &first)).await;
        let second = flush(b, &shop.consumed(account, 30, Some(mark(1, 1))));
        shop.settle(other, &second).await;
        shop.settle(other, &second).await;
        assert_eq!(balance(&shop, Pocket::Used).await, units(30), "{on:?}: the second debit came back, once");
        assert_eq!(shop.store.answered(shop.realm, [1; 16]).await.unwrap().unwrap().id, first.id);
        shop.sound().await;

        // Another body is another call, and a denied first answer means that nothing was spent for the second to repeat.
        let (c, d) = (shop.lease(one, account, 100).await, shop.lease(other, account, 100).await);
        shop.settle(one, &flush(c, &shop.consumed(account, 30, Some(mark(1, 2))))).await;
        assert_eq!(balance(&shop, Pocket::Used).await, units(60));
        let denied = Decision { verdict: denial(), ..shop.consumed(account, 0, Some(mark(9, 9))) };
        let batch = LeaseBatch { decisions: vec![denied.clone()], ..LeaseBatch::default() };
        shop.settle(one, &batch).await;
        shop.settle(other, &flush(d, &shop.consumed(account, 30, Some(mark(9, 9))))).await;
        assert_eq!(balance(&shop, Pocket::Used).await, units(90));
        assert_eq!(shop.store.answered(shop.realm, [9; 16]).await.unwrap().unwrap(), denied, "reads back as it was");
        shop.sound().await;
    }
}

fn denial() -> Verdict {
    Verdict::Deny(Denial {
        reason: Reason::Exhausted,
        level: Level::Customer,
        message: "The quota of acme-shop has 0 image generations left \u{2013} \"ask\" Bob.".to_owned(),
        resets_at: Some(crate::support::month()),
        retry_after_s: Some(3),
        raise: vec![id(crate::support::BOB)],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_one_key_in_one_batch_are_one() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let (gate, account) = (shop.gate(1).await, shop.account().await);
        let lease = shop.lease(gate, account, 100).await;
        let batch = LeaseBatch {
            reports: vec![report(lease, account, 2, 60, Wish::Keep)],
            holds: vec![],
            decisions: vec![
                shop.consumed(account, 30, Some(mark(1, 1))),
                shop.consumed(account, 30, Some(mark(1, 1))),
                shop.consumed(account, 0, Some(mark(2, 1))),
            ],
        };
        shop.settle(gate, &batch).await;
        assert_eq!(balance(&shop, Pocket::Used).await, units(30));
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_known_for_its_retention_and_then_free_again() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let (gate, account) = (shop.gate(1).await, shop.account().await);
        let lease = shop.lease(gate, account, 100).await;
        let flush = |seq, used| LeaseBatch {
            reports: vec![report(lease, account, seq, used, Wish::Keep)],
            holds: vec![],
            decisions: vec![shop.consumed(account, 10, Some(mark(1, 1)))],
        };
        shop.settle(gate, &flush(2, 10)).await;
        shop.clock.advance(RETENTION - Duration::from_secs(1));
        assert!(shop.store.answered(shop.realm, [1; 16]).await.unwrap().is_some());
        shop.clock.advance(Duration::from_secs(1));
        assert!(shop.store.answered(shop.realm, [1; 16]).await.unwrap().is_none());
        shop.settle(gate, &flush(3, 20)).await;
        assert!(shop.store.answered(shop.realm, [1; 16]).await.unwrap().is_some(), "the key is the new decision's");
        let books = shop.store.check_books().await.unwrap();
        assert_eq!(books, Vec::<String>::new(), "neither came back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_spent_until_the_gate_speaks_or_an_operator_gives_up() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let (gate, account) = (shop.gate(1).await, shop.account().await);
        let (speaks, lost) = (shop.lease(gate, account, 100).await, shop.lease(gate, account, 50).await);
        shop.report(gate, report(lost, account, 2, 20, Wish::Keep)).await;
        assert!(!shop.store.forfeit(shop.realm, lost, &author()).await.unwrap(), "not in doubt");
        shop.clock.advance(LEDGER_TERM);
        assert_eq!(shop.store.sweep(10).await.unwrap().leases, 2);
        assert_eq!(shop.store.sweep(10).await.unwrap().leases, 0);
        assert_eq!(balance(&shop, Pocket::Free).await, units(QUOTA - 150));
        let lines = shop.store.entitlements(shop.realm, &shop.customer()).await.unwrap().unwrap().lines;
        let Right::Quota { line, .. } = &lines[0].right else { panic!() };
        assert_eq!(line.in_doubt, units(130));

        shop.report(gate, report(speaks, account, 2, 1, Wish::GiveBack)).await;
        assert!(shop.store.forfeit(shop.realm, lost, &author()).await.unwrap());
        assert!(!shop.store.forfeit(shop.realm, lost, &author()).await.unwrap(), "once");
        assert_eq!(balance(&shop, Pocket::Used).await, units(51));
        assert_eq!(balance(&shop, Pocket::Free).await, units(QUOTA - 51));
        let late = shop.report(gate, report(lost, account, 3, 25, Wish::Keep)).await;
        assert_eq!(late, LeaseReply::Unknown);
        assert!(LeaseState::Forfeited.is_final());
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_reads_back_as_it_was() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let (gate, account) = (shop.gate(1).await, shop.account().await);
        let mut decision = Decision { operation: Operation::Reserve, ..shop.consumed(account, 3, Some(mark(4, 4))) };
        decision.hold = Some(id(0xa1));
        decision.hold_expires_at = Some(shop.now());
        decision.allocation = Some(id(0xa2));
        decision.uses[0].kind = UseKind::Boolean { included: true };
        decision.dimensions = vec![("model".into(), "x\"l\u{1f600}".into()), ("tool".into(), "render".into())];
        shop.settle(gate, &LeaseBatch { decisions: vec![decision.clone()], ..LeaseBatch::default() }).await;
        assert_eq!(shop.store.answered(shop.realm, [4; 16]).await.unwrap(), Some(decision));
    }
}
