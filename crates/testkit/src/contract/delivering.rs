//! From the outbox to an endpoint: each entry once, each attempt by one runner, until it is heard or given up.

use super::World;
use crate::image_shop::{MONTH_END, at};
use almoner_domain::address::Callable;
use almoner_domain::delivery::{Attempted, Claim, Delivery, DeliveryState, Then};
use almoner_domain::happening::{Happening, HappeningKind};
use almoner_domain::id::{Id, NoticeId};
use almoner_domain::lease::Wish;
use almoner_domain::notice::{Event, Notice};
use almoner_domain::page::{Page, Take};
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::webhook::{EndpointState, SealedSecret, WebhookEndpoint, WebhookUrl};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a runner has an attempt.
pub(super) const SPAN: Duration = Duration::from_secs(30);
/// The receiver took it.
pub(super) const HEARD: Attempted = Attempted { status: Some(200), error: None, then: Then::Delivered };

/// What happened and to whom, as one line.
pub(super) fn wire(told: &Happening) -> String {
    let Some(about) = &told.about else { return told.kind.as_str().to_owned() };
    let people = [
        Some(about.customer.external_id.as_str()),
        about.user.as_ref().map(|user| user.external_id.as_str()),
        about.agent.as_ref().map(|agent| agent.external_id.as_str()),
        about.session.as_ref().map(|session| session.name.key.as_str()),
    ];
    let whom: Vec<&str> = people.into_iter().flatten().collect();
    let mut lines: Vec<String> =
        about.lines.iter().map(|line| format!("{} {}", line.feature.key, line.balance.granted().get())).collect();
    lines.sort();
    format!("{} for {}: {}", told.kind.as_str(), whom.join("/"), lines.join(", "))
}

/// The shop has an endpoint that wants to hear of these from now on.
pub(super) async fn listen(w: &World, events: impl IntoIterator<Item = HappeningKind>) {
    let now = w.clock_now();
    let endpoint = WebhookEndpoint {
        url: WebhookUrl::parse("https://hooks.example.com/", Callable::Public).unwrap(),
        events: events.into_iter().collect(),
        secret: SealedSecret(vec![1]),
        previous: Some((SealedSecret(vec![2]), now.saturating_add(SPAN))),
        state: EndpointState::Enabled,
        created_at: now,
        changed_at: now,
    };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.webhooks().set(&endpoint).await.unwrap();
    work.commit().await.unwrap();
}

/// Puts a trial into the outbox.
pub(super) async fn announce(w: &World) -> NoticeId {
    let notice = Notice { id: w.id(), at: w.clock_now(), event: Event::Test };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.webhooks().announce(&notice).await.unwrap();
    work.commit().await.unwrap();
    notice.id
}

/// Puts a trial into the outbox and takes it out again.
pub(super) async fn tried(w: &World) -> NoticeId {
    let id = announce(w).await;
    w.deliveries.pump(100, wire).await.unwrap();
    id
}

pub(super) async fn claimed(w: &World, id: NoticeId) -> Option<Claim> {
    w.deliveries.claim(w.shop.realm, id, SPAN).await.unwrap()
}

pub(super) async fn record(w: &World, claim: &Claim, attempted: &Attempted) -> bool {
    w.deliveries.record(claim, attempted).await.unwrap()
}

/// Deliveries of the shop, newest first.
pub(super) async fn all(w: &World) -> Vec<Delivery> {
    w.deliveries.deliveries(w.shop.realm, None, Page::first(100)).await.unwrap().entries
}

async fn delivery(w: &World, id: NoticeId) -> Delivery {
    all(w).await.into_iter().find(|one| one.id == id).expect("a delivery")
}

async fn due(w: &World) -> Vec<NoticeId> {
    w.deliveries.due(100).await.unwrap().into_iter().map(|due| due.id).collect()
}

fn missed(w: &World, again_in_s: u64) -> Attempted {
    Attempted { status: Some(500), error: Some("busy".to_owned()), then: Then::Again(w.in_seconds(again_in_s)) }
}

async fn payloads(w: &World) -> BTreeSet<String> {
    all(w).await.into_iter().map(|one| one.payload).collect()
}

/// An entry becomes one delivery, however many pumps run at once and afterwards.
pub async fn an_entry_becomes_one_delivery_however_many_pump(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    for _ in 0..20 {
        w.allocation(&[(w.shop.generate.id, 1)]).await;
    }
    let pumps = (0..6).map(|_| {
        let deliveries = Arc::clone(&w.deliveries);
        tokio::spawn(async move { deliveries.pump(5, wire).await.expect("the store answers").deliveries })
    });
    let mut told = 0;
    for pump in pumps.collect::<Vec<_>>() {
        told += pump.await.expect("no task panics");
    }
    for _ in 0..5 {
        told += w.deliveries.pump(5, wire).await.unwrap().deliveries;
    }
    assert_eq!((told, w.deliveries.pump(5, wire).await.unwrap().notices), (20, 0));
    let all = all(w).await;
    let ids: BTreeSet<NoticeId> = all.iter().map(|one| one.id).collect();
    assert_eq!((all.len(), ids.len(), due(w).await.len()), (20, 20, 20));
    let first = &all[0];
    assert_eq!((first.state, first.attempts, first.created_at), (DeliveryState::Pending, 0, w.clock_now()));
}

/// Who does not listen yet hears nothing of it later, nor of what was said to who did not listen any more.
pub async fn nothing_is_kept_for_who_does_not_listen(w: &World) {
    w.allocation(&[(w.shop.generate.id, 1)]).await;
    let pumped = w.deliveries.pump(100, wire).await.unwrap();
    assert!(pumped.notices > 0 && pumped.deliveries == 0, "{pumped:?}");
    listen(w, HappeningKind::subscribable()).await;
    assert_eq!(w.deliveries.pump(100, wire).await.unwrap().notices, 0);
    assert_eq!(all(w).await, []);
    let heard = tried(w).await;
    assert_eq!(delivery(w, heard).await.event, HappeningKind::Test);
}

/// An endpoint hears of what it asked for, and of trials.
pub async fn only_what_is_wanted_is_told(w: &World) {
    listen(w, [HappeningKind::AllocationClosed]).await;
    let carved = w.allocation(&[(w.shop.generate.id, 3)]).await;
    w.close(carved.allocation.id).await;
    tried(w).await;
    let closed = "allocation.closed for acme-shop/ada/catalogue/catalog-2026-11: image.generate 0";
    assert_eq!(payloads(w).await, BTreeSet::from([closed.to_owned(), "webhook.test".to_owned()]));
}

/// What happens is told with whom it is about: of marks that are reached by the account that reached them, of a new month by the
/// quota that begins.
pub async fn a_happening_is_told_with_whom_it_is_about(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let (generate, describe) = (w.shop.generate.id, w.shop.describe.id);
    let carved = w.allocation(&[(generate, 10), (describe, 20)]).await;
    let gate = w.gate().await;
    for (account, used) in [(w.generations(&carved), 10), (w.quota(describe).await.account, 1_600)] {
        let mut lease = gate.lease(w, account, used).await;
        lease.used = used;
        gate.say(w, &mut lease, Wish::Keep).await;
    }
    w.deliveries.pump(100, wire).await.unwrap();
    let [run, acme] = ["acme-shop/ada/catalogue/catalog-2026-11", "acme-shop"];
    let mut expected = BTreeSet::from([
        format!("allocation.created for {run}: image.describe 20, image.generate 10"),
        format!("allocation.threshold for {run}: image.generate 10"),
        format!("allocation.exhausted for {run}: image.generate 10"),
        format!("entitlement.threshold for {acme}: image.describe 2000"),
    ]);
    assert_eq!(payloads(w).await, expected);
    w.clock.set(at(MONTH_END));
    w.quota(generate).await;
    w.sweep().await;
    w.deliveries.pump(100, wire).await.unwrap();
    expected.insert(format!("entitlement.reset for {acme}: image.generate 1000"));
    assert!(payloads(w).await.is_superset(&expected), "{:?}", payloads(w).await);
}

/// An attempt is one runner's. When its time is over and nothing was recorded, it is due again, as the next attempt.
pub async fn an_attempt_is_one_runners_until_its_claim_runs_out(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let id = tried(w).await;
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let (deliveries, realm) = (Arc::clone(&w.deliveries), w.shop.realm);
            tokio::spawn(async move { deliveries.claim(realm, id, SPAN).await.expect("the store answers") })
        })
        .collect();
    let mut claims = Vec::new();
    for task in tasks {
        claims.extend(task.await.expect("no task panics"));
    }
    let [first] = claims.as_slice() else { panic!("{} have it", claims.len()) };
    assert_eq!((first.attempt, first.secrets.len(), due(w).await), (1, 2, vec![]));
    w.pass(29);
    assert_eq!((claimed(w, id).await, due(w).await), (None, vec![]));
    w.pass(1);
    assert_eq!(due(w).await, [id], "whoever had it is taken for dead");
    let second = claimed(w, id).await.expect("it is due");
    assert_eq!((second.attempt, second.payload.as_str(), second.until), (2, "webhook.test", w.in_seconds(30)));
    assert_eq!(second.secrets, [SealedSecret(vec![1])], "the secret before it signs no more");
}

/// What a runner brings when somebody else has the attempt counts for nothing, nor what it brings twice.
pub async fn a_late_record_counts_for_nothing(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let id = tried(w).await;
    let first = claimed(w, id).await.expect("it is due");
    w.pass(30);
    let second = claimed(w, id).await.expect("it is due again");
    assert!(!record(w, &first, &HEARD).await, "somebody else has it");
    assert_eq!(delivery(w, id).await.state, DeliveryState::Pending);
    assert!(record(w, &second, &missed(w, 60)).await);
    assert!(!record(w, &second, &HEARD).await, "it was recorded");
    w.pass(60);
    let third = claimed(w, id).await.expect("it is due again");
    w.pass(30);
    assert!(record(w, &third, &HEARD).await, "its time was over, but nobody else has it");
    assert_eq!((delivery(w, id).await.state, due(w).await), (DeliveryState::Delivered, vec![]));
}

/// What failed is tried again in its time and not before, those that wait longest first, and given up when it is.
pub async fn what_fails_is_tried_again_until_it_is_given_up(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let (one, other) = (tried(w).await, tried(w).await);
    for (id, pause) in [(one, 120), (other, 60)] {
        let claim = claimed(w, id).await.expect("it is due");
        assert!(record(w, &claim, &missed(w, pause)).await);
    }
    let waiting = delivery(w, one).await;
    assert_eq!((waiting.state, waiting.attempts, waiting.finished_at), (DeliveryState::Pending, 1, None));
    assert_eq!((waiting.next_attempt_at, waiting.last_attempt_at), (w.in_seconds(120), Some(w.clock_now())));
    assert_eq!((waiting.last_status, waiting.last_error.as_deref()), (Some(500), Some("busy")));
    w.pass(59);
    assert_eq!((claimed(w, other).await, due(w).await), (None, vec![]), "not before its time");
    w.pass(61);
    let found = w.deliveries.due(100).await.unwrap();
    assert_eq!(found.iter().map(|due| (due.id, due.attempts)).collect::<Vec<_>>(), [(other, 1), (one, 1)]);
    assert_eq!(w.deliveries.due(1).await.unwrap(), found[..1]);
    let last = claimed(w, one).await.expect("it is due");
    assert_eq!(last.attempt, 2);
    let away = Attempted { status: None, error: Some("no answer".to_owned()), then: Then::GiveUp };
    assert!(record(w, &last, &away).await);
    let ended = delivery(w, one).await;
    assert_eq!((ended.state, ended.finished_at), (DeliveryState::Failed, Some(w.clock_now())));
    assert_eq!((ended.last_status, ended.last_error.as_deref()), (None, Some("no answer")));
    assert_eq!((claimed(w, one).await, due(w).await), (None, vec![other]), "it has ended");
}

/// What ended is due again when somebody asks for it, with all its attempts ahead; what is still tried is not begun anew.
pub async fn what_ended_is_delivered_again_on_demand(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let id = tried(w).await;
    let again = async |commit: bool| {
        let mut work = w.store.begin(w.shop.realm).await.unwrap();
        let done = work.webhooks().deliver_again(id).await.unwrap();
        let seen = work.webhooks().delivery(id).await.unwrap().expect("a delivery");
        if commit {
            work.commit().await.unwrap();
        }
        (done, seen)
    };
    assert!(!again(true).await.0, "it is still tried");
    record(w, &claimed(w, id).await.expect("it is due"), &HEARD).await;
    assert!(again(false).await.0);
    assert_eq!(due(w).await, [], "that was not committed");
    w.pass(5);
    let (done, seen) = again(true).await;
    assert!(done);
    assert_eq!((&seen, due(w).await), (&delivery(w, id).await, vec![id]));
    assert_eq!((seen.state, seen.attempts, seen.finished_at), (DeliveryState::Pending, 0, None));
    assert_eq!((seen.next_attempt_at, seen.last_status), (w.clock_now(), Some(200)));
    assert_eq!(claimed(w, id).await.expect("it is due").attempt, 1);
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert!(!work.webhooks().deliver_again(w.id()).await.unwrap(), "there is no such delivery");
}

/// With the endpoint goes what was on its way there; who is at it just then records nothing any more.
pub async fn what_has_nowhere_to_go_is_given_up(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let (heard, at_it, left) = (tried(w).await, tried(w).await, tried(w).await);
    record(w, &claimed(w, heard).await.expect("it is due"), &HEARD).await;
    let late = claimed(w, at_it).await.expect("it is due");
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert!(work.webhooks().deliver_again(heard).await.unwrap());
    assert!(work.webhooks().remove().await.unwrap());
    assert!(!work.webhooks().remove().await.unwrap(), "it was removed");
    work.commit().await.unwrap();
    assert!(!record(w, &late, &HEARD).await);
    for id in [heard, at_it, left] {
        let delivery = delivery(w, id).await;
        assert_eq!((delivery.state, delivery.finished_at), (DeliveryState::Failed, Some(w.clock_now())));
        assert!(delivery.last_error.is_some(), "{delivery:?}");
        assert_eq!(claimed(w, id).await, None);
    }
    assert_eq!((w.deliveries.endpoint(w.shop.realm).await.unwrap(), due(w).await), (None, vec![]));
}

/// A receiver that says that it is gone for good is told nothing more, until the endpoint is set anew.
pub async fn who_is_gone_for_good_is_told_nothing(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let (one, other) = (tried(w).await, tried(w).await);
    let (claim, late) = (claimed(w, one).await.expect("it is due"), claimed(w, other).await.expect("it is due"));
    let gone = Attempted { status: Some(410), error: Some("gone".to_owned()), then: Then::Gone };
    assert!(record(w, &claim, &gone).await);
    assert!(!record(w, &late, &HEARD).await, "it was given up");
    for id in [one, other] {
        let delivery = delivery(w, id).await;
        assert_eq!((delivery.state, delivery.finished_at), (DeliveryState::Failed, Some(w.clock_now())));
        assert!(delivery.last_error.is_some(), "{delivery:?}");
    }
    let found = w.deliveries.endpoint(w.shop.realm).await.unwrap().expect("an endpoint");
    assert_eq!(found.state, EndpointState::Gone(w.clock_now()));
    let unheard = tried(w).await;
    assert!(all(w).await.iter().all(|delivery| delivery.id != unheard));
    listen(w, HappeningKind::subscribable()).await;
    let heard = tried(w).await;
    assert_eq!(due(w).await, [heard], "from now on it is told again");
}

/// Deliveries are listed newest first, page by page, and by where they stand.
pub async fn deliveries_are_listed_newest_first(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        w.pass(1);
        ids.insert(0, tried(w).await);
    }
    record(w, &claimed(w, ids[1]).await.expect("it is due"), &HEARD).await;
    let listed = async |state, page: Page| {
        let found = w.deliveries.deliveries(w.shop.realm, state, page).await.unwrap();
        (found.entries.iter().map(|one| one.id).collect::<Vec<_>>(), found.before, found.after)
    };
    let after = |id: NoticeId| Page { after: Some(id.uuid()), ..Page::first(2) };
    assert_eq!(listed(None, Page::first(2)).await, (ids[..2].to_vec(), false, true));
    assert_eq!(listed(None, after(ids[1])).await, (ids[2..4].to_vec(), true, true));
    assert_eq!(listed(None, Page { take: Take::Last(2), ..Page::first(0) }).await, (ids[3..].to_vec(), true, false));
    assert_eq!(listed(Some(DeliveryState::Delivered), Page::first(9)).await, (ids[1..2].to_vec(), false, false));
    assert_eq!(listed(Some(DeliveryState::Pending), Page::first(9)).await.0.len(), 4);
    assert_eq!(listed(Some(DeliveryState::Failed), Page::first(9)).await, (vec![], false, false));
}

/// Another realm neither hears of it nor can do anything with it, and its endpoint changes nothing here.
pub async fn another_realm_has_none_of_the_deliveries(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let id = tried(w).await;
    let other = w.other_shop().await.realm;
    for realm in [other, Realm { environment: Environment::Test, ..w.shop.realm }] {
        assert_eq!(w.deliveries.endpoint(realm).await.unwrap(), None, "{realm}");
        assert_eq!(w.deliveries.deliveries(realm, None, Page::first(9)).await.unwrap().entries, [], "{realm}");
        assert_eq!(w.deliveries.claim(realm, id, SPAN).await.unwrap(), None, "{realm}");
        let mut work = w.store.begin(realm).await.unwrap();
        assert_eq!(work.webhooks().delivery(id).await.unwrap(), None, "{realm}");
        assert!(!work.webhooks().remove().await.unwrap(), "{realm}");
    }
    let claim = claimed(w, id).await.expect("it is due");
    assert!(!record(w, &Claim { realm: other, ..claim.clone() }, &HEARD).await);
    assert!(record(w, &claim, &HEARD).await);
    let mut work = w.store.begin(other).await.unwrap();
    assert!(!work.webhooks().deliver_again(id).await.unwrap(), "it has ended, but elsewhere");
}
