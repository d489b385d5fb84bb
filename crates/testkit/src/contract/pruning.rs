//! Pruning: what has served its purpose goes, and nobody can tell by what is left.

use super::World;
use super::deciding::{answered, serve, spend, tell};
use super::delivering::{all, announce, claimed, heard, listen, record, tried, wire};
use super::feed::agent;
use super::spending::{call, sums};
use crate::image_shop::at;
use almoner_domain::decision::Decision;
use almoner_domain::happening::HappeningKind;
use almoner_domain::ports::{DECISIONS_KEPT_MIN, Pruned, Retention};
use std::time::Duration;

/// Keeps everything.
const ALL: Retention = Retention { changes: u64::MAX, notices: Duration::MAX, decisions: None };
/// Keeps what was told for a minute.
const MINUTE: Retention = Retention { notices: Duration::from_secs(60), ..ALL };
/// Keeps decisions no longer than it must.
const NO_DECISIONS: Retention = Retention { decisions: Some(Duration::ZERO), ..ALL };

async fn prune(w: &World, keep: Retention, limit: u64) -> Pruned {
    w.pruning.prune(keep, limit).await.expect("the store answers")
}

/// The latest entries of the change feed stay, at the positions they had; at least the very last, for who begins to follow.
pub async fn the_latest_changes_stay(w: &World) {
    let other = w.other_shop().await;
    for _ in 0..3 {
        let carved = w.carved(&w.shop.task(w.id())).await.allocation.id;
        w.close(carved).await;
    }
    let feed = async || w.lookup.changes(Some(0), 1_000).await.unwrap();
    let before = feed().await;
    assert!(before.iter().any(|(_, realm, _)| *realm == other.realm), "it is one feed of all realms");
    assert_eq!(prune(w, ALL, 1_000).await, Pruned::default());
    let pruned = prune(w, Retention { changes: 3, ..ALL }, 1_000).await;
    assert_eq!(pruned, Pruned { changes: before.len() as u64 - 3, ..Pruned::default() });
    assert_eq!(feed().await, before[before.len() - 3..]);
    prune(w, Retention { changes: 0, ..ALL }, 1_000).await;
    let [last] = &feed().await[..] else { panic!("the latest stays") };
    assert_eq!(Some(last), before.last());
    let carved = w.carved(&w.shop.task(w.id())).await.allocation.id;
    w.close(carved).await;
    let told = w.lookup.changes(Some(last.0), 10).await.unwrap();
    assert!(told.len() == 1 && told[0].0 > last.0, "positions go on: {told:?}");
}

/// What was told goes when its time is over, and not before: entries of the outbox, and deliveries that ended.
pub async fn what_was_told_long_ago_goes(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let first = tried(w).await;
    record(w, &claimed(w, first).await.expect("it is due"), &heard()).await;
    w.pass(30);
    let second = tried(w).await;
    record(w, &claimed(w, second).await.expect("it is due"), &heard()).await;
    w.pass(30);
    assert_eq!(prune(w, MINUTE, 1_000).await, Pruned::default(), "a minute is not over");
    w.pass(1);
    assert_eq!(prune(w, MINUTE, 1_000).await, Pruned { notices: 1, deliveries: 1, ..Pruned::default() });
    assert_eq!(all(w).await.iter().map(|one| one.id).collect::<Vec<_>>(), [second], "younger ones stay");
    assert_eq!(prune(w, MINUTE, 1_000).await, Pruned::default(), "once");
    w.pass(30);
    assert_eq!(prune(w, MINUTE, 1_000).await, Pruned { notices: 1, deliveries: 1, ..Pruned::default() });
    assert_eq!(all(w).await, []);
}

/// What nobody has gone through, and what is still tried, stays whatever its age.
pub async fn what_is_not_told_yet_stays(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let pending = tried(w).await;
    let unsent = announce(w).await;
    w.pass(1_000_000);
    assert_eq!(prune(w, MINUTE, 1_000).await, Pruned { notices: 1, ..Pruned::default() }, "of what is on its way");
    w.deliveries.pump(100, wire).await.unwrap();
    let left = all(w).await;
    assert!(left.iter().any(|one| one.id == pending) && left.iter().any(|one| one.notice == unsent), "{left:?}");
    record(w, &claimed(w, pending).await.expect("it is still tried"), &heard()).await;
    assert_eq!(prune(w, MINUTE, 1_000).await, Pruned::default(), "it ended just now");
}

/// Decisions are kept for a month and a day, however little is to be kept, and for ever where nobody says how long.
pub async fn decisions_are_kept_for_longer_than_their_keys(w: &World) {
    let account = w.quota(w.shop.generate.id).await.account;
    let first = spend(w, account, 3, 1, 1);
    serve(w, account, 3, first.clone()).await;
    w.clock.advance(DECISIONS_KEPT_MIN - Duration::from_secs(86_401));
    assert_eq!(prune(w, NO_DECISIONS, 1_000).await, Pruned::default());
    assert_eq!(answered(w, 1).await, Some(first), "its key is known");
    let account = w.quota(w.shop.generate.id).await.account;
    serve(w, account, 3, spend(w, account, 3, 1, 1)).await;
    assert_eq!(w.free().await, 1_000, "and its second debit comes back");
    w.pass(86_401);
    assert_eq!(prune(w, NO_DECISIONS, 1_000).await, Pruned::default(), "a month and a day are not over");
    w.pass(1);
    assert_eq!(prune(w, ALL, 1_000).await, Pruned::default(), "nobody says how long");
    assert_eq!(prune(w, NO_DECISIONS, 1_000).await, Pruned { decisions: 1, ..Pruned::default() });
    assert_eq!(prune(w, NO_DECISIONS, 1_000).await, Pruned::default(), "the second one is younger");
}

/// What pruned decisions spent stays spent: usage and the books are as they were.
pub async fn what_was_spent_stays_spent(w: &World) {
    let carved = w.carved(&w.shop.task(w.id())).await;
    let account = w.generations(&carved);
    serve(w, account, 3, Decision { key: None, ..spend(w, account, 3, 1, 1) }).await;
    tell(w, vec![Decision { at: at("2026-11-10T08:30:00Z"), ..call(w, 2) }]).await;
    let span = ["2026-11-01T00:00:00Z", "2027-02-01T00:00:00Z"];
    let before = (sums(w, span).await, w.statement(carved.allocation.id).await);
    assert_eq!(before.0, (2, 0, 5));
    w.clock.advance(DECISIONS_KEPT_MIN + Duration::from_secs(1));
    assert_eq!(prune(w, NO_DECISIONS, 1_000).await.decisions, 2);
    assert_eq!((sums(w, span).await, w.statement(carved.allocation.id).await), before);
    tell(w, vec![call(w, 7)]).await;
    assert_eq!(sums(w, span).await, (3, 0, 12));
}

/// At most so many of each kind go at once, the oldest first; whoever goes on comes to the end.
pub async fn pruning_is_bounded(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    for number in 0..3 {
        agent(w, &format!("proofs-{number}")).await;
        let id = tried(w).await;
        record(w, &claimed(w, id).await.expect("it is due"), &heard()).await;
        tell(w, vec![call(w, 1)]).await;
        w.pass(1);
    }
    let newest = all(w).await[0].id;
    w.clock.advance(DECISIONS_KEPT_MIN);
    w.pass(1);
    let keep = Retention { changes: 1, notices: Duration::ZERO, decisions: Some(Duration::ZERO) };
    let two = Pruned { changes: 2, notices: 2, deliveries: 2, decisions: 2 };
    assert_eq!(prune(w, keep, 2).await, two);
    assert_eq!(all(w).await.iter().map(|one| one.id).collect::<Vec<_>>(), [newest]);
    let mut rest = prune(w, keep, 2).await;
    assert_eq!((rest.notices, rest.deliveries, rest.decisions), (1, 1, 1));
    while rest != Pruned::default() {
        rest = prune(w, keep, 2).await;
    }
    assert_eq!(w.lookup.changes(Some(0), 100).await.unwrap().len(), 1);
}
