//! Decisions: kept once, found again by their idempotency key, debited once for each.

use super::World;
use super::world::stands;
use crate::image_shop::units;
use almoner_domain::account::Pocket;
use almoner_domain::decision::{Decision, Denial, KeyMark, Level, Operation, Reason, Use, UseKind, Verdict};
use almoner_domain::feature::StaticValue;
use almoner_domain::id::AccountId;
use almoner_domain::lease::Wish;
use almoner_domain::ledger::RETENTION;
use almoner_domain::ports::LeaseBatch;
use almoner_domain::principal::Principals;
use std::sync::Arc;

/// An allowed decision without uses, now.
pub(super) fn decision(w: &World, operation: Operation) -> Decision {
    Decision {
        id: w.id(),
        at: w.clock_now(),
        operation,
        verdict: Verdict::Allow,
        on_behalf_of: Some(Principals {
            customer: w.shop.acme.id,
            user: Some(w.shop.ada.id),
            agent: Some(w.shop.catalogue.id),
            session: None,
        }),
        allocation: None,
        uses: Vec::new(),
        hold: None,
        hold_expires_at: None,
        key: None,
        dimensions: Vec::new(),
    }
}

/// A consumption of generations under a key.
pub(super) fn spend(w: &World, account: AccountId, amount: i64, key: u8, body: u8) -> Decision {
    let kind = UseKind::Metered {
        account: Some(account),
        requested: units(amount),
        granted: units(amount),
        remaining: units(0),
        blocked: false,
    };
    Decision {
        uses: vec![Use { feature: w.shop.generate.id, kind }],
        key: Some(KeyMark { principal: w.shop.gate_key.1.id, key: [key; 16], body: [body; 16] }),
        ..decision(w, Operation::Consume)
    }
}

/// A gate of its own serves a decision from a lease of just that, and tells both.
pub(super) async fn serve(w: &World, account: AccountId, amount: i64, served: Decision) {
    let gate = w.gate().await;
    let mut lease = gate.lease(w, account, amount).await;
    lease.used = amount;
    let reports = vec![lease.report(Wish::Keep)];
    gate.tell_all(w, &LeaseBatch { reports, holds: Vec::new(), decisions: vec![served] }).await;
}

pub(super) async fn tell(w: &World, decisions: Vec<Decision>) {
    let gate = w.gate().await;
    gate.tell_all(w, &LeaseBatch { decisions, ..LeaseBatch::default() }).await;
}

pub(super) async fn answered(w: &World, key: u8) -> Option<Decision> {
    w.lookup.answered(w.shop.realm, [key; 16]).await.expect("the store answers")
}

/// A decision is found by its key, in every word as it was: allowed or denied, with all that was said.
pub async fn a_decision_is_found_by_its_key_as_it_was(w: &World) {
    let account = w.quota(w.shop.generate.id).await.account;
    let mut allowed = spend(w, account, 3, 1, 1);
    allowed.dimensions = vec![("model".to_owned(), "xl".to_owned()), ("tool".to_owned(), "render \"it\"".to_owned())];
    allowed.uses.push(Use { feature: w.shop.remove_background.id, kind: UseKind::Boolean { included: true } });
    let value = Some(StaticValue::Integer(4_096));
    allowed.uses.push(Use { feature: w.shop.max_resolution.id, kind: UseKind::Static { value } });
    let mut denied = spend(w, account, 3, 2, 1);
    denied.verdict = Verdict::Deny(Denial {
        reason: Reason::Exhausted,
        level: Level::Allocation,
        message: "0 of 10 image generations are left. Its owner can raise it.".to_owned(),
        resets_at: Some(w.in_seconds(60)),
        retry_after_s: Some(60),
        raise: vec![w.shop.ada.id],
    });
    serve(w, account, 3, allowed.clone()).await;
    tell(w, vec![denied.clone()]).await;
    assert_eq!(answered(w, 1).await, Some(allowed));
    assert_eq!(answered(w, 2).await, Some(denied));
    assert_eq!(answered(w, 3).await, None);
}

/// A decision told again is kept once, and costs nothing more.
pub async fn a_decision_is_kept_once(w: &World) {
    let account = w.quota(w.shop.generate.id).await.account;
    let first = spend(w, account, 3, 1, 1);
    serve(w, account, 3, first.clone()).await;
    let other = Decision { dimensions: vec![("told".to_owned(), "again".to_owned())], ..first.clone() };
    tell(w, vec![other.clone(), other]).await;
    assert_eq!(answered(w, 1).await, Some(first));
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Used, 3)]);
}

/// One key served by two gates: the second debit comes back, and both are told the first answer from then on.
pub async fn the_second_debit_of_a_key_comes_back(w: &World) {
    let account = w.quota(w.shop.generate.id).await.account;
    let first = spend(w, account, 3, 1, 1);
    serve(w, account, 3, first.clone()).await;
    serve(w, account, 3, spend(w, account, 3, 1, 1)).await;
    assert_eq!(answered(w, 1).await, Some(first));
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Used, 3), (Pocket::Free, 997)]);
}

/// It comes back where it belongs also when the allocation that it came from has ended meanwhile.
pub async fn a_second_debit_of_a_closed_allocation_goes_to_its_parent(w: &World) {
    let carved = w.carved(&w.shop.task(w.id())).await;
    let account = w.generations(&carved);
    let (first, second) = (spend(w, account, 3, 1, 1), spend(w, account, 3, 1, 1));
    serve(w, account, 3, first).await;
    let gate = w.gate().await;
    let mut lease = gate.lease(w, account, 3).await;
    lease.used = 3;
    w.close(carved.allocation.id).await;
    let reports = vec![lease.report(Wish::Keep)];
    gate.tell_all(w, &LeaseBatch { reports, holds: Vec::new(), decisions: vec![second] }).await;
    stands(&w.line(carved.allocation.id, w.shop.generate.id).await, &[(Pocket::Used, 3), (Pocket::Free, 0)]);
    assert_eq!(w.free().await, 997);
}

/// Where the second call asked for something else, both happened, and both stay charged.
pub async fn another_body_under_a_key_stays_charged(w: &World) {
    let account = w.quota(w.shop.generate.id).await.account;
    let first = spend(w, account, 3, 1, 1);
    serve(w, account, 3, first.clone()).await;
    serve(w, account, 4, spend(w, account, 4, 1, 2)).await;
    assert_eq!(answered(w, 1).await, Some(first));
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Used, 7)]);
}

/// A key is known for its retention, and then free for another.
pub async fn a_key_is_known_for_its_retention(w: &World) {
    let account = w.quota(w.shop.generate.id).await.account;
    serve(w, account, 3, spend(w, account, 3, 1, 1)).await;
    w.clock.advance(RETENTION - std::time::Duration::from_secs(1));
    assert!(answered(w, 1).await.is_some());
    w.pass(1);
    assert_eq!(answered(w, 1).await, None);
    let account = w.quota(w.shop.generate.id).await.account;
    let again = spend(w, account, 2, 1, 1);
    serve(w, account, 2, again.clone()).await;
    assert_eq!(answered(w, 1).await, Some(again));
}

/// Keys come in order of time, page by page, each once, none left out.
pub async fn keys_come_page_by_page(w: &World) {
    let account = w.quota(w.shop.generate.id).await.account;
    let early = w.clock_now();
    tell(w, vec![spend(w, account, 0, 99, 1), decision(w, Operation::Meter)]).await;
    w.pass(10);
    let since = w.clock_now();
    // Some of the same instant, so that a page may end between them.
    for batch in [[3, 1, 2], [6, 5, 4]] {
        tell(w, batch.map(|key| spend(w, account, 0, key, 1)).to_vec()).await;
        w.pass(1);
    }
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = w.lookup.keys_since(since, after, 2).await.expect("the store answers");
        let Some(last) = page.last().copied() else { break };
        assert!(page.len() <= 2);
        after = Some(last);
        all.extend(page);
    }
    let later = w.clock_now().saturating_add(std::time::Duration::ZERO);
    let keys: Vec<u8> = all.iter().map(|(_, key)| key[0]).collect();
    assert_eq!(keys, [1, 2, 3, 4, 5, 6]);
    assert!(all.iter().all(|(at, _)| *at >= since && *at < later));
    let whole = w.lookup.keys_since(early, None, 100).await.expect("the store answers");
    assert_eq!(whole.len(), 7, "decisions without a key have none");
}

/// Gates that bring the same keys at once: each key is debited once, whoever comes first.
pub async fn the_same_keys_at_once_are_debited_once(w: &World) {
    let account = w.quota(w.shop.generate.id).await.account;
    let mut tasks = Vec::new();
    for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
        let gate = w.gate().await;
        let mut lease = gate.lease(w, account, 6).await;
        lease.used = 6;
        let decisions = order.map(|key| spend(w, account, 2, key, 1)).to_vec();
        let batch = LeaseBatch { reports: vec![lease.report(Wish::Keep)], holds: Vec::new(), decisions };
        let (ledger, realm) = (Arc::clone(&w.ledger), w.shop.realm);
        tasks.push(tokio::spawn(
            async move { ledger.settle(realm, gate.life, &batch).await.expect("the ledger settles") },
        ));
    }
    for task in tasks {
        task.await.expect("no task panics");
    }
    stands(&w.quota(w.shop.generate.id).await, &[(Pocket::Used, 6), (Pocket::Leased, 0), (Pocket::Free, 994)]);
}
