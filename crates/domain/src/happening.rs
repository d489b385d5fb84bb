//! Happenings: what a webhook can tell of, and the facts that it tells, as they stand in the ledger.

use crate::account::Balance;
use crate::agent::{Agent, Session};
use crate::allocation::Allocation;
use crate::customer::{Customer, User};
use crate::feature::Feature;
use crate::grant::Grant;
use crate::guard::{GuardState, GuardStep};
use crate::id::{EndpointId, EntitlementId, NoticeId};
use crate::plan::Plan;
use crate::subscription::{Subscription, SubscriptionStep};
use crate::time::Timestamp;
use crate::webhook::WebhookEndpoint;

macro_rules! happenings {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)*) => {
        /// What can happen that a webhook tells of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum HappeningKind {
            $($(#[doc = $doc])+ $name,)*
        }

        impl HappeningKind {
            /// All, in the order in which they are listed to people.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name on the wire and in tables.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)*
                }
            }
        }
    };
}

happenings! {
    /// An allocation was carved.
    AllocationCreated = "allocation.created";
    /// 80 % of one feature's units in an allocation are used.
    AllocationThreshold = "allocation.threshold";
    /// All of one feature's units in an allocation are used.
    AllocationExhausted = "allocation.exhausted";
    /// An allocation's window ended, and what was left returned.
    AllocationExpired = "allocation.expired";
    /// An allocation's task ended, and what was left returned.
    AllocationClosed = "allocation.closed";
    /// An allocation was taken back, and what was left returned.
    AllocationRevoked = "allocation.revoked";
    /// 80 % of one feature's units of the period are used by a customer, or by a user of their share.
    EntitlementThreshold = "entitlement.threshold";
    /// All of one feature's units of the period are used by a customer, or by a user of their share.
    EntitlementExhausted = "entitlement.exhausted";
    /// A customer has used all units of the period, and uses more than them, as the plan allows.
    EntitlementOverage = "entitlement.overage";
    /// A grant of units expires soon: within a tenth of its life, and seven days at the most.
    GrantExpiring = "grant.expiring";
    /// A grant of units expired, and what nobody had used or been handed of it lapsed.
    GrantExpired = "grant.expired";
    /// A customer's next usage period began, and its units were issued.
    EntitlementReset = "entitlement.reset";
    /// A customer's subscription began, changed, was paused or resumed, or ended; or a change of it was scheduled or withdrawn.
    SubscriptionChanged = "subscription.changed";
    /// An agent shows signs of running away. Its calls go on.
    AgentWatched = "agent.watched";
    /// An agent that runs away was slowed down: one of its calls in a stated time is admitted.
    AgentThrottled = "agent.throttled";
    /// An agent that runs away was stopped, until somebody lets it go on.
    AgentSuspended = "agent.suspended";
    /// Somebody let an agent go on.
    AgentResumed = "agent.resumed";
    /// An endpoint of webhooks was disabled: its receiver is gone, or failed for five days, or somebody wants it so.
    EndpointDisabled = "webhook.endpoint_disabled";
    /// Somebody tries whether the endpoint hears. It is told whatever is subscribed to.
    Test = "webhook.test";
}

impl HappeningKind {
    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }

    /// What a step of the runaway guard to this state is called.
    pub const fn of_guard(state: GuardState) -> Self {
        match state {
            GuardState::Calm => Self::AgentResumed,
            GuardState::Watch => Self::AgentWatched,
            GuardState::Throttled => Self::AgentThrottled,
            GuardState::Suspended => Self::AgentSuspended,
        }
    }

    /// Those that an endpoint can subscribe to, in the order in which they are listed to people.
    pub fn subscribable() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kind| *kind != Self::Test)
    }
}

/// How a kind of event is written on the wire, for whoever writes a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Which kind.
    pub kind: HappeningKind,
    /// The JSON Schema (2020-12) of its body, as a text.
    pub schema: String,
    /// A body, as a text.
    pub example: String,
}

/// Something that happened, with what there is to tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// Its notice in the outbox.
    pub notice: NoticeId,
    /// What.
    pub kind: HappeningKind,
    /// When.
    pub at: Timestamp,
    /// Which it is of all that happened to its allocation, from 1; none where it is of no allocation.
    pub sequence: Option<u64>,
    /// Whom and what it is about.
    pub topic: Topic,
}

/// What something is about. A kind of event that tells of another noun adds it here, to `storage/happening.rs`, and to the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// Units of an allocation or an entitlement.
    Units(Box<About>),
    /// A grant.
    Grant(Box<Granted>),
    /// A subscription.
    Subscription(Box<Subscribed>),
    /// A step of the runaway guard.
    Guard(Box<Stepped>),
    /// An endpoint of webhooks.
    Endpoint(Box<WebhookEndpoint>),
    /// Nothing: this endpoint is tried.
    Trial(EndpointId),
}

/// A grant of units, as it stood when it was prepared to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The organisation.
    pub customer: Customer,
    /// Of which feature.
    pub feature: Feature,
    /// The grant.
    pub grant: Grant,
}

/// A customer's subscription, as it stood when it was prepared to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribed {
    /// The organisation.
    pub customer: Customer,
    /// What it subscribed to.
    pub plan: Plan,
    /// Which version of it.
    pub version: u32,
    /// Since when, and until when.
    pub subscription: Subscription,
    /// What happened to it; none where it was announced before that was told.
    pub step: Option<SubscriptionStep>,
}

/// A step of the runaway guard, with whom it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stepped {
    /// The step.
    pub step: GuardStep,
    /// The software.
    pub agent: Agent,
    /// The allocation in which its sign was seen, where one is named, and on whose behalf that is used.
    pub seen_in: Option<SeenIn>,
}

/// An allocation in which a sign was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenIn {
    /// The allocation.
    pub allocation: Allocation,
    /// The organisation.
    pub customer: Customer,
    /// The person in it, where one is named.
    pub user: Option<User>,
    /// The run or task.
    pub session: Option<Session>,
}

/// Whom and what something is about. Units are as they stood when it was prepared to be told, which may be later than it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The organisation.
    pub customer: Customer,
    /// The person in it, where one is named.
    pub user: Option<User>,
    /// The software that acts for them, where it is an allocation.
    pub agent: Option<Agent>,
    /// Its run or task, where it is an allocation.
    pub session: Option<Session>,
    /// What holds the units.
    pub holder: Holder,
    /// Units, feature by feature: one of a mark that is reached, all of an allocation that began or ended.
    pub lines: Vec<Line>,
    /// When the units can no longer be used; none when they never end.
    pub window_end: Option<Timestamp>,
}

/// What holds units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// An allocation.
    Allocation(Box<Allocation>),
    /// An entitlement, in its current window.
    Entitlement(EntitlementId),
}

/// Units of one feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Of which feature.
    pub feature: Feature,
    /// Where they stand by the ledger.
    pub balance: Balance,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_and_a_test_is_not_subscribed_to() {
        for kind in HappeningKind::ALL {
            assert_eq!(HappeningKind::parse(kind.as_str()), Some(*kind));
            assert!(kind.meaning().ends_with('.') && !kind.meaning().starts_with(' '), "{}", kind.meaning());
        }
        assert_eq!(HappeningKind::subscribable().count(), HappeningKind::ALL.len() - 1);
        assert_eq!(HappeningKind::parse("allocation.eaten"), None);
    }
}
