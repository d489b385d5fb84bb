//! Plans: versioned terms. A version is never changed once published; a change is a new version.

use crate::app::{App, or_taken};
use crate::audit::{Deed, sign};
use crate::authority::{self, FindError, Forbidden};
use crate::removal::{RemoveError, gone};
use almoner_domain::audit::Action;
use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::feature::FeatureKind;
use almoner_domain::plan::{LiveRule, Offer, Plan, PlanLine, PlanVersion, Price};
use almoner_domain::ports::Features;
use almoner_domain::text::{ExternalId, FeatureKey, Name};
use almoner_domain::time::Timestamp;
use std::collections::BTreeSet;
use thiserror::Error;

/// The most features in one version of a plan: a subscription writes one entitlement for each.
pub const PLAN_LINES_MAX: usize = 256;

/// A plan to be.
#[derive(Debug, Clone)]
pub struct NewPlan {
    /// The provider's own id.
    pub external_id: ExternalId,
    /// What people will call it.
    pub name: Name,
}

/// The next terms of a plan.
#[derive(Debug, Clone)]
pub struct NewTerms {
    /// New subscriptions take them from then on; none for now.
    pub effective_from: Option<Timestamp>,
    /// What a customer pays for each month, where the provider says so.
    pub price: Option<Price>,
    /// What becomes of live allocations when a customer leaves these terms.
    pub live_rule: LiveRule,
    /// What of which feature.
    pub lines: Vec<(FeatureKey, Offer)>,
}

/// Why no plan was created.
#[derive(Debug, Error)]
pub enum CreatePlanError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The id is taken.
    #[error("there is a plan \"{0}\" already")]
    Taken(ExternalId),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why no version of a plan was published.
#[derive(Debug, Error)]
pub enum PublishPlanError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such plan.
    #[error("there is no plan \"{0}\"")]
    UnknownPlan(ExternalId),
    /// No such feature.
    #[error("there is no feature \"{0}\"")]
    UnknownFeature(FeatureKey),
    /// One feature in two lines: which of them holds?
    #[error("the feature \"{0}\" has two lines; a plan has at most one for each")]
    Repeated(FeatureKey),
    /// A quota for what is not counted, a value for what has none, and the like.
    #[error("the line of \"{0}\" does not fit its kind: boolean is included, static has a value, metered has a quota")]
    Mismatched(FeatureKey),
    /// Terms of nothing.
    #[error("a plan grants at least one feature")]
    Empty,
    /// More than a plan may have.
    #[error("a plan has at most {PLAN_LINES_MAX} lines")]
    TooManyLines,
    /// It would begin in the past, for which people have subscribed already.
    #[error("a version begins now or later")]
    Past,
    /// It would begin before, or with, the version before it.
    #[error("version {number} begins at {from}; the next begins after that")]
    Overlapping {
        /// The newest version.
        number: u32,
        /// When it begins.
        from: Timestamp,
    },
    /// Another version came in between.
    #[error("version {0} was published by somebody else at the same time: look at it, then publish again")]
    Raced(u32),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Creates a plan, without terms yet.
pub async fn create(caller: &Caller, app: &App, new: NewPlan) -> Result<Plan, CreatePlanError> {
    let realm = authority::operator(caller)?;
    let plan = Plan { id: app.new_id(), external_id: new.external_id, name: new.name };
    let mut work = app.store.begin(realm).await?;
    work.plans()
        .add(&plan)
        .await
        .map_err(|fault| or_taken(fault, || CreatePlanError::Taken(plan.external_id.clone())))?;
    let deed =
        Deed { action: Action::CreatePlan, subject: &plan.id, customer: None, note: plan.external_id.to_string() };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, plan = %plan.external_id, "plan created");
    Ok(plan)
}

/// A plan by the provider's id.
pub async fn find(caller: &Caller, app: &App, external_id: &ExternalId) -> Result<Option<Plan>, FindError> {
    let (realm, _) = authority::looks(caller)?;
    Ok(app.store.begin(realm).await?.plans().by_external_id(external_id).await?)
}

/// The newest version of a plan; `None` while nothing is published.
pub async fn latest(caller: &Caller, app: &App, plan: &Plan) -> Result<Option<PlanVersion>, FindError> {
    let realm = authority::operator(caller)?;
    Ok(app.store.begin(realm).await?.plans().latest(plan.id).await?)
}

/// Removes a plan that nobody is or was subscribed to, with its versions.
pub async fn remove(caller: &Caller, app: &App, external_id: &ExternalId) -> Result<(), RemoveError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    let plan = work.plans().by_external_id(external_id).await?.ok_or(RemoveError::NotFound)?;
    gone(work.plans().remove(plan.id).await)?;
    let deed =
        Deed { action: Action::RemovePlan, subject: &plan.id, customer: None, note: plan.external_id.to_string() };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, plan = %plan.external_id, "plan removed");
    Ok(())
}

/// Publishes the next version of a plan, from now on or from an instant ahead. Who subscribed to an earlier one stays on it.
pub async fn publish(
    caller: &Caller,
    app: &App,
    plan: &ExternalId,
    terms: NewTerms,
) -> Result<PlanVersion, PublishPlanError> {
    let realm = authority::operator(caller)?;
    check_terms(&terms.lines)?;
    let mut work = app.store.begin(realm).await?;
    let plan = work.plans().by_external_id(plan).await?.ok_or_else(|| PublishPlanError::UnknownPlan(plan.clone()))?;
    let latest = work.plans().latest(plan.id).await?;
    let number = latest.as_ref().map_or(1, |version| version.number.saturating_add(1));
    let now = app.now();
    let effective_from = terms.effective_from.unwrap_or(now);
    if effective_from < now {
        return Err(PublishPlanError::Past);
    }
    // Versions tile time: of two that began at once, or in another order than their numbers, nobody could say which holds.
    if let Some(version) = latest.filter(|version| version.effective_from >= effective_from) {
        return Err(PublishPlanError::Overlapping { number: version.number, from: version.effective_from });
    }
    let lines = lines(work.features(), &terms.lines).await?;
    let NewTerms { price, live_rule, .. } = terms;
    let version = PlanVersion { id: app.new_id(), plan: plan.id, number, effective_from, price, live_rule, lines };
    work.plans().publish(&version).await.map_err(|fault| or_taken(fault, || PublishPlanError::Raced(number)))?;
    let deed = Deed {
        action: Action::PublishPlan,
        subject: &version.id,
        customer: None,
        note: format!("{} version {number}", plan.external_id),
    };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, plan = %plan.external_id, number, "plan version published");
    Ok(version)
}

fn check_terms(terms: &[(FeatureKey, Offer)]) -> Result<(), PublishPlanError> {
    if terms.is_empty() {
        return Err(PublishPlanError::Empty);
    }
    if terms.len() > PLAN_LINES_MAX {
        return Err(PublishPlanError::TooManyLines);
    }
    let mut seen = BTreeSet::new();
    match terms.iter().find(|(key, _)| !seen.insert(key)) {
        Some((key, _)) => Err(PublishPlanError::Repeated(key.clone())),
        None => Ok(()),
    }
}

async fn lines(features: &mut dyn Features, terms: &[(FeatureKey, Offer)]) -> Result<Vec<PlanLine>, PublishPlanError> {
    let mut lines = Vec::with_capacity(terms.len());
    for (key, offer) in terms {
        let feature = features.by_key(key).await?.ok_or_else(|| PublishPlanError::UnknownFeature(key.clone()))?;
        if !fits(&feature.kind, offer) {
            return Err(PublishPlanError::Mismatched(key.clone()));
        }
        lines.push(PlanLine { feature: feature.id, offer: offer.clone() });
    }
    Ok(lines)
}

fn fits(kind: &FeatureKind, offer: &Offer) -> bool {
    matches!(
        (kind, offer),
        (FeatureKind::Boolean, Offer::Included)
            | (FeatureKind::Static, Offer::Value(_))
            | (FeatureKind::Metered(_), Offer::Quota { .. })
    )
}
