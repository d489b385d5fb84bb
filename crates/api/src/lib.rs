//! The GraphQL door: all that operators, customers and consoles say, over one typed API.
//!
//! Promise: a request is bounded before it is run (size, tokens, depth, complexity, aliases, directives, time); each field calls
//! one use case and prints its answer; an expected refusal is a typed member of its payload, and a fault an error with a stable
//! code. It will never decide anything, or know a database.

mod door;
mod limits;
mod asker;
mod loaders;
mod cursor;
mod refusal;
mod object;
mod query;
mod mutation;

pub use door::{ApiConfig, routes};

use async_graphql::{EmptySubscription, Schema};

/// The schema: what can be asked, changed and followed.
pub(crate) type Api = Schema<query::Query, mutation::Mutation, EmptySubscription>;

/// The schema in GraphQL's own language, as `almoner schema graphql` prints it.
pub fn sdl() -> String {
    let schema = Schema::build(query::Query, mutation::Mutation::new(), EmptySubscription).finish();
    schema.sdl()
}
