//! Policies: rules that make allocations just in time. One is never changed: it is retired, and another takes its place.

use crate::app::{App, or_taken};
use crate::audit::{Deed, sign};
use crate::authority::{self, FindError, Forbidden};
use crate::desk::Desk;
use crate::{agents, customers};
use almoner_domain::agent::Agent;
use almoner_domain::audit::Action;
use almoner_domain::caller::Caller;
use almoner_domain::conditions::Conditions;
use almoner_domain::fault::Fault;
use almoner_domain::id::{AgentId, CustomerId, PolicyId};
use almoner_domain::policy::{AgentSelector, Policy, PolicyError, PolicyLine};
use almoner_domain::policy_trial::{PastCall, PolicyTrial, TRIAL_SPAN_MAX, TrialError, TrialOutcome};
use almoner_domain::ports::{Features, SessionDecisionFilter, Work};
use almoner_domain::price::{self, PriceList};
use almoner_domain::scope::Scope;
use almoner_domain::text::{ExternalId, FeatureKey, Label, Name, Named, SessionKind};
use almoner_domain::time::Timestamp;
use almoner_domain::units::{Units, UnitsError};
use almoner_domain::zone::Zone;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use thiserror::Error;

/// The most policies of a tenant that are in force at once.
pub const POLICIES_MAX: usize = 500;

/// A policy to be.
#[derive(Debug, Clone)]
pub struct NewPolicy {
    /// The provider's own id.
    pub external_id: ExternalId,
    /// What people will call it.
    pub name: Name,
    /// For sessions of which agents.
    pub agents: NewSelector,
    /// For sessions of which kind.
    pub session_kind: SessionKind,
    /// On behalf of which customer; none for any.
    pub customer: Option<Named<CustomerId>>,
    /// What a session gets.
    pub lines: Vec<NewPolicyLine>,
    /// With which tools, on which resources.
    pub scope: Scope,
    /// In which hours, how fast, and how long an allocation may lie idle.
    pub conditions: Conditions,
    /// How long an allocation lasts.
    pub lifetime: Duration,
    /// How many of a customer's may be live at once.
    pub live_max: Option<u32>,
    /// In whose civil time a day is one.
    pub zone: Zone,
}

/// Which agents a policy is to be for.
#[derive(Debug, Clone)]
pub enum NewSelector {
    /// Every agent.
    Any,
    /// Those that bear this label.
    Labelled(Label),
    /// These.
    These(Vec<Named<AgentId>>),
}

/// What a session is to get of one feature, in decimals of its unit.
#[derive(Debug, Clone)]
pub struct NewPolicyLine {
    /// Of which feature.
    pub feature: FeatureKey,
    /// Up to how many units.
    pub up_to: String,
    /// How many of a customer's units may be out on one day.
    pub a_day: Option<String>,
}

/// Which of a line's two amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineAmount {
    /// What one session gets.
    UpTo,
    /// What one day has.
    ADay,
}

/// Why no policy was made.
#[derive(Debug, Error)]
pub enum AddPolicyError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The id is taken.
    #[error("there is a policy \"{0}\" already; retired ones keep theirs")]
    Taken(ExternalId),
    /// More than a call can choose among quickly.
    #[error("at most {POLICIES_MAX} policies are in force at once; retire one first")]
    TooMany,
    /// No such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// No such agent.
    #[error("there is no such agent")]
    UnknownAgent(usize),
    /// No such feature.
    #[error("there is no feature \"{key}\"")]
    UnknownFeature {
        /// Its key.
        key: FeatureKey,
        /// In which line.
        line: usize,
    },
    /// What is not counted cannot be handed out.
    #[error("the feature \"{key}\" is not metered; an allocation has units")]
    NotMetered {
        /// Its key.
        key: FeatureKey,
        /// In which line.
        line: usize,
    },
    /// No amount of the feature.
    #[error("the amount {why}")]
    Amount {
        /// In which line.
        line: usize,
        /// Which of its amounts.
        which: LineAmount,
        /// What is wrong with it.
        why: UnitsError,
    },
    /// What it says cannot be.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a policy was not retired.
#[derive(Debug, Error)]
pub enum RetirePolicyError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such policy.
    #[error("there is no such policy")]
    NotFound,
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Puts a policy into force.
pub async fn add(caller: &Caller, app: &App, new: NewPolicy) -> Result<Policy, AddPolicyError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    let in_force = work.policies().all().await?.into_iter().filter(|policy| policy.retired_at.is_none());
    if in_force.count() >= POLICIES_MAX {
        return Err(AddPolicyError::TooMany);
    }
    let policy = resolve(&mut *work, app, new).await?;
    work.policies()
        .add(&policy)
        .await
        .map_err(|fault| or_taken(fault, || AddPolicyError::Taken(policy.external_id.clone())))?;
    let note = policy.external_id.to_string();
    let deed = Deed { action: Action::AddPolicy, subject: &policy.id, customer: policy.customer, note };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, policy = %policy.external_id, "policy in force");
    Ok(policy)
}

async fn resolve(work: &mut dyn Work, app: &App, new: NewPolicy) -> Result<Policy, AddPolicyError> {
    let customer = match &new.customer {
        None => None,
        Some(name) => {
            let found = customers::named(work.customers(), name).await?;
            Some(found.ok_or(AddPolicyError::UnknownCustomer)?.id)
        }
    };
    let agents = match new.agents {
        NewSelector::Any => AgentSelector::Any,
        NewSelector::Labelled(label) => AgentSelector::Labelled(label),
        NewSelector::These(names) => {
            let mut these = BTreeSet::new();
            for (at, name) in names.iter().enumerate() {
                let agent = agents::named(work.agents(), name).await?;
                these.insert(agent.ok_or(AddPolicyError::UnknownAgent(at))?.id);
            }
            AgentSelector::These(these)
        }
    };
    let policy = Policy {
        id: app.new_id(),
        external_id: new.external_id,
        name: new.name,
        agents,
        session_kind: new.session_kind,
        customer,
        lines: lines(work.features(), new.lines).await?,
        scope: new.scope,
        conditions: new.conditions,
        lifetime: new.lifetime,
        live_max: new.live_max,
        zone: new.zone,
        created_at: app.now(),
        retired_at: None,
    };
    policy.check()?;
    Ok(policy)
}

async fn lines(features: &mut dyn Features, new: Vec<NewPolicyLine>) -> Result<Vec<PolicyLine>, AddPolicyError> {
    let mut lines = Vec::with_capacity(new.len());
    for (line, wanted) in new.into_iter().enumerate() {
        let key = wanted.feature;
        let feature = features.by_key(&key).await?;
        let feature = feature.ok_or_else(|| AddPolicyError::UnknownFeature { key: key.clone(), line })?;
        let Some(meter) = feature.meter() else { return Err(AddPolicyError::NotMetered { key, line }) };
        let amount = |text: &str, which| {
            Units::parse(text, meter.scale).map_err(|why| AddPolicyError::Amount { line, which, why })
        };
        let up_to = amount(&wanted.up_to, LineAmount::UpTo)?;
        let a_day = wanted.a_day.as_deref().map(|text| amount(text, LineAmount::ADay)).transpose()?;
        lines.push(PolicyLine { feature: feature.id, up_to, a_day });
    }
    Ok(lines)
}

/// Why a policy was not tried.
#[derive(Debug, Error)]
pub enum TryPolicyError {
    /// As for putting it into force.
    #[error(transparent)]
    Policy(#[from] AddPolicyError),
    /// More of the past than a trial goes through.
    #[error(transparent)]
    Trial(#[from] TrialError),
}

impl From<Fault> for TryPolicyError {
    fn from(fault: Fault) -> Self {
        Self::Policy(fault.into())
    }
}

/// Decisions read at once.
const PAGE: u64 = 1_000;

/// Tries a policy that is not in force on what sessions of its kind, of its agents, did from `since` until `until`: which of them it
/// would have denied something. Nothing is changed. Prices are those in effect now.
pub async fn try_on(
    caller: &Caller,
    desk: &Desk,
    new: NewPolicy,
    since: Timestamp,
    until: Timestamp,
) -> Result<TrialOutcome, TryPolicyError> {
    let realm = authority::operator(caller).map_err(AddPolicyError::from)?;
    if until <= since || until.saturating_since(since) > TRIAL_SPAN_MAX {
        return Err(TrialError::Span.into());
    }
    let policy = {
        let mut work = desk.app.store.begin(realm).await?;
        resolve(&mut *work, &desk.app, new).await?
    };
    let prices = desk.lookup.prices(realm).await?;
    let prices: Vec<PriceList> = price::in_effect(&prices, desk.app.now()).cloned().collect();
    let filter = SessionDecisionFilter {
        kind: policy.session_kind.clone(),
        agents: match &policy.agents {
            AgentSelector::These(agents) => Some(agents.clone()),
            // Who bears a label is seen once it is known who there was.
            AgentSelector::Any | AgentSelector::Labelled(_) => None,
        },
        customer: policy.customer,
        since,
        until,
    };
    let mut trial = PolicyTrial::new(&policy, &prices);
    let mut agents: BTreeMap<AgentId, Agent> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = desk.directory.session_decisions(realm, filter.clone(), after, PAGE).await?;
        let calls: Vec<PastCall> = page.iter().filter_map(PastCall::of).collect();
        let named: BTreeSet<AgentId> = calls.iter().map(|call| call.agent).collect();
        let new: Vec<AgentId> = named.into_iter().filter(|id| !agents.contains_key(id)).collect();
        let found = desk.directory.agents_among(realm, new).await?;
        agents.extend(found.into_iter().map(|agent| (agent.id, agent)));
        for call in calls {
            let is_for = |agent: &Agent| policy.is_for(agent, &policy.session_kind, call.customer);
            if agents.get(&call.agent).is_some_and(is_for) {
                trial.see(&call)?;
            }
        }
        match page.last() {
            Some(last) if page.len() as u64 == PAGE => after = Some(last.id),
            _ => return Ok(trial.outcome()),
        }
    }
}

/// Retires a policy: it makes no allocations from now on; those it made stay. Retiring it again changes nothing.
pub async fn retire(caller: &Caller, app: &App, name: &Named<PolicyId>) -> Result<Policy, RetirePolicyError> {
    let realm = authority::operator(caller)?;
    let mut work = app.store.begin(realm).await?;
    let mut policy = work.policies().named(name).await?.ok_or(RetirePolicyError::NotFound)?;
    let now = app.now();
    if !work.policies().retire(policy.id, now).await? {
        return Ok(policy);
    }
    policy.retired_at = Some(now);
    let note = policy.external_id.to_string();
    let deed = Deed { action: Action::RetirePolicy, subject: &policy.id, customer: policy.customer, note };
    sign(&mut *work, app, caller, deed).await?;
    work.commit().await?;
    tracing::info!(%realm, policy = %policy.external_id, "policy retired");
    Ok(policy)
}

/// A policy by our id or the provider's.
pub async fn find(caller: &Caller, app: &App, name: &Named<PolicyId>) -> Result<Option<Policy>, FindError> {
    let realm = authority::operator(caller)?;
    Ok(app.store.begin(realm).await?.policies().named(name).await?)
}

/// All policies, retired ones too, by the provider's id.
pub async fn list(caller: &Caller, app: &App) -> Result<Vec<Policy>, FindError> {
    let realm = authority::operator(caller)?;
    Ok(app.store.begin(realm).await?.policies().all().await?)
}
