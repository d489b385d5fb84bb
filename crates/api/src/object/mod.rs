//! Nouns as the API shows them: one file each, of the same name as in `domain`.

mod agent;
mod audit;
mod allocation;
mod conditions;
mod customer;
mod decision;
mod entitlement;
mod feature;
mod grant;
mod guard;
mod key;
mod movement;
mod period;
mod plan;
mod plan_change;
mod policy;
mod policy_trial;
mod price;
mod queue;
mod schedule;
mod preview;
mod subscription;
mod webhook;
mod usage;

pub(crate) use agent::{AgentNode, SessionNode};
pub(crate) use allocation::{AllocationNode, AllocationStateName};
pub(crate) use audit::AuditObject;
pub(crate) use conditions::{BusinessHoursObject, PaceObject};
pub(crate) use customer::{CustomerNode, RoleName, UserNode};
pub(crate) use decision::DecisionNode;
pub(crate) use entitlement::{BalanceObject, EntitlementObject};
pub(crate) use feature::{DurabilityName, FeatureKindName, FeatureNode, decimal};
pub(crate) use grant::GrantNode;
pub(crate) use guard::{AgentGuardObject, AllocationGuardObject, GuardStopsName};
pub(crate) use key::{KeyKindName, KeyObject};
pub(crate) use movement::{MovementNode, MovementsFilter};
pub(crate) use period::{UsagePeriodName, WeekdayName};
pub(crate) use plan::{LiveRuleName, PlanNode, PlanVersionNode};
pub(crate) use plan_change::{PlanChangeObject, PlanChangePreviewObject, ScheduledChangeObject, WhenName};
pub(crate) use policy::PolicyObject;
pub(crate) use policy_trial::PolicyTrialObject;
pub(crate) use preview::PreviewObject;
pub(crate) use price::PriceListObject;
pub(crate) use queue::QueueObject;
pub(crate) use schedule::ScheduleObject;
pub(crate) use subscription::SubscriptionNode;
pub(crate) use usage::{UsageInput, UsageObject, usage_cost};
pub(crate) use webhook::{
    AttemptObject, DeliveryObject, DeliveryStateName, EndpointObject, EventTypeObject, SignatureSchemeName,
};

use almoner_domain::time::Timestamp;
use async_graphql::{ID, Interface};

/// Everything that has a global id. Ids say what they are of (`alc_...`), so any can be looked up by itself.
#[derive(Interface)]
#[graphql(name = "Node", field(name = "id", ty = "ID", desc = "Its id, unique over all kinds."))]
pub(crate) enum Node {
    /// A feature.
    Feature(FeatureNode),
    /// A plan.
    Plan(PlanNode),
    /// A version of a plan.
    PlanVersion(PlanVersionNode),
    /// A customer.
    Customer(CustomerNode),
    /// A user.
    User(UserNode),
    /// An agent.
    Agent(AgentNode),
    /// A session.
    Session(SessionNode),
    /// An allocation.
    Allocation(AllocationNode),
    /// A decision.
    Decision(DecisionNode),
    /// A grant.
    Grant(GrantNode),
    /// A subscription.
    Subscription(SubscriptionNode),
}

/// An id on the wire.
pub(crate) fn wire_id(id: impl std::fmt::Display) -> ID {
    ID(id.to_string())
}

/// An instant on the wire: RFC 3339 in UTC.
pub(crate) fn instant(at: Timestamp) -> String {
    at.to_string()
}

/// How long ago something was, in seconds.
pub(crate) fn age(at: Timestamp, now: Timestamp) -> u64 {
    now.saturating_since(at).as_secs()
}

/// What another thing points to is there, for nothing that is pointed to is deleted.
pub(crate) fn there<T>(found: Option<T>) -> async_graphql::Result<T> {
    found.ok_or_else(|| crate::asker::coded("INTERNAL", "Something that this points to is missing."))
}
