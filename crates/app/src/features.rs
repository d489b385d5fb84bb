//! Features: what the provider's plans can grant and its calls can use.

use crate::app::{App, or_taken};
use crate::audit::{Deed, sign};
use crate::authority::{self, FindError, Forbidden};
use crate::removal::{RemoveError, gone};
use almoner_domain::audit::Action;
use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::feature::{Feature, FeatureKind};
use almoner_domain::text::{FeatureKey, Name};
use thiserror::Error;

/// A feature to be.
#[derive(Debug, Clone)]
pub struct NewFeature {
    /// Its stable name in code.
    pub key: FeatureKey,
    /// What people will call it.
    pub name: Name,
    /// What using it means.
    pub kind: FeatureKind,
}

/// Why no feature was defined.
#[derive(Debug, Error)]
pub enum DefineFeatureError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The key is taken.
    #[error("there is a feature \"{0}\" already")]
    Taken(FeatureKey),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Defines a feature.
pub async fn define(caller: &Caller, app: &App, new: NewFeature) -> Result<Feature, DefineFeatureError> {
    let realm = authority::operator(caller)?;
    let feature = Feature { id: app.new_id(), key: new.key, name: new.name, kind: new.kind };
    let mut work = app.store.begin(realm).await?;
    work.features()
        .add(&feature)
        .await
        .map_err(|fault| or_taken(fault, || DefineFeatureError::Taken(feature.key.clone())))?;
    let deed =
        Deed { action: Action::DefineFeature, subject: &feature.id, customer: None, note: feature.key.to_string() };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, feature = %feature.key, "feature defined");
    Ok(feature)
}

/// Removes a feature that no plan grants.
pub async fn remove(caller: &Caller, app: &App, key: &FeatureKey) -> Result<(), RemoveError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    let feature = work.features().by_key(key).await?.ok_or(RemoveError::NotFound)?;
    gone(work.features().remove(feature.id).await)?;
    let deed =
        Deed { action: Action::RemoveFeature, subject: &feature.id, customer: None, note: feature.key.to_string() };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, feature = %feature.key, "feature removed");
    Ok(())
}

/// A feature by its key.
pub async fn find(caller: &Caller, app: &App, key: &FeatureKey) -> Result<Option<Feature>, FindError> {
    let (realm, _) = authority::looks(caller)?;
    Ok(app.store.begin(realm).await?.features().by_key(key).await?)
}

/// All features, by key.
pub async fn list(caller: &Caller, app: &App) -> Result<Vec<Feature>, FindError> {
    let (realm, _) = authority::looks(caller)?;
    Ok(app.store.begin(realm).await?.features().all().await?)
}
