//! The audit trail: who did what, in which role, from where. An entry is written in the transaction of what it tells of.

use crate::caller::Origin;
use crate::customer::Role;
use crate::id::{AuditId, CustomerId, KeyId, UserId};
use crate::time::Timestamp;

/// One change that somebody made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Our id.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub author: Author,
    /// What was done.
    pub action: Action,
    /// What it was done to, by our id with its prefix.
    pub subject: String,
    /// The customer whose affair it is; none for what is the tenant's own.
    pub customer: Option<CustomerId>,
    /// What was given, in a few words: names, roles and amounts, never a secret. At most [`NOTE_BYTES_MAX`] bytes.
    pub note: String,
}

/// The most bytes of a note; more is cut.
pub const NOTE_BYTES_MAX: usize = 500;

/// Who signs a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// In which role.
    pub role: AuthorRole,
    /// By which key, where one was presented.
    pub key: Option<KeyId>,
    /// A customer's person or program: whose.
    pub customer: Option<CustomerId>,
    /// A person: who.
    pub user: Option<UserId>,
    /// From where.
    pub origin: Origin,
}

impl Author {
    /// A tool provider's server at the gate.
    pub fn gate(key: KeyId, origin: Origin) -> Self {
        Self { role: AuthorRole::Gate, key: Some(key), customer: None, user: None, origin }
    }

    /// The runner.
    pub fn runner() -> Self {
        Self { role: AuthorRole::Runner, key: None, customer: None, user: None, origin: Origin::default() }
    }
}

/// In which role somebody acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorRole {
    /// Whoever has the machine.
    Installation,
    /// The tenant's staff, or a program of theirs.
    Operator,
    /// A person of a customer, in the role they had then.
    Member(Role),
    /// A program that manages a customer's affairs.
    Program,
    /// A tool provider's server.
    Gate,
    /// The runner, whom nobody asked: it follows a rule.
    Runner,
}

impl AuthorRole {
    /// The word in tables and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Installation => "installation",
            Self::Operator => "operator",
            Self::Member(role) => role.as_str(),
            Self::Program => "program",
            Self::Gate => "gate",
            Self::Runner => "runner",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = [Self::Installation, Self::Operator, Self::Program, Self::Gate, Self::Runner];
        plain.into_iter().find(|role| role.as_str() == text).or_else(|| Role::parse(text).map(Self::Member))
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// What was done. The words stay.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action {$(
            $(#[$doc])*
            $name,
        )*}

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word in tables and answers.
            pub const fn as_str(self) -> &'static str {
                match self {$(Self::$name => $word,)*}
            }

            /// Reads the word.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|action| action.as_str() == text)
            }
        }
    };
}

actions! {
    /// A feature was defined.
    DefineFeature = "feature.define";
    /// A feature that nothing used was removed.
    RemoveFeature = "feature.remove";
    /// A plan was created.
    CreatePlan = "plan.create";
    /// A version of a plan was published.
    PublishPlan = "plan.publish";
    /// A plan that nobody had subscribed to was removed.
    RemovePlan = "plan.remove";
    /// Prices in a currency were published.
    PublishPrices = "prices.publish";
    /// A customer was added.
    AddCustomer = "customer.add";
    /// A customer without a history was removed.
    RemoveCustomer = "customer.remove";
    /// A user was added.
    AddUser = "user.add";
    /// A user's role was changed.
    ChangeRole = "user.role";
    /// A user without a history was removed.
    RemoveUser = "user.remove";
    /// A customer was subscribed.
    Subscribe = "subscription.start";
    /// A subscription was cancelled.
    CancelSubscription = "subscription.cancel";
    /// A customer was moved to other terms.
    ChangePlan = "subscription.change";
    /// A scheduled change was withdrawn.
    WithdrawPlanChange = "subscription.withdraw";
    /// A subscription was paused.
    PauseSubscription = "subscription.pause";
    /// A subscription was resumed.
    ResumeSubscription = "subscription.resume";
    /// A user's share was set aside.
    SetAsideShare = "share.set_aside";
    /// A grant was issued.
    IssueGrant = "grant.issue";
    /// A grant was voided.
    VoidGrant = "grant.void";
    /// An agent was registered.
    RegisterAgent = "agent.register";
    /// An agent was labelled.
    LabelAgent = "agent.label";
    /// The rules of an agent's runaway guard were set.
    SetAgentGuard = "agent.guard";
    /// An agent that the runaway guard had stopped was let go on.
    ResumeAgent = "agent.resume";
    /// A policy was put into force.
    AddPolicy = "policy.add";
    /// A policy was retired.
    RetirePolicy = "policy.retire";
    /// An agent without a history was removed.
    RemoveAgent = "agent.remove";
    /// An allocation was carved.
    CarveAllocation = "allocation.carve";
    /// An allocation was topped up.
    TopUpAllocation = "allocation.top_up";
    /// Units were taken back from an allocation.
    ShrinkAllocation = "allocation.shrink";
    /// An allocation was closed.
    CloseAllocation = "allocation.close";
    /// An allocation was revoked.
    RevokeAllocation = "allocation.revoke";
    /// An allocation that the runaway guard had stopped was let go on.
    ResumeAllocation = "allocation.resume";
    /// A key was issued.
    IssueKey = "key.issue";
    /// A key was rotated.
    RotateKey = "key.rotate";
    /// A key was revoked.
    RevokeKey = "key.revoke";
    /// The units of a lost gate were declared as spent.
    ForfeitLease = "lease.forfeit";
    /// A webhook endpoint was added. (Before there could be several: the one was set.)
    AddWebhook = "webhook.set";
    /// A webhook endpoint was changed.
    ChangeWebhook = "webhook.change";
    /// A webhook endpoint was disabled.
    DisableWebhook = "webhook.disable";
    /// The secret of a webhook endpoint was rotated.
    RotateWebhookSecret = "webhook.rotate";
    /// A webhook endpoint was removed.
    RemoveWebhook = "webhook.remove";
    /// A test event was sent to a webhook endpoint.
    TestWebhook = "webhook.test";
    /// Deliveries of a time were sent again.
    ReplayDeliveries = "webhook.replay";
    /// A delivery was sent again.
    ResendDelivery = "webhook.resend";
}
