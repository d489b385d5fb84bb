//! Shares: a part of a customer's quota that is one user's own.

use crate::app::{App, or_taken};
use crate::audit::{Deed, sign};
use crate::authority::{self, Forbidden};
use crate::{customers, users};
use almoner_domain::audit::Action;
use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::id::{CustomerId, FeatureId, UserId};
use almoner_domain::plan::{Beyond, Offer};
use almoner_domain::subscription::Entitlement;
use almoner_domain::text::{FeatureKey, Named};
use almoner_domain::units::Units;
use thiserror::Error;

/// A share to be.
#[derive(Debug, Clone)]
pub struct NewShare {
    /// Of which customer's quota.
    pub customer: Named<CustomerId>,
    /// For which of its users.
    pub user: Named<UserId>,
    /// Of which feature.
    pub feature: FeatureKey,
    /// Units of each usage period.
    pub amount: Units,
}

/// Why no share was set aside.
#[derive(Debug, Error)]
pub enum SetAsideError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// No such user.
    #[error("the customer has no such user")]
    UnknownUser,
    /// The customer has no quota of it.
    #[error("the customer has no quota of \"{0}\" to share")]
    NoQuota(FeatureKey),
    /// A share of nothing.
    #[error("a share is greater than zero")]
    Zero,
    /// All shares together would be more than the quota: somebody's would come up short every period.
    #[error("only {} of the customer's {} units are not shared yet", left.get(), quota.get())]
    TooMuch {
        /// Smallest units not shared yet.
        left: Units,
        /// Smallest units of the whole quota.
        quota: Units,
    },
    /// There is one.
    #[error("the user has a share of \"{0}\" already")]
    Shared(FeatureKey),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Sets aside a share of a customer's quota for one of its users, from what is free now and anew in each period.
pub async fn set_aside(caller: &Caller, app: &App, new: NewShare) -> Result<Entitlement, SetAsideError> {
    let (realm, reach) = authority::manages(caller)?;
    if new.amount.is_zero() {
        return Err(SetAsideError::Zero);
    }
    let mut work = app.store.begin(realm).await?;
    let customer = customers::named(work.customers(), &new.customer).await?;
    let customer = customer.filter(|found| reach.has_customer(found.id)).ok_or(SetAsideError::UnknownCustomer)?;
    let user = users::named(work.customers(), customer.id, &new.user).await?.ok_or(SetAsideError::UnknownUser)?;
    let no_quota = || SetAsideError::NoQuota(new.feature.clone());
    let feature = work.features().by_key(&new.feature).await?.ok_or_else(no_quota)?;
    let running = work.subscriptions().running(customer.id).await?.ok_or_else(no_quota)?;
    let mut all = work.subscriptions().entitlements(customer.id).await?;
    // What an earlier plan gave is in the history, and shared no more.
    all.retain(|one| one.subscription == running.id);
    let whole = all.iter().find(|e| e.feature == feature.id && e.user.is_none()).ok_or_else(no_quota)?;
    let Offer::Quota { amount: quota, period, .. } = whole.offer else { return Err(no_quota()) };
    let left = quota.saturating_sub(shared(&all, feature.id));
    if new.amount > left {
        return Err(SetAsideError::TooMuch { left, quota });
    }
    let share = Entitlement {
        id: app.new_id(),
        user: Some(user.id),
        // What goes beyond is the customer's own.
        offer: Offer::Quota { amount: new.amount, period, beyond: Beyond::default() },
        ..whole.clone()
    };
    work.subscriptions()
        .add_share(&share)
        .await
        .map_err(|fault| or_taken(fault, || SetAsideError::Shared(new.feature.clone())))?;
    let deed = Deed {
        action: Action::SetAsideShare,
        subject: &user.id,
        customer: Some(customer.id),
        note: format!("{} smallest units of {}", new.amount.get(), new.feature),
    };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, customer = %customer.id, user = %user.id, feature = %new.feature, "share set aside");
    Ok(share)
}

fn shared(all: &[Entitlement], feature: FeatureId) -> Units {
    let share = |e: &Entitlement| match e.offer {
        Offer::Quota { amount, .. } if e.feature == feature && e.user.is_some() => amount,
        Offer::Quota { .. } | Offer::Included | Offer::Value(_) => Units::ZERO,
    };
    all.iter().map(share).sum()
}
