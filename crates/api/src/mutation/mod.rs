//! Mutations: each one use case, answered by a payload that says what came of it or why nothing did.

mod agent;
mod allocation;
mod customer;
mod carving;
mod conditions;
mod feature;
mod grant;
mod guard;
mod key;
mod plan;
mod plan_change;
mod policy;
mod price;
mod removal;
mod subscription;
mod user;
mod webhook;

pub(crate) use carving::{CarveAllocationInput, preview};
pub(crate) use plan_change::preview as preview_plan_change;
pub(crate) use policy::{AddPolicyInput, try_on};

use async_graphql::MergedObject;

/// What can be changed.
#[derive(MergedObject)]
#[graphql(name = "Mutation")]
pub(crate) struct Mutation(
    feature::FeatureMutation,
    plan::PlanMutation,
    policy::PolicyMutation,
    price::PriceMutation,
    customer::CustomerMutation,
    user::UserMutation,
    subscription::SubscriptionMutation,
    plan_change::PlanChangeMutation,
    grant::GrantMutation,
    removal::RemovalMutation,
    agent::AgentMutation,
    guard::GuardMutation,
    allocation::AllocationMutation,
    key::KeyMutation,
    webhook::WebhookMutation,
);

impl Mutation {
    /// All of them.
    pub(crate) fn new() -> Self {
        Self(
            feature::FeatureMutation,
            plan::PlanMutation,
            policy::PolicyMutation,
            price::PriceMutation,
            customer::CustomerMutation,
            user::UserMutation,
            subscription::SubscriptionMutation,
            plan_change::PlanChangeMutation,
            grant::GrantMutation,
            removal::RemovalMutation,
            agent::AgentMutation,
            guard::GuardMutation,
            allocation::AllocationMutation,
            key::KeyMutation,
            webhook::WebhookMutation,
        )
    }
}
