//! Mutations: each one use case, answered by a payload that says what came of it or why nothing did.

mod agent;
mod allocation;
mod customer;
mod feature;
mod key;
mod plan;

use async_graphql::MergedObject;

/// What can be changed.
#[derive(MergedObject)]
#[graphql(name = "Mutation")]
pub(crate) struct Mutation(
    feature::FeatureMutation,
    plan::PlanMutation,
    customer::CustomerMutation,
    agent::AgentMutation,
    allocation::AllocationMutation,
    key::KeyMutation,
);

impl Mutation {
    /// All of them.
    pub(crate) fn new() -> Self {
        Self(
            feature::FeatureMutation,
            plan::PlanMutation,
            customer::CustomerMutation,
            agent::AgentMutation,
            allocation::AllocationMutation,
            key::KeyMutation,
        )
    }
}
