//! Loaders: things that many fields of one request name, read in one statement each.

use crate::asker;
use almoner_app::{Desk, directory};
use almoner_domain::account::Account;
use almoner_domain::agent::{Agent, Session};
use almoner_domain::allocation::Allocation;
use almoner_domain::caller::Caller;
use almoner_domain::customer::{Customer, User};
use almoner_domain::decision::Decision;
use almoner_domain::feature::Feature;
use almoner_domain::grant::Grant;
use almoner_domain::id::{
    AccountId, AgentId, AllocationId, CustomerId, DecisionId, FeatureId, GrantId, PlanId, PlanVersionId, SessionId,
    SubscriptionId, UserId,
};
use almoner_domain::plan::{Plan, PlanVersion};
use almoner_domain::subscription::Subscription;
use async_graphql::Error;
use async_graphql::dataloader::Loader;
use async_graphql::runtime::Timer;
use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

/// Reads sets for one asker.
pub(crate) struct Reader {
    pub(crate) caller: Caller,
    pub(crate) desk: Desk,
}

/// Turns that all else on the thread has before a set is read. A request is one task: in its next turn it names all that it can
/// name without an answer, and where it names much it takes several.
const TURNS: usize = 8;

/// When a set is read: not after a time, which is too short for a busy processor and too long for an idle one, but once all that
/// is ready has had its turn.
pub(crate) struct Turns;

impl Timer for Turns {
    fn delay(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async {
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
        })
    }
}

macro_rules! loaders {
    ($($id:ty => $noun:ty, $read:ident;)*) => {$(
        impl Loader<$id> for Reader {
            type Value = $noun;
            type Error = Error;

            async fn load(&self, ids: &[$id]) -> Result<HashMap<$id, $noun>, Error> {
                let found = directory::$read(&self.caller, &self.desk, ids.to_vec()).await;
                let found = found.map_err(asker::not_found)?;
                Ok(found.into_iter().map(|noun| (noun.id, noun)).collect())
            }
        }
    )*};
}

loaders! {
    FeatureId => Feature, features_among;
    PlanId => Plan, plans_among;
    PlanVersionId => PlanVersion, plan_versions_among;
    CustomerId => Customer, customers_among;
    UserId => User, users_among;
    AgentId => Agent, agents_among;
    SessionId => Session, sessions_among;
    AllocationId => Allocation, allocations_among;
    AccountId => Account, accounts_among;
    DecisionId => Decision, decisions_among;
    GrantId => Grant, grants_among;
    SubscriptionId => Subscription, subscriptions_among;
}
