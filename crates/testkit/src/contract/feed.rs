//! The change feed: what gates hold in memory is not as it was.

use super::World;
use crate::image_shop::{external, name};
use almoner_domain::agent::Agent;
use almoner_domain::id::AllocationId;
use almoner_domain::notice::Change;
use std::collections::BTreeSet;

pub(super) async fn agent(w: &World, called: &str) {
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.agents()
        .add(&Agent { id: w.id(), external_id: external(called), name: name(called), labels: BTreeSet::new() })
        .await
        .unwrap();
    work.commit().await.unwrap();
}

/// Without a position one gets the latest entry alone, to start from; after it nothing is missed and nothing comes twice.
pub async fn the_feed_is_read_from_its_latest_entry_on(w: &World) {
    let latest = w.lookup.changes(None, 100).await.unwrap();
    let [(start, _, _)] = latest.as_slice() else { panic!("the shop was furnished, so there is one: {latest:?}") };
    let mut position = *start;
    assert_eq!(w.lookup.changes(Some(position), 100).await.unwrap(), []);

    let ids: Vec<AllocationId> = {
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(w.carved(&w.shop.task(w.id())).await.allocation.id);
        }
        ids
    };
    for id in &ids {
        w.close(*id).await;
    }
    let mut told = Vec::new();
    loop {
        let page = w.lookup.changes(Some(position), 2).await.unwrap();
        let Some((last, _, _)) = page.last() else { break };
        assert!(page.len() <= 2);
        assert!(page.iter().all(|(at, realm, _)| *at > position && *realm == w.shop.realm));
        position = *last;
        told.extend(page.into_iter().map(|(_, _, change)| change));
    }
    assert_eq!(told, ids.into_iter().map(Change::Allocation).collect::<Vec<_>>());
}

/// A change of the catalogue is told when it is committed, and only then.
pub async fn changes_of_the_catalogue_are_told_when_committed(w: &World) {
    let start = w.lookup.changes(None, 1).await.unwrap().last().map_or(0, |(at, _, _)| *at);
    let mut dropped = w.store.begin(w.shop.realm).await.unwrap();
    let never = Agent { id: w.id(), external_id: external("never"), name: name("Never"), labels: BTreeSet::new() };
    dropped.agents().add(&never).await.unwrap();
    drop(dropped);
    assert_eq!(w.lookup.changes(Some(start), 10).await.unwrap(), []);
    agent(w, "proofs").await;
    let told = w.lookup.changes(Some(start), 10).await.unwrap();
    assert!(told.iter().any(|(_, realm, change)| (*realm, *change) == (w.shop.realm, Change::Catalogue)), "{told:?}");
}
