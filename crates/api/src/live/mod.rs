//! Subscriptions: what can be followed live, by WebSocket or server-sent events.

mod hub;
mod balances;
mod feed;
mod decisions;
mod update;
mod conduct;
mod seats;
mod socket;
mod events;

pub use hub::Live;

pub(crate) use conduct::Conduct;
pub(crate) use events::events;
pub(crate) use socket::socket;

use crate::asker::{asker, coded, fault, not_found};
use crate::query::DecisionsFilter;
use almoner_app::live;
use almoner_domain::id::DecisionId;
use almoner_domain::ports::SubjectName;
use almoner_domain::text::Named;
use async_graphql::{Context, Error, ID, Result};
use decisions::Pager;
use futures::stream::{self, Stream, StreamExt};
use std::sync::Arc;
use update::{AllocationBalance, Decisions, EntitlementBalances};

/// What can be followed. Each subscription hears of something at most ten times a second, and of balances always the latest state.
pub(crate) struct Subscription;

#[async_graphql::Subscription]
impl Subscription {
    /// An allocation and where its units stand: now, and whenever that changes. Ends with the allocation.
    async fn allocation_balance(
        &self,
        context: &Context<'_>,
        id: ID,
    ) -> Result<impl Stream<Item = AllocationBalance> + use<>> {
        let asker = asker(context)?;
        let Ok(id) = id.parse() else { return Err(unknown("allocation")) };
        let topic = live::allocation(&asker.caller, &asker.desk, id).await.map_err(not_found)?;
        let topic = topic.ok_or_else(|| unknown("allocation"))?;
        let frames = hub(context)?.balances_of(topic).await.map_err(|why| fault(&why))?;
        Ok(frames.ok_or_else(|| unknown("allocation"))?.map(AllocationBalance))
    }

    /// Where the units of a customer's quotas stand, or of what one of its users may use: now, and whenever that changes.
    async fn entitlement_balances(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The customer, by our id or the provider's.")] customer: String,
        #[graphql(desc = "The user, by our id or the provider's: their own share where they have one.")] user: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = EntitlementBalances> + use<>> {
        let asker = asker(context)?;
        let nobody = || unknown("customer or user");
        let customer = Named::parse(&customer).map_err(|_| nobody())?;
        let user = user.as_deref().map(Named::parse).transpose().map_err(|_| nobody())?;
        let subject = SubjectName { customer, user };
        let topic = live::entitlements(&asker.caller, &asker.desk, &subject).await.map_err(not_found)?;
        let frames = hub(context)?.balances_of(topic.ok_or_else(nobody)?).await.map_err(|why| fault(&why))?;
        Ok(frames.ok_or_else(nobody)?.map(EntitlementBalances))
    }

    /// What gates decide, at most 200 decisions an update, as they tell it: within about two seconds. Decisions come at least
    /// once, in the order that they were told in. The first update may be empty: it says from where on nothing is missed.
    /// What a gate tells more than ten seconds late, because it was cut off, is found by the query alone.
    #[graphql(complexity = "100 * child_complexity")]
    async fn decisions(
        &self,
        context: &Context<'_>,
        #[graphql(default)] filter: DecisionsFilter,
        #[graphql(desc = "Resume after this cursor. What came shortly before it may come again.")] after: Option<ID>,
    ) -> Result<impl Stream<Item = Result<Decisions>> + use<>> {
        let asker = asker(context)?.clone();
        let live = hub(context)?.clone();
        let after = match after.map(|after| after.parse::<DecisionId>()) {
            Some(Err(_)) => return Err(coded("INVALID_CURSOR", "This is no cursor; take it from an update.")),
            Some(Ok(after)) => Some(after),
            None => None,
        };
        let filter = filter.read()?;
        let topic = filter.map(|filter| live::decisions(&asker.caller, filter)).transpose().map_err(not_found)?;
        let Some(topic) = topic.flatten() else { return Ok(stream::empty().right_stream()) };
        let pager = Pager::new(live, asker, topic, after);
        let batches = stream::unfold(pager, |mut pager| async move { Some((pager.next().await?, pager)) });
        Ok(batches.map(|batch| batch.map(Decisions)).left_stream())
    }
}

fn hub<'c>(context: &Context<'c>) -> Result<&'c Arc<Live>> {
    context.data::<Arc<Live>>()
}

fn unknown(noun: &str) -> Error {
    coded("NOT_FOUND", &format!("There is no such {noun}. Check the id."))
}
