//! Ports: what the doors need from the house. Adapters implement them; a contract suite in the testkit runs against each.

mod catalogue;
mod directory;
mod gates;
mod ledger;
mod lists;
mod lookup;
mod plan_changes;
mod pruning;
mod queues;
mod schedules;
mod usage;
mod webhooks;
mod treasury;

pub use catalogue::{
    Agents, AuditTrail, Customers, Features, Installation, Keys, Plans, Policies, Prices, Store, Subscriptions, Work,
};
pub use directory::{AllocationFilter, AuditFilter, DecisionFilter, Directory, SessionDecisionFilter};
pub use gates::Gates;
pub use ledger::{
    CarveAnswer, CarveRequest, ExtendRequest, HoldAnswer, HoldRequest, LeaseBatch, Ledger, SessionAnswer,
    SessionRequest, Source, SubjectName, Swept,
};
pub use lists::{Lists, MovementFilter, QuotaWindow, SessionFilter, TREE_MAX};
pub use lookup::{HoldStanding, Lookup, SubjectStanding};
pub use plan_changes::{PlanChangeAnswer, PlanChangeRequest, PlanChanged, PlanChanges, Steered};
pub use pruning::{DECISIONS_KEPT_MIN, Pruned, Pruning, Retention};
pub use queues::Queues;
pub use schedules::Schedules;
pub use treasury::{
    AdjustAnswer, AdjustRequest, CarvePreview, GrantAnswer, GrantRequest, PreviewLine, Treasury, VoidAnswer,
};
pub use usage::Usage;
pub use webhooks::{Deliveries, Pumped, Seal, Webhooks, Wire};
