//! From the outbox to endpoints: each entry once, each attempt by one runner, until it is heard or given up.

use super::World;
use crate::author;
use crate::image_shop::{MONTH_END, at};
use almoner_domain::address::Callable;
use almoner_domain::audit::{Action, AuthorRole};
use almoner_domain::delivery::{
    Attempted, Claim, Delivery, DeliveryFilter, DeliveryState, Exchange, Replay, Replayed, Then,
};
use almoner_domain::happening::{Happening, HappeningKind, Holder, Topic};
use almoner_domain::id::{AllocationId, DeliveryId, EndpointId, Id, NoticeId};
use almoner_domain::lease::Wish;
use almoner_domain::notice::{Event, Notice};
use almoner_domain::page::{Page, Take};
use almoner_domain::ports::{AuditFilter, Retention};
use almoner_domain::subscription::SubscriptionStep;
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::text::{Name, Named};
use almoner_domain::time::Timestamp;
use almoner_domain::webhook::{
    DisableReason, EndpointState, SealedSecret, SignatureScheme, WebhookEndpoint, WebhookUrl,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a runner has an attempt.
pub(super) const SPAN: Duration = Duration::from_secs(30);
/// The receiver took it.
pub(super) fn heard() -> Attempted {
    Attempted { status: Some(200), error: None, then: Then::Delivered, exchange: Exchange::default() }
}

/// What happened and to whom, as one line.
pub(super) fn wire(told: &Happening) -> String {
    let kind = told.kind.as_str();
    let about = match &told.topic {
        Topic::Units(about) => about,
        Topic::Subscription(told) => {
            let state = if told.subscription.ended_at.is_some() { "ended" } else { "runs" };
            return format!(
                "{kind} ({}) of {}: {} {} {state}",
                told.step.map_or("", SubscriptionStep::as_str),
                told.customer.external_id,
                told.plan.external_id,
                told.version
            );
        }
        Topic::Grant(told) => return format!("{kind} of {}: {}", told.customer.external_id, told.grant.amount.get()),
        Topic::Guard(told) => {
            let whom = told.seen_in.as_ref().map_or("nobody", |seen| seen.customer.external_id.as_str());
            return format!("{kind}: {} for {whom}: {}", told.agent.external_id, told.step.why);
        }
        Topic::Endpoint(endpoint) => return format!("{kind}: {}", endpoint.url.host()),
        Topic::Trial(_) => return kind.to_owned(),
    };
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
    format!("{kind} for {}: {}", whom.join("/"), lines.join(", "))
}

/// Which it is of all that happened to its allocation.
fn numbered(told: &Happening) -> String {
    let Topic::Units(about) = &told.topic else { return String::new() };
    let Holder::Allocation(allocation) = &about.holder else { return format!("{:?}", told.sequence) };
    format!("{} {} {}", allocation.id, told.sequence.unwrap_or_default(), told.kind.as_str())
}

/// The endpoint that most of this is about.
pub(super) fn hooks() -> EndpointId {
    EndpointId::least_at(Timestamp::from_micros(1_000))
}

fn other_hooks() -> EndpointId {
    EndpointId::least_at(Timestamp::from_micros(2_000))
}

async fn put(w: &World, id: EndpointId, host: &str, events: impl IntoIterator<Item = HappeningKind>) {
    let now = w.clock_now();
    let endpoint = WebhookEndpoint {
        id,
        url: WebhookUrl::parse(&format!("https://{host}/"), Callable::Public).unwrap(),
        description: Some(Name::parse("the shop's own").unwrap()),
        events: events.into_iter().collect(),
        callable: Callable::Public,
        scheme: SignatureScheme::V1,
        secret: SealedSecret(vec![1]),
        public_key: None,
        previous: Some((SealedSecret(vec![2]), now.saturating_add(SPAN))),
        state: EndpointState::Enabled,
        failing: None,
        created_at: now,
        changed_at: now,
    };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.webhooks().put(&endpoint).await.unwrap();
    work.commit().await.unwrap();
}

/// The shop has an endpoint that wants to hear of these from now on.
pub(super) async fn listen(w: &World, events: impl IntoIterator<Item = HappeningKind>) {
    put(w, hooks(), "hooks.example.com", events).await;
}

async fn endpoint(w: &World, id: EndpointId) -> Option<WebhookEndpoint> {
    w.deliveries.endpoints(w.shop.realm).await.unwrap().into_iter().find(|endpoint| endpoint.id == id)
}

/// Puts a trial into the outbox.
pub(super) async fn announce(w: &World) -> NoticeId {
    let notice = Notice { id: w.id(), at: w.clock_now(), event: Event::Test(hooks()), allocation: None };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    work.webhooks().announce(&notice).await.unwrap();
    work.commit().await.unwrap();
    notice.id
}

/// Puts a trial into the outbox and takes it out again.
pub(super) async fn tried(w: &World) -> DeliveryId {
    let notice = announce(w).await;
    w.deliveries.pump(100, wire).await.unwrap();
    all(w).await.into_iter().find(|one| one.notice == notice).expect("a delivery").id
}

pub(super) async fn claimed(w: &World, id: DeliveryId) -> Option<Claim> {
    w.deliveries.claim(w.shop.realm, id, SPAN).await.unwrap()
}

pub(super) async fn record(w: &World, claim: &Claim, attempted: &Attempted) -> bool {
    w.deliveries.record(claim, attempted).await.unwrap()
}

/// Deliveries of the shop, newest first.
pub(super) async fn all(w: &World) -> Vec<Delivery> {
    w.deliveries.deliveries(w.shop.realm, DeliveryFilter::default(), Page::first(100)).await.unwrap().entries
}

async fn delivery(w: &World, id: DeliveryId) -> Delivery {
    all(w).await.into_iter().find(|one| one.id == id).expect("a delivery")
}

async fn due(w: &World) -> Vec<DeliveryId> {
    w.deliveries.due(100).await.unwrap().into_iter().map(|due| due.id).collect()
}

fn missed(w: &World, again_in_s: u64) -> Attempted {
    let exchange = Exchange {
        headers: vec![("webhook-id".to_owned(), "ntc_1".to_owned())],
        response: Some("not now".to_owned()),
        took: Duration::from_millis(12),
    };
    let then = Then::Again(w.in_seconds(again_in_s));
    Attempted { status: Some(500), error: Some("busy".to_owned()), then, exchange }
}

pub(super) async fn payloads(w: &World) -> BTreeSet<String> {
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
    let ids: BTreeSet<NoticeId> = all.iter().map(|one| one.notice).collect();
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
    let told = tried(w).await;
    assert_eq!(delivery(w, told).await.event, HappeningKind::Test);
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
    assert!(!record(w, &first, &heard()).await, "somebody else has it");
    assert_eq!(delivery(w, id).await.state, DeliveryState::Pending);
    assert!(record(w, &second, &missed(w, 60)).await);
    assert!(!record(w, &second, &heard()).await, "it was recorded");
    w.pass(60);
    let third = claimed(w, id).await.expect("it is due again");
    w.pass(30);
    assert!(record(w, &third, &heard()).await, "its time was over, but nobody else has it");
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
    let away = Attempted {
        status: None,
        error: Some("no answer".to_owned()),
        then: Then::GiveUp,
        exchange: Exchange::default(),
    };
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
    record(w, &claimed(w, id).await.expect("it is due"), &heard()).await;
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
    let (told, at_it, left) = (tried(w).await, tried(w).await, tried(w).await);
    record(w, &claimed(w, told).await.expect("it is due"), &heard()).await;
    let late = claimed(w, at_it).await.expect("it is due");
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert!(work.webhooks().deliver_again(told).await.unwrap());
    assert!(work.webhooks().remove(hooks()).await.unwrap());
    assert!(!work.webhooks().remove(hooks()).await.unwrap(), "it was removed");
    work.commit().await.unwrap();
    assert!(!record(w, &late, &heard()).await);
    for id in [told, at_it, left] {
        let delivery = delivery(w, id).await;
        assert_eq!((delivery.state, delivery.finished_at), (DeliveryState::Failed, Some(w.clock_now())));
        assert!(delivery.last_error.is_some(), "{delivery:?}");
        assert_eq!(claimed(w, id).await, None);
    }
    assert_eq!((w.deliveries.endpoints(w.shop.realm).await.unwrap(), due(w).await), (vec![], vec![]));
}

/// A receiver that says that it is gone for good is told nothing more, until the endpoint is set anew. What it misses is listed.
pub async fn who_is_gone_for_good_is_told_nothing(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let (one, other) = (tried(w).await, tried(w).await);
    let (claim, late) = (claimed(w, one).await.expect("it is due"), claimed(w, other).await.expect("it is due"));
    let error = Some("gone".to_owned());
    let gone = Attempted { status: Some(410), error, then: Then::Gone, exchange: Exchange::default() };
    assert!(record(w, &claim, &gone).await);
    assert!(!record(w, &late, &heard()).await, "it was given up");
    for id in [one, other] {
        let delivery = delivery(w, id).await;
        assert_eq!((delivery.state, delivery.finished_at), (DeliveryState::Failed, Some(w.clock_now())));
        assert!(delivery.last_error.is_some(), "{delivery:?}");
    }
    let found = endpoint(w, hooks()).await.expect("an endpoint");
    assert_eq!(found.state, EndpointState::Disabled(DisableReason::Gone, w.clock_now()));
    let unheard = delivery(w, tried(w).await).await;
    assert_eq!((unheard.state, unheard.attempts), (DeliveryState::Failed, 0));
    assert_eq!((unheard.last_error.as_deref(), due(w).await), (Some(DisableReason::Gone.sentence()), vec![]));
    listen(w, HappeningKind::subscribable()).await;
    let told = tried(w).await;
    assert_eq!(due(w).await, [told], "from now on it is told again");
}

/// Each endpoint that wants to hear of an event has a delivery of its own, under the same id; what becomes of one is nothing to
/// another.
pub async fn each_endpoint_has_a_delivery_of_its_own(w: &World) {
    listen(w, [HappeningKind::AllocationCreated]).await;
    // Of all there is.
    put(w, other_hooks(), "other.example.com", []).await;
    w.allocation(&[(w.shop.generate.id, 1)]).await;
    let trial = tried(w).await;
    let all = all(w).await;
    let to = |id: EndpointId| all.iter().filter(|one| one.endpoint == id).collect::<Vec<_>>();
    let [test, mine] = to(hooks())[..] else { panic!("{all:?}") };
    assert_eq!((test.id, mine.event), (trial, HappeningKind::AllocationCreated));
    let [others] = to(other_hooks())[..] else { panic!("a trial is for the endpoint that is tried: {all:?}") };
    assert_eq!((others.notice, &others.payload), (mine.notice, &mine.payload));
    let claim = claimed(w, others.id).await.expect("it is due");
    assert_eq!((claim.url.host(), claim.endpoint, claim.notice), ("other.example.com", other_hooks(), mine.notice));
    assert!(record(w, &claim, &missed(w, 60)).await);
    let claim = claimed(w, mine.id).await.expect("it is due, whatever became of the other");
    assert!(record(w, &claim, &heard()).await);
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert_eq!(work.webhooks().all().await.unwrap().len(), 2);
    work.webhooks().remove(hooks()).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(delivery(w, others.id).await.state, DeliveryState::Pending, "that was another's");
    let asked = DeliveryFilter { endpoint: Some(other_hooks()), notice: Some(mine.notice), state: None };
    let found = w.deliveries.deliveries(w.shop.realm, asked, Page::first(9)).await.unwrap().entries;
    assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>(), [others.id]);
}

/// An endpoint at which every attempt fails for five days is disabled, others are told, and the trail says so; one that hears
/// anything meanwhile is not.
pub async fn who_fails_for_five_days_is_disabled_and_others_are_told(w: &World) {
    listen(w, [HappeningKind::EndpointDisabled]).await;
    put(w, other_hooks(), "other.example.com", [HappeningKind::EndpointDisabled]).await;
    let day = 24 * 3_600;
    for (days, hears) in [(0, false), (1, false), (2, true), (3, false), (4, false), (5, false), (6, false), (7, false)]
    {
        w.clock.set(at("2026-11-01T00:00:00Z").saturating_add(Duration::from_secs(days * day)));
        let claim = claimed(w, tried(w).await).await.expect("it is due");
        assert!(record(w, &claim, &if hears { heard() } else { missed(w, 60) }).await);
    }
    let found = endpoint(w, hooks()).await.expect("an endpoint");
    assert!(found.is_enabled(), "it heard on the third day: {found:?}");
    let left = tried(w).await;
    w.pass(day);
    let claim = claimed(w, tried(w).await).await.expect("it is due");
    assert!(record(w, &claim, &missed(w, 60)).await);
    let found = endpoint(w, hooks()).await.expect("an endpoint");
    assert_eq!(found.state, EndpointState::Disabled(DisableReason::Failing, w.clock_now()));
    assert_eq!(delivery(w, left).await.state, DeliveryState::Failed);
    w.deliveries.pump(100, wire).await.unwrap();
    let told: Vec<Delivery> =
        all(w).await.into_iter().filter(|one| one.event == HappeningKind::EndpointDisabled).collect();
    let [told] = &told[..] else { panic!("it is told once, and not to itself: {told:?}") };
    assert_eq!((told.endpoint, told.payload.as_str()), (other_hooks(), "webhook.endpoint_disabled: hooks.example.com"));
    let trail = w.directory.audit(w.shop.realm, AuditFilter::default(), Page::first(9)).await.unwrap().entries;
    let signed = trail.iter().find(|entry| entry.action == Action::DisableWebhook).expect("an entry");
    assert_eq!((signed.subject.as_str(), signed.author.role), (hooks().to_string().as_str(), AuthorRole::Runner));
}

/// What ended is replayed by event or by time, the same deliveries under the same ids, and all of it or nothing.
pub async fn what_ended_is_replayed_by_event_or_by_time(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let begin = w.clock_now();
    let mut ids = Vec::new();
    for fails in [true, false, false] {
        let id = tried(w).await;
        let then = if fails { Then::GiveUp } else { Then::Delivered };
        let claim = claimed(w, id).await.expect("it is due");
        record(w, &claim, &Attempted { then, ..heard() }).await;
        ids.push((id, claim.notice));
        w.pass(10);
    }
    let pending = tried(w).await;
    let replay = async |of, only_failed, limit| {
        let mut work = w.store.begin(w.shop.realm).await.unwrap();
        let asked = Replay { endpoint: hooks(), of, only_failed };
        let done = work.webhooks().replay(&asked, limit).await.unwrap();
        work.commit().await.unwrap();
        done
    };
    let whole = Replayed::Between(begin, w.in_seconds(1));
    assert_eq!(replay(whole, false, 2).await, None, "there are three");
    assert_eq!(due(w).await, [pending], "nothing was done");
    assert_eq!(replay(Replayed::Between(begin, begin), false, 9).await, Some(0), "an end is not within");
    assert_eq!(replay(Replayed::Event(ids[1].1), true, 9).await, Some(0), "it was heard");
    assert_eq!(replay(Replayed::Event(ids[1].1), false, 9).await, Some(1));
    assert_eq!(replay(whole, true, 9).await, Some(1), "one failed");
    assert_eq!(due(w).await.len(), 3);
    assert_eq!(replay(whole, false, 9).await, Some(1), "others are on their way already");
    let asked = Replay { endpoint: other_hooks(), of: whole, only_failed: false };
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    assert_eq!(work.webhooks().replay(&asked, 9).await.unwrap(), Some(0), "that is another's");
    drop(work);
    let claim = claimed(w, ids[1].0).await.expect("it is due");
    assert_eq!((claim.attempt, claim.notice), (1, ids[1].1));
}

/// The log tells of each attempt whose end was recorded, newest first, and goes with its delivery.
pub async fn each_attempt_is_logged(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let id = tried(w).await;
    let first = claimed(w, id).await.expect("it is due");
    let missed = missed(w, 60);
    record(w, &first, &missed).await;
    w.pass(60);
    let lost = claimed(w, id).await.expect("it is due");
    w.pass(30);
    let third = claimed(w, id).await.expect("it is due again");
    assert!(!record(w, &lost, &missed).await);
    record(w, &third, &heard()).await;
    let log = async |limit| w.deliveries.attempts(w.shop.realm, id, limit).await.unwrap();
    let [last, begun] = &log(9).await[..] else { panic!("{:?}", log(9).await) };
    assert_eq!(
        (last.number, last.status, last.at, &last.exchange),
        (3, Some(200), w.clock_now(), &Exchange::default())
    );
    assert_eq!((begun.number, begun.status, begun.at, begun.delivery), (1, Some(500), first.begun_at, id));
    assert_eq!((begun.host.as_str(), begun.error.as_deref()), ("hooks.example.com", Some("busy")));
    assert_eq!(begun.exchange, missed.exchange);
    assert_eq!(log(1).await.len(), 1);
    let other = w.other_shop().await.realm;
    assert_eq!(w.deliveries.attempts(other, id, 9).await.unwrap(), []);
    w.pass(1);
    let keep = Retention { changes: u64::MAX, notices: Duration::ZERO, decisions: None };
    assert_eq!(w.pruning.prune(keep, 9).await.unwrap().deliveries, 1);
    assert_eq!(log(9).await, []);
}

/// What happens to an allocation is numbered from 1, whatever happens to others; what happens to an entitlement is not.
pub async fn what_happens_to_an_allocation_is_numbered(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let generate = w.shop.generate.id;
    let (one, other) = (w.allocation(&[(generate, 10)]).await, w.allocation(&[(generate, 1)]).await);
    let gate = w.gate().await;
    let mut lease = gate.lease(w, w.generations(&one), 10).await;
    lease.used = 10;
    gate.say(w, &mut lease, Wish::Keep).await;
    w.close(other.allocation.id).await;
    w.close(one.allocation.id).await;
    w.deliveries.pump(100, numbered).await.unwrap();
    let of = |id: AllocationId, names: &[&str]| {
        (1..).zip(names).map(|(number, name)| format!("{id} {number} allocation.{name}")).collect::<Vec<_>>()
    };
    let mut expected = of(one.allocation.id, &["created", "threshold", "exhausted", "closed"]);
    expected.extend(of(other.allocation.id, &["created", "closed"]));
    assert_eq!(payloads(w).await, expected.into_iter().collect());
    let spent = w.quota(w.shop.describe.id).await.account;
    let mut lease = gate.lease(w, spent, 1_600).await;
    lease.used = 1_600;
    gate.say(w, &mut lease, Wish::Keep).await;
    w.deliveries.pump(100, numbered).await.unwrap();
    assert!(payloads(w).await.contains("None"));
}

/// A subscription that begins or ends is told with its plan.
pub async fn a_subscription_that_changes_is_told(w: &World) {
    listen(w, [HappeningKind::SubscriptionChanged]).await;
    let mut work = w.store.begin(w.shop.realm).await.unwrap();
    let running = work.subscriptions().running(w.shop.acme.id).await.unwrap().expect("a subscription");
    assert!(work.subscriptions().end(running.id, w.clock_now()).await.unwrap());
    let event = Event::SubscriptionChanged(running.id, SubscriptionStep::Ended);
    let notice = Notice { id: w.id(), at: w.clock_now(), event, allocation: None };
    work.webhooks().announce(&notice).await.unwrap();
    work.commit().await.unwrap();
    w.deliveries.pump(100, wire).await.unwrap();
    let ended = "subscription.changed (ended) of acme-shop: pro 1 ended".to_owned();
    assert_eq!(payloads(w).await, BTreeSet::from([ended.clone()]));
    let bolt = Named::Id(w.shop.bolt.id);
    w.plan_changes.pause(w.shop.realm, &bolt, true, &author()).await.unwrap();
    w.deliveries.pump(100, wire).await.unwrap();
    let paused = "subscription.changed (paused) of bolt-store: pro 1 runs".to_owned();
    assert_eq!(payloads(w).await, BTreeSet::from([ended, paused]), "with what happened to it");
}

/// Deliveries are listed newest first, page by page, and by where they stand.
pub async fn deliveries_are_listed_newest_first(w: &World) {
    listen(w, HappeningKind::subscribable()).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        w.pass(1);
        ids.insert(0, tried(w).await);
    }
    record(w, &claimed(w, ids[1]).await.expect("it is due"), &heard()).await;
    let listed = async |state, page: Page| {
        let filter = DeliveryFilter { state, ..DeliveryFilter::default() };
        let found = w.deliveries.deliveries(w.shop.realm, filter, page).await.unwrap();
        (found.entries.iter().map(|one| one.id).collect::<Vec<_>>(), found.before, found.after)
    };
    let after = |id: DeliveryId| Page { after: Some(id.uuid()), ..Page::first(2) };
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
        assert_eq!(w.deliveries.endpoints(realm).await.unwrap(), [], "{realm}");
        assert_eq!(
            w.deliveries.deliveries(realm, DeliveryFilter::default(), Page::first(9)).await.unwrap().entries,
            [],
            "{realm}"
        );
        assert_eq!(w.deliveries.claim(realm, id, SPAN).await.unwrap(), None, "{realm}");
        let mut work = w.store.begin(realm).await.unwrap();
        assert_eq!(work.webhooks().delivery(id).await.unwrap(), None, "{realm}");
        assert_eq!(work.webhooks().endpoint(hooks()).await.unwrap(), None, "{realm}");
        assert!(!work.webhooks().remove(hooks()).await.unwrap(), "{realm}");
    }
    let claim = claimed(w, id).await.expect("it is due");
    assert!(!record(w, &Claim { realm: other, ..claim.clone() }, &heard()).await);
    assert!(record(w, &claim, &heard()).await);
    let mut work = w.store.begin(other).await.unwrap();
    assert!(!work.webhooks().deliver_again(id).await.unwrap(), "it has ended, but elsewhere");
}
