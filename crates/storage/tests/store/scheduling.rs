//! Schedules that runners share.

use crate::support::{BOTH, Shop};
use almoner_domain::ports::Schedules;
use almoner_domain::schedule::{NewSchedule, Outcome, Slot};
use almoner_domain::time::Clock;
use std::time::Duration;

const SWEEP: NewSchedule =
    NewSchedule { name: "sweep", period: Duration::from_secs(1), patience: Duration::from_secs(5) };
const PRUNE: NewSchedule = NewSchedule { name: "prune", ..SWEEP };

fn ended(shop: &Shop, slot: &Slot, error: Option<&str>) -> Outcome {
    Outcome { slot: slot.clone(), ended_at: shop.clock.now(), error: error.map(str::to_owned) }
}

/// Eight runners claim at once, one of them with these outcomes to tell.
async fn claimed_at_once(shop: &Shop, outcomes: &[Outcome]) -> Vec<Slot> {
    let runner = |told: Vec<Outcome>| {
        let store = shop.store.clone();
        tokio::spawn(async move { store.claim(&told).await.unwrap() })
    };
    let claims: Vec<_> =
        (0..8).map(|number| runner(if number == 0 { outcomes.to_vec() } else { Vec::new() })).collect();
    let mut slots = Vec::new();
    for claim in claims {
        slots.extend(claim.await.unwrap());
    }
    slots.sort_by(|a, b| a.schedule.cmp(&b.schedule));
    slots
}

async fn register(store: almoner_storage::SqlStore) {
    store.register(&[SWEEP, PRUNE]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_runners_one_has_each_slot() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let registered: Vec<_> = (0..4).map(|_| tokio::spawn(register(shop.store.clone()))).collect();
        for one in registered {
            one.await.unwrap();
        }
        let mut outcomes: Vec<Outcome> = Vec::new();
        for round in 0..5 {
            // Who comes before the outcomes are noted finds nothing; who comes with them, or after, finds both.
            let slots = claimed_at_once(&shop, &outcomes).await;
            let names: Vec<&str> = slots.iter().map(|slot| slot.schedule.as_str()).collect();
            assert_eq!(names, ["prune", "sweep"], "{on:?}, round {round}");
            outcomes = slots.iter().map(|slot| ended(&shop, slot, None)).collect();
            shop.clock.advance(SWEEP.period);
        }
        shop.store.report(&outcomes).await.unwrap();
        let all = shop.store.list().await.unwrap();
        assert_eq!(all.iter().map(|schedule| (schedule.runs, schedule.failures)).collect::<Vec<_>>(), [(5, 0), (5, 0)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_runner_leaves_is_claimed_after_its_patience_and_terms_can_change() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        shop.store.register(&[SWEEP]).await.unwrap();
        let lost = shop.store.claim(&[]).await.unwrap();
        assert_eq!(lost.len(), 1);
        shop.clock.advance(Duration::from_secs(4));
        assert_eq!(shop.store.claim(&[]).await.unwrap(), []);
        shop.clock.advance(Duration::from_secs(1));
        let second = shop.store.claim(&[]).await.unwrap();
        assert_eq!(second.len(), 1, "{on:?}");
        shop.store.report(&[ended(&shop, &lost[0], Some("late")), ended(&shop, &second[0], None)]).await.unwrap();
        let sweep = shop.store.list().await.unwrap().remove(0);
        assert_eq!((sweep.runs, sweep.failures, sweep.last_error.as_deref()), (2, 1, Some("late")));
        assert_eq!((sweep.claimed_at, sweep.succeeded_at), (None, Some(shop.clock.now())));
        shop.store.register(&[NewSchedule { period: Duration::from_secs(60), ..SWEEP }]).await.unwrap();
        let sweep = shop.store.list().await.unwrap().remove(0);
        assert_eq!((sweep.period, sweep.runs), (Duration::from_secs(60), 2), "its history stays");
    }
}
