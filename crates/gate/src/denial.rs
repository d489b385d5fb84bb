//! Denials: why not, in a code for programs and a sentence for people and models.

use crate::handle::{Handle, HandleLine};
use crate::judge::level;
use crate::pace::HeldTo;
use almoner_domain::decision::{Denial, Level, Reason};
use almoner_domain::feature::Feature;
use almoner_domain::id::AllocationId;
use almoner_domain::standing::{Stopped, Suspension};
use almoner_domain::text::Name;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use std::time::Duration;

/// After how many seconds a caller should try again when the gate cannot know.
const RETRY_UNAVAILABLE_S: u32 = 1;

/// What is said of a subscription that is paused.
const PAUSED: &str = "The customer's subscription is paused. It goes on when it is resumed.";

/// Fewer units are left than the call costs.
pub(crate) fn exhausted(handle: &Handle, line: &HandleLine, left: Units, asked: Units, now: Timestamp) -> Denial {
    let scale = line.meter.scale;
    let mut message = format!(
        "{} has {} {} left of {}; this call asks for {}.",
        handle.standing.label,
        left.display(scale),
        line.meter.unit,
        line.line.granted.display(scale),
        asked.display(scale)
    );
    match line.line.resets_at {
        Some(at) => message.push_str(&format!(" It renews at {at}.")),
        None => message.push_str(" Its owner can raise it."),
    }
    Denial {
        resets_at: line.line.resets_at,
        retry_after_s: line.line.resets_at.map(|at| seconds(at, now)),
        ..denial(handle, Reason::Exhausted, line.line.level, message)
    }
}

/// Its window is over, it was closed, or somebody took it back.
pub(crate) fn ended(handle: &Handle, reason: Reason) -> Denial {
    let what = if reason == Reason::Revoked { "was revoked" } else { "has ended" };
    let message = format!("{} {what}. A new one is needed.", handle.standing.label);
    denial(handle, reason, level(handle), message)
}

/// Its window has not begun.
pub(crate) fn not_started(handle: &Handle, start: Timestamp, now: Timestamp) -> Denial {
    let message = format!("{} is usable from {start}.", handle.standing.label);
    Denial {
        resets_at: Some(start),
        retry_after_s: Some(seconds(start, now)),
        ..denial(handle, Reason::NotStarted, level(handle), message)
    }
}

/// Outside the hours of an allocation, or of one that it was carved from.
pub(crate) fn outside_hours(handle: &Handle, of: AllocationId, opens_at: Option<Timestamp>, now: Timestamp) -> Denial {
    let label = &handle.standing.label;
    let message = match opens_at {
        Some(at) => format!("{label} is outside its hours. It opens at {at}."),
        None => format!("{label} is outside its hours and does not open again."),
    };
    let retry_after_s = opens_at.map(|at| seconds(at, now));
    let denial = denial(handle, Reason::OutsideSchedule, level_of(handle, of), message);
    Denial { resets_at: opens_at, retry_after_s, ..denial }
}

/// As many calls as a pace allows came within its span.
pub(crate) fn too_fast(handle: &Handle, held: &HeldTo, wait: Duration, now: Timestamp) -> Denial {
    let message = format!(
        "{} may be called {} times in {} seconds, and was. Wait {} seconds.",
        handle.standing.label,
        held.pace.calls(),
        held.pace.per().as_secs(),
        whole(wait)
    );
    let denial = denial(handle, Reason::RateLimited, level_of(handle, held.allocation), message);
    Denial { resets_at: Some(now.saturating_add(wait)), retry_after_s: Some(whole(wait)), ..denial }
}

/// The level of a condition: the allocation's own, or one above it.
fn level_of(handle: &Handle, allocation: AllocationId) -> Level {
    if handle.standing.allocation == Some(allocation) { Level::Allocation } else { Level::ParentAllocation }
}

/// Somebody has to let it go on.
pub(crate) fn suspended(handle: &Handle, suspension: &Suspension) -> Denial {
    let label = &handle.standing.label;
    let (level, message) = match suspension {
        Suspension::Paused => (Level::Customer, PAUSED.to_owned()),
        Suspension::Guarded { stopped: Stopped::Agent, why } => {
            (Level::Tenant, format!("The agent is suspended: {why}. Somebody must resume it."))
        }
        Suspension::Guarded { stopped: Stopped::Allocation, why } => {
            (Level::Allocation, format!("{label} is suspended: {why}. Somebody must resume it."))
        }
    };
    denial(handle, Reason::Suspended, level, message)
}

/// It is slowed down, and its turn has not come.
pub(crate) fn rate_limited(handle: &Handle, stopped: Stopped, interval: Duration, wait: Duration) -> Denial {
    let (level, who) = match stopped {
        Stopped::Agent => (Level::Tenant, "The agent"),
        Stopped::Allocation => (Level::Allocation, handle.standing.label.as_str()),
    };
    let message = format!(
        "{who} is slowed down, because it shows signs of running away: one call in {} s is admitted. Somebody can resume it.",
        interval.as_secs()
    );
    Denial { retry_after_s: Some(whole(wait)), ..denial(handle, Reason::RateLimited, level, message) }
}

/// Another tool or resource than it was made for.
pub(crate) fn out_of_scope(handle: &Handle, tool: Option<&str>, resource: Option<&str>) -> Denial {
    let said = |name: &str, value: Option<&str>| match value {
        Some(value) => format!("{name} \"{value}\""),
        None => format!("no {name}"),
    };
    let message = format!(
        "{} is for other tools or resources: this call names {} and {}.",
        handle.standing.label,
        said("tool", tool),
        said("resource", resource)
    );
    denial(handle, Reason::OutOfScope, level(handle), message)
}

/// The plan or allocation does not have the feature.
pub(crate) fn not_entitled(handle: &Handle, feature: &Feature) -> Denial {
    let message = format!("{} does not include {}.", handle.standing.label, feature.name);
    let level = if handle.standing.allocation.is_some() { Level::Allocation } else { Level::Plan };
    denial(handle, Reason::NotEntitled, level, message)
}

/// An agent asks for a session for which nothing has been allocated.
pub(crate) fn no_policy() -> Denial {
    let message = "Nothing is allocated to this agent's session, and no policy makes an allocation for it. Carve an \
                   allocation and name it, or call for the customer or user without an agent.";
    bare(Reason::NotEntitled, Level::Allocation, message, None)
}

/// As many allocations of a policy are live as may be.
pub(crate) fn too_many_live(policy: &Name, live_max: u32) -> Denial {
    let message = format!(
        "The policy \"{policy}\" has {live_max} sessions going, as many as it may at once. Another gets its allocation when \
         one of them ends."
    );
    bare(Reason::Exhausted, Level::Customer, &message, None)
}

/// A policy's units of the day are out.
pub(crate) fn day_is_out(
    policy: &Name,
    feature: Option<&Feature>,
    a_day: Units,
    resets_at: Option<Timestamp>,
    now: Timestamp,
) -> Denial {
    let (amount, unit) = counted(feature, a_day);
    let message = format!("The policy \"{policy}\" has handed out its {amount} {unit} of the day.");
    out_until(message, "The next day begins", resets_at, now)
}

/// A quota has nothing left to make an allocation of.
pub(crate) fn quota_is_out(
    feature: Option<&Feature>,
    free: Units,
    resets_at: Option<Timestamp>,
    now: Timestamp,
) -> Denial {
    let (amount, unit) = counted(feature, free);
    let message = format!("The quota has {amount} {unit} left, too few to make this session's allocation.");
    out_until(message, "It renews", resets_at, now)
}

/// A customer has none left, until an instant where there is one.
fn out_until(mut message: String, what: &str, resets_at: Option<Timestamp>, now: Timestamp) -> Denial {
    if let Some(at) = resets_at {
        message.push_str(&format!(" {what} at {at}."));
    }
    let retry_after_s = resets_at.map(|at| seconds(at, now));
    Denial { resets_at, ..bare(Reason::Exhausted, Level::Customer, &message, retry_after_s) }
}

/// A policy hands out what the customer's plan does not have.
pub(crate) fn policy_not_entitled(feature: Option<&Feature>) -> Denial {
    let name = feature.map_or("what this session's policy hands out", |feature| feature.name.as_str());
    bare(Reason::NotEntitled, Level::Plan, &format!("The plan does not include {name}."), None)
}

/// The customer's subscription is paused, so no policy makes an allocation.
pub(crate) fn paused() -> Denial {
    bare(Reason::Suspended, Level::Customer, PAUSED, None)
}

/// A policy's allocation cannot be.
pub(crate) fn not_carved(why: &str) -> Denial {
    bare(Reason::NotEntitled, Level::Customer, &format!("This session's allocation cannot be made: {why}."), None)
}

fn counted(feature: Option<&Feature>, units: Units) -> (String, String) {
    match feature.and_then(Feature::meter) {
        Some(meter) => (units.display(meter.scale), meter.unit.to_string()),
        None => (units.get().to_string(), "units".to_owned()),
    }
}

/// A token that does not verify.
pub(crate) fn invalid_token() -> Denial {
    bare(Reason::InvalidToken, Level::Tenant, "The token does not verify.", None)
}

/// No such customer or user.
pub(crate) fn unknown_subject() -> Denial {
    bare(Reason::UnknownSubject, Level::Tenant, "There is no such customer or user here.", None)
}

/// No such agent.
pub(crate) fn unknown_agent() -> Denial {
    bare(Reason::UnknownSubject, Level::Tenant, "There is no such agent here.", None)
}

/// The gate cannot know. Nothing was spent.
pub(crate) fn unavailable(why: &str) -> Denial {
    let message = format!("The gate cannot decide now ({why}). Nothing was spent; try again.");
    bare(Reason::Unavailable, Level::Tenant, &message, Some(RETRY_UNAVAILABLE_S))
}

fn bare(reason: Reason, level: Level, message: &str, retry_after_s: Option<u32>) -> Denial {
    Denial { reason, level, message: message.to_owned(), resets_at: None, retry_after_s, raise: Vec::new() }
}

fn denial(handle: &Handle, reason: Reason, level: Level, message: String) -> Denial {
    Denial { reason, level, message, resets_at: None, retry_after_s: None, raise: handle.standing.raise.clone() }
}

/// Whole seconds until `at`, at least one.
fn seconds(at: Timestamp, now: Timestamp) -> u32 {
    whole(at.saturating_since(now))
}

/// Whole seconds after which so much time has passed for certain.
fn whole(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX)
}
