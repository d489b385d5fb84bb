//! The GraphQL API on the real binary: the story told by it alone, what it refuses and how, and that it tells strangers nothing.

#[path = "graphql/asking.rs"]
mod asking;
#[path = "graphql/auditing.rs"]
mod auditing;
#[path = "graphql/granting.rs"]
mod granting;
#[path = "graphql/hostile.rs"]
mod hostile;
#[path = "graphql/matrix.rs"]
mod matrix;
#[path = "graphql/refusing.rs"]
mod refusing;
#[path = "graphql/story.rs"]
mod story;
#[path = "graphql/paging.rs"]
mod paging;
#[path = "graphql/usage.rs"]
mod usage;

use almoner_tests::on_each_database;
use auditing::each_change_is_signed_and_read_by_whom_it_concerns;
use granting::{grants_and_adjustments_reach_the_gate, versions_of_a_plan_take_their_turns};
use hostile::hostile_documents_are_refused_before_they_are_run;
use matrix::{each_role_does_what_it_may, every_field_asked_by_a_stranger_finds_nothing, no_other_key_opens_it};
use paging::pages_tile_a_list_in_both_directions;
use refusing::bad_input_is_refused_by_member_and_changes_nothing;
use story::the_story_is_told_by_graphql_and_the_gate;
use usage::usage_is_what_the_ledger_charged;

on_each_database! {
    the_story_is_told_by_graphql_and_the_gate;
    bad_input_is_refused_by_member_and_changes_nothing;
    every_field_asked_by_a_stranger_finds_nothing;
    each_role_does_what_it_may;
    no_other_key_opens_it;
    each_change_is_signed_and_read_by_whom_it_concerns;
    grants_and_adjustments_reach_the_gate;
    versions_of_a_plan_take_their_turns;
    pages_tile_a_list_in_both_directions;
    usage_is_what_the_ledger_charged;
    hostile_documents_are_refused_before_they_are_run;
}
