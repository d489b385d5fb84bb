//! Three days without a receiver, on a clock that does not wait, while the runner is killed at each step between the outbox and the
//! receiver: every event is delivered or listed as failed in the end, under the id that it has in the outbox.

use super::WebhookConfig;
use super::address::MachineNames;
use super::deliver::Deliver;
use super::open_seal::OpenSeal;
use super::wire::wire;
use crate::jobs::{Failure, Handler};
use almoner_domain::address::Callable;
use almoner_domain::delivery::{
    ATTEMPTS_MAX, Attempt, Attempted, Claim, Delivery, DeliveryFilter, DeliveryState, Due, PAUSE_FIRST, Retries,
};
use almoner_domain::entropy::Entropy;
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::id::{DeliveryId, EndpointId, Id, NoticeId, TenantId};
use almoner_domain::notice::{Event, Notice};
use almoner_domain::page::{Page, Stretch};
use almoner_domain::ports::{Deliveries, Pumped, Store, Wire};
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::time::{Clock, Timestamp};
use almoner_domain::webhook::{EndpointState, SealedSecret, SignatureScheme, WebhookEndpoint, WebhookUrl};
use almoner_testkit::{MemoryStore, MockClock, SeededEntropy};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const HOUR: Duration = Duration::from_secs(3_600);
/// How long nobody answers.
const OUTAGE: Duration = Duration::from_secs(72 * 3_600);
/// Events that happen in that time.
const EVENTS: u32 = 6;

/// The store as a runner sees it that dies again and again: at its death a call answers nothing, and what it was to do is done or
/// not.
struct Mortal {
    store: MemoryStore,
    /// Of so many calls of 256 it dies.
    deaths: u8,
    chance: SeededEntropy,
}

impl Mortal {
    /// Does it die once this call is done? An error where it does before.
    fn dies(&self) -> Result<bool, Fault> {
        let mut chance = [0_u8; 2];
        self.chance.fill(&mut chance);
        let dies = chance[0] < self.deaths;
        if dies && chance[1].is_multiple_of(2) { Err(dead()) } else { Ok(dies) }
    }
}

fn dead() -> Fault {
    Fault { operation: "die", kind: FaultKind::Unavailable, source: None }
}

fn unless<T>(dies: bool, done: T) -> Result<T, Fault> {
    if dies { Err(dead()) } else { Ok(done) }
}

#[async_trait]
impl Deliveries for Mortal {
    async fn pump(&self, limit: u64, wire: Wire) -> Result<Pumped, Fault> {
        let dies = self.dies()?;
        unless(dies, self.store.pump(limit, wire).await?)
    }

    async fn due(&self, limit: u64) -> Result<Vec<Due>, Fault> {
        let dies = self.dies()?;
        unless(dies, self.store.due(limit).await?)
    }

    async fn claim(&self, realm: Realm, id: DeliveryId, span: Duration) -> Result<Option<Claim>, Fault> {
        let dies = self.dies()?;
        unless(dies, self.store.claim(realm, id, span).await?)
    }

    async fn record(&self, claim: &Claim, attempted: &Attempted) -> Result<bool, Fault> {
        let dies = self.dies()?;
        unless(dies, self.store.record(claim, attempted).await?)
    }

    async fn endpoints(&self, realm: Realm) -> Result<Vec<WebhookEndpoint>, Fault> {
        self.store.endpoints(realm).await
    }

    async fn deliveries(&self, realm: Realm, filter: DeliveryFilter, page: Page) -> Result<Stretch<Delivery>, Fault> {
        self.store.deliveries(realm, filter, page).await
    }

    async fn attempts(&self, realm: Realm, delivery: DeliveryId, limit: u16) -> Result<Vec<Attempt>, Fault> {
        self.store.attempts(realm, delivery, limit).await
    }
}

/// A receiver that ends each connection without an answer until it is back, and what it took from then on, by `webhook-id`.
struct Receiver {
    port: u16,
    taken: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl Receiver {
    async fn open(clock: MockClock, back_at: Timestamp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let taken = Arc::new(Mutex::new(BTreeMap::new()));
        let kept = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                if clock.now() < back_at {
                    continue;
                }
                let text = request(&mut stream).await;
                let id = text.lines().find_map(|line| line.strip_prefix("webhook-id: ")).unwrap_or_default().to_owned();
                *kept.lock().expect("nobody panics with it").entry(id).or_default() += 1;
                let answer = b"HTTP/1.1 204 Heard\r\nconnection: close\r\n\r\n";
                let _ = stream.write_all(answer).await;
            }
        });
        Self { port, taken }
    }
}

/// A whole request: it tells of a test event, by which it ends.
async fn request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"webhook.test\"}") {
        if stream.read_buf(&mut request).await.unwrap_or_default() == 0 {
            break;
        }
    }
    String::from_utf8_lossy(&request).into_owned()
}

struct Scene {
    clock: MockClock,
    store: MemoryStore,
    realm: Realm,
    endpoint: EndpointId,
}

impl Scene {
    async fn new(port: u16, clock: MockClock) -> Self {
        let store = MemoryStore::new(Arc::new(clock.clone()), Arc::new(SeededEntropy::default()));
        let (now, earlier) = (clock.now(), Timestamp::from_micros(1_000));
        let realm = Realm { tenant: TenantId::least_at(earlier), environment: Environment::Live };
        let endpoint = WebhookEndpoint {
            id: EndpointId::least_at(earlier),
            url: WebhookUrl::parse(&format!("http://127.0.0.1:{port}/"), Callable::Any).expect("an address"),
            description: None,
            events: BTreeSet::new(),
            callable: Callable::Any,
            scheme: SignatureScheme::V1,
            secret: SealedSecret(vec![7; 32]),
            public_key: None,
            previous: None,
            state: EndpointState::Enabled,
            failing: None,
            created_at: now,
            changed_at: now,
        };
        let mut work = store.begin(realm).await.expect("the store answers");
        work.webhooks().put(&endpoint).await.expect("the store answers");
        work.commit().await.expect("the store answers");
        Self { clock, store, realm, endpoint: endpoint.id }
    }

    async fn happen(&self, number: u32) -> NoticeId {
        let (at, event) = (self.clock.now(), Event::Test(self.endpoint));
        let id = NoticeId::new(at, &SeededEntropy::new(u64::from(number)));
        let mut work = self.store.begin(self.realm).await.expect("the store answers");
        work.webhooks().announce(&Notice { id, at, event, allocation: None }).await.expect("the store answers");
        work.commit().await.expect("the store answers");
        id
    }

    async fn all(&self) -> Vec<Delivery> {
        let found = self.store.deliveries(self.realm, DeliveryFilter::default(), Page::first(100)).await;
        found.expect("the store answers").entries
    }

    /// What a runner delivers by. All that it knows is in the store, so the next one may have the same.
    fn deliver(&self, mortal: &Arc<Mortal>) -> Deliver {
        let config = WebhookConfig {
            callable: Callable::Public,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(15),
            retries: Retries { first: PAUSE_FIRST },
        };
        let (clock, entropy) = (Arc::new(self.clock.clone()), Arc::new(SeededEntropy::default()));
        Deliver::new(mortal.clone(), Arc::new(OpenSeal), clock, entropy, config, Arc::new(MachineNames))
            .expect("a client")
    }
}

/// One round of a runner, which may end at its death anywhere.
async fn round(mortal: &Mortal, deliver: &Deliver) -> Result<(), Failure> {
    mortal.pump(100, wire).await?;
    for due in mortal.due(100).await? {
        deliver.handle(&format!("{} {}", due.realm, due.id)).await?;
    }
    Ok(())
}

/// Runs the time until everything has ended, and answers what was told and what the receiver took.
async fn run(deaths: u8, seed: u64) -> (Vec<NoticeId>, Vec<Delivery>, BTreeMap<String, u32>) {
    let clock = MockClock::default();
    let begin = clock.now();
    let receiver = Receiver::open(clock.clone(), begin.saturating_add(OUTAGE)).await;
    let scene = Scene::new(receiver.port, clock.clone()).await;
    let mortal = Arc::new(Mortal { store: scene.store.clone(), deaths, chance: SeededEntropy::new(seed) });
    let deliver = scene.deliver(&mortal);
    let mut told = Vec::new();
    // Ten minutes at a time: attempts are far apart, and claims that ran out are soon found.
    for step in 0..24 * 6 * 6 {
        let since = clock.now().saturating_since(begin);
        let count = u32::try_from(told.len()).unwrap_or(u32::MAX);
        if count < EVENTS && since >= HOUR * 12 * count {
            told.push(scene.happen(count).await);
        }
        // A runner that died is another one in the next round.
        let _ = round(&mortal, &deliver).await;
        let all = scene.all().await;
        let has_ended = |one: &Delivery| one.state != DeliveryState::Pending;
        if all.len() == EVENTS as usize && all.iter().all(has_ended) {
            break;
        }
        clock.advance(Duration::from_secs(if step < 6 { 5 } else { 600 }));
    }
    let taken = receiver.taken.lock().expect("nobody panics with it").clone();
    (told, scene.all().await, taken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_in_three_days_without_a_receiver_though_runners_die() {
    for (deaths, seed) in [(0, 0)].into_iter().chain((1..=8).map(|seed| (64, seed))) {
        let (told, all, taken) = run(deaths, seed).await;
        let ids: BTreeSet<NoticeId> = all.iter().map(|one| one.notice).collect();
        assert_eq!((ids, all.len()), (told.iter().copied().collect(), told.len()), "seed {seed}: each event once");
        let mut failed = 0;
        for one in &all {
            let heard = taken.get(&one.notice.to_string()).copied().unwrap_or_default();
            match one.state {
                DeliveryState::Delivered => assert!(heard > 0, "seed {seed}: {one:?} was not heard"),
                DeliveryState::Failed => {
                    failed += 1;
                    assert!(one.attempts >= ATTEMPTS_MAX && one.last_error.is_some(), "seed {seed}: {one:?}");
                }
                DeliveryState::Pending => panic!("seed {seed}: {one:?} never ended"),
            }
        }
        assert!(failed < all.len(), "seed {seed}: the receiver came back, and nothing was heard");
        let known: BTreeSet<String> = told.iter().map(ToString::to_string).collect();
        assert!(taken.keys().all(|id| known.contains(id)), "seed {seed}: under other ids: {taken:?}");
    }
}
