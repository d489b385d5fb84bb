//! Statements of customers: what each of their quotas came to in a usage period, and which agents spent it.

use crate::app::App;
use crate::authority::{self, Forbidden};
use crate::customers;
use almoner_domain::agent::Agent;
use almoner_domain::calendar::Window;
use almoner_domain::caller::Caller;
use almoner_domain::customer::Customer;
use almoner_domain::fault::Fault;
use almoner_domain::feature::Feature;
use almoner_domain::id::{AgentId, CustomerId};
use almoner_domain::ports::{Directory, Lists, Lookup, QuotaWindow, SubjectName, Usage};
use almoner_domain::statement::QuotaStatement;
use almoner_domain::text::Named;
use almoner_domain::time::{HOUR, Timestamp};
use almoner_domain::units::Units;
use almoner_domain::usage::{Measure, Span, TOP_MAX, UsageError, UsageFilter, UsageKey, UsageQuery};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// What statements are made from.
#[derive(Clone, Copy)]
pub struct Sources<'s> {
    /// Where quotas stand.
    pub lists: &'s dyn Lists,
    /// What was spent.
    pub usage: &'s dyn Usage,
    /// What opens the current windows.
    pub lookup: &'s dyn Lookup,
    /// Who the agents are.
    pub directory: &'s dyn Directory,
}

/// What a customer's quotas came to.
#[derive(Debug)]
pub struct CustomerStatement {
    /// Whose.
    pub customer: Customer,
    /// Quota by quota, by the keys of their features.
    pub quotas: Vec<FeatureStatement>,
}

/// What one quota came to in one window.
#[derive(Debug)]
pub struct FeatureStatement {
    /// Of which feature.
    pub feature: Feature,
    /// Where its units stand, or stood.
    pub quota: QuotaStatement,
    /// How many of them were spent in all, straight from the quota and in allocations.
    pub spent: Units,
    /// Who spent them, the most first: at most [`TOP_MAX`]. By whole hours, so that a window that begins within one has all of it.
    pub agents: Vec<AgentUse>,
}

/// What one agent spent.
#[derive(Debug)]
pub struct AgentUse {
    /// Which; none for calls without an agent.
    pub agent: Option<Agent>,
    /// Calls that were allowed and spent.
    pub calls: i64,
    /// Calls that were denied.
    pub denied: i64,
    /// Units spent.
    pub units: Units,
}

/// Why there is no statement.
#[derive(Debug, Error)]
pub enum StatementError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// Its usage cannot be asked for.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The statement of a customer for the current usage period of each of its quotas, or for the last one.
pub async fn of(
    caller: &Caller,
    app: &App,
    sources: Sources<'_>,
    customer: &Named<CustomerId>,
    which: QuotaWindow,
) -> Result<CustomerStatement, StatementError> {
    let realm = authority::operator(caller)?;
    let found = customers::named(app.store.begin(realm).await?.customers(), customer).await?;
    let customer = found.ok_or(StatementError::UnknownCustomer)?;
    if which == QuotaWindow::Current {
        // Asking opens windows that nobody has asked about yet.
        let subject = SubjectName { customer: Named::Id(customer.id), user: None };
        sources.lookup.entitlements(realm, &subject).await?;
    }
    let features = sources.lookup.features(realm).await?;
    let mut quotas = Vec::new();
    let told = sources.lists.quotas_of(realm, vec![(customer.id, which)]).await?;
    for quota in told.into_iter().flatten() {
        let Some(feature) = features.iter().find(|feature| feature.id == quota.feature) else { continue };
        let filter = UsageFilter { customer: Some(customer.id), feature: Some(feature.id), ..UsageFilter::default() };
        let query = UsageQuery::new(filter, span(quota.window, app.now())?)?;
        let spent = sources.usage.usage(realm, query.clone().checked()?).await?;
        let query = query.grouped(vec![UsageKey::Agent], Some(Measure::Units), TOP_MAX)?.checked()?;
        let rows = sources.usage.usage(realm, query).await?;
        let ids: BTreeSet<AgentId> = rows.iter().filter_map(|row| row.agent).collect();
        let agents = sources.directory.agents_among(realm, ids.into_iter().collect()).await?;
        let agents: BTreeMap<AgentId, Agent> = agents.into_iter().map(|agent| (agent.id, agent)).collect();
        let used = rows.iter().map(|row| AgentUse {
            agent: row.agent.and_then(|id| agents.get(&id).cloned()),
            calls: row.calls,
            denied: row.denied,
            units: row.units,
        });
        let spent = spent.iter().map(|row| row.units).sum();
        quotas.push(FeatureStatement { feature: feature.clone(), spent, agents: used.collect(), quota });
    }
    quotas.sort_by(|a, b| a.feature.key.cmp(&b.feature.key));
    Ok(CustomerStatement { customer, quotas })
}

/// The hours that a window lies in, up to this one.
fn span(window: Window, now: Timestamp) -> Result<Span, UsageError> {
    let floor = |at: Timestamp| at.as_micros().div_euclid(HOUR) * HOUR;
    let end = window.end.unwrap_or(now).min(now);
    let since = floor(window.start);
    let until = (floor(Timestamp::from_micros(end.as_micros().saturating_sub(1))) + HOUR).max(since + HOUR);
    Span::new(Timestamp::from_micros(since), Timestamp::from_micros(until))
}
