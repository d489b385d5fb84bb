//! Usage as people look at it: what was spent, by whom, for what, over time.

use crate::authority::{self, Forbidden};
use crate::desk::Desk;
use crate::directory::narrow;
use almoner_domain::caller::Caller;
use almoner_domain::fault::Fault;
use almoner_domain::text::FeatureKey;
use almoner_domain::usage::{Bucket, Measure, Span, UsageError, UsageFilter, UsageKey, UsageQuery, UsageRow};
use thiserror::Error;

/// Days that are looked at where nobody says which, today aside.
const DAYS_DEFAULT: i64 = 30;

/// What is asked.
#[derive(Debug, Clone)]
pub struct AskedUsage {
    /// Which usage; of which feature stands in `feature`.
    pub filter: UsageFilter,
    /// Of which feature, where it is one.
    pub feature: Option<FeatureKey>,
    /// When; none for the last 30 days.
    pub span: Option<Span>,
    /// What it is grouped by.
    pub keys: Vec<UsageKey>,
    /// How long the stretches of a series are; none for one sum.
    pub bucket: Option<Bucket>,
    /// What groups are ordered by; none for units where a feature is named, and calls where none is.
    pub measure: Option<Measure>,
    /// How many groups.
    pub top: u16,
}

/// What was spent.
#[derive(Debug, Clone)]
pub struct UsageReport {
    /// The question, as it was answered.
    pub query: UsageQuery,
    /// By time, and within a stretch of it the largest group first.
    pub rows: Vec<UsageRow>,
}

/// Why usage is not told.
#[derive(Debug, Error)]
pub enum AskUsageError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// It cannot be answered so.
    #[error(transparent)]
    Query(#[from] UsageError),
    /// There is no such feature.
    #[error("there is no feature \"{0}\"")]
    UnknownFeature(FeatureKey),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What was spent, as far as the caller sees it. What gates have not told the ledger yet follows within seconds.
pub async fn usage(caller: &Caller, desk: &Desk, asked: AskedUsage) -> Result<UsageReport, AskUsageError> {
    let (realm, reach) = authority::looks(caller)?;
    let mut filter = asked.filter;
    if let Some(key) = &asked.feature {
        let features = desk.lookup.features(realm).await?;
        let found = features.iter().find(|feature| feature.key == *key);
        filter.feature = Some(found.ok_or_else(|| AskUsageError::UnknownFeature(key.clone()))?.id);
    }
    let sees = narrow(reach, &mut filter.customer, &mut filter.user);
    let span = asked.span.unwrap_or_else(|| Span::days_before(desk.app.now(), DAYS_DEFAULT));
    let query = UsageQuery::new(filter, span)?.grouped(asked.keys, asked.measure, asked.top)?;
    let query = query.series(asked.bucket).checked()?;
    let rows = if sees { desk.usage.usage(realm, query.clone()).await? } else { Vec::new() };
    Ok(UsageReport { query, rows })
}
