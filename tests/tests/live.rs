//! What is followed live, on the real binary: over WebSocket and server-sent events, by our own clients and by unmodified others.

#[path = "graphql/asking.rs"]
mod asking;
#[path = "live/balances.rs"]
mod balances;
#[path = "live/decisions.rs"]
mod decisions;
#[path = "live/ending.rs"]
mod ending;
#[path = "live/foreign.rs"]
mod foreign;
#[path = "live/limits.rs"]
mod limits;
#[path = "live/scene.rs"]
mod scene;

use almoner_tests::on_each_database;
use balances::{a_balance_is_seen_as_it_changes_under_load, an_end_is_seen_and_is_the_last, quotas_are_followed};
use decisions::{decisions_are_resumed_and_none_is_missed, who_does_not_read_is_dropped_and_others_go_on};
use ending::{a_key_that_changes_ends_its_streams, a_stop_ends_all_streams};
use foreign::unmodified_clients_follow;
use limits::{hostile_streams_are_refused, nobody_follows_without_a_good_key};

on_each_database! {
    a_balance_is_seen_as_it_changes_under_load;
    an_end_is_seen_and_is_the_last;
    quotas_are_followed;
    decisions_are_resumed_and_none_is_missed;
    who_does_not_read_is_dropped_and_others_go_on;
    a_key_that_changes_ends_its_streams;
    a_stop_ends_all_streams;
    nobody_follows_without_a_good_key;
    hostile_streams_are_refused;
    unmodified_clients_follow;
}
