//! Time in a quota: grants that begin, expire and go on, what rolls over, and what may be used beyond.

use super::World;
use super::delivering::{self, wire};
use super::granting::request;
use super::hand::{GateHand, LeaseHand};
use crate::image_shop::{at, units};
use almoner_domain::account::Pocket;
use almoner_domain::grant::{Grant, GrantKind, GrantStage, RETURNED_AGAIN};
use almoner_domain::happening::HappeningKind as Kind;
use almoner_domain::period::UsagePeriod;
use almoner_domain::plan::{Beyond, Offer, Rollover};
use almoner_domain::ports::{GrantAnswer, GrantRequest};
use almoner_domain::subscription::Entitlement;
use almoner_domain::time::Timestamp;

const HOUR_S: u64 = 3_600;

/// A promotion of generations with a time of its own.
async fn promoted(w: &World, amount: i64, from: Option<Timestamp>, until: Option<Timestamp>) -> Grant {
    let kind = GrantKind::Promotion;
    let request = GrantRequest {
        kind,
        effective_at: from,
        expires_at: until,
        priority: -1,
        ..request(w, w.shop.generate.id, amount)
    };
    match w.treasury.issue(w.shop.realm, &request).await.unwrap() {
        GrantAnswer::Issued(grant) => grant,
        other => panic!("expected a grant, got {other:?}"),
    }
}

async fn grants(w: &World) -> Vec<Grant> {
    let account = w.quota(w.shop.generate.id).await.account;
    w.directory.grants_into(w.shop.realm, vec![account]).await.unwrap()
}

async fn one(w: &World, grant: &Grant) -> Grant {
    let found = w.directory.grants_among(w.shop.realm, vec![grant.id]).await.unwrap();
    found.into_iter().next().expect("it is there")
}

async fn pocket(w: &World, pocket: Pocket) -> i64 {
    w.quota(w.shop.generate.id).await.balance.get(pocket).get()
}

/// Sells Acme generations on other terms, and nothing else, from now on.
pub(super) async fn terms(w: &World, amount: i64, period: UsagePeriod, beyond: Beyond) {
    let now = w.clock_now();
    let running = w.shop.acme_subscription.clone();
    let second = almoner_domain::subscription::Subscription { id: w.id(), started_at: now, ..running.clone() };
    let entitlement = Entitlement {
        id: w.id(),
        subscription: second.id,
        offer: Offer::Quota { amount: units(amount), period, beyond },
        ..w.shop.acme_entitlements.iter().find(|one| one.feature == w.shop.generate.id).expect("it is sold").clone()
    };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert!(work.subscriptions().end(running.id, now).await.unwrap());
    work.subscriptions().add(&second, &[entitlement]).await.unwrap();
    work.commit().await.unwrap();
}

/// Uses units of the quota itself.
async fn used(w: &World, amount: i64) {
    let account = w.quota(w.shop.generate.id).await.account;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, account, amount).await;
    lease.used = amount;
    gate.settle(w, &mut lease, &[], 0).await;
}

/// Units that a gate has when the window ends, and has not told of.
async fn out(w: &World, amount: i64) -> (GateHand, LeaseHand) {
    let account = w.quota(w.shop.generate.id).await.account;
    let gate = w.gate().await;
    let lease = gate.lease(w, account, amount).await;
    (gate, lease)
}

/// They come back unused, and are looked for.
async fn back(w: &World, (gate, mut lease): (GateHand, LeaseHand)) {
    gate.settle(w, &mut lease, &[], 0).await;
    for _ in 0..3 {
        w.clock.advance(RETURNED_AGAIN);
        w.sweep().await;
    }
}

/// A grant that is not effective yet gives nothing; when it is, it does, once.
pub async fn a_grant_begins_when_it_is_effective(w: &World) {
    let before = pocket(w, Pocket::Free).await;
    let grant = promoted(w, 30, Some(w.in_seconds(HOUR_S)), None).await;
    assert_eq!(grant.stage, GrantStage::Pending);
    w.pass(HOUR_S - 1);
    w.sweep().await;
    assert_eq!(pocket(w, Pocket::Free).await, before);
    w.pass(1);
    for _ in 0..3 {
        w.sweep().await;
    }
    assert_eq!(pocket(w, Pocket::Free).await, before + 30);
    assert_eq!(one(w, &grant).await.stage, GrantStage::Live);
}

/// When a grant expires, what nobody used or was handed of it lapses; what was handed out lapses when it comes back.
pub async fn what_expires_lapses(w: &World) {
    let before = pocket(w, Pocket::Free).await;
    delivering::listen(w, [Kind::GrantExpiring, Kind::GrantExpired]).await;
    let grant = promoted(w, 30, None, Some(w.in_seconds(10 * HOUR_S))).await;
    let card = w.allocation(&[(w.shop.generate.id, 12)]).await.allocation.id;
    used(w, 5).await;
    w.pass(9 * HOUR_S);
    w.sweep().await;
    assert_eq!(one(w, &grant).await.stage, GrantStage::Expiring);
    assert_eq!(pocket(w, Pocket::Lapsed).await, 0);
    w.pass(HOUR_S);
    for _ in 0..3 {
        w.sweep().await;
    }
    assert_eq!((one(w, &grant).await.stage, one(w, &grant).await.lapsed), (GrantStage::Expired, units(13)));
    assert_eq!((pocket(w, Pocket::Lapsed).await, pocket(w, Pocket::Free).await), (13, before));
    w.close(card).await;
    w.clock.advance(RETURNED_AGAIN);
    w.sweep().await;
    assert_eq!((pocket(w, Pocket::Lapsed).await, pocket(w, Pocket::Free).await), (25, before));
    assert_eq!(one(w, &grant).await.lapsed, units(25), "five were used");
    w.deliveries.pump(1_000, wire).await.unwrap();
    let mut told: Vec<Kind> = delivering::all(w).await.iter().map(|delivery| delivery.event).collect();
    told.sort_unstable();
    assert_eq!(told, [Kind::GrantExpiring, Kind::GrantExpired], "once each");
}

/// What was voided before it began, or expired before anybody noticed, gives nothing.
pub async fn what_is_void_or_late_gives_nothing(w: &World) {
    let before = pocket(w, Pocket::Free).await;
    let ahead = w.in_seconds(HOUR_S);
    let voided = promoted(w, 30, Some(ahead), None).await;
    promoted(w, 40, Some(ahead), Some(w.in_seconds(2 * HOUR_S))).await;
    w.treasury.void(w.shop.realm, voided.id, &crate::author()).await.unwrap();
    w.pass(3 * HOUR_S);
    w.sweep().await;
    assert_eq!(pocket(w, Pocket::Free).await, before);
    assert_eq!(grants(w).await.len(), 3, "they stay in the history");
}

/// A grant that lasts longer than its window goes on in the next with what is left of it, and keeps its end.
pub async fn what_lasts_longer_goes_on(w: &World) {
    let end = at("2026-12-10T00:00:00Z");
    let grant = promoted(w, 30, None, Some(end)).await;
    used(w, 5).await;
    let eight = out(w, 8).await;
    w.clock.set(at(crate::image_shop::MONTH_END));
    w.sweep().await;
    let carried = async || {
        let all = grants(w).await;
        let all: Vec<Grant> = all.into_iter().filter(|one| one.carried_from == Some(grant.id)).collect();
        assert!(all.iter().all(|one| one.expires_at == Some(end) && one.kind == GrantKind::Promotion), "{all:?}");
        all.iter().map(|one| one.amount.get()).sum::<i64>()
    };
    assert_eq!(carried().await, 17, "of thirty five are used and eight are out");
    back(w, eight).await;
    assert_eq!(carried().await, 25, "eight came back");
    assert_eq!(pocket(w, Pocket::Free).await, 1_000 + 25);
    w.clock.set(end);
    w.sweep().await;
    w.sweep().await;
    assert_eq!(pocket(w, Pocket::Free).await, 1_000);
}

/// Of what is left of a period so much goes on in the next as the plan says, also what comes back later, and no more.
pub async fn what_is_left_rolls_over(w: &World) {
    let rollover = Rollover::new(units(0), units(60), None).unwrap();
    terms(w, 100, UsagePeriod::MONTH, Beyond { rollover: Some(rollover), overage: units(0) }).await;
    used(w, 50).await;
    let thirty = out(w, 30).await;
    w.clock.set(at(crate::image_shop::MONTH_END));
    w.sweep().await;
    assert_eq!(pocket(w, Pocket::Free).await, 120, "twenty were left");
    back(w, thirty).await;
    assert_eq!(pocket(w, Pocket::Free).await, 150, "thirty came back");
    w.clock.set(at("2026-12-24T00:00:00Z"));
    used(w, 10).await;
    w.clock.set(at("2027-01-20T00:00:00Z"));
    w.sweep().await;
    assert_eq!(pocket(w, Pocket::Free).await, 160, "at most sixty go on");
}

/// However little is left, so much goes on as the plan promises, for as long as it says.
pub async fn a_least_rolls_over(w: &World) {
    let rollover = Rollover::new(units(10), units(60), Some(2)).unwrap();
    terms(w, 100, UsagePeriod::MONTH, Beyond { rollover: Some(rollover), overage: units(0) }).await;
    used(w, 100).await;
    w.clock.set(at(crate::image_shop::MONTH_END));
    w.sweep().await;
    assert_eq!(pocket(w, Pocket::Free).await, 110);
    w.pass(2 * 24 * HOUR_S);
    w.sweep().await;
    w.sweep().await;
    assert_eq!(pocket(w, Pocket::Free).await, 100);
}

/// What may be used beyond a quota burns last, is told when it is begun upon, and does not go on.
pub async fn overage_burns_last_and_is_told(w: &World) {
    let rollover = Rollover::new(units(0), units(500), None).unwrap();
    terms(w, 100, UsagePeriod::MONTH, Beyond { rollover: Some(rollover), overage: units(20) }).await;
    assert_eq!(pocket(w, Pocket::Free).await, 120);
    let kinds = [Kind::EntitlementThreshold, Kind::EntitlementOverage, Kind::EntitlementExhausted];
    delivering::listen(w, kinds).await;
    let told = async |kind: Kind| {
        w.deliveries.pump(1_000, wire).await.unwrap();
        delivering::all(w).await.iter().filter(|delivery| delivery.event == kind).count()
    };
    used(w, 80).await;
    assert_eq!(
        (told(Kind::EntitlementThreshold).await, told(Kind::EntitlementOverage).await),
        (1, 0),
        "80 % of the quota itself"
    );
    used(w, 20).await;
    assert_eq!(told(Kind::EntitlementOverage).await, 0, "all of it, and nothing beyond");
    used(w, 1).await;
    used(w, 1).await;
    assert_eq!((told(Kind::EntitlementOverage).await, told(Kind::EntitlementExhausted).await), (1, 0));
    used(w, 18).await;
    assert_eq!((told(Kind::EntitlementOverage).await, told(Kind::EntitlementExhausted).await), (1, 1));
    w.clock.set(at(crate::image_shop::MONTH_END));
    w.sweep().await;
    assert_eq!(pocket(w, Pocket::Free).await, 120);
}
