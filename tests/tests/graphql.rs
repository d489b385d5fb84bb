//! The GraphQL API on the real binary: the story told by it alone, what it refuses and how, and that it tells strangers nothing.

#[path = "graphql/asking.rs"]
mod asking;
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

use almoner_tests::on_each_database;
use hostile::hostile_documents_are_refused_before_they_are_run;
use matrix::{each_role_does_what_it_may, every_field_asked_by_a_stranger_finds_nothing, no_other_key_opens_it};
use paging::pages_tile_a_list_in_both_directions;
use refusing::bad_input_is_refused_by_member_and_changes_nothing;
use story::the_story_is_told_by_graphql_and_the_gate;

on_each_database! {
    the_story_is_told_by_graphql_and_the_gate;
    bad_input_is_refused_by_member_and_changes_nothing;
    every_field_asked_by_a_stranger_finds_nothing;
    each_role_does_what_it_may;
    no_other_key_opens_it;
    pages_tile_a_list_in_both_directions;
    hostile_documents_are_refused_before_they_are_run;
}
