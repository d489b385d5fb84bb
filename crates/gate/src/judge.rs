//! The pure checks of a call: window, scope, entitlement. No lock, no I/O; what passes is only a matter of units.

use crate::call::Call;
use crate::denial;
use crate::handle::Handle;
use almoner_domain::allocation::AllocationState;
use almoner_domain::decision::{Denial, Level, Reason, Use, UseKind};
use almoner_domain::feature::FeatureKind;
use almoner_domain::time::Timestamp;
use almoner_domain::units::Units;
use smallvec::SmallVec;

/// Units that a call draws from one line of a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draw {
    /// Which line, in the order of locks.
    pub(crate) line: usize,
    /// Which use of the call.
    pub(crate) asked: usize,
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
    match standing.not_before {
        Some(start) if now < start => Err(denial::not_started(handle, start, now)),
        _ => Ok(()),
    }
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
    for (asked, used) in call.uses.iter().enumerate() {
        match &used.feature.kind {
            FeatureKind::Metered(_) => {
                let line = handle.line(used.feature.id).ok_or_else(|| denial::not_entitled(handle, &used.feature))?;
                draws.push(Draw { line: line.0, asked, amount: used.amount });
            }
            FeatureKind::Boolean | FeatureKind::Static => {
                handle.right(used.feature.id).ok_or_else(|| denial::not_entitled(handle, &used.feature))?;
            }
        }
    }
    draws.sort_unstable_by_key(|draw| draw.line);
    Ok(draws)
}

/// How each use of a call came out, before units are counted: metered ones with nothing granted.
pub(crate) fn uses(handle: Option<&Handle>, call: &Call) -> Vec<Use> {
    let came_out = |used: &crate::call::AskedUse| match &used.feature.kind {
        FeatureKind::Metered(_) => {
            let line = handle.and_then(|handle| handle.line(used.feature.id));
            UseKind::Metered {
                account: line.map(|(_, line)| line.line.account),
                requested: used.amount,
                granted: Units::ZERO,
                remaining: Units::ZERO,
                blocked: false,
            }
        }
        FeatureKind::Boolean => {
            UseKind::Boolean { included: handle.is_some_and(|handle| handle.right(used.feature.id).is_some()) }
        }
        FeatureKind::Static => {
            UseKind::Static { value: handle.and_then(|handle| handle.right(used.feature.id).cloned().flatten()) }
        }
    };
    call.uses.iter().map(|used| Use { feature: used.feature.id, kind: came_out(used) }).collect()
}

/// The level that speaks for a handle as a whole.
pub(crate) fn level(handle: &Handle) -> Level {
    match (handle.standing.allocation, handle.standing.principals.user) {
        (Some(_), _) => Level::Allocation,
        (None, Some(_)) => Level::User,
        (None, None) => Level::Customer,
    }
}
