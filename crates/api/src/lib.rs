//! The GraphQL door: all that operators, customers and consoles say, over one typed API.
//!
//! Promise: a request is bounded before it is run (size, tokens, depth, complexity, aliases, directives, time); each field calls
//! one use case and prints its answer; an expected refusal is a typed member of its payload, and a fault an error with a stable
//! code. It will never decide anything, or know a database.

mod door;
mod credential;
mod limits;
mod asker;
mod loaders;
mod lists;
mod cursor;
mod refusal;
mod object;
mod query;
mod mutation;
mod live;

pub use door::{ApiConfig, routes};
pub use live::Live;

use async_graphql::Schema;

/// The schema: what can be asked, changed and followed.
pub(crate) type Api = Schema<query::Query, mutation::Mutation, live::Subscription>;

/// The schema in GraphQL's own language, as `almoner schema graphql` prints it.
pub fn sdl() -> String {
    let schema = Schema::build(query::Query, mutation::Mutation::new(), live::Subscription).finish();
    schema.sdl()
}
