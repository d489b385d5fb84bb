//! The ledger as gates use it: one method a command, each one transaction in one realm.

use crate::agent::SessionName;
use crate::allocation::AllocationState;
use crate::audit::Author;
use crate::conditions::Conditions;
use crate::decision::{Decision, KeyMark};
use crate::fault::Fault;
use crate::feature::{Durability, ExcessRule};
use crate::guard::{GuardStep, Guarded};
use crate::hold::Hold;
use crate::id::{AgentId, AllocationId, CustomerId, FeatureId, HoldId, LeaseId, NodeId, UserId};
use crate::lease::{Incarnation, Lease, LeaseReply, LeaseReport};
use crate::ledger::{CarveRefusal, HoldOrder};
use crate::policy::PolicyRefusal;
use crate::principal::Principals;
use crate::scope::Scope;
use crate::standing::{Standing, Suspension};
use crate::statement::AllocationStatement;
use crate::tenant::Realm;
use crate::text::{Name, Named};
use crate::time::Timestamp;
use crate::units::Units;
use async_trait::async_trait;

/// What one gate tells the ledger at once: everything in one transaction.
#[derive(Debug, Clone, Default)]
pub struct LeaseBatch {
    /// Reports of leases, in any order.
    pub reports: Vec<LeaseReport>,
    /// Facts of the holds that `reports` settle into the ledger (their parts come from the reports).
    pub holds: Vec<Hold>,
    /// Decisions taken, each stored once whatever is repeated.
    pub decisions: Vec<Decision>,
}

/// What to carve from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The current entitlements of a customer or user.
    Subject(SubjectName),
    /// Another allocation.
    Allocation(AllocationId),
}

/// A customer, or a user of it, as named by a caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubjectName {
    /// The customer.
    pub customer: Named<CustomerId>,
    /// The user, where one is named.
    pub user: Option<Named<UserId>>,
}

/// An allocation that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarveRequest {
    /// Its id, chosen by the caller so that a repetition finds it.
    pub id: AllocationId,
    /// What to carve from.
    pub source: Source,
    /// The agent it is to serve.
    pub agent: Named<AgentId>,
    /// The session it is for; it comes into being when it is new.
    pub session: SessionName,
    /// How many units of which features.
    pub lines: Vec<(FeatureId, Units)>,
    /// Restrictions.
    pub scope: Scope,
    /// Not usable before.
    pub not_before: Option<Timestamp>,
    /// Not usable from then on.
    pub expires_at: Option<Timestamp>,
    /// How its decisions are kept.
    pub durability: Option<Durability>,
    /// In which hours, how fast, and how long it may lie idle.
    pub conditions: Conditions,
    /// The caller's idempotency key.
    pub key: Option<KeyMark>,
    /// Who signs it. Not a part of what is asked for: a repetition may come from elsewhere.
    pub by: Author,
}

/// What became of a request to carve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CarveAnswer {
    /// Carved now.
    Carved(AllocationStatement),
    /// Carved before by the same key and body.
    Replayed(AllocationStatement),
    /// The key was used before with another body.
    KeyReused,
    /// No such customer in the realm.
    UnknownCustomer,
    /// No such user at the customer.
    UnknownUser,
    /// No such agent in the realm.
    UnknownAgent,
    /// No such parent in the realm.
    UnknownParent,
    /// Refused by a law.
    Refused(CarveRefusal),
}

/// A session that an agent brings without naming an allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRequest {
    /// The id of the allocation, should one be made.
    pub id: AllocationId,
    /// Whose quota.
    pub subject: SubjectName,
    /// The agent that runs the session.
    pub agent: Named<AgentId>,
    /// The session; it comes into being when it is new and gets an allocation.
    pub session: SessionName,
    /// Nothing is made: the answer says what would be.
    pub only_look: bool,
    /// Where less is free than the policy gives, it gets that; else it is refused where gates hold units of the quota, which may
    /// come back.
    pub takes_less: bool,
    /// Who signs it.
    pub by: Author,
}

/// What a session draws on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionAnswer {
    /// This allocation: the newest of the session that is active, else the newest.
    Allocation {
        /// Its id.
        id: AllocationId,
        /// Was it made now?
        is_new: bool,
    },
    /// This would be made.
    Would(Box<Standing>),
    /// No such customer in the realm.
    UnknownCustomer,
    /// No such user at the customer.
    UnknownUser,
    /// No such agent in the realm.
    UnknownAgent,
    /// It has no allocation, and no policy makes one for them.
    NoPolicy(Principals),
    /// A policy makes one, and not now.
    Held {
        /// The policy.
        policy: Name,
        /// Why not now.
        refusal: PolicyRefusal,
        /// For whom.
        whom: Principals,
    },
    /// Its agent is stopped, so nothing is made for it.
    Stopped(Suspension, Principals),
    /// Refused to them by a law.
    Refused(CarveRefusal, Principals),
}

/// A hold that stands in the ledger, to be settled.
#[derive(Debug, Clone)]
pub struct HoldRequest {
    /// How.
    pub order: HoldOrder,
    /// The decision to store with it. The store fills in what was granted and remains.
    pub decision: Decision,
    /// Rules of features above what is held.
    pub excess: Vec<(FeatureId, ExcessRule)>,
}

/// A hold that stands in the ledger, to be given more time.
#[derive(Debug, Clone)]
pub struct ExtendRequest {
    /// Which.
    pub hold: HoldId,
    /// Until when.
    pub until: Timestamp,
    /// The decision to store with it.
    pub decision: Decision,
}

/// What became of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldAnswer {
    /// Done: the decision as stored.
    Done(Decision),
    /// Its time is over.
    Expired,
    /// It was settled before, by this decision.
    Settled(Option<Decision>),
    /// The ledger knows no such hold.
    Unknown,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Allocations past their window that were ended.
    pub allocations: u64,
    /// Holds past their time that were released.
    pub holds: u64,
    /// Leases of silent gates that are now in doubt.
    pub leases: u64,
    /// Entitlement windows that were closed.
    pub windows: u64,
    /// Entitlement windows that were opened after them.
    pub resets: u64,
    /// Changes of plan that were made because their time had come.
    pub changes: u64,
}

/// The ledger.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Starts a new incarnation of a gate and fences all earlier ones.
    async fn enlist(&self, node: NodeId) -> Result<Incarnation, Fault>;

    /// Applies a batch of one gate in one transaction. Answers report by report, in order.
    async fn settle(&self, realm: Realm, by: Incarnation, batch: &LeaseBatch) -> Result<Vec<LeaseReply>, Fault>;

    /// Leases of this gate that others need. Also the gate's sign of life.
    async fn recalled(&self, by: Incarnation) -> Result<Vec<(Realm, LeaseId)>, Fault>;

    /// Leases of earlier lives of this gate that are not settled, as the ledger knows them.
    async fn unsettled(&self, by: Incarnation) -> Result<Vec<(Realm, Lease)>, Fault>;

    /// Carves an allocation: all lines or none.
    async fn carve(&self, realm: Realm, request: &CarveRequest) -> Result<CarveAnswer, Fault>;

    /// The allocation that a session draws on, made by a policy where it has none: once, however many ask at once.
    async fn carve_for_session(&self, realm: Realm, request: &SessionRequest) -> Result<SessionAnswer, Fault>;

    /// Ends an allocation and all below it, signed by who ends it; none where the realm has no such allocation. Ending again
    /// changes nothing.
    async fn end(
        &self,
        realm: Realm,
        id: AllocationId,
        state: AllocationState,
        by: &Author,
    ) -> Result<Option<AllocationStatement>, Fault>;

    /// Settles a hold that stands in the ledger.
    async fn settle_hold(&self, realm: Realm, request: &HoldRequest) -> Result<HoldAnswer, Fault>;

    /// Gives a hold that stands in the ledger more time.
    async fn extend_hold(&self, realm: Realm, request: &ExtendRequest) -> Result<HoldAnswer, Fault>;

    /// Does what time alone asks for, at most `limit` of each kind: expired allocations and holds, silent leases,
    /// windows that are over. Any number of sweepers may run at once.
    async fn sweep(&self, limit: u64) -> Result<Swept, Fault>;

    /// Declares a lease in doubt as spent, signed by who does; false where there is none in doubt by that id.
    async fn forfeit(&self, realm: Realm, lease: LeaseId, by: &Author) -> Result<bool, Fault>;

    /// Takes a step of the runaway guard: kept, announced and told to every gate. False where it goes nowhere: it was taken before,
    /// a higher one was, a person let it go on meanwhile, or the realm has no such agent or allocation.
    async fn step_guard(&self, realm: Realm, step: &GuardStep) -> Result<bool, Fault>;

    /// Lets an agent or an allocation go on that the runaway guard has a hold on, signed by who does. False where nothing holds it.
    async fn resume_guard(&self, realm: Realm, guarded: Guarded, by: &Author) -> Result<bool, Fault>;
}
