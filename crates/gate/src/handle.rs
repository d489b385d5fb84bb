//! Handles: an allocation or a subject, ready to be decided on. The look-up of one is the only one of a call.

use crate::catalogue::Catalogue;
use crate::epoch::Epoch;
use crate::near;
use crate::pace::{HeldTo, Paces};
use crate::purse::{Purse, Purses};
use crate::session::SessionTarget;
use almoner_domain::allocation::AllocationState;
use almoner_domain::fault::Fault;
use almoner_domain::feature::{Durability, Feature, FeatureKind, Meter, StaticValue};
use almoner_domain::id::{AccountId, AllocationId, FeatureId, Id};
use almoner_domain::ports::{Lookup, SubjectName, SubjectStanding};
use almoner_domain::principal::Principals;
use almoner_domain::scope::Scope;
use almoner_domain::standing::{Standing, StandingLine};
use almoner_domain::tenant::Realm;
use almoner_domain::time::Timestamp;
use moka::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a call draws on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// An allocation, named by the provider.
    Allocation(AllocationId),
    /// A customer or user, straight on the entitlement.
    Subject(SubjectName),
    /// The allocation of an agent's session, made by a policy where there is none. A call that names it is decided on that one.
    Session(Box<SessionTarget>),
}

/// An allocation or subject with the purses it draws on.
pub(crate) struct Handle {
    pub(crate) realm: Realm,
    pub(crate) standing: Standing,
    /// In the order of their accounts, which is the order of locks.
    pub(crate) lines: Vec<HandleLine>,
    /// How fast it may be used.
    pub(crate) paces: Vec<HeldTo>,
}

/// One metered feature of a handle.
pub(crate) struct HandleLine {
    pub(crate) line: StandingLine,
    pub(crate) feature: Arc<Feature>,
    pub(crate) meter: Meter,
    pub(crate) durability: Durability,
    pub(crate) purse: Arc<Purse>,
}

/// Why there is no handle.
#[derive(Debug)]
pub(crate) enum NoHandle {
    /// The realm has no such allocation.
    Allocation,
    /// The realm has no such customer.
    Customer,
    /// The customer has no such user.
    User,
    /// The store cannot be asked.
    Fault(Fault),
}

impl Handle {
    /// Of somebody who has nothing here to draw on.
    pub(crate) fn of_nothing(realm: Realm, principals: Principals) -> Self {
        let standing = Standing {
            principals,
            allocation: None,
            ancestors: Vec::new(),
            label: String::new(),
            scope: Scope::default(),
            not_before: None,
            expires_at: None,
            state: AllocationState::Active,
            suspension: None,
            changes_at: None,
            guard: None,
            durability: None,
            conditions: Vec::new(),
            lines: Vec::new(),
            rights: Vec::new(),
            raise: Vec::new(),
        };
        Self { realm, standing, lines: Vec::new(), paces: Vec::new() }
    }

    /// The line of a feature.
    pub(crate) fn line(&self, feature: FeatureId) -> Option<(usize, &HandleLine)> {
        self.lines.iter().enumerate().find(|(_, line)| line.line.feature == feature)
    }

    /// The customer's right to a boolean or static feature: absent, or there with its value.
    pub(crate) fn right(&self, feature: FeatureId) -> Option<&Option<StaticValue>> {
        self.standing.rights.iter().find(|(id, _)| *id == feature).map(|(_, value)| value)
    }

    /// Is any window that it draws on over, or has its plan changed, so that it must be looked up again?
    fn is_stale(&self, now: Timestamp) -> bool {
        let is_other = self.standing.changes_at.is_some_and(|at| at <= now);
        let is_over = || self.lines.iter().any(|line| !line.line.window.contains(now));
        self.standing.allocation.is_none() && (is_other || is_over())
    }
}

/// The handles in memory. One that is evicted is looked up again; its purses stay as long as their leases.
pub(crate) struct Handles {
    cache: Cache<(Realm, Target), Arc<Handle>>,
    lookup: Arc<dyn Lookup>,
    catalogue: Arc<Catalogue>,
    purses: Arc<Purses>,
    paces: Paces,
    /// One for many targets each, so that an allocation that ends does not send all others back to the cache.
    epochs: Vec<Epoch>,
    /// Tells this gate's handles from those of another in the process.
    number: u64,
}

/// Where the purse of an account comes from.
type PurseOf = fn(&Purses, Realm, AccountId, Vec<AllocationId>) -> Arc<Purse>;

/// How many epochs there are.
const EPOCHS: usize = 1024;
/// Numbers given to gates' handles.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

impl Handles {
    pub(crate) fn new(max: u64, lookup: Arc<dyn Lookup>, catalogue: Arc<Catalogue>, purses: Arc<Purses>) -> Self {
        let epochs = (0..EPOCHS).map(|_| Epoch::default()).collect();
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Self { cache: Cache::new(max), lookup, catalogue, purses, paces: Paces::new(), epochs, number }
    }

    fn epoch(&self, target: &Target) -> &Epoch {
        let place = match target {
            Target::Allocation(id) => {
                let [.., a, b] = *id.uuid().as_bytes();
                usize::from(u16::from_be_bytes([a, b]))
            }
            Target::Subject(_) | Target::Session(_) => 0,
        };
        &self.epochs[place % EPOCHS]
    }

    /// The handle of a target, looked up where it is not in memory.
    pub(crate) async fn find(&self, realm: Realm, target: &Target, now: Timestamp) -> Result<Arc<Handle>, NoHandle> {
        if let Some(handle) = self.known(realm, target, now) {
            return Ok(handle);
        }
        let key = (realm, target.clone());
        let epoch = self.epoch(target).now();
        let handle = Arc::new(self.load(realm, target).await?);
        self.cache.insert(key.clone(), handle.clone());
        if self.epoch(target).now() != epoch {
            self.cache.invalidate(&key);
        }
        Ok(handle)
    }

    /// The handle of a target, if it is in memory and good for now.
    pub(crate) fn known(&self, realm: Realm, target: &Target, now: Timestamp) -> Option<Arc<Handle>> {
        let epoch = self.epoch(target).now();
        if let Target::Allocation(id) = target
            && let Some(handle) = near::find(self.number, epoch, realm, *id)
        {
            return Some(handle);
        }
        let key = (realm, target.clone());
        let handle = self.cache.get(&key)?;
        if handle.is_stale(now) {
            self.cache.invalidate(&key);
            return None;
        }
        if let Target::Allocation(id) = target {
            near::keep(self.number, epoch, *id, &handle);
        }
        Some(handle)
    }

    async fn load(&self, realm: Realm, target: &Target) -> Result<Handle, NoHandle> {
        let standing = match target {
            Target::Allocation(id) => {
                self.lookup.allocation(realm, *id).await.map_err(NoHandle::Fault)?.ok_or(NoHandle::Allocation)?
            }
            Target::Subject(subject) => match self.lookup.subject(realm, subject).await.map_err(NoHandle::Fault)? {
                SubjectStanding::Known(standing) => *standing,
                SubjectStanding::UnknownCustomer => return Err(NoHandle::Customer),
                SubjectStanding::UnknownUser => return Err(NoHandle::User),
            },
            // Its allocation is found first.
            Target::Session(_) => return Err(NoHandle::Allocation),
        };
        self.of(realm, standing, Purses::of).await.map_err(NoHandle::Fault)
    }

    /// The handle of what is not there yet. Nothing can be taken from it.
    pub(crate) async fn imagined(&self, realm: Realm, standing: Standing) -> Result<Handle, Fault> {
        self.of(realm, standing, |_, realm, account, _| Arc::new(Purse::alone(realm, account))).await
    }

    async fn of(&self, realm: Realm, standing: Standing, purse: PurseOf) -> Result<Handle, Fault> {
        let mut lines = Vec::with_capacity(standing.lines.len());
        for line in &standing.lines {
            lines.extend(self.line(realm, &standing, *line, purse).await?);
        }
        lines.sort_by_key(|line| line.line.account);
        let paces = self.paces.of(&standing);
        Ok(Handle { realm, standing, lines, paces })
    }

    async fn line(
        &self,
        realm: Realm,
        standing: &Standing,
        line: StandingLine,
        purse: PurseOf,
    ) -> Result<Option<HandleLine>, Fault> {
        let Some(feature) = self.catalogue.by_id(realm, line.feature).await? else { return Ok(None) };
        let FeatureKind::Metered(meter) = feature.kind.clone() else { return Ok(None) };
        let lineage = standing.allocation.into_iter().chain(standing.ancestors.iter().copied()).collect();
        let purse = purse(&self.purses, realm, line.account, lineage);
        if let Some(mut state) = purse.open() {
            // An ended allocation gives nothing out, whoever still holds a handle made before it ended.
            state.closed |= standing.state != AllocationState::Active;
            if state.tally.is_none() {
                state.free = line.free;
            }
        }
        let durability = standing.durability.unwrap_or(meter.durability);
        Ok(Some(HandleLine { line, feature, meter, durability, purse }))
    }

    /// Forgets a handle, because it ended or changed.
    pub(crate) fn forget(&self, realm: Realm, target: &Target) {
        self.epoch(target).begin_next();
        self.cache.invalidate(&(realm, target.clone()));
    }

    /// Forgets everything: something changed that any handle may rest on.
    pub(crate) fn forget_all(&self) {
        self.epochs.iter().for_each(Epoch::begin_next);
        self.cache.invalidate_all();
    }
}
