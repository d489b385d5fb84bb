//! The harness of the suites that run the real program: end to end, crash, isolation, replay.
//!
//! Promise: a suite says what a user does and would notice; how a server comes up, dies and comes back, which database is
//! behind it and how an answer is taken apart stands here, once. Clients keep their own record of what they were answered,
//! and whatever is checked is checked against that record. Nothing here knows a rule of the ledger beyond the one that
//! users are promised: granted = free + carved + leased + held + used + lapsed.

pub mod answer;
pub mod books;
pub mod call;
pub mod catalogue;
pub mod client;
pub mod crowd;
pub mod database;
pub mod follow;
pub mod hostile;
pub mod in_process;
pub mod chance;
pub mod program;
pub mod proxy;
pub mod receiver;
pub mod rows;
pub mod seeds;
pub mod server;
pub mod shop;
pub mod traffic;
pub mod wait;

pub use almoner_testkit::Dice;
pub use answer::{Decision, Line, Month, Statement};
pub use call::{Call, Carve};
pub use client::{Client, Reply};
pub use database::Database;
pub use server::Server;
pub use shop::Shop;
pub use wait::{eventually, let_run};

/// Makes two tests of each story, one on each database. A story is an async function of a [`Database`]; its tests are
/// called `story::on_sqlite` and `story::on_postgres`.
#[macro_export]
macro_rules! on_each_database {
    ($($story:ident;)*) => {$(
        mod $story {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                Box::pin(super::$story($crate::Database::Sqlite)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                Box::pin(super::$story($crate::Database::Postgres)).await;
            }
        }
    )*};
}
