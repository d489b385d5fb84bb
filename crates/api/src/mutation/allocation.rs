//! Allocations: carved just in time, made larger or smaller, closed with their task, or taken back.

use crate::asker::{asker, not_found};
use crate::mutation::carving::{AllocationLineInput, CarveAllocationInput, carve, lines, refused_at};
use crate::object::AllocationNode;
use crate::refusal::{Checks, RefusalCode, Stop, payload};
use almoner_app::allocations::{self, AdjustError};
use almoner_domain::allocation::AllocationState;
use almoner_domain::ledger::Adjustment;
use async_graphql::{Context, ID, InputObject, Object, Result};

/// The most allocations that one mutation carves or ends.
const BULK_MAX: usize = 50;

/// By how much an allocation is made larger or smaller.
#[derive(InputObject)]
pub(crate) struct AdjustAllocationInput {
    /// Which allocation.
    id: ID,
    /// By how many units of which of its features, each feature once: all lines, or none.
    lines: Vec<AllocationLineInput>,
}

payload! {
    /// What came of carving an allocation.
    CarveAllocationPayload {
        /// The allocation.
        allocation: AllocationNode
    }
}

payload! {
    /// What came of ending an allocation.
    EndAllocationPayload {
        /// The allocation as it ended. What was free returned at once; what gates hold returns as they hear of it.
        allocation: AllocationNode
    }
}

payload! {
    /// What came of making an allocation larger or smaller.
    AdjustAllocationPayload {
        /// The allocation as it is now.
        allocation: AllocationNode
    }
}

#[derive(Default)]
pub(crate) struct AllocationMutation;

#[Object]
impl AllocationMutation {
    /// Carves an allocation out of a quota or another allocation.
    #[graphql(complexity = "input.lines.len() + child_complexity")]
    async fn carve_allocation(
        &self,
        context: &Context<'_>,
        input: CarveAllocationInput,
    ) -> Result<CarveAllocationPayload> {
        CarveAllocationPayload::of(carve(context, input).await)
    }

    /// Carves up to 50 allocations, one after another. Each is carved or refused by itself; the payloads come in the order asked.
    #[graphql(complexity = "inputs.iter().map(|input| input.lines.len() + child_complexity).sum::<usize>()")]
    async fn carve_allocations(
        &self,
        context: &Context<'_>,
        inputs: Vec<CarveAllocationInput>,
    ) -> Result<Vec<CarveAllocationPayload>> {
        bounded(inputs.len())?;
        let mut payloads = Vec::with_capacity(inputs.len());
        for input in inputs {
            payloads.push(CarveAllocationPayload::of(carve(context, input).await)?);
        }
        Ok(payloads)
    }

    /// Adds units to an allocation, out of what it was carved from.
    #[graphql(complexity = "input.lines.len() + child_complexity")]
    async fn top_up_allocation(
        &self,
        context: &Context<'_>,
        input: AdjustAllocationInput,
    ) -> Result<AdjustAllocationPayload> {
        AdjustAllocationPayload::of(adjust(context, input, Adjustment::TopUp).await)
    }

    /// Takes units that are free back from an allocation, into what it was carved from. What is used, held or handed on stays.
    #[graphql(complexity = "input.lines.len() + child_complexity")]
    async fn shrink_allocation(
        &self,
        context: &Context<'_>,
        input: AdjustAllocationInput,
    ) -> Result<AdjustAllocationPayload> {
        AdjustAllocationPayload::of(adjust(context, input, Adjustment::Shrink).await)
    }

    /// Closes an allocation and all that was carved from it, because its task is done. Closing again changes nothing.
    async fn close_allocation(&self, context: &Context<'_>, id: ID) -> Result<EndAllocationPayload> {
        EndAllocationPayload::of(end(context, &id, AllocationState::Closed).await)
    }

    /// Closes up to 50 allocations. Each is closed or refused by itself; the payloads come in the order asked.
    #[graphql(complexity = "ids.len() * (1 + child_complexity)")]
    async fn close_allocations(&self, context: &Context<'_>, ids: Vec<ID>) -> Result<Vec<EndAllocationPayload>> {
        end_all(context, ids, AllocationState::Closed).await
    }

    /// Takes an allocation back, with all that was carved from it. One that has ended stays as it ended.
    async fn revoke_allocation(&self, context: &Context<'_>, id: ID) -> Result<EndAllocationPayload> {
        EndAllocationPayload::of(end(context, &id, AllocationState::Revoked).await)
    }

    /// Takes up to 50 allocations back. Each is revoked or refused by itself; the payloads come in the order asked.
    #[graphql(complexity = "ids.len() * (1 + child_complexity)")]
    async fn revoke_allocations(&self, context: &Context<'_>, ids: Vec<ID>) -> Result<Vec<EndAllocationPayload>> {
        end_all(context, ids, AllocationState::Revoked).await
    }
}

fn bounded(count: usize) -> Result<()> {
    if count <= BULK_MAX {
        return Ok(());
    }
    let message = format!("At most {BULK_MAX} allocations are taken at once. Send several requests.");
    Err(crate::asker::coded("TOO_MANY", &message))
}

async fn end_all(context: &Context<'_>, ids: Vec<ID>, state: AllocationState) -> Result<Vec<EndAllocationPayload>> {
    bounded(ids.len())?;
    let mut payloads = Vec::with_capacity(ids.len());
    for id in ids {
        payloads.push(EndAllocationPayload::of(end(context, &id, state).await)?);
    }
    Ok(payloads)
}

async fn end(context: &Context<'_>, id: &ID, state: AllocationState) -> Result<AllocationNode, Stop> {
    let asker = asker(context)?;
    let id = id.parse().map_err(|_| unknown())?;
    let ended = match state {
        AllocationState::Revoked => allocations::revoke(&asker.caller, &asker.desk, id).await,
        _ => allocations::close(&asker.caller, &asker.desk, id).await,
    };
    let statement = ended.map_err(not_found)?.ok_or_else(unknown)?;
    Ok(AllocationNode(statement.allocation))
}

async fn adjust(
    context: &Context<'_>,
    input: AdjustAllocationInput,
    adjustment: Adjustment,
) -> Result<AllocationNode, Stop> {
    let asker = asker(context)?;
    let id = input.id.parse().map_err(|_| unknown())?;
    let mut checks = Checks::default();
    let asked = lines(&input.lines, &mut checks);
    checks.done()?;
    let adjusted = allocations::adjust(&asker.caller, &asker.desk, id, adjustment, &asked).await;
    adjusted.map(|statement| AllocationNode(statement.allocation)).map_err(|error| match error {
        AdjustError::Carve(why) => refused_at(why, &input.lines),
        AdjustError::NotFound => unknown(),
        AdjustError::Ended(_) => Stop::at(RefusalCode::Conflict, &["id"], error),
        AdjustError::NoLine(ref key) => {
            let index = input.lines.iter().position(|line| line.feature == key.as_str()).unwrap_or_default();
            Stop::at(RefusalCode::NotFound, &["lines", &index.to_string(), "feature"], error)
        }
    })
}

fn unknown() -> Stop {
    Stop::at(RefusalCode::NotFound, &["id"], "There is no such allocation. Check the id.")
}
