//! What every promise begins with: a fresh store, a clock that stands still, and an image shop.

use super::hand::GateHand;
use crate::author;
use crate::image_shop::units;
use crate::{ImageShop, MockClock, SeededEntropy};
use almoner_domain::account::Pocket;
use almoner_domain::allocation::AllocationState;
use almoner_domain::id::{AccountId, AllocationId, FeatureId, Id, NodeId};
use almoner_domain::ports::{
    CarveAnswer, CarveRequest, Deliveries, Directory, Ledger, Lists, Lookup, PlanChanges, Pruning, Source, Store,
    SubjectName, Treasury, Usage,
};
use almoner_domain::statement::{AllocationStatement, LineStatement, Right};
use almoner_domain::time::{Clock, Timestamp};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// Looks at an adapter's committed rows themselves.
#[async_trait::async_trait]
pub trait Audit: Send + Sync {
    /// Which equations of the books do not hold, in words. All of all realms.
    async fn audit(&self) -> Vec<String>;
}

/// A store that nobody has used, seen through its ports.
pub struct Fresh {
    /// The port.
    pub ledger: Arc<dyn Ledger>,
    /// The port.
    pub lookup: Arc<dyn Lookup>,
    /// The port.
    pub treasury: Arc<dyn Treasury>,
    /// The port.
    pub plan_changes: Arc<dyn PlanChanges>,
    /// The port.
    pub store: Arc<dyn Store>,
    /// The port.
    pub directory: Arc<dyn Directory>,
    /// The port.
    pub lists: Arc<dyn Lists>,
    /// The port.
    pub usage: Arc<dyn Usage>,
    /// The port.
    pub deliveries: Arc<dyn Deliveries>,
    /// The port.
    pub pruning: Arc<dyn Pruning>,
    /// The clock that the store was given.
    pub clock: MockClock,
    /// Who looks at the rows when a promise was kept.
    pub audit: Arc<dyn Audit>,
    /// What must live as long as the store: its folder, its database.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// An adapter of the ports.
pub trait Adapter {
    /// A store that nobody has used.
    fn fresh() -> impl Future<Output = Fresh> + Send;
}

/// A fresh store with an image shop in it.
pub struct World {
    /// The port.
    pub ledger: Arc<dyn Ledger>,
    /// The port.
    pub lookup: Arc<dyn Lookup>,
    /// The port.
    pub treasury: Arc<dyn Treasury>,
    /// The port.
    pub plan_changes: Arc<dyn PlanChanges>,
    /// The port.
    pub store: Arc<dyn Store>,
    /// The port.
    pub directory: Arc<dyn Directory>,
    /// The port.
    pub lists: Arc<dyn Lists>,
    /// The port.
    pub usage: Arc<dyn Usage>,
    /// The port.
    pub deliveries: Arc<dyn Deliveries>,
    /// The port.
    pub pruning: Arc<dyn Pruning>,
    /// The clock.
    pub clock: MockClock,
    /// Chance for what the caller makes. The store has its own.
    pub entropy: Arc<SeededEntropy>,
    /// The shop.
    pub shop: ImageShop,
    audit: Arc<dyn Audit>,
    _keep: Box<dyn Any + Send + Sync>,
}

impl World {
    /// A world on an adapter's fresh store.
    pub async fn of<A: Adapter>() -> Self {
        Self::on(A::fresh().await).await
    }

    /// A world on a store that nobody has used.
    pub async fn on(fresh: Fresh) -> Self {
        let Fresh {
            ledger,
            lookup,
            treasury,
            plan_changes,
            store,
            directory,
            lists,
            usage,
            deliveries,
            pruning,
            clock,
            audit,
            keep,
        } = fresh;
        let entropy = Arc::new(SeededEntropy::new(77));
        let shop = ImageShop::open(&*store, &clock, &*entropy).await.expect("an image shop");
        Self {
            ledger,
            lookup,
            treasury,
            plan_changes,
            store,
            directory,
            lists,
            usage,
            deliveries,
            pruning,
            clock,
            entropy,
            shop,
            audit,
            _keep: keep,
        }
    }

    /// The end of every promise: the books balance.
    pub async fn balances(&self) {
        assert_eq!(self.audit.audit().await, Vec::<String>::new());
    }

    /// A second shop, of another tenant: what it has must never be seen from the first.
    pub async fn other_shop(&self) -> ImageShop {
        ImageShop::open_as("print-house", &*self.store, &self.clock, &*self.entropy).await.expect("another shop")
    }

    /// A new id.
    pub fn id<I: Id>(&self) -> I {
        I::new(self.clock.now(), &*self.entropy)
    }

    /// Now.
    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Now, later by so many seconds.
    pub fn in_seconds(&self, seconds: u64) -> Timestamp {
        self.clock.now().saturating_add(Duration::from_secs(seconds))
    }

    /// Lets seconds pass.
    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// What the ledger answers to a request to carve in the shop's realm.
    pub async fn carve(&self, request: &CarveRequest) -> CarveAnswer {
        self.ledger.carve(self.shop.realm, request).await.expect("the ledger answers")
    }

    /// An allocation carved by Ada, of these units.
    pub async fn allocation(&self, lines: &[(FeatureId, i64)]) -> AllocationStatement {
        self.carved(&self.shop.carve(self.id(), Source::Subject(self.shop.ada()), lines)).await
    }

    /// An allocation carved out of another.
    pub async fn below(&self, parent: AllocationId, lines: &[(FeatureId, i64)]) -> AllocationStatement {
        self.carved(&self.shop.carve(self.id(), Source::Allocation(parent), lines)).await
    }

    /// An allocation that must be carved.
    pub async fn carved(&self, request: &CarveRequest) -> AllocationStatement {
        match self.carve(request).await {
            CarveAnswer::Carved(statement) => statement,
            other => panic!("expected an allocation, got {other:?}"),
        }
    }

    /// Ends an allocation of the shop.
    pub async fn close(&self, id: AllocationId) -> AllocationStatement {
        let ended =
            self.ledger.end(self.shop.realm, id, AllocationState::Closed, &author()).await.expect("the ledger answers");
        ended.expect("an allocation to end")
    }

    /// An allocation of the shop as it stands.
    pub async fn statement(&self, id: AllocationId) -> AllocationStatement {
        let statement = self.lookup.statement(self.shop.realm, id).await.expect("the store answers");
        statement.expect("an allocation")
    }

    /// Where the units of an allocation's line stand.
    pub async fn line(&self, id: AllocationId, feature: FeatureId) -> LineStatement {
        let statement = self.statement(id).await;
        statement.lines.into_iter().find(|line| line.feature == feature).expect("a line of the feature")
    }

    /// Where the units of a subject's current window stand.
    pub async fn quota_of(&self, subject: &SubjectName, feature: FeatureId) -> LineStatement {
        let statement = self.lookup.entitlements(self.shop.realm, subject).await.expect("the store answers");
        let lines = statement.expect("a subject").lines;
        let right = lines.into_iter().find(|line| line.feature == feature).expect("an entitlement").right;
        match right {
            Right::Quota { line, .. } => line,
            other => panic!("expected a quota, got {other:?}"),
        }
    }

    /// Where the units of acme's current window stand.
    pub async fn quota(&self, feature: FeatureId) -> LineStatement {
        self.quota_of(&self.shop.acme(), feature).await
    }

    /// Generations that are free in acme's current window.
    pub async fn free(&self) -> i64 {
        self.quota(self.shop.generate.id).await.balance.get(Pocket::Free).get()
    }

    /// The account of an allocation's line of generations.
    pub fn generations(&self, of: &AllocationStatement) -> AccountId {
        of.lines.iter().find(|line| line.feature == self.shop.generate.id).expect("a line of generations").account
    }

    /// A new gate, enlisted.
    pub async fn gate(&self) -> GateHand {
        GateHand::enlist(self, self.id::<NodeId>()).await
    }

    /// Sweeps once.
    pub async fn sweep(&self) -> almoner_domain::ports::Swept {
        self.ledger.sweep(1_000).await.expect("the ledger sweeps")
    }
}

/// Units in a pocket of a line.
pub(super) fn pocket(line: &LineStatement, pocket: Pocket) -> i64 {
    line.balance.get(pocket).get()
}

/// Asserts the one equation of a line, and what is in some of its pockets.
pub(super) fn stands(line: &LineStatement, pockets: &[(Pocket, i64)]) {
    assert!(line.balance.holds(), "{line:?}");
    for (of, count) in pockets {
        assert_eq!(line.balance.get(*of), units(*count), "{} of {line:?}", of.as_str());
    }
}
