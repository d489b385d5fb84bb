//! Grants: units on top of a plan's quota, given by the tenant's staff.

use crate::authority::{self, Forbidden};
use crate::desk::Desk;
use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::feature::FeatureKind;
use almoner_domain::grant::{Grant, GrantKind};
use almoner_domain::id::{CustomerId, GrantId};
use almoner_domain::ports::{GrantAnswer, GrantRequest, VoidAnswer};
use almoner_domain::text::{ExternalId, FeatureKey, Named};
use almoner_domain::time::Timestamp;
use almoner_domain::units::{Units, UnitsError};
use std::time::Duration;
use thiserror::Error;

/// A grant to be.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// Into whose quota.
    pub customer: Named<CustomerId>,
    /// Of which metered feature.
    pub feature: FeatureKey,
    /// Why.
    pub kind: NewGrantKind,
    /// How many, as people write it: `10`, `1.25`.
    pub amount: String,
    /// Lower burns first.
    pub priority: i16,
    /// Usable from; none for now.
    pub effective_at: Option<Timestamp>,
    /// Usable until; none where it ends with the current period.
    pub expires_at: Option<Timestamp>,
    /// The provider's own id of it: one is issued once.
    pub external_id: Option<ExternalId>,
}

/// Why units are given by hand. Renewals and rollovers come by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewGrantKind {
    /// Bought or given on top.
    TopUp,
    /// A promotion.
    Promotion,
}

/// The latest that a grant may begin from now on: later is a plan that somebody has to keep.
pub const GRANT_AHEAD_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);

/// Why a grant cannot begin or end then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GrantWindowError {
    /// It would begin too late.
    #[error("a grant begins within 366 days")]
    Ahead,
    /// It would end before it begins, or has already.
    #[error("a grant ends in the future, after it begins")]
    Ended,
}

/// Why no grant was issued.
#[derive(Debug, Error)]
pub enum IssueGrantError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// No such metered feature.
    #[error("there is no metered feature \"{0}\"")]
    UnknownFeature(FeatureKey),
    /// The customer has no quota of it.
    #[error("the customer has no quota of \"{0}\" now; subscribe them to a plan that grants it")]
    NotEntitled(FeatureKey),
    /// An amount that the feature cannot have.
    #[error("the amount {0}")]
    Amount(UnitsError),
    /// It would begin too late, or end before it begins.
    #[error("{0}")]
    Window(GrantWindowError),
    /// The quota would be more than can be counted.
    #[error("the quota would hold more than can be counted")]
    TooMany,
    /// The external id was used.
    #[error("a grant \"{0}\" was issued before; it is issued once")]
    Taken(ExternalId),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why no grant was voided.
#[derive(Debug, Error)]
pub enum VoidGrantError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such grant.
    #[error("there is no such grant")]
    NotFound,
    /// It was voided before, or its window is over.
    #[error("it was voided before, or its period is over")]
    Ended,
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Issues units into a customer's quota: into its current period, with which they end, unless it is said when they begin or expire. One that lasts
/// longer than the period goes on in the next.
pub async fn issue(caller: &Caller, desk: &Desk, new: NewGrant) -> Result<Grant, IssueGrantError> {
    let realm = authority::operator(caller)?;
    let features = desk.lookup.features(realm).await?;
    let unknown = || IssueGrantError::UnknownFeature(new.feature.clone());
    let feature = features.iter().find(|feature| feature.key == new.feature).ok_or_else(unknown)?;
    let FeatureKind::Metered(meter) = &feature.kind else { return Err(unknown()) };
    let amount = Units::parse(&new.amount, meter.scale).map_err(IssueGrantError::Amount)?;
    if amount.is_zero() {
        return Err(IssueGrantError::Amount(UnitsError::Zero));
    }
    check_window(desk.app.now(), &new).map_err(IssueGrantError::Window)?;
    let request = GrantRequest {
        id: desk.app.new_id(),
        external_id: new.external_id.clone(),
        customer: new.customer,
        feature: feature.id,
        kind: match new.kind {
            NewGrantKind::TopUp => GrantKind::TopUp,
            NewGrantKind::Promotion => GrantKind::Promotion,
        },
        amount,
        priority: new.priority,
        effective_at: new.effective_at,
        expires_at: new.expires_at,
        by: caller.author(),
    };
    match (desk.treasury.issue(realm, &request).await?, new.external_id) {
        (GrantAnswer::Issued(grant), _) => {
            tracing::info!(%realm, grant = %grant.id, "grant issued");
            Ok(grant)
        }
        (GrantAnswer::Taken, Some(id)) => Err(IssueGrantError::Taken(id)),
        (GrantAnswer::UnknownCustomer, _) => Err(IssueGrantError::UnknownCustomer),
        (GrantAnswer::NotEntitled | GrantAnswer::Taken, _) => Err(IssueGrantError::NotEntitled(new.feature)),
        (GrantAnswer::TooMany, _) => Err(IssueGrantError::TooMany),
    }
}

fn check_window(now: Timestamp, new: &NewGrant) -> Result<(), GrantWindowError> {
    let begins = new.effective_at.map_or(now, |at| at.max(now));
    if begins > now.saturating_add(GRANT_AHEAD_MAX) {
        return Err(GrantWindowError::Ahead);
    }
    if new.expires_at.is_some_and(|end| end <= begins) { Err(GrantWindowError::Ended) } else { Ok(()) }
}

/// Voids a grant: what of it is neither used nor handed out is taken back, and it stays in the history. What a gate here holds
/// idle of the quota counts as free.
pub async fn void(caller: &Caller, desk: &Desk, id: GrantId) -> Result<Grant, VoidGrantError> {
    let realm = authority::operator(caller)?;
    if let Some(grant) = desk.directory.grants_among(realm, vec![id]).await?.pop() {
        desk.gates.give_back(grant.account).await;
    }
    match desk.treasury.void(realm, id, &caller.author()).await? {
        VoidAnswer::Voided(grant) => {
            tracing::info!(%realm, grant = %id, "grant voided");
            Ok(grant)
        }
        VoidAnswer::Ended(_) => Err(VoidGrantError::Ended),
        VoidAnswer::Unknown => Err(VoidGrantError::NotFound),
    }
}
