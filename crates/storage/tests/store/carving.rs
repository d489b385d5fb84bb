//! Carving and ending allocations.

use crate::support::{
    AGENT, BACKGROUND, BOB, BOTH, DESCRIBE, GENERATE, Shop, external, id, mark, report, session, units,
};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::AllocationState;
use almoner_domain::decision::Level;
use almoner_domain::lease::{LeaseReply, Wish};
use almoner_domain::ledger::{CarveRefusal, RETENTION};
use almoner_domain::ports::{CarveAnswer, Ledger, Lookup, Source, SubjectName};
use almoner_domain::scope::Scope;
use almoner_domain::text::{Named, ToolName};
use almoner_testkit::author;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_carved_leaves_the_quota_and_comes_back_once() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let mut request = shop.request(Source::Subject(shop.ada()), 10);
        request.lines.push((id(DESCRIBE), units(20)));
        request.scope = Scope { tools: Some([ToolName::parse("render").unwrap()].into()), resources: None };
        let CarveAnswer::Carved(carved) = shop.store.carve(shop.realm, &request).await.unwrap() else { panic!() };
        assert_eq!(carved.allocation.id, request.id);
        assert_eq!(carved.allocation.scope, request.scope);
        assert_eq!(carved.session, session("catalog-2026-11"));
        assert_eq!(
            carved.lines.iter().map(|line| line.balance.get(Pocket::Free)).collect::<Vec<_>>(),
            [units(10), units(20)]
        );
        assert_eq!(shop.statement(request.id).await, carved);

        let standing = shop.store.allocation(shop.realm, request.id).await.unwrap().unwrap();
        assert_eq!(standing.label, "The allocation for session catalog-2026-11");
        assert_eq!(
            standing.raise,
            [id(crate::support::ADA), id(BOB)],
            "the user it is for, then who manages the customer's"
        );
        assert_eq!((standing.lines[1].level, standing.lines[1].granted), (Level::Allocation, units(20)));
        assert_eq!(standing.lines[1].resets_at, None);
        assert_eq!(standing.rights.len(), 2);
        assert_eq!(standing.principals.agent, Some(id(AGENT)));

        let gate = shop.gate(1).await;
        let lease = shop.lease(gate, carved.lines[0].account, 4).await;
        let ended = shop.store.end(shop.realm, request.id, AllocationState::Closed, &author()).await.unwrap().unwrap();
        assert_eq!(ended.allocation.state, AllocationState::Closed);
        assert_eq!(ended.allocation.lines.iter().map(|line| line.returned).collect::<Vec<_>>(), [units(6), units(20)]);
        let again = shop.store.end(shop.realm, request.id, AllocationState::Revoked, &author()).await.unwrap().unwrap();
        assert_eq!(again, ended, "ending again changes nothing");
        shop.sound().await;

        let settled = report(lease, carved.lines[0].account, 2, 3, Wish::Settle { holds: vec![] });
        assert!(matches!(shop.report(gate, settled).await, LeaseReply::Applied { closed: true, .. }));
        let account = shop.standing(&shop.customer()).await.lines[0].account;
        let lines = shop.store.entitlements(shop.realm, &shop.customer()).await.unwrap().unwrap().lines;
        let text = format!("{lines:?}");
        assert!(text.contains(&account.to_string()) && text.contains("free: Units(997)"), "{text}");
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_carve_leaves_nothing_behind() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let mut request = shop.request(Source::Subject(shop.customer()), 10);
        request.lines.push((id(DESCRIBE), units(2_001)));
        request.session = session("never");
        let answer = shop.store.carve(shop.realm, &request).await.unwrap();
        let CarveAnswer::Refused(CarveRefusal::Short { feature, free, account, .. }) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!((feature, free), (id(DESCRIBE), units(2_000)));
        let there = shop.standing(&shop.customer()).await;
        assert!(there.lines.iter().any(|line| line.account == account), "the account it names is there");
        assert!(shop.store.statement(shop.realm, request.id).await.unwrap().is_none());

        request.lines = vec![(id(BACKGROUND), units(1))];
        let answer = shop.store.carve(shop.realm, &request).await.unwrap();
        assert_eq!(answer, CarveAnswer::Refused(CarveRefusal::NotEntitled { feature: id(BACKGROUND) }));
        request.agent = Named::External(external("nobody"));
        assert_eq!(shop.store.carve(shop.realm, &request).await.unwrap(), CarveAnswer::UnknownAgent);
        request.source = Source::Allocation(id(5));
        assert_eq!(shop.store.carve(shop.realm, &request).await.unwrap(), CarveAnswer::UnknownParent);
        let eve = SubjectName { user: Some(Named::External(external("eve"))), ..shop.customer() };
        request.source = Source::Subject(eve);
        assert_eq!(shop.store.carve(shop.realm, &request).await.unwrap(), CarveAnswer::UnknownUser);
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_carves_once_within_its_retention() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let mut request = shop.request(Source::Subject(shop.customer()), 10);
        request.key = Some(mark(1, 1));
        let CarveAnswer::Carved(first) = shop.store.carve(shop.realm, &request).await.unwrap() else { panic!() };
        // The caller lost the answer, and asks again with the same id, then as a client would, with a new one.
        assert_eq!(shop.store.carve(shop.realm, &request).await.unwrap(), CarveAnswer::Replayed(first.clone()));
        request.id = shop.new_id();
        assert_eq!(shop.store.carve(shop.realm, &request).await.unwrap(), CarveAnswer::Replayed(first.clone()));
        request.key = Some(mark(1, 2));
        assert_eq!(shop.store.carve(shop.realm, &request).await.unwrap(), CarveAnswer::KeyReused);

        shop.clock.advance(RETENTION);
        request.expires_at = None;
        let answer = shop.store.carve(shop.realm, &request).await.unwrap();
        assert!(matches!(&answer, CarveAnswer::Carved(second) if second.allocation.id == request.id), "{answer:?}");
        shop.sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_an_allocation_ends_all_that_was_carved_from_it() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        let top = shop.carve(Source::Subject(shop.customer()), 100).await;
        let middle = shop.carve(Source::Allocation(top.allocation.id), 50).await;
        let leaf = shop.carve(Source::Allocation(middle.allocation.id), 20).await;
        assert_eq!(leaf.allocation.depth, 3);
        let chain: Vec<_> = leaf.chain.iter().map(|(id, _)| *id).collect();
        assert_eq!(chain, [middle.allocation.id, top.allocation.id], "nearest first");
        assert_eq!(leaf.allocation.principals.customer, top.allocation.principals.customer);

        let ended =
            shop.store.end(shop.realm, top.allocation.id, AllocationState::Revoked, &author()).await.unwrap().unwrap();
        assert_eq!(ended.lines[0].balance.granted(), units(0));
        for id in [middle.allocation.id, leaf.allocation.id] {
            assert_eq!(shop.statement(id).await.allocation.state, AllocationState::Revoked);
        }
        let answer =
            shop.store.carve(shop.realm, &shop.request(Source::Allocation(leaf.allocation.id), 1)).await.unwrap();
        assert_eq!(answer, CarveAnswer::Refused(CarveRefusal::ParentEnded));
        let free = shop.store.carve(shop.realm, &shop.request(Source::Subject(shop.customer()), 1_000)).await.unwrap();
        assert!(matches!(free, CarveAnswer::Carved(_)), "all of it came back: {free:?}");
        assert_eq!(shop.standing(&shop.customer()).await.lines[0].feature, id(GENERATE));
        shop.sound().await;
    }
}
