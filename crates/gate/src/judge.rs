//! The pure checks of a call: window, scope, entitlement. No lock, no I/O; what passes is only a matter of units.

use crate::call::{AskedUse, Call};
use crate::denial;
use crate::handle::{Handle, HandleLine};
use almoner_domain::allocation::AllocationState;
use almoner_domain::decision::{Denial, Level, Reason, Use, UseKind, share_out_drawn};
use almoner_domain::feature::FeatureKind;
use almoner_domain::id::FeatureId;
use almoner_domain::price::Rate;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use smallvec::SmallVec;

/// Units that a call draws from one line of a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draw {
    /// Which line, in the order of locks.
    pub(crate) line: usize,
    /// Which of the decision's uses says so.
    pub(crate) place: usize,
    /// How many units.
    pub(crate) amount: Units,
}

/// What a call draws. Nearly every call draws on one or two lines.
pub(crate) type Draws = SmallVec<[Draw; 4]>;

/// What a call draws, in the order of locks, or why it is denied whatever is left.
pub(crate) fn judge(handle: &Handle, call: &Call, now: Timestamp) -> Result<Draws, Denial> {
    window(handle, now)?;
    scope(handle, call)?;
    draws(handle, call)
}

fn window(handle: &Handle, now: Timestamp) -> Result<(), Denial> {
    let standing = &handle.standing;
    let ended = match standing.state {
        AllocationState::Active => standing.expires_at.filter(|end| *end <= now).map(|_| Reason::Expired),
        AllocationState::Closed | AllocationState::Expired => Some(Reason::Expired),
        AllocationState::Revoked => Some(Reason::Revoked),
    };
    if let Some(reason) = ended {
        return Err(denial::ended(handle, reason));
    }
    if let Some(start) = standing.not_before.filter(|start| now < *start) {
        return Err(denial::not_started(handle, start, now));
    }
    if let Some(suspension) = &standing.suspension {
        return Err(denial::suspended(handle, suspension));
    }
    for (allocation, conditions) in &standing.conditions {
        if let Some(hours) = conditions.hours.as_ref().filter(|hours| !hours.is_open(now)) {
            return Err(denial::outside_hours(handle, *allocation, hours.opens_at(now), now));
        }
    }
    Ok(())
}

fn scope(handle: &Handle, call: &Call) -> Result<(), Denial> {
    let (tool, resource) = (call.dimension("tool"), call.dimension("resource"));
    if handle.standing.scope.admits(tool, resource) {
        return Ok(());
    }
    Err(denial::out_of_scope(handle, tool, resource))
}

fn draws(handle: &Handle, call: &Call) -> Result<Draws, Denial> {
    let mut draws = Draws::with_capacity(call.uses.len());
    // Of each currency one sum, in the places after those of the uses.
    let mut next = call.uses.len();
    for (place, used) in call.uses.iter().enumerate() {
        let not_entitled = || denial::not_entitled(handle, &used.feature);
        match &used.feature.kind {
            FeatureKind::Metered(_) => match handle.line(used.feature.id) {
                Some((line, _)) => draws.push(Draw { line, place, amount: used.amount }),
                None => {
                    let (line, _, rate) = price(handle, used).ok_or_else(not_entitled)?;
                    let amount = rate.charge(used.amount);
                    // What pays is not asked for beside what it pays for, so this line is drawn on for others that it pays for.
                    match draws.iter_mut().find(|draw| draw.line == line) {
                        Some(draw) => draw.amount = draw.amount.saturating_add(amount),
                        None => {
                            draws.push(Draw { line, place: next, amount });
                            next += 1;
                        }
                    }
                }
            },
            FeatureKind::Boolean | FeatureKind::Static => {
                handle.right(used.feature.id).ok_or_else(not_entitled)?;
            }
        }
    }
    draws.sort_unstable_by_key(|draw| draw.line);
    Ok(draws)
}

/// The price that a use is paid by here, and from which line: of a feature that has no units of its own, in the first currency that
/// has some.
fn price<'h>(handle: &'h Handle, used: &AskedUse) -> Option<(usize, &'h HandleLine, Rate)> {
    used.prices.iter().find_map(|(currency, rate)| {
        let (place, line) = handle.line(*currency)?;
        Some((place, line, *rate))
    })
}

/// How each use of a call came out, before units are counted: counted ones with nothing granted. After those that were asked for
/// comes what priced ones draw, a currency each.
pub(crate) fn uses(handle: Option<&Handle>, call: &Call) -> Vec<Use> {
    let mut uses: Vec<Use> = Vec::with_capacity(call.uses.len() + 1);
    let mut drawn: SmallVec<[Use; 1]> = SmallVec::new();
    for used in &call.uses {
        let kind = match &used.feature.kind {
            FeatureKind::Metered(_) => counted(handle, used, &mut drawn),
            FeatureKind::Boolean => {
                UseKind::Boolean { included: handle.is_some_and(|handle| handle.right(used.feature.id).is_some()) }
            }
            FeatureKind::Static => {
                UseKind::Static { value: handle.and_then(|handle| handle.right(used.feature.id).cloned().flatten()) }
            }
        };
        uses.push(Use { feature: used.feature.id, kind });
    }
    uses.extend(drawn);
    uses
}

fn counted(handle: Option<&Handle>, used: &AskedUse, drawn: &mut SmallVec<[Use; 1]>) -> UseKind {
    let own = handle.and_then(|handle| handle.line(used.feature.id));
    let paid = if own.is_none() { handle.and_then(|handle| price(handle, used)) } else { None };
    let (requested, none) = (used.amount, Units::ZERO);
    let Some((_, line, rate)) = paid else {
        let account = own.map(|(_, line)| line.line.account);
        return UseKind::Metered { account, requested, granted: none, remaining: none, blocked: false };
    };
    let currency = line.line.feature;
    let charge = rate.charge(requested);
    match drawn.iter_mut().find(|other| other.feature == currency).map(|other| &mut other.kind) {
        Some(UseKind::Drawn { requested, .. }) => *requested = requested.saturating_add(charge),
        _ => {
            let kind = UseKind::Drawn { account: line.line.account, requested: charge, granted: none, remaining: none };
            drawn.push(Use { feature: currency, kind });
        }
    }
    UseKind::Priced { currency, rate, requested, granted: none, remaining: none, blocked: false }
}

/// Says of counted uses what is left where they come from, and which of them that is too little for.
pub(crate) fn tell_left(uses: &mut [Use], left: impl Fn(FeatureId) -> Units, is_blocking: bool) {
    let mut short: SmallVec<[FeatureId; 1]> = SmallVec::new();
    for used in uses.iter_mut() {
        match &mut used.kind {
            UseKind::Metered { requested, remaining, blocked, .. } => {
                *remaining = left(used.feature);
                *blocked = is_blocking && *requested > *remaining;
            }
            UseKind::Drawn { requested, remaining, .. } => {
                *remaining = left(used.feature);
                if is_blocking && *requested > *remaining {
                    short.push(used.feature);
                }
            }
            UseKind::Priced { .. } | UseKind::Boolean { .. } | UseKind::Static { .. } => {}
        }
    }
    share_out_drawn(uses);
    for used in uses {
        if let UseKind::Priced { currency, blocked, .. } = &mut used.kind {
            *blocked = short.contains(currency);
        }
    }
}

/// The level that speaks for a handle as a whole.
pub(crate) fn level(handle: &Handle) -> Level {
    match (handle.standing.allocation, handle.standing.principals.user) {
        (Some(_), _) => Level::Allocation,
        (None, Some(_)) => Level::User,
        (None, None) => Level::Customer,
    }
}
