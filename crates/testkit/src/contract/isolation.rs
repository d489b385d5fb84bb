//! Isolation: a realm finds nothing and changes nothing of another, whatever it names.

use super::deciding::{decision, spend};
use super::hand::{raise, settle};
use super::world::stands;
use super::{GateHand, LeaseHand, World};
use crate::ImageShop;
use crate::author;
use crate::image_shop::{GENERATIONS, units};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::AllocationState;
use almoner_domain::decision::{Decision, KeyMark, Operation};
use almoner_domain::id::{AllocationId, HoldId};
use almoner_domain::lease::{LEDGER_TERM, LeaseReply, Wish};
use almoner_domain::ports::{
    CarveAnswer, CarveRequest, ExtendRequest, HoldAnswer, HoldStanding, LeaseBatch, Source, SubjectName,
    SubjectStanding,
};
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::text::Named;

/// What the first shop has, to be asked for from elsewhere.
struct Treasure {
    allocation: AllocationId,
    hold: HoldId,
    gate: GateHand,
    lease: LeaseHand,
}

async fn treasure(w: &World) -> Treasure {
    let carved = w.carved(&w.shop.task(w.id())).await;
    let gate = w.gate().await;
    let mut held = gate.lease(w, w.generations(&carved), 2).await;
    let hold = w.id();
    gate.settle(w, &mut held, &[(hold, 2)], 3_000).await;
    let mut lease = gate.lease(w, held.account, 5).await;
    lease.used = 1;
    gate.say(w, &mut lease, Wish::Keep).await;
    let decisions = vec![spend(w, held.account, 1, 7, 7)];
    gate.tell_all(w, &LeaseBatch { decisions, ..LeaseBatch::default() }).await;
    Treasure { allocation: carved.allocation.id, hold, gate, lease }
}

async fn from_everywhere_else(w: &World) -> [Realm; 2] {
    let other = w.other_shop().await.realm;
    [other, Realm { environment: Environment::Test, ..w.shop.realm }]
}

/// Every question about what another realm has is answered as if there were no such thing.
pub async fn another_realm_finds_nothing(w: &World) {
    let t = treasure(w).await;
    for realm in from_everywhere_else(w).await {
        assert_eq!(w.lookup.allocation(realm, t.allocation).await.unwrap(), None);
        assert_eq!(w.lookup.statement(realm, t.allocation).await.unwrap(), None);
        assert_eq!(w.lookup.hold(realm, t.hold).await.unwrap(), HoldStanding::Unknown);
        assert_eq!(w.lookup.answered(realm, [7; 16]).await.unwrap(), None);
        assert_eq!(w.lookup.subject(realm, &w.shop.ada()).await.unwrap(), SubjectStanding::UnknownCustomer);
        assert_eq!(w.lookup.entitlements(realm, &w.shop.ada()).await.unwrap(), None);
        assert!(w.lookup.features(realm).await.unwrap().iter().all(|f| f.id != w.shop.generate.id));
        let mut work = w.store.begin(realm).await.unwrap();
        assert_eq!(work.features().by_id(w.shop.generate.id).await.unwrap(), None);
        assert_eq!(work.customers().by_id(w.shop.acme.id).await.unwrap(), None);
        assert_eq!(work.customers().user_by_id(w.shop.ada.id).await.unwrap(), None);
        assert_eq!(work.customers().users(w.shop.acme.id).await.unwrap(), []);
        assert_eq!(work.agents().by_id(w.shop.catalogue.id).await.unwrap(), None);
        assert_eq!(work.plans().latest(w.shop.plan.id).await.unwrap(), None);
        assert_eq!(work.subscriptions().running(w.shop.acme.id).await.unwrap(), None);
        assert_eq!(work.subscriptions().entitlements(w.shop.acme.id).await.unwrap(), []);
        assert!(work.keys().all().await.unwrap().iter().all(|key| key.id != w.shop.gate_key.1.id));
    }
}

/// Every command about what another realm has finds nothing, and leaves everything there as it was.
pub async fn another_realm_changes_nothing(w: &World) {
    let t = treasure(w).await;
    let before = (w.statement(t.allocation).await, w.quota(w.shop.generate.id).await);
    for realm in from_everywhere_else(w).await {
        assert_eq!(w.ledger.end(realm, t.allocation, AllocationState::Revoked, &author()).await.unwrap(), None);
        let below = w.shop.carve(w.id(), Source::Allocation(t.allocation), &[(w.shop.generate.id, 1)]);
        assert_eq!(w.ledger.carve(realm, &below).await.unwrap(), CarveAnswer::UnknownParent);
        let theirs = w.shop.task(w.id());
        assert_eq!(w.ledger.carve(realm, &theirs).await.unwrap(), CarveAnswer::UnknownCustomer);
        let commit = super::holding::commit(w, t.hold, &[]);
        assert_eq!(w.ledger.settle_hold(realm, &commit).await.unwrap(), HoldAnswer::Unknown);
        let decision = Decision { hold: Some(t.hold), ..decision(w, Operation::Extend) };
        let extend = ExtendRequest { hold: t.hold, until: w.in_seconds(3_500), decision };
        assert_eq!(w.ledger.extend_hold(realm, &extend).await.unwrap(), HoldAnswer::Unknown);
        let batch = |report| LeaseBatch { reports: vec![report], ..LeaseBatch::default() };
        let told = w.ledger.settle(realm, t.gate.life, &batch(t.lease.report(settle()))).await.unwrap();
        assert_eq!(told, [LeaseReply::Unknown], "its lease");
        let fresh = LeaseHand::new(w.id(), t.lease.account);
        let told = w.ledger.settle(realm, t.gate.life, &batch(fresh.report(raise(1)))).await.unwrap();
        assert_eq!(told, [LeaseReply::Unknown], "its account");
        let mut work = w.store.begin(realm).await.unwrap();
        assert!(!work.keys().revoke(w.shop.gate_key.1.id, w.clock_now()).await.unwrap());
        work.commit().await.unwrap();
    }
    assert_eq!(before, (w.statement(t.allocation).await, w.quota(w.shop.generate.id).await));
    assert!(matches!(w.lookup.hold(w.shop.realm, t.hold).await.unwrap(), HoldStanding::Open(..)));
}

/// A lease in doubt can be forfeited in its own realm alone.
pub async fn another_realm_forfeits_nothing(w: &World) {
    let t = treasure(w).await;
    let elsewhere = from_everywhere_else(w).await;
    w.clock.advance(LEDGER_TERM);
    w.sweep().await;
    for realm in elsewhere {
        assert!(!w.ledger.forfeit(realm, t.lease.lease, &author()).await.unwrap());
    }
    assert!(w.ledger.forfeit(w.shop.realm, t.lease.lease, &author()).await.unwrap());
}

/// The same idempotency key in two realms is two keys: two allocations, two debits, nothing replayed.
pub async fn the_same_key_in_two_realms_is_two_keys(w: &World) {
    let other = w.other_shop().await;
    let key = Some(KeyMark { principal: w.shop.gate_key.1.id, key: [5; 16], body: [5; 16] });
    for shop in [&w.shop, &other] {
        let request = CarveRequest { key, ..shop.task(w.id()) };
        let answer = w.ledger.carve(shop.realm, &request).await.unwrap();
        assert!(matches!(&answer, CarveAnswer::Carved(s) if s.allocation.id == request.id), "{answer:?}");
    }
    let mut told = Vec::new();
    for shop in [&w.shop, &other] {
        let SubjectStanding::Known(standing) = w.lookup.subject(shop.realm, &shop.acme()).await.unwrap() else {
            panic!("acme is known");
        };
        let account = standing.lines.iter().find(|line| line.feature == shop.generate.id).expect("a quota").account;
        let life = w.ledger.enlist(w.id()).await.unwrap();
        let lease = LeaseHand::new(w.id(), account);
        let open = LeaseBatch { reports: vec![lease.report(raise(3))], ..LeaseBatch::default() };
        w.ledger.settle(shop.realm, life, &open).await.unwrap();
        let used = LeaseHand { seq: 1, used: 3, ..lease };
        let decisions = vec![spend(w, account, 3, 6, 6)];
        let batch = LeaseBatch { reports: vec![used.report(Wish::Keep)], holds: Vec::new(), decisions };
        w.ledger.settle(shop.realm, life, &batch).await.unwrap();
        told.push((shop.realm, batch.decisions[0].clone(), shop.acme(), shop.generate.id));
    }
    for (realm, decision, subject, feature) in told {
        assert_eq!(w.lookup.answered(realm, [6; 16]).await.unwrap(), Some(decision));
        let statement = w.lookup.entitlements(realm, &subject).await.unwrap().expect("a subject");
        let right = statement.lines.into_iter().find(|line| line.feature == feature).expect("a quota").right;
        let almoner_domain::statement::Right::Quota { line, .. } = right else { panic!("a quota") };
        stands(&line, &[(Pocket::Used, 3), (Pocket::Carved, 10), (Pocket::Free, GENERATIONS - 13)]);
    }
}

/// A name that two tenants use leads each to its own.
pub async fn the_same_name_leads_each_tenant_to_its_own(w: &World) {
    use crate::image_shop::external;
    let other = w.other_shop().await;
    let ada =
        SubjectName { customer: Named::External(external("acme-shop")), user: Some(Named::External(external("ada"))) };
    for shop in [&w.shop, &other] {
        let SubjectStanding::Known(standing) = w.lookup.subject(shop.realm, &ada).await.unwrap() else {
            panic!("each has an ada at acme");
        };
        assert_eq!((standing.principals.customer, standing.principals.user), (shop.acme.id, Some(shop.ada.id)));
        let request = CarveRequest { source: Source::Subject(ada.clone()), ..shop.task(w.id()) };
        let CarveAnswer::Carved(carved) = w.ledger.carve(shop.realm, &request).await.unwrap() else {
            panic!("each has its own quota");
        };
        assert_eq!(carved.allocation.principals.customer, shop.acme.id);
    }
    let mixed = SubjectName { customer: Named::Id(other.acme.id), user: None };
    assert_eq!(w.lookup.subject(w.shop.realm, &mixed).await.unwrap(), SubjectStanding::UnknownCustomer);
}

/// A tenant's trials never touch its customers' units, though everything has the same name in both.
pub async fn live_and_test_are_two_worlds(w: &World) {
    let realm = Realm { environment: Environment::Test, ..w.shop.realm };
    let trial = ImageShop::furnish(realm, &*w.store, &w.clock, &*w.entropy).await.expect("a shop for trials");
    let request = trial.carve(w.id(), Source::Subject(trial.ada()), &[(trial.generate.id, 1_000)]);
    let answer = w.ledger.carve(realm, &request).await.unwrap();
    assert!(matches!(answer, CarveAnswer::Carved(_)), "{answer:?}");
    assert_eq!(w.free().await, GENERATIONS);
    assert_eq!(w.lookup.statement(w.shop.realm, request.id).await.unwrap(), None);
    let all: Vec<_> = w.lookup.changes(Some(0), 1_000).await.unwrap();
    assert!(all.iter().any(|(_, owner, _)| *owner == realm), "the feed says which world each entry is of");
    assert_eq!(trial.acme.external_id, w.shop.acme.external_id);
}

/// The same lease id in two realms is two leases: ids are chosen by gates, and no realm can sit on another's.
pub async fn the_same_lease_id_in_two_realms_is_two_leases(w: &World) {
    let t = treasure(w).await;
    let other = w.other_shop().await;
    let SubjectStanding::Known(standing) = w.lookup.subject(other.realm, &other.acme()).await.unwrap() else {
        panic!("acme is known");
    };
    let account = standing.lines.iter().find(|line| line.feature == other.generate.id).expect("a quota").account;
    let same = LeaseHand::new(t.lease.lease, account);
    let batch = LeaseBatch { reports: vec![same.report(raise(9))], ..LeaseBatch::default() };
    let replies = w.ledger.settle(other.realm, t.gate.life, &batch).await.unwrap();
    assert_eq!(super::hand::leased(replies[0]), Some(units(9)));
    let line = w.line(t.allocation, w.shop.generate.id).await;
    stands(&line, &[(Pocket::Leased, 4), (Pocket::Used, 1), (Pocket::Held, 2)]);
}
