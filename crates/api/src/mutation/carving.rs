//! What is said to carve an allocation, read and refused member by member.

use super::conditions::{self, BusinessHoursInput, PaceInput};
use crate::asker::asker;
use crate::object::{AllocationNode, DurabilityName, PreviewObject};
use crate::refusal::{Checks, RefusalCode, Stop, kept};
use almoner_app::allocations::{self, CarveError, NewAllocation};
use almoner_domain::agent::SessionName;
use almoner_domain::ledger::CarveRefusal;
use almoner_domain::ports::{Source, SubjectName};
use almoner_domain::scope::{SCOPE_NAMES_MAX, Scope};
use almoner_domain::text::{FeatureKey, Named, ResourceName, SessionKey, SessionKind, TextError, ToolName};
use almoner_domain::time::Timestamp;
use async_graphql::{Context, ID, InputObject, Result};
use std::collections::BTreeSet;

/// An allocation to be.
#[derive(InputObject)]
pub(crate) struct CarveAllocationInput {
    /// Whose quota it is carved from, by our id or the provider's. One of `customer` and `parent`.
    customer: Option<String>,
    /// With `customer`: the user on whose behalf, by our id or the provider's; from their share where they have one.
    user: Option<String>,
    /// The allocation it is carved from.
    parent: Option<ID>,
    /// The agent it is to serve, by our id or the provider's.
    agent: String,
    /// The session it is for.
    session: SessionInput,
    /// 1 to 64 metered features with amounts, each feature once: all are carved, or none.
    pub(crate) lines: Vec<AllocationLineInput>,
    /// Tools it may be used with; as wide as the parent by default.
    tools: Option<Vec<String>>,
    /// Resources it may be used on; as wide as the parent by default.
    resources: Option<Vec<String>>,
    /// Not usable before (RFC 3339).
    not_before: Option<String>,
    /// Not usable from then on (RFC 3339); by default until the parent's end, or the quota's.
    expires_at: Option<String>,
    /// How its decisions are kept; by default as each feature says.
    durability: Option<DurabilityName>,
    /// In which hours it may be used; at any time by default.
    hours: Option<BusinessHoursInput>,
    /// How fast it may be used; at any pace by default.
    pace: Option<PaceInput>,
    /// It ends when nothing was used for so many seconds, 60 to 2,678,400; never by default.
    idle_timeout_seconds: Option<i64>,
}

/// A session by kind and key.
#[derive(InputObject)]
pub(crate) struct SessionInput {
    /// `task`, `chat`, `support_ticket`.
    kind: String,
    /// The provider's key in the kind.
    key: String,
}

/// Units of one feature.
#[derive(InputObject)]
pub(crate) struct AllocationLineInput {
    /// Which, by its key.
    pub(super) feature: String,
    /// How many, as a decimal in the feature's unit.
    amount: String,
}

/// Carves.
pub(super) async fn carve(context: &Context<'_>, input: CarveAllocationInput) -> Result<AllocationNode, Stop> {
    let asker = asker(context)?;
    let carved = allocations::carve(&asker.caller, &asker.desk, read(&input)?).await;
    carved.map(|statement| AllocationNode(statement.allocation)).map_err(|error| refused(error, &input))
}

/// Says what carving would come to.
pub(crate) async fn preview(context: &Context<'_>, input: CarveAllocationInput) -> Result<PreviewObject> {
    let asker = asker(context)?;
    let tried = match read(&input) {
        Ok(new) => allocations::preview(&asker.caller, &asker.desk, new).await.map_err(|error| refused(error, &input)),
        Err(stop) => Err(stop),
    };
    match tried {
        Ok(preview) => Ok(PreviewObject { preview: Some(preview), refusals: Vec::new() }),
        Err(Stop::Refused(refusals)) => Ok(PreviewObject { preview: None, refusals }),
        Err(Stop::Fault(error)) => Err(error),
    }
}

fn read(input: &CarveAllocationInput) -> Result<NewAllocation, Stop> {
    let mut checks = Checks::default();
    let source = source(input, &mut checks);
    let agent = checks.keep(&["agent"], Named::parse(&input.agent));
    let kind = checks.keep(&["session", "kind"], SessionKind::parse(&input.session.kind));
    let key = checks.keep(&["session", "key"], SessionKey::parse(&input.session.key));
    let lines = lines(&input.lines, &mut checks);
    let scope = read_scope(input.tools.as_deref(), input.resources.as_deref(), &mut checks);
    let not_before = instant("notBefore", input.not_before.as_deref(), &mut checks);
    let expires_at = instant("expiresAt", input.expires_at.as_deref(), &mut checks);
    let (hours, pace) = (input.hours.as_ref(), input.pace.as_ref());
    let conditions = conditions::read(hours, pace, input.idle_timeout_seconds, &mut checks);
    checks.done()?;
    Ok(NewAllocation {
        source: kept(source)?,
        agent: kept(agent)?,
        session: SessionName { kind: kept(kind)?, key: kept(key)? },
        lines,
        scope,
        not_before,
        expires_at,
        durability: input.durability.map(Into::into),
        conditions,
    })
}

/// Tools and resources that something may be used with.
pub(super) fn read_scope(tools: Option<&[String]>, resources: Option<&[String]>, checks: &mut Checks) -> Scope {
    Scope {
        tools: names("tools", tools, ToolName::parse, checks),
        resources: names("resources", resources, ResourceName::parse, checks),
    }
}

fn source(input: &CarveAllocationInput, checks: &mut Checks) -> Option<Source> {
    match (&input.customer, &input.parent) {
        (Some(customer), None) => {
            let customer = checks.keep(&["customer"], Named::parse(customer));
            let user = match &input.user {
                Some(user) => Some(checks.keep(&["user"], Named::parse(user))?),
                None => None,
            };
            Some(Source::Subject(SubjectName { customer: customer?, user }))
        }
        (None, Some(parent)) => {
            if input.user.is_some() {
                checks.add(&["user"], "goes with customer; an allocation's user is its parent's");
            }
            checks.keep(&["parent"], parent.parse()).map(Source::Allocation)
        }
        _ => {
            checks.add(&["customer"], "or parent says what to carve from: give exactly one of them");
            None
        }
    }
}

/// Reads lines, as far as the door can.
pub(super) fn lines(lines: &[AllocationLineInput], checks: &mut Checks) -> Vec<(FeatureKey, String)> {
    let mut read = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let key = checks.keep(&["lines", &index.to_string(), "feature"], FeatureKey::parse(&line.feature));
        read.extend(key.map(|key| (key, line.amount.clone())));
    }
    read
}

fn names<N: Ord>(
    member: &str,
    names: Option<&[String]>,
    parse: fn(&str) -> Result<N, TextError>,
    checks: &mut Checks,
) -> Option<BTreeSet<N>> {
    let names = names?;
    if names.len() > SCOPE_NAMES_MAX {
        checks.add(&[member], format!("has {} entries; at most {SCOPE_NAMES_MAX} are accepted", names.len()));
        return None;
    }
    let each = names.iter().enumerate().filter_map(|(i, name)| checks.keep(&[member, &i.to_string()], parse(name)));
    Some(each.collect())
}

fn instant(member: &str, text: Option<&str>, checks: &mut Checks) -> Option<Timestamp> {
    text.and_then(|text| checks.keep(&[member], Timestamp::parse(text)))
}

fn refused(error: CarveError, input: &CarveAllocationInput) -> Stop {
    refused_at(error, &input.lines)
}

/// A refusal with the line that it is about.
pub(super) fn refused_at(error: CarveError, lines: &[AllocationLineInput]) -> Stop {
    let line = |key: &FeatureKey| lines.iter().rposition(|line| line.feature == key.as_str()).unwrap_or_default();
    let at_line = |code, key: &FeatureKey, member: &str, message: String| {
        Stop::at(code, &["lines", &line(key).to_string(), member], message)
    };
    let message = error.to_string();
    match error {
        CarveError::Forbidden(why) => why.into(),
        CarveError::Fault(fault) => fault.into(),
        CarveError::UnknownCustomer => Stop::at(RefusalCode::NotFound, &["customer"], message),
        CarveError::UnknownUser => Stop::at(RefusalCode::NotFound, &["user"], message),
        CarveError::UnknownAgent => Stop::at(RefusalCode::NotFound, &["agent"], message),
        CarveError::UnknownParent => Stop::at(RefusalCode::NotFound, &["parent"], message),
        CarveError::UnknownFeature(key) => at_line(RefusalCode::NotFound, &key, "feature", message),
        CarveError::NotEntitled(key) => at_line(RefusalCode::NotFound, &key, "feature", message),
        CarveError::Amount { feature, .. } => at_line(RefusalCode::Invalid, &feature, "amount", message),
        CarveError::Short { feature, resets_at, .. } => {
            let renews = resets_at.map_or(String::new(), |at| format!(" The quota renews at {at}."));
            at_line(RefusalCode::Short, &feature, "amount", format!("{message}.{renews}"))
        }
        CarveError::Terms(terms) => Stop::at(RefusalCode::Conflict, &[member_of(&terms)], message),
    }
}

fn member_of(terms: &CarveRefusal) -> &'static str {
    match terms {
        CarveRefusal::ScopeWider => "tools",
        CarveRefusal::WindowWider { .. } | CarveRefusal::Window => "expiresAt",
        CarveRefusal::ParentEnded | CarveRefusal::TooDeep => "parent",
        CarveRefusal::OtherPrincipal | CarveRefusal::Paused => "customer",
        CarveRefusal::Lines | CarveRefusal::Short { .. } | CarveRefusal::NotEntitled { .. } => "lines",
    }
}
