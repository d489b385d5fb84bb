//! The audit trail: each change once, signed by who made it, and nothing that did not happen.

use super::World;
use super::finding::elsewhere;
use super::granting;
use super::listing::{ALL, walk};
use crate::author;
use crate::image_shop::{GENERATIONS, units};
use almoner_domain::allocation::AllocationState;
use almoner_domain::audit::{Action, AuditEntry, Author, AuthorRole};
use almoner_domain::caller::Origin;
use almoner_domain::customer::Role;
use almoner_domain::id::{AllocationId, GrantId, LeaseId};
use almoner_domain::lease::LEDGER_TERM;
use almoner_domain::ledger::Adjustment;
use almoner_domain::ports::{
    AdjustAnswer, AdjustRequest, AuditFilter, CarveAnswer, CarveRequest, GrantAnswer, GrantRequest, Source, VoidAnswer,
};

/// Ada, by a key, from an address.
fn ada(w: &World) -> Author {
    Author {
        role: AuthorRole::Member(Role::Owner),
        key: Some(w.shop.operator_key.1.id),
        customer: Some(w.shop.acme.id),
        user: Some(w.shop.ada.id),
        origin: Origin { address: "2001:db8::7".parse().ok(), request: Some("request-7".into()) },
    }
}

async fn trail(w: &World, filter: AuditFilter) -> Vec<AuditEntry> {
    walk(|page| w.directory.audit(w.shop.realm, filter.clone(), page), |entry| entry.id).await
}

async fn grant(w: &World, amount: i64) -> GrantId {
    let request = GrantRequest { by: ada(w), ..granting::request(w, w.shop.generate.id, amount) };
    let answer = w.treasury.issue(w.shop.realm, &request).await.unwrap();
    assert!(matches!(answer, GrantAnswer::Issued(_)), "{answer:?}");
    request.id
}

fn task(w: &World) -> CarveRequest {
    CarveRequest { by: ada(w), ..w.shop.task(w.id()) }
}

async fn adjust(w: &World, allocation: AllocationId, adjustment: Adjustment, amount: i64) -> AdjustAnswer {
    let lines = vec![(w.shop.generate.id, units(amount))];
    let request = AdjustRequest { allocation, adjustment, lines, by: ada(w) };
    w.treasury.adjust(w.shop.realm, &request).await.unwrap()
}

/// A lease of a gate that has been silent for too long.
async fn doubtful(w: &World) -> LeaseId {
    let account = w.quota(w.shop.upload.id).await.account;
    let lease = w.gate().await.lease(w, account, 5).await.lease;
    w.clock.advance(LEDGER_TERM);
    w.sweep().await;
    lease
}

/// Each command of the ledger that changes something leaves one entry, with what it was about, who gave it, and from where.
pub async fn each_command_is_signed_once(w: &World) {
    let (realm, by) = (w.shop.realm, ada(w));
    let mut expected = Vec::new();
    let mut done = |action, subject: String, note: &str| {
        expected.insert(0, (action, subject, note.to_owned(), w.clock_now()));
        w.pass(1);
    };
    let granted = grant(w, 50).await;
    done(Action::IssueGrant, granted.to_string(), "top_up of 50 smallest units");
    let closed = w.carved(&task(w)).await.allocation.id;
    done(Action::CarveAllocation, closed.to_string(), "");
    let revoked = w.carved(&task(w)).await.allocation.id;
    done(Action::CarveAllocation, revoked.to_string(), "");
    assert!(matches!(adjust(w, closed, Adjustment::TopUp, 6).await, AdjustAnswer::Adjusted(_)));
    done(Action::TopUpAllocation, closed.to_string(), "6 smallest units");
    assert!(matches!(adjust(w, closed, Adjustment::Shrink, 2).await, AdjustAnswer::Adjusted(_)));
    done(Action::ShrinkAllocation, closed.to_string(), "2 smallest units");
    w.ledger.end(realm, closed, AllocationState::Closed, &by).await.unwrap();
    done(Action::CloseAllocation, closed.to_string(), "");
    w.ledger.end(realm, revoked, AllocationState::Revoked, &by).await.unwrap();
    done(Action::RevokeAllocation, revoked.to_string(), "");
    assert!(matches!(w.treasury.void(realm, granted, &by).await.unwrap(), VoidAnswer::Voided(_)));
    done(Action::VoidGrant, granted.to_string(), "50 of 50 smallest units taken back");
    let lease = doubtful(w).await;
    assert!(w.ledger.forfeit(realm, lease, &by).await.unwrap());
    done(Action::ForfeitLease, lease.to_string(), "");

    let told = trail(w, AuditFilter::default()).await;
    let said: Vec<_> = told.iter().map(|e| (e.action, e.subject.clone(), e.note.clone(), e.at)).collect();
    assert_eq!(said, expected);
    for entry in told {
        assert_eq!((entry.author, entry.customer), (by.clone(), Some(w.shop.acme.id)));
    }
}

/// What is refused, told again, tried only, or done by time alone leaves no entry.
pub async fn what_changes_nothing_is_not_signed(w: &World) {
    let (realm, by) = (w.shop.realm, ada(w));
    let request = CarveRequest { expires_at: Some(w.in_seconds(60)), ..task(w) };
    let (id, granted) = (w.carved(&request).await.allocation.id, grant(w, 5).await);
    let closed = w.carved(&task(w)).await.allocation.id;
    w.ledger.end(realm, closed, AllocationState::Closed, &by).await.unwrap();
    w.treasury.void(realm, granted, &by).await.unwrap();
    let lease = doubtful(w).await;
    w.ledger.forfeit(realm, lease, &by).await.unwrap();
    assert_eq!(w.statement(id).await.allocation.state, AllocationState::Expired, "time has ended it");
    let before = trail(w, AuditFilter::default()).await;
    assert_eq!(before.len(), 6, "{before:?}");

    assert!(matches!(w.carve(&request).await, CarveAnswer::Replayed(_)));
    let too_many = [(w.shop.generate.id, 2 * GENERATIONS)];
    let refused = CarveRequest { by: ada(w), ..w.shop.carve(w.id(), Source::Subject(w.shop.ada()), &too_many) };
    let answer = w.carve(&refused).await;
    assert!(matches!(answer, CarveAnswer::Refused(_)), "{answer:?}");
    w.treasury.preview(realm, &task(w)).await.unwrap().unwrap();
    assert!(matches!(adjust(w, closed, Adjustment::TopUp, 1).await, AdjustAnswer::Ended(_)));
    for id in [closed, id, w.id()] {
        w.ledger.end(realm, id, AllocationState::Revoked, &by).await.unwrap();
    }
    for id in [granted, w.id()] {
        assert!(!matches!(w.treasury.void(realm, id, &by).await.unwrap(), VoidAnswer::Voided(_)));
    }
    for id in [lease, w.id()] {
        assert!(!w.ledger.forfeit(realm, id, &by).await.unwrap());
    }
    w.sweep().await;
    assert_eq!(trail(w, AuditFilter::default()).await, before);
}

/// An entry about a customer of the shop, now.
fn entry(w: &World, action: Action, author: Author) -> AuditEntry {
    w.pass(1);
    let (customer, subject) = (Some(w.shop.acme.id), w.shop.acme.id.to_string());
    AuditEntry { id: w.id(), at: w.clock_now(), author, action, subject, customer, note: "Élan \"5\"".to_owned() }
}

async fn record(w: &World, entries: &[&AuditEntry]) {
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    for entry in entries {
        work.audit().record(entry).await.unwrap();
    }
    work.commit().await.unwrap();
}

/// What a unit of work signs is told in every word as it was written, newest first.
pub async fn an_entry_is_told_as_it_was_written(w: &World) {
    let role = |role| Author { role, ..author() };
    let all = [
        entry(w, Action::AddCustomer, ada(w)),
        entry(w, Action::AddUser, Author::gate(w.shop.gate_key.1.id, Origin::default())),
        AuditEntry {
            customer: None,
            note: String::new(),
            ..entry(w, Action::DefineFeature, role(AuthorRole::Operator))
        },
        entry(w, Action::ChangeRole, role(AuthorRole::Program)),
        entry(w, Action::RemoveUser, role(AuthorRole::Member(Role::Viewer))),
    ];
    // In another order than that of their ids, which is the order that counts.
    record(w, &[&all[3], &all[1], &all[2]]).await;
    record(w, &[&all[0], &all[4]]).await;
    let newest_first: Vec<AuditEntry> = all.into_iter().rev().collect();
    assert_eq!(trail(w, AuditFilter::default()).await, newest_first);
}

/// Work that is dropped, or that cannot be committed, has signed nothing.
pub async fn work_that_is_dropped_signs_nothing(w: &World) {
    let lost = entry(w, Action::AddCustomer, author());
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.audit().record(&lost).await.unwrap();
    drop(work);
    assert_eq!(trail(w, AuditFilter::default()).await, []);
    record(w, &[&lost]).await;
    assert_eq!(trail(w, AuditFilter::default()).await, [lost]);
}

/// Each member of a filter leaves out what is not of it; two leave out what is not of both. No other realm has any of it.
pub async fn entries_are_found_by_each_member_of_a_filter(w: &World) {
    let shop = &w.shop;
    let gate = Author::gate(shop.gate_key.1.id, Origin::default());
    let by_ben = Author { user: Some(shop.ben.id), ..ada(w) };
    let first = entry(w, Action::AddCustomer, ada(w));
    let mut second = entry(w, Action::CarveAllocation, gate);
    second.subject = w.id::<AllocationId>().to_string();
    let mut third = entry(w, Action::RegisterAgent, by_ben);
    (third.customer, third.subject) = (None, shop.catalogue.id.to_string());
    let mut fourth = entry(w, Action::Subscribe, ada(w));
    fourth.customer = Some(shop.bolt.id);
    let all = [first, second, third, fourth];
    record(w, &all.iter().collect::<Vec<_>>()).await;

    let filter = AuditFilter::default;
    let (customer, user, key) = (Some(shop.acme.id), Some(shop.ada.id), Some(shop.operator_key.1.id));
    let subject = Some(all[0].subject.clone());
    let cases = [
        (AuditFilter { customer, ..filter() }, vec![1, 0]),
        (AuditFilter { user, ..filter() }, vec![3, 0]),
        (AuditFilter { key, ..filter() }, vec![3, 2, 0]),
        (AuditFilter { subject: subject.clone(), ..filter() }, vec![3, 0]),
        (AuditFilter { customer, key, ..filter() }, vec![0]),
        (AuditFilter { user: Some(shop.ben.id), subject, ..filter() }, vec![]),
    ];
    let away = elsewhere(w).await;
    for (filter, expected) in cases {
        let expected: Vec<AuditEntry> = expected.into_iter().map(|at: usize| all[at].clone()).collect();
        assert_eq!(trail(w, filter.clone()).await, expected, "{filter:?}");
        for realm in away {
            assert_eq!(w.directory.audit(realm, filter.clone(), ALL).await.unwrap().entries, []);
        }
    }
}
