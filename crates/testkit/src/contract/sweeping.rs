//! Sweeping: what time alone asks for, done once however many sweep.

use super::World;
use crate::image_shop::{GENERATIONS, MONTH_END, at};
use almoner_domain::allocation::AllocationState;
use almoner_domain::id::AllocationId;
use almoner_domain::lease::LEDGER_TERM;
use almoner_domain::ports::{CarveRequest, Swept};
use std::sync::Arc;

async fn expiring(w: &World, seconds: u64) -> AllocationId {
    let request = CarveRequest { expires_at: Some(w.in_seconds(seconds)), ..w.shop.task(w.id()) };
    w.carved(&request).await.allocation.id
}

/// One sweep ends all that is over and nothing that is not; a second finds nothing.
pub async fn a_sweep_ends_what_is_over_and_a_second_finds_nothing(w: &World) {
    let over = expiring(w, 60).await;
    let below = w.below(over, &[(w.shop.generate.id, 4)]).await.allocation.id;
    let live = expiring(w, 61).await;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.quota(w.shop.upload.id).await.account, 8).await;
    gate.settle(w, &mut lease, &[(w.id(), 8)], 60).await;
    gate.lease(w, lease.account, 5).await;
    assert_eq!(w.sweep().await, Swept::default(), "nothing is over yet");
    w.pass(60);
    assert_eq!(w.sweep().await, Swept { allocations: 2, holds: 1, leases: 0, windows: 0, resets: 0, changes: 0 });
    assert_eq!(w.sweep().await, Swept::default());
    for (id, state) in
        [(over, AllocationState::Expired), (below, AllocationState::Expired), (live, AllocationState::Active)]
    {
        assert_eq!(w.statement(id).await.allocation.state, state);
    }
    assert_eq!(w.free().await, GENERATIONS - 10);
    w.clock.advance(LEDGER_TERM);
    assert_eq!(w.sweep().await, Swept { allocations: 1, holds: 0, leases: 1, windows: 0, resets: 0, changes: 0 });
    w.clock.set(at(MONTH_END));
    assert_eq!(w.sweep().await.windows, 3);
    assert_eq!(w.sweep().await, Swept::default());
}

/// A sweep does at most so many of each kind, and the next ones do the rest.
pub async fn a_sweep_is_bounded(w: &World) {
    for _ in 0..5 {
        expiring(w, 60).await;
    }
    w.pass(60);
    let mut ended = Vec::new();
    for _ in 0..4 {
        ended.push(w.ledger.sweep(2).await.unwrap().allocations);
    }
    assert_eq!(ended, [2, 2, 1, 0]);
    assert_eq!(w.free().await, GENERATIONS);
}

/// Many that sweep at once do each thing once.
pub async fn sweeping_at_once_does_each_thing_once(w: &World) {
    for _ in 0..6 {
        expiring(w, 60).await;
    }
    w.pass(60);
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let ledger = Arc::clone(&w.ledger);
        tasks.push(tokio::spawn(async move { ledger.sweep(100).await.expect("the ledger sweeps").allocations }));
    }
    let mut ended = 0;
    for task in tasks {
        ended += task.await.expect("no task panics");
    }
    assert_eq!(ended + w.sweep().await.allocations, 6);
    assert_eq!(w.free().await, GENERATIONS);
}
