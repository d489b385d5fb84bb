//! Grants: units on top of a plan's quota, and their voiding.

use crate::asker::asker;
use crate::object::GrantNode;
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::grants::{self, GrantWindowError, IssueGrantError, NewGrant, NewGrantKind, VoidGrantError};
use almoner_domain::text::{ExternalId, FeatureKey, Named};
use almoner_domain::time::Timestamp;
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};

/// Why units are given by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "NewGrantKind")]
pub(crate) enum NewGrantKindName {
    /// Bought or given on top.
    TopUp,
    /// A promotion.
    Promotion,
}

/// A grant to be.
#[derive(InputObject)]
pub(crate) struct IssueGrantInput {
    /// Into whose quota, by our id or the provider's.
    customer: String,
    /// Of which metered feature, by its key.
    feature: String,
    /// Why.
    kind: NewGrantKindName,
    /// How many units, as a decimal in the feature's unit, above zero.
    amount: String,
    /// -1000 to 1000, 0 by default: lower burns first.
    priority: Option<i32>,
    /// Usable from (RFC 3339), within 366 days; now by default.
    effective_at: Option<String>,
    /// Usable until (RFC 3339), also beyond the current period; until its end by default.
    expires_at: Option<String>,
    /// The provider's own id of it, such as an order's number: one is issued once, however often it is asked for.
    external_id: Option<String>,
}

payload! {
    /// What came of issuing a grant.
    IssueGrantPayload {
        /// The grant.
        grant: GrantNode
    }
}

payload! {
    /// What came of voiding a grant.
    VoidGrantPayload {
        /// The grant, with what was taken back.
        grant: GrantNode
    }
}

/// The priorities that a grant may have.
const PRIORITIES: std::ops::RangeInclusive<i32> = -1_000..=1_000;

#[derive(Default)]
pub(crate) struct GrantMutation;

#[Object]
impl GrantMutation {
    /// Issues units into the current period of a customer's quota. They end with it, unless it is said when they begin or expire: a grant
    /// that lasts longer goes on in the next period.
    async fn issue_grant(&self, context: &Context<'_>, input: IssueGrantInput) -> Result<IssueGrantPayload> {
        IssueGrantPayload::of(issue(context, input).await)
    }

    /// Voids a grant: what of it is neither used nor handed out is taken back. It stays in the history.
    async fn void_grant(&self, context: &Context<'_>, id: ID) -> Result<VoidGrantPayload> {
        VoidGrantPayload::of(void(context, &id).await)
    }
}

async fn issue(context: &Context<'_>, input: IssueGrantInput) -> Result<GrantNode, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let customer = checks.keep(&["customer"], Named::parse(&input.customer));
    let feature = checks.keep(&["feature"], FeatureKey::parse(&input.feature));
    let external_id =
        input.external_id.as_deref().map(|text| checks.keep(&["externalId"], ExternalId::parse(text))).unwrap_or(None);
    let asked = input.priority.unwrap_or(0);
    let priority = i16::try_from(asked).ok().filter(|_| PRIORITIES.contains(&asked));
    if priority.is_none() {
        checks.add(&["priority"], "lies between -1000 and 1000");
    }
    let mut time =
        |member: &str, text: Option<&str>| text.and_then(|text| checks.keep(&[member], Timestamp::parse(text)));
    let effective_at = time("effectiveAt", input.effective_at.as_deref());
    let expires_at = time("expiresAt", input.expires_at.as_deref());
    checks.done()?;
    let new = NewGrant {
        customer: kept(customer)?,
        feature: kept(feature)?,
        kind: match input.kind {
            NewGrantKindName::TopUp => NewGrantKind::TopUp,
            NewGrantKindName::Promotion => NewGrantKind::Promotion,
        },
        amount: input.amount,
        priority: kept(priority)?,
        effective_at,
        expires_at,
        external_id,
    };
    grants::issue(&asker.caller, &asker.desk, new).await.map(GrantNode).map_err(|error| match error {
        IssueGrantError::Forbidden(why) => why.into(),
        IssueGrantError::Fault(fault) => fault.into(),
        IssueGrantError::UnknownCustomer => Stop::at(RefusalCode::NotFound, &["customer"], error),
        IssueGrantError::UnknownFeature(_) | IssueGrantError::NotEntitled(_) => {
            Stop::at(RefusalCode::NotFound, &["feature"], error)
        }
        IssueGrantError::Amount(_) => Stop::at(RefusalCode::Invalid, &["amount"], error),
        IssueGrantError::Window(GrantWindowError::Ahead) => Stop::at(RefusalCode::Invalid, &["effectiveAt"], error),
        IssueGrantError::Window(GrantWindowError::Ended) => Stop::at(RefusalCode::Invalid, &["expiresAt"], error),
        IssueGrantError::TooMany => Stop::at(RefusalCode::Limit, &["amount"], error),
        IssueGrantError::Taken(_) => Stop::at(RefusalCode::Taken, &["externalId"], error),
    })
}

async fn void(context: &Context<'_>, id: &ID) -> Result<GrantNode, Stop> {
    let asker = asker(context)?;
    let unknown = || Stop::at(RefusalCode::NotFound, &["id"], "There is no such grant. Check the id.");
    let id = id.parse().map_err(|_| unknown())?;
    grants::void(&asker.caller, &asker.desk, id).await.map(GrantNode).map_err(|error| match error {
        VoidGrantError::Forbidden(why) => why.into(),
        VoidGrantError::Fault(fault) => fault.into(),
        VoidGrantError::NotFound => unknown(),
        VoidGrantError::Ended => Stop::at(RefusalCode::Conflict, &["id"], error),
    })
}
