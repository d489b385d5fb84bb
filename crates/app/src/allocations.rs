//! Allocations as people make and end them. Agents' servers do so at the gate.

use crate::authority::{self, FindError, Forbidden, Reach};
use crate::desk::Desk;
use almoner_domain::agent::SessionName;
use almoner_domain::allocation::AllocationState;
use almoner_domain::caller::Caller;
use almoner_domain::conditions::Conditions;
use almoner_domain::fault::{Fault, FaultKind};
use almoner_domain::feature::Durability;
use almoner_domain::id::{AgentId, AllocationId};
use almoner_domain::ledger::{Adjustment, CarveRefusal};
use almoner_domain::ports::{
    AdjustAnswer, AdjustRequest, CarveAnswer, CarvePreview, CarveRequest, Source, SubjectName, SubjectStanding,
};
use almoner_domain::scope::Scope;
use almoner_domain::standing::Standing;
use almoner_domain::statement::AllocationStatement;
use almoner_domain::tenant::Realm;
use almoner_domain::text::{FeatureKey, Named};
use almoner_domain::time::Timestamp;
use almoner_domain::units::{Scale, Units, UnitsError};
use thiserror::Error;

/// An allocation to be.
#[derive(Debug, Clone)]
pub struct NewAllocation {
    /// What to carve it from.
    pub source: Source,
    /// The agent it is to serve.
    pub agent: Named<AgentId>,
    /// The session it is for.
    pub session: SessionName,
    /// How much of which metered feature, as people write it: `10`, `1.25`.
    pub lines: Vec<(FeatureKey, String)>,
    /// With which tools, on which resources.
    pub scope: Scope,
    /// Not usable before.
    pub not_before: Option<Timestamp>,
    /// Not usable from then on.
    pub expires_at: Option<Timestamp>,
    /// How its decisions are kept.
    pub durability: Option<Durability>,
    /// In which hours, how fast, and how long it may lie idle.
    pub conditions: Conditions,
}

/// Why nothing was carved.
#[derive(Debug, Error)]
pub enum CarveError {
    /// The wrong kind of credential.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// No such user.
    #[error("the customer has no such user")]
    UnknownUser,
    /// No such agent.
    #[error("there is no such agent; register it first")]
    UnknownAgent,
    /// No such allocation to carve from.
    #[error("there is no such parent allocation")]
    UnknownParent,
    /// No such metered feature.
    #[error("there is no metered feature \"{0}\"")]
    UnknownFeature(FeatureKey),
    /// An amount that the feature cannot have.
    #[error("the amount of \"{feature}\" {why}")]
    Amount {
        /// Of which feature.
        feature: FeatureKey,
        /// Why not.
        why: UnitsError,
    },
    /// Too few units are free.
    #[error("only {free} of \"{feature}\" are free; ask for less, or close what is not needed")]
    Short {
        /// Of which feature.
        feature: FeatureKey,
        /// What is free, as people write it.
        free: String,
        /// When the quota renews.
        resets_at: Option<Timestamp>,
    },
    /// Nothing of the feature is entitled there.
    #[error("nothing of \"{0}\" is entitled there")]
    NotEntitled(FeatureKey),
    /// Refused by another law of the ledger.
    #[error(transparent)]
    Terms(CarveRefusal),
    /// Nobody's fault who asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Carves an allocation: all its lines, or none.
pub async fn carve(caller: &Caller, desk: &Desk, new: NewAllocation) -> Result<AllocationStatement, CarveError> {
    let (realm, request, metered) = request(caller, desk, new).await?;
    let mut answer = desk.ledger.carve(realm, &request).await?;
    if let CarveAnswer::Refused(refusal) = &answer
        && came_back(desk, refusal).await
    {
        answer = desk.ledger.carve(realm, &request).await?;
    }
    let statement = carved(answer, &metered)?;
    tracing::info!(%realm, allocation = %statement.allocation.id, "allocation carved");
    Ok(statement)
}

/// What carving an allocation would take, and from where. Nothing is changed; what would be refused is refused.
pub async fn preview(caller: &Caller, desk: &Desk, new: NewAllocation) -> Result<CarvePreview, CarveError> {
    let (realm, request, metered) = request(caller, desk, new).await?;
    let mut answer = desk.treasury.preview(realm, &request).await?;
    if let Err(CarveAnswer::Refused(refusal)) = &answer
        && came_back(desk, refusal).await
    {
        answer = desk.treasury.preview(realm, &request).await?;
    }
    match answer {
        Ok(preview) => Ok(preview),
        Err(refused) => Err(match carved(refused, &metered) {
            Err(why) => why,
            // The id is new, so nothing can have been carved under it.
            Ok(_) => Fault { operation: "preview", kind: FaultKind::Conflict, source: None }.into(),
        }),
    }
}

/// Where units came short and a gate here held some of them idle: they are back now, and it is worth another try.
async fn came_back(desk: &Desk, refusal: &CarveRefusal) -> bool {
    match refusal {
        CarveRefusal::Short { account, leased, .. } if !leased.is_zero() => desk.gates.give_back(*account).await,
        _ => false,
    }
}

/// The request that is made of the ledger, if the caller may make it.
async fn request(
    caller: &Caller,
    desk: &Desk,
    new: NewAllocation,
) -> Result<(Realm, CarveRequest, Vec<Metered>), CarveError> {
    let (realm, reach) = authority::allocates(caller)?;
    let source = within(desk, realm, reach, new.source).await?;
    let metered = metered(desk, realm, &new.lines).await?;
    let request = CarveRequest {
        id: desk.app.new_id(),
        source,
        agent: new.agent,
        session: new.session,
        lines: metered.iter().map(|line| (line.id, line.amount)).collect(),
        scope: new.scope,
        not_before: new.not_before,
        expires_at: new.expires_at,
        durability: new.durability,
        conditions: new.conditions,
        key: None,
        by: caller.author(),
    };
    Ok((realm, request, metered))
}

/// Why an allocation was not made larger or smaller.
#[derive(Debug, Error)]
pub enum AdjustError {
    /// As for carving: the credential, the features, their amounts and what is free.
    #[error(transparent)]
    Carve(#[from] CarveError),
    /// No such allocation.
    #[error("there is no such allocation")]
    NotFound,
    /// It has ended.
    #[error("the allocation is {}; carve another", .0.as_str())]
    Ended(AllocationState),
    /// It has nothing of the feature.
    #[error("the allocation has no \"{0}\"; carve another for it")]
    NoLine(FeatureKey),
}

/// Makes an allocation larger, out of what it was carved from, or smaller, back into it: all lines or none. What gates here hold
/// idle is called back where it is needed.
pub async fn adjust(
    caller: &Caller,
    desk: &Desk,
    id: AllocationId,
    adjustment: Adjustment,
    lines: &[(FeatureKey, String)],
) -> Result<AllocationStatement, AdjustError> {
    let (realm, reach) = authority::allocates(caller).map_err(CarveError::from)?;
    if !sees(desk, realm, reach, id).await.map_err(CarveError::from)? {
        return Err(AdjustError::NotFound);
    }
    let metered = metered(desk, realm, lines).await?;
    let lines = metered.iter().map(|line| (line.id, line.amount)).collect();
    let request = AdjustRequest { allocation: id, adjustment, lines, by: caller.author() };
    let mut answer = desk.treasury.adjust(realm, &request).await.map_err(CarveError::from)?;
    if let AdjustAnswer::Refused(refusal) = &answer
        && came_back(desk, refusal).await
    {
        answer = desk.treasury.adjust(realm, &request).await.map_err(CarveError::from)?;
    }
    match answer {
        AdjustAnswer::Adjusted(statement) => {
            tracing::info!(%realm, allocation = %id, ?adjustment, "allocation adjusted");
            Ok(*statement)
        }
        AdjustAnswer::Unknown => Err(AdjustError::NotFound),
        AdjustAnswer::Ended(state) => Err(AdjustError::Ended(state)),
        AdjustAnswer::NoLine(feature) => {
            let key = metered.into_iter().find(|line| line.id == feature).map(|line| line.key);
            key.map_or(Err(AdjustError::NotFound), |key| Err(AdjustError::NoLine(key)))
        }
        AdjustAnswer::Refused(refusal) => match carved(CarveAnswer::Refused(refusal), &metered) {
            Err(why) => Err(why.into()),
            Ok(_) => Err(AdjustError::NotFound),
        },
    }
}

/// Takes an allocation back, with all that was carved from it: what is free returns now, what other gates hold of it as they hear.
/// `None` where there is no such allocation. One that has ended stays as it ended.
pub async fn revoke(caller: &Caller, desk: &Desk, id: AllocationId) -> Result<Option<AllocationStatement>, FindError> {
    end(caller, desk, id, AllocationState::Revoked).await
}

/// Closes an allocation, because its task is done. Otherwise as [`revoke`].
pub async fn close(caller: &Caller, desk: &Desk, id: AllocationId) -> Result<Option<AllocationStatement>, FindError> {
    end(caller, desk, id, AllocationState::Closed).await
}

async fn end(
    caller: &Caller,
    desk: &Desk,
    id: AllocationId,
    state: AllocationState,
) -> Result<Option<AllocationStatement>, FindError> {
    let (realm, reach) = authority::allocates(caller)?;
    if !sees(desk, realm, reach, id).await? {
        return Ok(None);
    }
    let ended = desk.ledger.end(realm, id, state, &caller.author()).await?;
    if ended.is_none() {
        return Ok(None);
    }
    tracing::info!(%realm, allocation = %id, state = state.as_str(), "allocation ended");
    // The gate here stops serving it now rather than with the feed, and what it holds is back before the answer.
    desk.gates.ended(realm, id).await;
    Ok(desk.lookup.statement(realm, id).await?)
}

async fn sees(desk: &Desk, realm: Realm, reach: Reach, id: AllocationId) -> Result<bool, Fault> {
    let found = desk.directory.allocations_among(realm, vec![id]).await?;
    Ok(found.first().is_some_and(|allocation| reach.has(&allocation.principals)))
}

/// What is to be carved from, if the caller may carve from it. A person who names nobody means themselves.
async fn within(desk: &Desk, realm: Realm, reach: Reach, source: Source) -> Result<Source, CarveError> {
    let subject = match source {
        _ if reach == Reach::Tenant => return Ok(source),
        Source::Allocation(id) if sees(desk, realm, reach, id).await? => return Ok(source),
        Source::Allocation(_) => return Err(CarveError::UnknownParent),
        Source::Subject(subject) => subject,
    };
    let user = subject.user.or(reach.user().map(Named::Id));
    let subject = SubjectName { user, ..subject };
    let own = |standing: &Standing| reach.has_customer(standing.principals.customer);
    match desk.lookup.subject(realm, &subject).await? {
        SubjectStanding::Known(standing) if reach.has(&standing.principals) => Ok(Source::Subject(subject)),
        SubjectStanding::Known(standing) if own(&standing) => Err(CarveError::UnknownUser),
        SubjectStanding::Known(_) | SubjectStanding::UnknownCustomer => Err(CarveError::UnknownCustomer),
        SubjectStanding::UnknownUser => {
            // Whether it is the user that is wrong is said of the caller's own customer alone.
            let whole = SubjectName { user: None, ..subject };
            match desk.lookup.subject(realm, &whole).await? {
                SubjectStanding::Known(standing) if own(&standing) => Err(CarveError::UnknownUser),
                _ => Err(CarveError::UnknownCustomer),
            }
        }
    }
}

/// A line with its feature found and its amount read.
struct Metered {
    id: almoner_domain::id::FeatureId,
    key: FeatureKey,
    scale: Scale,
    amount: Units,
}

async fn metered(desk: &Desk, realm: Realm, lines: &[(FeatureKey, String)]) -> Result<Vec<Metered>, CarveError> {
    let features = desk.lookup.features(realm).await?;
    let mut metered = Vec::with_capacity(lines.len());
    for (key, amount) in lines {
        let unknown = || CarveError::UnknownFeature(key.clone());
        let feature = features.iter().find(|feature| feature.key == *key).ok_or_else(unknown)?;
        let almoner_domain::feature::FeatureKind::Metered(meter) = &feature.kind else { return Err(unknown()) };
        let amount = Units::parse(amount, meter.scale)
            .and_then(|amount| if amount.is_zero() { Err(UnitsError::Zero) } else { Ok(amount) })
            .map_err(|why| CarveError::Amount { feature: key.clone(), why })?;
        metered.push(Metered { id: feature.id, key: key.clone(), scale: meter.scale, amount });
    }
    Ok(metered)
}

fn carved(answer: CarveAnswer, lines: &[Metered]) -> Result<AllocationStatement, CarveError> {
    let line = |id| lines.iter().find(|line| line.id == id);
    Err(match answer {
        CarveAnswer::Carved(statement) | CarveAnswer::Replayed(statement) => return Ok(statement),
        CarveAnswer::UnknownCustomer => CarveError::UnknownCustomer,
        CarveAnswer::UnknownUser => CarveError::UnknownUser,
        CarveAnswer::UnknownAgent => CarveError::UnknownAgent,
        CarveAnswer::UnknownParent => CarveError::UnknownParent,
        CarveAnswer::Refused(CarveRefusal::Short { feature, free, resets_at, account, leased }) => {
            match line(feature) {
                Some(line) => {
                    CarveError::Short { feature: line.key.clone(), free: free.display(line.scale), resets_at }
                }
                None => CarveError::Terms(CarveRefusal::Short { feature, free, resets_at, account, leased }),
            }
        }
        CarveAnswer::Refused(CarveRefusal::NotEntitled { feature }) => match line(feature) {
            Some(line) => CarveError::NotEntitled(line.key.clone()),
            None => CarveError::Terms(CarveRefusal::NotEntitled { feature }),
        },
        CarveAnswer::Refused(refusal) => CarveError::Terms(refusal),
        // No key is sent, so none can have been used before.
        CarveAnswer::KeyReused => Fault { operation: "carve", kind: FaultKind::Conflict, source: None }.into(),
    })
}
