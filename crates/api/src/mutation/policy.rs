//! Policies are put into force and retired, never changed.

use super::carving::read_scope;
use super::conditions::{self, BusinessHoursInput, PaceInput};
use crate::asker::asker;
use crate::object::{PolicyObject, PolicyTrialObject};
use crate::refusal::{Checks, RefusalCode, Stop, kept, payload};
use almoner_app::policies::{
    self, AddPolicyError, LineAmount, NewPolicy, NewPolicyLine, NewSelector, RetirePolicyError, TryPolicyError,
};
use almoner_domain::policy::PolicyError;
use almoner_domain::policy_trial::{TrialError, TrialOutcome};
use almoner_domain::text::{ExternalId, FeatureKey, Label, Name, Named, SessionKind};
use almoner_domain::time::Timestamp;
use almoner_domain::zone::Zone;
use async_graphql::{Context, InputObject, Object, Result};
use std::time::Duration;

/// A policy to be.
#[derive(InputObject)]
pub(crate) struct AddPolicyInput {
    /// The provider's own id, unique for the tenant.
    external_id: String,
    /// What people will call it.
    name: String,
    /// For sessions of these agents, by our id or the provider's: 1 to 100. One of `agents` and `agentLabel`, or neither for all.
    agents: Option<Vec<String>>,
    /// For sessions of agents that bear this label.
    agent_label: Option<String>,
    /// For sessions of this kind, such as `support_ticket`.
    session_kind: String,
    /// On behalf of this customer, by our id or the provider's; of any by default.
    customer: Option<String>,
    /// What a session gets: 1 to 16 metered features, each once.
    pub(crate) lines: Vec<PolicyLineInput>,
    /// Tools that its allocations may be used with; any by default.
    tools: Option<Vec<String>>,
    /// Resources that its allocations may be used on; any by default.
    resources: Option<Vec<String>>,
    /// In which hours its allocations may be used; at any time by default.
    hours: Option<BusinessHoursInput>,
    /// How fast each of its allocations may be used; at any pace by default.
    pace: Option<PaceInput>,
    /// An allocation of it ends when nothing was used for so many seconds, 60 to 2,678,400; never by default.
    idle_timeout_seconds: Option<i64>,
    /// How long an allocation lasts from the call that made it: 1 second to 366 days.
    lifetime_seconds: i64,
    /// How many of a customer's allocations may be live at once; any number by default.
    live_max: Option<i64>,
    /// The IANA time zone in which a day is one; `UTC` by default.
    zone: Option<String>,
}

/// What a session is to get of one feature.
#[derive(InputObject)]
pub(crate) struct PolicyLineInput {
    /// Of which metered feature, by its key.
    feature: String,
    /// Up to how many units, as a decimal in its unit.
    up_to: String,
    /// How many of a customer's units may be out on one day, spent or still in allocations of that day; any number by default.
    a_day: Option<String>,
}

/// A policy to be retired.
#[derive(InputObject)]
pub(crate) struct RetirePolicyInput {
    /// Which, by our id or the provider's.
    policy: String,
}

payload! {
    /// What came of putting a policy into force.
    AddPolicyPayload {
        /// The policy.
        policy: PolicyObject
    }
}

payload! {
    /// What came of retiring a policy.
    RetirePolicyPayload {
        /// The policy.
        policy: PolicyObject
    }
}

#[derive(Default)]
pub(crate) struct PolicyMutation;

#[Object]
impl PolicyMutation {
    /// Puts a policy into force: from now on a session of its kind gets its allocation in the call that brings it.
    #[graphql(complexity = "input.lines.len() + child_complexity")]
    async fn add_policy(&self, context: &Context<'_>, input: AddPolicyInput) -> Result<AddPolicyPayload> {
        AddPolicyPayload::of(add(context, input).await)
    }

    /// Retires a policy: it makes no allocations from now on. Those that it made stay.
    async fn retire_policy(&self, context: &Context<'_>, input: RetirePolicyInput) -> Result<RetirePolicyPayload> {
        RetirePolicyPayload::of(retire(context, input).await)
    }
}

async fn add(context: &Context<'_>, input: AddPolicyInput) -> Result<PolicyObject, Stop> {
    let asker = asker(context)?;
    let new = read(input)?;
    policies::add(&asker.caller, &asker.desk.app, new).await.map(PolicyObject).map_err(refused)
}

/// What a policy would have done from one instant until another.
pub(crate) async fn try_on(
    context: &Context<'_>,
    input: AddPolicyInput,
    since: &str,
    until: &str,
) -> Result<PolicyTrialObject> {
    match tried(context, input, since, until).await {
        Ok(outcome) => Ok(PolicyTrialObject { outcome: Some(outcome), refusals: Vec::new() }),
        Err(Stop::Refused(refusals)) => Ok(PolicyTrialObject { outcome: None, refusals }),
        Err(Stop::Fault(error)) => Err(error),
    }
}

async fn tried(context: &Context<'_>, input: AddPolicyInput, since: &str, until: &str) -> Result<TrialOutcome, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let since = checks.keep(&["from"], Timestamp::parse(since));
    let until = checks.keep(&["to"], Timestamp::parse(until));
    checks.done()?;
    let tried = policies::try_on(&asker.caller, &asker.desk, read(input)?, kept(since)?, kept(until)?).await;
    tried.map_err(|error| match error {
        TryPolicyError::Policy(why) => refused(why),
        TryPolicyError::Trial(TrialError::Span) => Stop::at(RefusalCode::Limit, &["to"], error),
        TryPolicyError::Trial(TrialError::Sessions | TrialError::Calls) => {
            Stop::at(RefusalCode::Limit, &["from"], error)
        }
        TryPolicyError::Trial(TrialError::Calendar) => Stop::at(RefusalCode::Invalid, &["zone"], error),
    })
}

fn read(input: AddPolicyInput) -> Result<NewPolicy, Stop> {
    let mut checks = Checks::default();
    let external_id = checks.keep(&["externalId"], ExternalId::parse(&input.external_id));
    let name = checks.keep(&["name"], Name::parse(&input.name));
    let session_kind = checks.keep(&["sessionKind"], SessionKind::parse(&input.session_kind));
    let agents = selector(input.agents, input.agent_label.as_deref(), &mut checks);
    let customer = input.customer.as_deref().map(|text| checks.keep(&["customer"], Named::parse(text)));
    let lines: Vec<Option<NewPolicyLine>> =
        input.lines.into_iter().enumerate().map(|(at, line)| read_line(at, line, &mut checks)).collect();
    let scope = read_scope(input.tools.as_deref(), input.resources.as_deref(), &mut checks);
    let (hours, pace) = (input.hours.as_ref(), input.pace.as_ref());
    let conditions = conditions::read(hours, pace, input.idle_timeout_seconds, &mut checks);
    // What is below zero lasts as long as nothing does, and is refused as that.
    let lifetime = Duration::from_secs(u64::try_from(input.lifetime_seconds).unwrap_or_default());
    let live_max = input.live_max.map(|max| u32::try_from(max).unwrap_or_default());
    let zone = checks.keep(&["zone"], Zone::parse(input.zone.as_deref().unwrap_or("UTC")));
    checks.done()?;
    Ok(NewPolicy {
        external_id: kept(external_id)?,
        name: kept(name)?,
        agents: kept(agents)?,
        session_kind: kept(session_kind)?,
        customer: customer.flatten(),
        lines: lines.into_iter().flatten().collect(),
        scope,
        conditions,
        lifetime,
        live_max,
        zone: kept(zone)?,
    })
}

fn refused(error: AddPolicyError) -> Stop {
    use AddPolicyError as Why;
    let line = |code, line: usize, member: &str| Stop::at(code, &["lines", &line.to_string(), member], &error);
    // These say what a member must be, without naming it.
    let member = |code, path: &[&str]| Stop::at(code, path, format!("{} {error}", path.last().unwrap_or(&"it")));
    match error {
        Why::Forbidden(why) => why.into(),
        Why::Fault(fault) => fault.into(),
        Why::Taken(_) => Stop::at(RefusalCode::Taken, &["externalId"], error),
        Why::UnknownCustomer => Stop::at(RefusalCode::NotFound, &["customer"], error),
        Why::UnknownAgent(at) => Stop::at(RefusalCode::NotFound, &["agents", &at.to_string()], error),
        Why::TooMany => Stop::at(RefusalCode::Limit, &[], error),
        Why::UnknownFeature { line: at, .. } => line(RefusalCode::NotFound, at, "feature"),
        Why::NotMetered { line: at, .. } => line(RefusalCode::Invalid, at, "feature"),
        Why::Amount { line: at, which: LineAmount::UpTo, .. } => line(RefusalCode::Invalid, at, "upTo"),
        Why::Amount { line: at, which: LineAmount::ADay, .. } => line(RefusalCode::Invalid, at, "aDay"),
        Why::Policy(PolicyError::Lines) => Stop::at(RefusalCode::Limit, &["lines"], error),
        Why::Policy(PolicyError::Repeated(at)) => line(RefusalCode::Invalid, at, "feature"),
        Why::Policy(PolicyError::Nothing(at)) => member(RefusalCode::Invalid, &["lines", &at.to_string(), "upTo"]),
        Why::Policy(PolicyError::DayTooShort(at)) => member(RefusalCode::Invalid, &["lines", &at.to_string(), "aDay"]),
        Why::Policy(PolicyError::Agents) => member(RefusalCode::Limit, &["agents"]),
        Why::Policy(PolicyError::Lifetime) => member(RefusalCode::Invalid, &["lifetimeSeconds"]),
        Why::Policy(PolicyError::Live) => member(RefusalCode::Invalid, &["liveMax"]),
    }
}

fn selector(agents: Option<Vec<String>>, label: Option<&str>, checks: &mut Checks) -> Option<NewSelector> {
    match (agents, label) {
        (None, None) => Some(NewSelector::Any),
        (None, Some(label)) => checks.keep(&["agentLabel"], Label::parse(label)).map(NewSelector::Labelled),
        (Some(agents), None) => {
            let named = |(at, text): (usize, &String)| checks.keep(&["agents", &at.to_string()], Named::parse(text));
            let named: Vec<_> = agents.iter().enumerate().map(named).collect();
            Some(NewSelector::These(named.into_iter().collect::<Option<_>>()?))
        }
        (Some(_), Some(_)) => {
            checks.add(&["agentLabel"], "goes without agents: name agents or a label");
            None
        }
    }
}

fn read_line(at: usize, line: PolicyLineInput, checks: &mut Checks) -> Option<NewPolicyLine> {
    let feature = checks.keep(&["lines", &at.to_string(), "feature"], FeatureKey::parse(&line.feature));
    Some(NewPolicyLine { feature: feature?, up_to: line.up_to, a_day: line.a_day })
}

async fn retire(context: &Context<'_>, input: RetirePolicyInput) -> Result<PolicyObject, Stop> {
    let asker = asker(context)?;
    let mut checks = Checks::default();
    let name = checks.keep(&["policy"], Named::parse(&input.policy));
    checks.done()?;
    let retired = policies::retire(&asker.caller, &asker.desk.app, &kept(name)?).await;
    retired.map(PolicyObject).map_err(|error| match error {
        RetirePolicyError::Forbidden(why) => why.into(),
        RetirePolicyError::Fault(fault) => fault.into(),
        RetirePolicyError::NotFound => Stop::at(RefusalCode::NotFound, &["policy"], error),
    })
}
