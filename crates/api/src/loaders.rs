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
    UserId,
};
use almoner_domain::plan::{Plan, PlanVersion};
use async_graphql::Error;
use async_graphql::dataloader::Loader;
use std::collections::HashMap;

/// Reads sets for one asker.
pub(crate) struct Reader {
    pub(crate) caller: Caller,
    pub(crate) desk: Desk,
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
}
