//! Carving out of a quota: all lines or none, once.

use super::World;
use super::world::{pocket, stands};
use crate::image_shop::{self, GENERATIONS, MONTH_END, at, external, session, units};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::AllocationState;
use almoner_domain::decision::KeyMark;
use almoner_domain::id::{AllocationId, KeyId};
use almoner_domain::ledger::CarveRefusal;
use almoner_domain::ports::{CarveAnswer, CarveRequest, Source, SubjectName};
use almoner_domain::text::Named;
use std::sync::Arc;

fn mark(w: &World, key: u8, body: u8) -> KeyMark {
    KeyMark { principal: w.shop.gate_key.1.id, key: [key; 16], body: [body; 16] }
}

/// What is allocated cannot be spent twice: it comes out of the quota.
pub async fn an_allocation_comes_out_of_the_quota(w: &World) {
    let carved = w.carved(&w.shop.task(w.id())).await;
    assert_eq!(carved.allocation.state, AllocationState::Active);
    assert_eq!(carved.session, session("task", "catalog-2026-11"));
    for (line, count) in carved.lines.iter().zip([10, 20, 10]) {
        stands(line, &[(Pocket::Free, count), (Pocket::Used, 0)]);
    }
    let quota = w.quota(w.shop.generate.id).await;
    stands(&quota, &[(Pocket::Free, GENERATIONS - 10), (Pocket::Carved, 10)]);
    assert_eq!(w.statement(carved.allocation.id).await, carved);
}

/// One line that comes short, and nothing of any line is carved.
pub async fn all_lines_are_carved_or_none(w: &World) {
    let lines = [(w.shop.generate.id, 10), (w.shop.upload.id, 501)];
    let id = w.id();
    let answer = w.carve(&w.shop.carve(id, Source::Subject(w.shop.ada()), &lines)).await;
    assert!(matches!(answer, CarveAnswer::Refused(CarveRefusal::Short { .. })), "{answer:?}");
    assert_eq!(w.free().await, GENERATIONS);
    assert_eq!(w.lookup.statement(w.shop.realm, id).await.unwrap(), None);
}

/// Whoever comes short hears which feature, how much is free, and when it renews.
pub async fn a_refusal_names_what_is_free_and_when_it_renews(w: &World) {
    w.allocation(&[(w.shop.upload.id, 480)]).await;
    let answer = w.carve(&w.shop.carve(w.id(), Source::Subject(w.shop.ada()), &[(w.shop.upload.id, 21)])).await;
    let CarveAnswer::Refused(CarveRefusal::Short { feature, free, resets_at, .. }) = answer else {
        panic!("expected to come short, got {answer:?}");
    };
    assert_eq!((feature, free, resets_at), (w.shop.upload.id, units(20), Some(at(MONTH_END))));
}

/// The same key and body: the same allocation, carved once.
pub async fn a_repeated_key_gets_the_same_allocation(w: &World) {
    let first = CarveRequest { key: Some(mark(w, 1, 1)), ..w.shop.task(w.id()) };
    let carved = w.carved(&first).await;
    let again = CarveRequest { id: w.id(), ..first.clone() };
    for request in [&again, &first] {
        match w.carve(request).await {
            CarveAnswer::Replayed(statement) => assert_eq!(statement, carved),
            other => panic!("expected the same allocation, got {other:?}"),
        }
    }
    assert_eq!(w.free().await, GENERATIONS - 10);
}

/// The same key with another body is a contradiction, not an allocation.
pub async fn a_reused_key_is_refused(w: &World) {
    w.carved(&CarveRequest { key: Some(mark(w, 1, 1)), ..w.shop.task(w.id()) }).await;
    let other = CarveRequest { key: Some(mark(w, 1, 2)), ..w.shop.task(w.id()) };
    assert_eq!(w.carve(&other).await, CarveAnswer::KeyReused);
    assert_eq!(w.free().await, GENERATIONS - 10);
}

/// A refusal is not remembered: once there is enough, the same key carves.
pub async fn a_refused_key_may_be_used_again(w: &World) {
    let big = w.allocation(&[(w.shop.generate.id, GENERATIONS)]).await;
    let request = CarveRequest { key: Some(mark(w, 1, 1)), ..w.shop.task(w.id()) };
    assert!(matches!(w.carve(&request).await, CarveAnswer::Refused(_)));
    w.close(big.allocation.id).await;
    w.carved(&request).await;
}

/// The same id: the same allocation, also without a key.
pub async fn a_repeated_id_gets_the_same_allocation(w: &World) {
    let request = w.shop.task(w.id());
    let carved = w.carved(&request).await;
    assert_eq!(w.carve(&request).await, CarveAnswer::Replayed(carved));
    assert_eq!(w.free().await, GENERATIONS - 10);
}

/// Who is not known is named; nothing is made up for them.
pub async fn unknown_names_are_told_apart(w: &World) {
    let task = w.shop.task(w.id());
    let subject = |customer, user| Source::Subject(SubjectName { customer, user });
    let acme = || Named::External(external("acme-shop"));
    let cases = [
        (subject(Named::External(external("nobody")), None), CarveAnswer::UnknownCustomer),
        (subject(Named::Id(w.id()), None), CarveAnswer::UnknownCustomer),
        (subject(acme(), Some(Named::External(external("cy")))), CarveAnswer::UnknownUser),
        (subject(acme(), Some(Named::Id(w.shop.cy.id))), CarveAnswer::UnknownUser),
        (Source::Allocation(w.id()), CarveAnswer::UnknownParent),
    ];
    for (source, expected) in cases {
        assert_eq!(w.carve(&CarveRequest { source, ..task.clone() }).await, expected);
    }
    let agent = Named::External(external("nobody"));
    assert_eq!(w.carve(&CarveRequest { agent, ..task.clone() }).await, CarveAnswer::UnknownAgent);
    let named = CarveRequest { source: subject(acme(), Some(Named::External(external("ada")))), ..task };
    assert_eq!(w.carved(&named).await.allocation.principals.user, Some(w.shop.ada.id));
}

/// What is not a quota of the plan cannot be carved.
pub async fn what_is_not_entitled_cannot_be_carved(w: &World) {
    for feature in [w.shop.remove_background.id, w.id()] {
        let answer = w.carve(&w.shop.carve(w.id(), Source::Subject(w.shop.ada()), &[(feature, 1)])).await;
        assert_eq!(answer, CarveAnswer::Refused(CarveRefusal::NotEntitled { feature }));
    }
}

/// An allocation that does not say when it ends, ends with the window it came from.
pub async fn without_an_end_it_ends_with_the_month(w: &World) {
    let carved = w.carved(&w.shop.task(w.id())).await;
    assert_eq!(carved.allocation.expires_at, at(MONTH_END));
}

/// What a call says of its allocation is what the gate is told.
pub async fn a_gate_is_told_what_was_asked_for(w: &World) {
    let request = CarveRequest {
        scope: image_shop::tools(&["render", "upload"]),
        not_before: Some(w.in_seconds(60)),
        expires_at: Some(w.in_seconds(3_600)),
        ..w.shop.task(w.id())
    };
    let carved = w.carved(&request).await;
    let standing = w.lookup.allocation(w.shop.realm, request.id).await.unwrap().expect("a standing");
    assert_eq!(standing.principals, carved.allocation.principals);
    assert_eq!(standing.principals.agent, Some(w.shop.catalogue.id));
    assert_eq!((standing.allocation, standing.state), (Some(request.id), AllocationState::Active));
    assert_eq!((standing.scope, standing.not_before), (request.scope, request.not_before));
    assert_eq!(standing.expires_at, request.expires_at);
    assert!(standing.label.contains("catalog-2026-11"), "{}", standing.label);
    assert!(standing.raise.contains(&w.shop.ada.id), "ada can raise her own");
    let lines: Vec<_> = standing.lines.iter().map(|line| (line.feature, line.granted)).collect();
    assert_eq!(lines, request.lines);
    let accounts: Vec<_> = standing.lines.iter().map(|line| line.account).collect();
    assert_eq!(accounts, carved.lines.iter().map(|line| line.account).collect::<Vec<_>>());
    assert!(standing.rights.iter().any(|(feature, _)| *feature == w.shop.remove_background.id));
}

/// A session is one however many allocations name it, and another agent's of the same name is another.
pub async fn a_session_comes_into_being_once(w: &World) {
    let lines = [(w.shop.generate.id, 1)];
    let one = w.allocation(&lines).await.allocation.principals.session;
    let same = w.allocation(&lines).await.allocation.principals.session;
    let other = w.shop.carve(w.id(), Source::Subject(w.shop.ada()), &lines);
    let other = CarveRequest { agent: Named::Id(w.shop.support.id), ..other };
    let other = w.carved(&other).await.allocation.principals.session;
    assert!(one.is_some());
    assert_eq!(one, same);
    assert_ne!(one, other);
}

/// Many at once: together they never take more than there is, and nobody is refused while there is enough.
pub async fn carving_at_once_never_takes_more_than_there_is(w: &World) {
    let mut tasks = Vec::new();
    for _ in 0..12 {
        let request = w.shop.carve(w.id(), Source::Subject(w.shop.acme()), &[(w.shop.generate.id, 100)]);
        let (ledger, realm) = (Arc::clone(&w.ledger), w.shop.realm);
        tasks.push(tokio::spawn(async move { ledger.carve(realm, &request).await.expect("the ledger answers") }));
    }
    let mut carved = 0;
    for task in tasks {
        match task.await.expect("no task panics") {
            CarveAnswer::Carved(_) => carved += 1,
            CarveAnswer::Refused(CarveRefusal::Short { free, .. }) => assert_eq!(free, units(0)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(carved, 10);
    let quota = w.quota(w.shop.generate.id).await;
    assert_eq!((pocket(&quota, Pocket::Carved), pocket(&quota, Pocket::Free)), (1_000, 0));
}

/// One key at once, many times: one allocation, and everybody is given it.
pub async fn one_key_at_once_carves_once(w: &World) {
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let key = Some(KeyMark { principal: w.id::<KeyId>(), ..mark(w, 9, 9) });
        let request = CarveRequest { key, ..w.shop.task(w.id()) };
        let (ledger, realm) = (Arc::clone(&w.ledger), w.shop.realm);
        tasks.push(tokio::spawn(async move { ledger.carve(realm, &request).await }));
    }
    let mut given: Vec<AllocationId> = Vec::new();
    for task in tasks {
        match task.await.expect("no task panics") {
            Ok(CarveAnswer::Carved(statement) | CarveAnswer::Replayed(statement)) => {
                given.push(statement.allocation.id)
            }
            // Whoever lost the race may be told to ask again.
            Err(fault) if fault.is_passing() => {}
            other => panic!("{other:?}"),
        }
    }
    given.dedup();
    assert_eq!(given.len(), 1, "{given:?}");
    assert_eq!(w.free().await, GENERATIONS - 10);
}
