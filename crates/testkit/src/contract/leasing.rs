//! Leases: units in a gate's memory, told of in order, counted once.

use super::hand::{leased, raise, settle};
use super::world::stands;
use super::{LeaseHand, World};
use crate::image_shop::{GENERATIONS, units};
use almoner_domain::account::Pocket;
use almoner_domain::id::{AccountId, NodeId};
use almoner_domain::lease::{LeaseReply, LeaseReport, Wish};
use almoner_domain::ports::LeaseBatch;
use almoner_domain::units::Units;
use std::sync::Arc;

async fn root(w: &World) -> AccountId {
    w.quota(w.shop.generate.id).await.account
}

/// Leased units are not free any more, and use is told of as it happens.
pub async fn what_is_leased_is_charged_and_what_is_used_is_told(w: &World) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, root(w).await, 50).await;
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, 950), (Pocket::Leased, 50), (Pocket::Used, 0)]);
    (lease.used, lease.held) = (20, 5);
    gate.say(w, &mut lease, Wish::Keep).await;
    let quota = w.quota(w.shop.generate.id).await;
    stands(&quota, &[(Pocket::Free, 950), (Pocket::Leased, 30), (Pocket::Used, 20)]);
    assert_eq!((quota.held_by_gates, quota.in_doubt), (units(5), units(0)));
}

/// The first report, however often it arrives, opens one lease.
pub async fn a_lease_is_opened_once(w: &World) {
    let gate = w.gate().await;
    let lease = LeaseHand::new(w.id(), root(w).await);
    let first = gate.tell(w, lease.report(raise(50))).await;
    assert_eq!(leased(first), Some(units(50)));
    assert_eq!(gate.tell(w, lease.report(raise(50))).await, first);
    assert_eq!(w.free().await, 950);
}

/// A report told again is answered the same and counted once.
pub async fn a_repeated_report_is_counted_once(w: &World) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, root(w).await, 50).await;
    lease.used = 20;
    let report = lease.report(raise(10));
    let first = gate.tell(w, report.clone()).await;
    assert_eq!(leased(first), Some(units(60)));
    for _ in 0..3 {
        assert_eq!(gate.tell(w, report.clone()).await, first);
    }
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, 940), (Pocket::Leased, 40), (Pocket::Used, 20)]);
}

/// A report that comes too early or too late is told which one is due, and changes nothing.
pub async fn a_report_out_of_order_is_told_which_is_due(w: &World) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, root(w).await, 50).await;
    gate.say(w, &mut lease, Wish::Keep).await;
    for seq in [0, 1, 4, 99] {
        let report = LeaseReport { seq, used: units(7), ..lease.report(Wish::GiveBack) };
        assert_eq!(gate.tell(w, report).await, LeaseReply::OutOfSequence { expected: 3 });
    }
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Leased, 50), (Pocket::Used, 0)]);
}

/// Another report under a number that was applied is a contradiction, and changes nothing.
pub async fn another_report_under_the_same_number_is_refused(w: &World) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, root(w).await, 50).await;
    gate.say(w, &mut lease, Wish::Keep).await;
    let other = LeaseReport { seq: lease.seq, used: units(7), ..lease.report(Wish::Keep) };
    assert_eq!(gate.tell(w, other).await, LeaseReply::OutOfSequence { expected: 3 });
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Used, 0)]);
}

/// A gate that claims more than it was given, or less use than before, is refused and charged nothing for it.
pub async fn a_claim_beyond_the_lease_is_refused(w: &World) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, root(w).await, 50).await;
    lease.used = 20;
    gate.say(w, &mut lease, Wish::Keep).await;
    for (used, held) in [(51, 0), (40, 11), (19, 0)] {
        let report = LeaseReport { used: units(used), held: units(held), ..lease.report(Wish::GiveBack) };
        assert_eq!(gate.tell(w, report).await, LeaseReply::Overdrawn { n: units(50) });
    }
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, 950), (Pocket::Leased, 30), (Pocket::Used, 20)]);
}

/// What a gate gives back is free at once, and it may go on with the rest.
pub async fn what_is_given_back_is_free_again(w: &World) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, root(w).await, 50).await;
    (lease.used, lease.held) = (20, 5);
    assert_eq!(leased(gate.say(w, &mut lease, Wish::GiveBack).await), Some(units(25)));
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, 975), (Pocket::Leased, 5), (Pocket::Used, 20)]);
    assert_eq!(leased(gate.say(w, &mut lease, raise(10)).await), Some(units(35)));
}

/// A lease that was settled is over: nothing of it is out, and its gate hears so.
pub async fn a_settled_lease_is_over(w: &World) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, root(w).await, 50).await;
    lease.used = 20;
    let last = lease.report(settle());
    let first = gate.tell(w, last.clone()).await;
    assert!(leased(first).is_some(), "{first:?}");
    assert_eq!(gate.tell(w, last).await, first, "told again, answered the same");
    lease.seq += 1;
    assert_eq!(gate.tell(w, lease.report(raise(1))).await, LeaseReply::Unknown);
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Free, 980), (Pocket::Leased, 0), (Pocket::Used, 20)]);
}

/// Near the end a lease is just what the call needs; in plenty it is what the gate's rate suggests.
pub async fn scarcity_is_exact_and_plenty_is_leased_ahead(w: &World) {
    let gate = w.gate().await;
    let want = |need, want| Wish::Raise { need: units(need), want: units(want) };
    let mut lease = LeaseHand::new(w.id(), root(w).await);
    let ahead = leased(gate.say(w, &mut lease, want(1, 100)).await).expect("applied");
    assert_eq!(ahead, units(100));
    gate.say(w, &mut lease, raise(899)).await;
    assert_eq!(w.free().await, 1);
    let mut last = LeaseHand::new(w.id(), lease.account);
    assert_eq!(leased(gate.say(w, &mut last, want(1, 100)).await), Some(units(1)));
}

/// A gate that comes short hears what others hold idle, they are asked for it, and what they give back it gets.
pub async fn a_gate_that_comes_short_makes_the_others_be_asked(w: &World) {
    let (one, other) = (w.gate().await, w.gate().await);
    let mut idle = one.lease(w, root(w).await, 990).await;
    idle.used = 90;
    one.say(w, &mut idle, Wish::Keep).await;
    assert_eq!(w.ledger.recalled(one.life).await.unwrap(), []);

    let mut short = LeaseHand::new(w.id(), idle.account);
    let reply = other.say(w, &mut short, raise(100)).await;
    let LeaseReply::Applied { n, free, elsewhere, .. } = reply else { panic!("{reply:?}") };
    assert_eq!((n, free, elsewhere), (Units::ZERO, units(10), units(900)));
    assert_eq!(w.ledger.recalled(one.life).await.unwrap(), [(w.shop.realm, idle.lease)]);
    let told = one.say(w, &mut idle, Wish::Keep).await;
    assert!(matches!(told, LeaseReply::Applied { recalled: true, .. }), "{told:?}");

    one.say(w, &mut idle, Wish::GiveBack).await;
    assert_eq!(w.ledger.recalled(one.life).await.unwrap(), []);
    assert_eq!(leased(other.say(w, &mut short, raise(100)).await), Some(units(100)));
}

/// A batch is answered report by report, in order, whichever lease each is about.
pub async fn a_batch_is_answered_report_by_report(w: &World) {
    let gate = w.gate().await;
    let (generate, upload) = (root(w).await, w.quota(w.shop.upload.id).await.account);
    let one = LeaseHand::new(w.id(), generate);
    let mut next = one.clone();
    next.seq = 1;
    let other = LeaseHand::new(w.id(), upload);
    let reports =
        vec![one.report(raise(10)), other.report(raise(20)), next.report(raise(5)), one.report(Wish::GiveBack)];
    let replies = gate.tell_all(w, &LeaseBatch { reports, ..LeaseBatch::default() }).await;
    let n: Vec<_> = replies.iter().map(|reply| leased(*reply)).collect();
    assert_eq!(n, [Some(units(10)), Some(units(20)), Some(units(15)), None]);
    assert_eq!(replies[3], LeaseReply::OutOfSequence { expected: 3 });
}

/// One report that cannot be applied does not keep the others of its batch out.
pub async fn one_wrong_report_does_not_keep_the_others_out(w: &World) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, root(w).await, 50).await;
    lease.used = 20;
    let stranger = LeaseHand::new(w.id(), w.id());
    let greedy = LeaseHand { used: 3, ..LeaseHand::new(w.id(), lease.account) };
    let reports = vec![stranger.report(raise(1)), greedy.report(raise(1)), lease.report(Wish::Keep)];
    let replies = gate.tell_all(w, &LeaseBatch { reports, ..LeaseBatch::default() }).await;
    assert_eq!(replies[0], LeaseReply::Unknown);
    assert_eq!(replies[1], LeaseReply::Overdrawn { n: Units::ZERO });
    assert_eq!(leased(replies[2]), Some(units(50)));
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Used, 20), (Pocket::Leased, 30)]);
}

/// Another gate cannot speak for a lease.
pub async fn a_lease_is_its_gates_alone(w: &World) {
    let (one, other) = (w.gate().await, w.gate().await);
    let lease = one.lease(w, root(w).await, 50).await;
    let used = LeaseReport { used: units(50), ..lease.report(settle()) };
    assert_eq!(other.tell(w, used).await, LeaseReply::Unknown);
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Leased, 50), (Pocket::Used, 0)]);
}

/// Many gates at once: together they never get more than there is, and every unit finds a gate.
pub async fn leasing_at_once_never_gives_more_than_there_is(w: &World) {
    let account = root(w).await;
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let life = w.ledger.enlist(w.id::<NodeId>()).await.unwrap();
        let lease = LeaseHand::new(w.id(), account);
        let (ledger, realm) = (Arc::clone(&w.ledger), w.shop.realm);
        tasks.push(tokio::spawn(async move {
            let mut lease = lease;
            let mut had = 0;
            for _ in 0..5 {
                let batch = LeaseBatch { reports: vec![lease.report(raise(30))], ..LeaseBatch::default() };
                let reply = ledger.settle(realm, life, &batch).await.expect("the ledger settles")[0];
                had = leased(reply).expect("applied").get();
                lease.seq += 1;
            }
            had
        }));
    }
    let mut given = 0;
    for task in tasks {
        given += task.await.expect("no task panics");
    }
    assert_eq!(given, GENERATIONS - GENERATIONS % 30);
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Leased, given), (Pocket::Free, GENERATIONS - given)]);
}
