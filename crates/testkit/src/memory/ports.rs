//! The store behind the ports of the domain.

use super::core::Core;
use super::laws::Laws;
use super::trail::Pen;
use super::work::{MemoryInstallation, MemoryWork};
use almoner_domain::allocation::AllocationState;
use almoner_domain::audit::Author;
use almoner_domain::decision::Decision;
use almoner_domain::entropy::Entropy;
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::feature::Feature;
use almoner_domain::guard::{GuardStep, Guarded};
use almoner_domain::id::{AllocationId, GrantId, HoldId, LeaseId, NodeId};
use almoner_domain::key::{ApiKey, KeyHash};
use almoner_domain::lease::{Incarnation, Lease, LeaseReply};
use almoner_domain::notice::Change;
use almoner_domain::ports::{
    AdjustAnswer, AdjustRequest, CarveAnswer, CarvePreview, CarveRequest, ExtendRequest, GrantAnswer, GrantRequest,
    HoldAnswer, HoldRequest, HoldStanding, Installation, LeaseBatch, Ledger, Lookup, SessionAnswer, SessionRequest,
    Store, SubjectName, SubjectStanding, Swept, Treasury, VoidAnswer, Work,
};
use almoner_domain::price::PriceList;
use almoner_domain::standing::Standing;
use almoner_domain::statement::{AllocationStatement, EntitlementStatement};
use almoner_domain::tenant::Realm;
use almoner_domain::time::{Clock, Timestamp};
use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store in memory. Clones are the same store.
#[derive(Clone)]
pub struct MemoryStore {
    core: Arc<Mutex<Core>>,
    clock: Arc<dyn Clock>,
    away: Arc<AtomicBool>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self::around(Core::new(entropy), clock)
    }

    /// An empty store under other laws than the domain's.
    pub fn under(laws: Box<dyn Laws>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self::around(Core::under(laws, entropy), clock)
    }

    fn around(core: Core, clock: Arc<dyn Clock>) -> Self {
        Self { core: Arc::new(Mutex::new(core)), clock, away: Arc::default() }
    }

    /// From now on the store cannot be reached.
    pub fn go_away(&self) {
        self.away.store(true, Ordering::Release);
    }

    /// It can be reached again, and is as it was.
    pub fn come_back(&self) {
        self.away.store(false, Ordering::Release);
    }

    /// The store itself, to look at or to act on at once. Nobody else can use it meanwhile.
    pub fn core(&self) -> MutexGuard<'_, Core> {
        // Commands write only once nothing can fail any more, so a panic elsewhere leaves the store whole.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn here(&self, operation: &'static str) -> Result<(MutexGuard<'_, Core>, Timestamp), Fault> {
        if self.away.load(Ordering::Acquire) {
            return Err(Fault { operation, kind: FaultKind::Unavailable, source: None });
        }
        Ok((self.core(), self.clock.now()))
    }
}

#[async_trait]
impl Ledger for MemoryStore {
    async fn enlist(&self, node: NodeId) -> Result<Incarnation, Fault> {
        let (mut core, now) = self.here("enlist")?;
        Ok(core.enlist(now, node))
    }

    async fn settle(&self, realm: Realm, by: Incarnation, batch: &LeaseBatch) -> Result<Vec<LeaseReply>, Fault> {
        let (mut core, now) = self.here("settle")?;
        core.settle(now, realm, by, batch)
    }

    async fn recalled(&self, by: Incarnation) -> Result<Vec<(Realm, LeaseId)>, Fault> {
        let (mut core, now) = self.here("recalled")?;
        Ok(core.recalled(now, by))
    }

    async fn unsettled(&self, by: Incarnation) -> Result<Vec<(Realm, Lease)>, Fault> {
        Ok(self.here("unsettled")?.0.unsettled(by))
    }

    async fn carve(&self, realm: Realm, request: &CarveRequest) -> Result<CarveAnswer, Fault> {
        let (mut core, now) = self.here("carve")?;
        core.carve(now, realm, request)
    }

    async fn carve_for_session(&self, realm: Realm, request: &SessionRequest) -> Result<SessionAnswer, Fault> {
        let (mut core, now) = self.here("carve_for_session")?;
        core.carve_for_session(now, realm, request)
    }

    async fn end(
        &self,
        realm: Realm,
        id: AllocationId,
        state: AllocationState,
        by: &Author,
    ) -> Result<Option<AllocationStatement>, Fault> {
        let (mut core, now) = self.here("end")?;
        core.end_by(Pen { now, realm, by }, id, state)
    }

    async fn settle_hold(&self, realm: Realm, request: &HoldRequest) -> Result<HoldAnswer, Fault> {
        let (mut core, now) = self.here("settle_hold")?;
        core.settle_hold(now, realm, request)
    }

    async fn extend_hold(&self, realm: Realm, request: &ExtendRequest) -> Result<HoldAnswer, Fault> {
        let (mut core, now) = self.here("extend_hold")?;
        core.extend_hold(now, realm, request)
    }

    async fn sweep(&self, limit: u64) -> Result<Swept, Fault> {
        let (mut core, now) = self.here("sweep")?;
        core.sweep(now, limit)
    }

    async fn forfeit(&self, realm: Realm, lease: LeaseId, by: &Author) -> Result<bool, Fault> {
        let (mut core, now) = self.here("forfeit")?;
        core.forfeit_by(Pen { now, realm, by }, lease)
    }

    async fn step_guard(&self, realm: Realm, step: &GuardStep) -> Result<bool, Fault> {
        let (mut core, now) = self.here("step_guard")?;
        Ok(core.step_guard(now, realm, step))
    }

    async fn resume_guard(&self, realm: Realm, guarded: Guarded, by: &Author) -> Result<bool, Fault> {
        let (mut core, now) = self.here("resume_guard")?;
        Ok(core.resume_guard(Pen { now, realm, by }, guarded))
    }
}

#[async_trait]
impl Treasury for MemoryStore {
    async fn issue(&self, realm: Realm, request: &GrantRequest) -> Result<GrantAnswer, Fault> {
        let (mut core, now) = self.here("issue")?;
        core.issue(now, realm, request)
    }

    async fn void(&self, realm: Realm, id: GrantId, by: &Author) -> Result<VoidAnswer, Fault> {
        let (mut core, now) = self.here("void")?;
        core.void(Pen { now, realm, by }, id)
    }

    async fn adjust(&self, realm: Realm, request: &AdjustRequest) -> Result<AdjustAnswer, Fault> {
        let (mut core, now) = self.here("adjust")?;
        core.adjust(now, realm, request)
    }

    async fn preview(&self, realm: Realm, request: &CarveRequest) -> Result<Result<CarvePreview, CarveAnswer>, Fault> {
        let (mut core, now) = self.here("preview")?;
        core.preview(now, realm, request)
    }
}

#[async_trait]
impl Lookup for MemoryStore {
    async fn credential(&self, hash: KeyHash) -> Result<Option<ApiKey>, Fault> {
        Ok(self.here("credential")?.0.credential(hash))
    }

    async fn features(&self, realm: Realm) -> Result<Vec<Feature>, Fault> {
        Ok(self.here("features")?.0.features(realm))
    }

    async fn prices(&self, realm: Realm) -> Result<Vec<PriceList>, Fault> {
        let (core, now) = self.here("prices")?;
        Ok(core.prices(now, realm))
    }

    async fn allocation(&self, realm: Realm, id: AllocationId) -> Result<Option<Standing>, Fault> {
        let (core, now) = self.here("allocation")?;
        Ok(core.allocation(now, realm, id))
    }

    async fn subject(&self, realm: Realm, subject: &SubjectName) -> Result<SubjectStanding, Fault> {
        let (mut core, now) = self.here("subject")?;
        core.subject(now, realm, subject)
    }

    async fn statement(&self, realm: Realm, id: AllocationId) -> Result<Option<AllocationStatement>, Fault> {
        Ok(self.here("statement")?.0.statement(realm, id))
    }

    async fn entitlements(&self, realm: Realm, subject: &SubjectName) -> Result<Option<EntitlementStatement>, Fault> {
        let (mut core, now) = self.here("entitlements")?;
        core.entitlements(now, realm, subject)
    }

    async fn answered(&self, realm: Realm, key: [u8; 16]) -> Result<Option<Decision>, Fault> {
        let (core, now) = self.here("answered")?;
        Ok(core.answered(now, realm, key))
    }

    async fn hold(&self, realm: Realm, id: HoldId) -> Result<HoldStanding, Fault> {
        let (core, now) = self.here("hold")?;
        Ok(core.hold(now, realm, id))
    }

    async fn keys_since(
        &self,
        since: Timestamp,
        after: Option<(Timestamp, [u8; 16])>,
        limit: u64,
    ) -> Result<Vec<(Timestamp, [u8; 16])>, Fault> {
        Ok(self.here("keys_since")?.0.keys_since(since, after, limit))
    }

    async fn changes(&self, after: Option<i64>, limit: u64) -> Result<Vec<(i64, Realm, Change)>, Fault> {
        Ok(self.here("changes")?.0.changes(after, limit))
    }

    async fn ping(&self) -> Result<(), Fault> {
        self.here("ping").map(drop)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn begin(&self, realm: Realm) -> Result<Box<dyn Work>, Fault> {
        let (core, now) = self.here("begin")?;
        Ok(Box::new(MemoryWork::begin(self.clone(), &core, realm, now)))
    }

    async fn installation(&self) -> Result<Box<dyn Installation>, Fault> {
        let (core, _) = self.here("installation")?;
        Ok(Box::new(MemoryInstallation::begin(self.clone(), &core)))
    }
}
