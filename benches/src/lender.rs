//! A store that lends whatever a gate asks for and remembers nothing: what stands behind a gate when the gate alone is
//! measured. Its allocations are numbered, all of one feature and one customer.

use almoner_domain::allocation::AllocationState;
use almoner_domain::audit::Author;
use almoner_domain::calendar::Window;
use almoner_domain::decision::{Decision, Level};
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::feature::{Durability, ExcessRule, Feature, FeatureKind, Meter};
use almoner_domain::guard::{GuardStep, Guarded};
use almoner_domain::id::{AllocationId, HoldId, Id, LeaseId, NodeId};
use almoner_domain::key::{ApiKey, KeyHash, KeyKind, hint};
use almoner_domain::lease::{Incarnation, Lease, LeaseReply, LeaseReport, Wish};
use almoner_domain::notice::Change;
use almoner_domain::ports::{
    CarveAnswer, CarveRequest, ExtendRequest, HoldAnswer, HoldRequest, HoldStanding, LeaseBatch, Ledger, Lookup,
    SessionAnswer, SessionRequest, SubjectName, SubjectStanding, Swept,
};
use almoner_domain::price::PriceList;
use almoner_domain::principal::Principals;
use almoner_domain::scope::Scope;
use almoner_domain::standing::{Standing, StandingLine};
use almoner_domain::statement::{AllocationStatement, EntitlementStatement};
use almoner_domain::tenant::{Environment, Realm};
use almoner_domain::text::{FeatureKey, Name, TextError};
use almoner_domain::time::Timestamp;
use almoner_domain::units::{Scale, Units};
use async_trait::async_trait;
use uuid::Uuid;

/// The key that it knows.
pub const GATE_KEY: &str = "alm_test_gate_00000000000000000000000000000000";

/// The store.
pub struct Lender {
    feature: Feature,
    name: Name,
}

/// The id of this number, of any kind.
pub fn id<I: Id>(number: usize) -> I {
    I::from_uuid(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 | number as u128))
}

/// Units enough for any number of calls, and few enough that sums of them stay within bounds.
pub fn plenty() -> Units {
    Units::whole(1_000_000_000_000, Scale::WHOLE).unwrap_or(Units::MAX)
}

impl Lender {
    /// A store with one feature, kept in `fast` durability, so that no call waits for a disk.
    pub fn new() -> Result<Self, TextError> {
        let name = Name::parse("Units")?;
        let meter = Meter {
            unit: name.clone(),
            scale: Scale::WHOLE,
            durability: Durability::Fast,
            excess: ExcessRule::DenyExcess,
        };
        let kind = FeatureKind::Metered(meter);
        let feature = Feature { id: id(1), key: FeatureKey::parse("load.unit")?, name: name.clone(), kind };
        Ok(Self { feature, name })
    }

    /// The feature that its allocations are of.
    pub fn feature(&self) -> Feature {
        self.feature.clone()
    }

    fn realm() -> Realm {
        Realm { tenant: id(1), environment: Environment::Test }
    }
}

/// What nobody asks for here.
fn not_lent<T>(operation: &'static str) -> Result<T, Fault> {
    Err(Fault { operation, kind: FaultKind::Unavailable, source: None })
}

fn reply(report: &LeaseReport) -> LeaseReply {
    let n = match report.wish {
        Wish::Settle { .. } => report.used,
        Wish::GiveBack => report.used.saturating_add(report.held),
        Wish::Keep | Wish::Raise { .. } => plenty(),
    };
    LeaseReply::Applied { n, free: plenty(), elsewhere: Units::ZERO, recalled: false, closed: false }
}

#[async_trait]
impl Ledger for Lender {
    async fn enlist(&self, node: NodeId) -> Result<Incarnation, Fault> {
        Ok(Incarnation { node, number: 1 })
    }

    async fn settle(&self, _: Realm, _: Incarnation, batch: &LeaseBatch) -> Result<Vec<LeaseReply>, Fault> {
        Ok(batch.reports.iter().map(reply).collect())
    }

    async fn recalled(&self, _: Incarnation) -> Result<Vec<(Realm, LeaseId)>, Fault> {
        Ok(Vec::new())
    }

    async fn unsettled(&self, _: Incarnation) -> Result<Vec<(Realm, Lease)>, Fault> {
        Ok(Vec::new())
    }

    async fn carve(&self, _: Realm, _: &CarveRequest) -> Result<CarveAnswer, Fault> {
        not_lent("carve")
    }

    async fn end(
        &self,
        _: Realm,
        _: AllocationId,
        _: AllocationState,
        _: &Author,
    ) -> Result<Option<AllocationStatement>, Fault> {
        not_lent("end")
    }

    async fn settle_hold(&self, _: Realm, _: &HoldRequest) -> Result<HoldAnswer, Fault> {
        not_lent("settle_hold")
    }

    async fn extend_hold(&self, _: Realm, _: &ExtendRequest) -> Result<HoldAnswer, Fault> {
        not_lent("extend_hold")
    }

    async fn carve_for_session(&self, _: Realm, _: &SessionRequest) -> Result<SessionAnswer, Fault> {
        not_lent("carve_for_session")
    }

    async fn sweep(&self, _: u64) -> Result<Swept, Fault> {
        Ok(Swept::default())
    }

    async fn forfeit(&self, _: Realm, _: LeaseId, _: &Author) -> Result<bool, Fault> {
        Ok(false)
    }

    async fn step_guard(&self, _: Realm, _: &GuardStep) -> Result<bool, Fault> {
        Ok(false)
    }

    async fn resume_guard(&self, _: Realm, _: Guarded, _: &Author) -> Result<bool, Fault> {
        Ok(false)
    }
}

#[async_trait]
impl Lookup for Lender {
    async fn prices(&self, _: Realm) -> Result<Vec<PriceList>, Fault> {
        Ok(Vec::new())
    }

    async fn credential(&self, hash: KeyHash) -> Result<Option<ApiKey>, Fault> {
        let known = hash == KeyHash::of(GATE_KEY);
        Ok(known.then(|| ApiKey {
            id: id(1),
            realm: Self::realm(),
            kind: KeyKind::Gate,
            holder: None,
            name: self.name.clone(),
            hash,
            hint: hint(GATE_KEY),
            created_at: Timestamp::from_micros(0),
            revoked_at: None,
        }))
    }

    async fn features(&self, _: Realm) -> Result<Vec<Feature>, Fault> {
        Ok(vec![self.feature()])
    }

    async fn allocation(&self, _: Realm, allocation: AllocationId) -> Result<Option<Standing>, Fault> {
        let line = StandingLine {
            feature: self.feature.id,
            account: Id::from_uuid(allocation.uuid()),
            level: Level::Allocation,
            granted: plenty(),
            free: plenty(),
            window: Window { start: Timestamp::from_micros(0), end: None },
            resets_at: None,
        };
        Ok(Some(Standing {
            principals: Principals { customer: id(1), user: Some(id(1)), agent: Some(id(1)), session: Some(id(1)) },
            allocation: Some(allocation),
            ancestors: Vec::new(),
            label: "The allocation".to_owned(),
            scope: Scope::default(),
            not_before: None,
            expires_at: Some(Timestamp::from_micros(i64::MAX)),
            state: AllocationState::Active,
            suspension: None,
            changes_at: None,
            guard: None,
            durability: None,
            conditions: Vec::new(),
            lines: vec![line],
            rights: Vec::new(),
            raise: Vec::new(),
        }))
    }

    async fn subject(&self, _: Realm, _: &SubjectName) -> Result<SubjectStanding, Fault> {
        Ok(SubjectStanding::UnknownCustomer)
    }

    async fn statement(&self, _: Realm, _: AllocationId) -> Result<Option<AllocationStatement>, Fault> {
        Ok(None)
    }

    async fn entitlements(&self, _: Realm, _: &SubjectName) -> Result<Option<EntitlementStatement>, Fault> {
        Ok(None)
    }

    async fn answered(&self, _: Realm, _: [u8; 16]) -> Result<Option<Decision>, Fault> {
        Ok(None)
    }

    async fn hold(&self, _: Realm, _: HoldId) -> Result<HoldStanding, Fault> {
        Ok(HoldStanding::Unknown)
    }

    async fn keys_since(
        &self,
        _: Timestamp,
        _: Option<(Timestamp, [u8; 16])>,
        _: u64,
    ) -> Result<Vec<(Timestamp, [u8; 16])>, Fault> {
        Ok(Vec::new())
    }

    async fn changes(&self, _: Option<i64>, _: u64) -> Result<Vec<(i64, Realm, Change)>, Fault> {
        Ok(Vec::new())
    }

    async fn ping(&self) -> Result<(), Fault> {
        Ok(())
    }
}
