//! From the outbox to a delivery, and from a claim to its end: once, whoever races.

use crate::support::{BOTH, Shop};
use almoner_domain::address::Callable;
use almoner_domain::delivery::{Attempted, Claim, Delivery, DeliveryState, Then};
use almoner_domain::happening::{Happening, HappeningKind};
use almoner_domain::id::{Id, NoticeId};
use almoner_domain::notice::{Event, Notice};
use almoner_domain::page::Page;
use almoner_domain::ports::{Deliveries, Source, Store};
use almoner_domain::time::Clock;
use almoner_domain::webhook::{EndpointState, SealedSecret, WebhookEndpoint, WebhookUrl};
use futures::future::join_all;
use std::collections::BTreeSet;
use std::time::Duration;

const SPAN: Duration = Duration::from_secs(30);
const HEARD: Attempted = Attempted { status: Some(200), error: None, then: Then::Delivered };

fn wire(happening: &Happening) -> String {
    let lines = happening.about.as_ref().map_or(0, |about| about.lines.len());
    format!("{} of {lines} lines", happening.kind.as_str())
}

impl Shop {
    async fn listen(&self) {
        let now = self.clock.now();
        let endpoint = WebhookEndpoint {
            url: WebhookUrl::parse("https://hooks.example.com/", Callable::Public).unwrap(),
            events: HappeningKind::subscribable().collect(),
            secret: SealedSecret(vec![1]),
            previous: Some((SealedSecret(vec![2]), now.saturating_add(SPAN))),
            state: EndpointState::Enabled,
            created_at: now,
            changed_at: now,
        };
        let mut work = self.store.begin(self.realm).await.unwrap();
        work.webhooks().set(&endpoint).await.unwrap();
        work.commit().await.unwrap();
    }

    /// Puts a test event into the outbox and takes it out again; its delivery.
    async fn tried(&self) -> NoticeId {
        let notice = Notice { id: Id::new(self.clock.now(), &*self.entropy), at: self.clock.now(), event: Event::Test };
        let mut work = self.store.begin(self.realm).await.unwrap();
        work.webhooks().announce(&notice).await.unwrap();
        work.commit().await.unwrap();
        self.store.pump(100, wire).await.unwrap();
        notice.id
    }

    async fn claimed(&self, id: NoticeId) -> Option<Claim> {
        self.store.claim(self.realm, id, SPAN).await.unwrap()
    }

    async fn delivery(&self, id: NoticeId) -> Delivery {
        let all = self.store.deliveries(self.realm, None, Page::first(100)).await.unwrap().entries;
        all.into_iter().find(|one| one.id == id).unwrap()
    }

    async fn due(&self) -> usize {
        self.store.due(100).await.unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_pumps_one_prepares_a_delivery_of_each_entry() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        shop.carve(Source::Subject(shop.customer()), 1).await;
        let unheard = shop.store.pump(100, wire).await.unwrap();
        assert!(unheard.notices > 0 && unheard.deliveries == 0, "nobody listens yet: {unheard:?}");
        shop.listen().await;
        for _ in 0..20 {
            shop.carve(Source::Subject(shop.customer()), 1).await;
        }
        let pumps = join_all((0..8).map(|_| shop.store.pump(5, wire))).await;
        let mut told: u64 = pumps.into_iter().map(|pumped| pumped.unwrap().deliveries).sum();
        while let more @ 1.. = shop.store.pump(5, wire).await.unwrap().notices {
            told += more;
        }
        assert_eq!(told, 20, "{on:?}");
        let all = shop.store.deliveries(shop.realm, Some(DeliveryState::Pending), Page::first(100)).await.unwrap();
        let ids: BTreeSet<NoticeId> = all.entries.iter().map(|one| one.id).collect();
        assert_eq!((all.entries.len(), ids.len()), (20, 20));
        assert!(all.entries.iter().all(|one| one.payload == "allocation.created of 1 lines"), "{all:?}");
        assert_eq!(shop.due().await, 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_one_runners_until_its_claim_runs_out() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        shop.listen().await;
        let id = shop.tried().await;
        let claims: Vec<Claim> = join_all((0..8).map(|_| shop.claimed(id))).await.into_iter().flatten().collect();
        let [first] = &claims[..] else { panic!("{on:?}: {} have it", claims.len()) };
        assert_eq!((first.attempt, first.secrets.len(), shop.due().await), (1, 2, 0));

        shop.clock.advance(SPAN);
        assert_eq!(shop.due().await, 1, "whoever had it is taken for dead");
        let second = shop.claimed(id).await.unwrap();
        assert_eq!((second.attempt, second.secrets.len()), (2, 1), "the secret before it signs no more");
        assert!(!shop.store.record(first, &HEARD).await.unwrap(), "it was too late");
        let later = shop.clock.now().saturating_add(SPAN);
        let missed = Attempted { status: Some(500), error: Some("no".to_owned()), then: Then::Again(later) };
        assert!(shop.store.record(&second, &missed).await.unwrap());
        assert!(!shop.store.record(&second, &HEARD).await.unwrap(), "it was recorded");
        assert_eq!((shop.claimed(id).await, shop.due().await), (None, 0), "not before its time");

        shop.clock.advance(SPAN);
        let third = shop.claimed(id).await.unwrap();
        assert!(shop.store.record(&third, &HEARD).await.unwrap());
        let delivery = shop.delivery(id).await;
        assert_eq!((delivery.state, delivery.attempts, delivery.last_status), (DeliveryState::Delivered, 3, Some(200)));
        assert_eq!((shop.claimed(id).await, shop.due().await), (None, 0), "it has ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_nowhere_to_go_is_given_up_and_told() {
    for on in BOTH {
        let shop = Shop::open(on).await;
        shop.listen().await;
        let (one, other) = (shop.tried().await, shop.tried().await);
        let (claim, late) = (shop.claimed(one).await.unwrap(), shop.claimed(other).await.unwrap());
        let gone = Attempted { status: Some(410), error: Some("gone".to_owned()), then: Then::Gone };
        assert!(shop.store.record(&claim, &gone).await.unwrap());
        assert!(!shop.store.record(&late, &HEARD).await.unwrap());
        for id in [one, other] {
            let delivery = shop.delivery(id).await;
            assert_eq!(delivery.state, DeliveryState::Failed, "{on:?}");
            assert!(delivery.last_error.is_some() && delivery.finished_at.is_some());
        }
        let found = shop.store.endpoint(shop.realm).await.unwrap().unwrap();
        assert_eq!(found.state, EndpointState::Gone(shop.clock.now()));
        let unheard = shop.tried().await;
        let all = shop.store.deliveries(shop.realm, None, Page::first(100)).await.unwrap().entries;
        assert!(all.iter().all(|delivery| delivery.id != unheard), "who is gone is told nothing");

        shop.listen().await;
        let left = shop.tried().await;
        let mut work = shop.store.begin(shop.realm).await.unwrap();
        assert!(work.webhooks().deliver_again(one).await.unwrap());
        assert!(work.webhooks().remove().await.unwrap());
        assert!(!work.webhooks().remove().await.unwrap());
        work.commit().await.unwrap();
        assert_eq!((shop.delivery(left).await.state, shop.due().await), (DeliveryState::Failed, 0));
        assert_eq!(shop.delivery(one).await.state, DeliveryState::Failed);
        assert_eq!(shop.store.endpoint(shop.realm).await.unwrap(), None);
    }
}
