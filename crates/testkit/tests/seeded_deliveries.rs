//! Does the contract notice? Each bug is seeded into the adapter in memory, and a promise that is named must be broken by it.

use almoner_domain::decision::Operation;
use almoner_domain::delivery::{Attempt, Attempted, Claim, Delivery, DeliveryFilter, Due, Then};
use almoner_domain::entropy::Entropy;
use almoner_domain::fault::Fault;
use almoner_domain::id::{DeliveryId, Id};
use almoner_domain::movement::Cause;
use almoner_domain::notice::Notice;
use almoner_domain::page::{Page, Stretch};
use almoner_domain::ports::{Deliveries, Pruned, Pruning, Pumped, Retention, Store, Usage, Wire};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Clock;
use almoner_domain::units::Units;
use almoner_domain::usage::{UsageQuery, UsageRow};
use almoner_domain::webhook::WebhookEndpoint;
use almoner_testkit::contract::{Audit, Fresh, World, charting, delivering, pruning, spending};
use almoner_testkit::memory::Laws;
use almoner_testkit::{MemoryStore, MockClock, SeededEntropy};
use async_trait::async_trait;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// None: all is well.
    None,
    /// Whoever asks has the attempt, whoever else has it.
    SharedClaim,
    /// Whatever a runner brings is taken for true.
    LateRecord,
    /// What went out of the outbox comes into it again.
    PumpedTwice,
    /// Nothing is written down of attempts.
    LogForgotten,
    /// Nobody counts how long an endpoint fails.
    FailuresForgotten,
    /// Rows of all realms are seen from each.
    RealmForgotten,
    /// What is set aside is spent.
    ReservesCounted,
    /// What went back is spent.
    DoublesCounted,
    /// An hour is told as it comes.
    SeriesUnsorted,
    /// What is told goes at once.
    YoungerPruned,
    /// What is on its way goes with what is told.
    UndeliveredPruned,
    /// As much goes as there is.
    LimitForgotten,
}

/// The store in memory, but for one bug.
struct Seeded {
    store: MemoryStore,
    clock: MockClock,
    bug: Bug,
    last: Mutex<Option<Claim>>,
    has_repeated: AtomicBool,
}

/// Laws under which no realm is another's.
struct OneWorld;

impl Laws for OneWorld {
    fn sees(&self) -> fn(Realm, Realm) -> bool {
        |_, _| true
    }
}

impl Seeded {
    /// All that is in the outbox once more, under new ids.
    async fn say_again(&self) -> Result<(), Fault> {
        let (realms, entropy) = (self.store.core().realms(), SeededEntropy::new(self.clock.now().as_micros() as u64));
        for realm in realms {
            let notices = self.store.core().notices(realm);
            let mut work = self.store.begin(realm).await?;
            for notice in notices {
                let again = Notice { id: Id::new(self.clock.now(), &entropy), ..notice };
                work.webhooks().announce(&again).await?;
            }
            work.commit().await?;
        }
        Ok(())
    }

    /// Gives up all that is on its way.
    async fn give_up(&self) -> Result<(), Fault> {
        let realms = self.store.core().realms();
        for realm in realms {
            let mut work = self.store.begin(realm).await?;
            for endpoint in work.webhooks().all().await? {
                work.webhooks().give_up(endpoint.id, "a bug").await?;
            }
            work.commit().await?;
        }
        Ok(())
    }

    /// The endpoint of an attempt is as if it had not failed.
    async fn forget_failures(&self, claim: &Claim) -> Result<(), Fault> {
        let mut work = self.store.begin(claim.realm).await?;
        if let Some(endpoint) = work.webhooks().endpoint(claim.endpoint).await? {
            work.webhooks().put(&WebhookEndpoint { failing: None, ..endpoint }).await?;
        }
        work.commit().await
    }

    /// Units that count by the bug alone.
    fn too_much(&self, realm: Realm) -> Units {
        let core = self.store.core();
        match self.bug {
            Bug::ReservesCounted => {
                let decisions = core.book_rows(realm).decisions;
                Units::new(decisions.iter().filter(|d| d.operation == Operation::Reserve).count() as i64)
                    .expect("a count")
            }
            Bug::DoublesCounted => {
                let back = core.movements_from(0).iter().filter(|(_, line)| matches!(line.cause, Cause::Duplicate(_)));
                back.map(|(_, line)| line.amount).sum()
            }
            _ => Units::ZERO,
        }
    }
}

#[async_trait]
impl Usage for Seeded {
    async fn usage(&self, realm: Realm, query: UsageQuery) -> Result<Vec<UsageRow>, Fault> {
        let mut rows = self.store.usage(realm, query).await?;
        let too_much = self.too_much(realm);
        rows.iter_mut().for_each(|row| row.units = row.units.saturating_add(too_much));
        if self.bug == Bug::SeriesUnsorted {
            rows.reverse();
        }
        Ok(rows)
    }
}

#[async_trait]
impl Deliveries for Seeded {
    async fn pump(&self, limit: u64, wire: Wire) -> Result<Pumped, Fault> {
        let first = self.store.pump(limit, wire).await?;
        if self.bug == Bug::PumpedTwice && first.notices > 0 && !self.has_repeated.swap(true, Ordering::AcqRel) {
            self.say_again().await?;
            self.store.pump(limit, wire).await?;
        }
        Ok(first)
    }

    async fn due(&self, limit: u64) -> Result<Vec<Due>, Fault> {
        self.store.due(limit).await
    }

    async fn claim(&self, realm: Realm, id: DeliveryId, span: Duration) -> Result<Option<Claim>, Fault> {
        let claim = self.store.claim(realm, id, span).await?;
        let mut last = self.last.lock().expect("nobody panics with it");
        if self.bug == Bug::SharedClaim && claim.is_none() {
            return Ok(last.clone());
        }
        last.clone_from(&claim);
        Ok(claim)
    }

    async fn record(&self, claim: &Claim, attempted: &Attempted) -> Result<bool, Fault> {
        let recorded = self.store.record(claim, attempted).await?;
        if self.bug == Bug::FailuresForgotten && recorded && attempted.then != Then::Delivered {
            self.forget_failures(claim).await?;
        }
        Ok(recorded || self.bug == Bug::LateRecord)
    }

    async fn endpoints(&self, realm: Realm) -> Result<Vec<WebhookEndpoint>, Fault> {
        self.store.endpoints(realm).await
    }

    async fn deliveries(&self, realm: Realm, filter: DeliveryFilter, page: Page) -> Result<Stretch<Delivery>, Fault> {
        self.store.deliveries(realm, filter, page).await
    }

    async fn attempts(&self, realm: Realm, delivery: DeliveryId, limit: u16) -> Result<Vec<Attempt>, Fault> {
        match self.bug {
            Bug::LogForgotten => Ok(Vec::new()),
            _ => self.store.attempts(realm, delivery, limit).await,
        }
    }
}

#[async_trait]
impl Pruning for Seeded {
    async fn prune(&self, keep: Retention, limit: u64) -> Result<Pruned, Fault> {
        match self.bug {
            Bug::YoungerPruned => self.store.prune(Retention { notices: Duration::ZERO, ..keep }, limit).await,
            Bug::LimitForgotten => self.store.prune(keep, u64::MAX).await,
            Bug::UndeliveredPruned => {
                self.give_up().await?;
                self.store.prune(keep, limit).await
            }
            _ => self.store.prune(keep, limit).await,
        }
    }
}

struct Unaudited;

#[async_trait]
impl Audit for Unaudited {
    async fn audit(&self) -> Vec<String> {
        Vec::new()
    }
}

async fn world(bug: Bug) -> World {
    let clock = MockClock::default();
    let (time, chance): (Arc<dyn Clock>, Arc<dyn Entropy>) =
        (Arc::new(clock.clone()), Arc::new(SeededEntropy::default()));
    let memory = match bug {
        Bug::RealmForgotten => MemoryStore::under(Box::new(OneWorld), time, chance),
        _ => MemoryStore::new(time, chance),
    };
    let store = Arc::new(memory.clone());
    let seeded = Arc::new(Seeded {
        store: memory,
        clock: clock.clone(),
        bug,
        last: Mutex::default(),
        has_repeated: AtomicBool::new(false),
    });
    World::on(Fresh {
        ledger: store.clone(),
        lookup: store.clone(),
        treasury: store.clone(),
        plan_changes: store.clone(),
        store: store.clone(),
        directory: store.clone(),
        lists: store,
        usage: seeded.clone(),
        deliveries: seeded.clone(),
        pruning: seeded,
        clock,
        audit: Arc::new(Unaudited),
        keep: Box::new(()),
    })
    .await
}

/// One promise, to be kept in a world.
type Promise = for<'w> fn(&'w World) -> Pin<Box<dyn Future<Output = ()> + Send + 'w>>;

macro_rules! promise {
    ($topic:ident::$name:ident) => {
        |w| Box::pin($topic::$name(w))
    };
}

/// Each bug, and the promise that it breaks.
const SEEDED: [(Bug, Promise); 13] = [
    (Bug::SharedClaim, promise!(delivering::an_attempt_is_one_runners_until_its_claim_runs_out)),
    (Bug::LateRecord, promise!(delivering::a_late_record_counts_for_nothing)),
    (Bug::PumpedTwice, promise!(delivering::an_entry_becomes_one_delivery_however_many_pump)),
    (Bug::LogForgotten, promise!(delivering::each_attempt_is_logged)),
    (Bug::FailuresForgotten, promise!(delivering::who_fails_for_five_days_is_disabled_and_others_are_told)),
    (Bug::RealmForgotten, promise!(delivering::another_realm_has_none_of_the_deliveries)),
    (Bug::RealmForgotten, promise!(spending::another_realms_usage_is_never_seen)),
    (Bug::ReservesCounted, promise!(spending::usage_is_what_was_charged)),
    (Bug::DoublesCounted, promise!(spending::a_call_that_is_told_twice_counts_once)),
    (Bug::SeriesUnsorted, promise!(charting::a_series_is_told_by_hours_days_and_months)),
    (Bug::YoungerPruned, promise!(pruning::what_was_told_long_ago_goes)),
    (Bug::UndeliveredPruned, promise!(pruning::what_is_not_told_yet_stays)),
    (Bug::LimitForgotten, promise!(pruning::pruning_is_bounded)),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_seeded_bug_breaks_its_promise() {
    for (bug, promise) in SEEDED {
        let kept = tokio::spawn(async move { promise(&world(Bug::None).await).await }).await;
        assert!(kept.is_ok(), "without {bug:?} the promise is kept");
        let broken = tokio::spawn(async move { promise(&world(bug).await).await }).await;
        assert!(broken.is_err_and(|error| error.is_panic()), "{bug:?} goes unnoticed");
    }
}
