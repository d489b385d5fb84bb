//! The list of promises, and the macro that makes a test of each.

/// Makes one test of each promise of the contract, for one adapter.
#[macro_export]
macro_rules! contract_suite {
    ($adapter:ty) => {
        $crate::contract_suite! { @ $adapter;
            catalogue:
                what_is_added_is_found_by_id_and_by_name
                a_name_that_is_taken_is_refused
                work_that_is_dropped_did_not_happen
                the_newest_version_of_a_plan_counts
                a_customer_has_one_running_subscription
                a_user_has_one_share_of_a_feature
                a_key_works_until_it_is_revoked
                tenants_are_told_apart_by_name;
            carving:
                an_allocation_comes_out_of_the_quota
                all_lines_are_carved_or_none
                a_refusal_names_what_is_free_and_when_it_renews
                a_repeated_key_gets_the_same_allocation
                a_reused_key_is_refused
                a_refused_key_may_be_used_again
                a_repeated_id_gets_the_same_allocation
                unknown_names_are_told_apart
                what_is_not_entitled_cannot_be_carved
                without_an_end_it_ends_with_the_month
                a_gate_is_told_what_was_asked_for
                a_session_comes_into_being_once
                carving_at_once_never_takes_more_than_there_is
                one_key_at_once_carves_once;
            narrowing:
                a_sub_allocation_takes_from_its_parent_alone
                a_sub_allocation_is_used_on_behalf_of_the_same_person
                a_sub_allocation_has_at_most_its_parents_units
                a_sub_allocations_scope_only_narrows
                a_sub_allocations_window_only_narrows
                allocations_nest_so_deep_and_no_deeper
                nothing_is_carved_out_of_what_has_ended
                a_window_must_be_ahead_and_end;
            ending:
                ending_returns_what_is_free
                ending_again_answers_the_same
                ending_ends_everything_below
                a_child_that_ends_gives_back_to_its_parent
                what_is_leased_goes_back_when_it_settles
                what_is_held_goes_back_when_it_is_settled
                units_pass_up_through_closed_parents
                what_has_ended_is_not_leased_any_more
                gates_hear_of_every_end;
            windows:
                a_window_is_opened_once
                booleans_and_values_are_told
                a_new_month_has_a_new_quota
                a_month_that_is_over_is_not_leased
                what_comes_back_after_the_month_lapses
                a_share_is_its_users_alone
                a_share_is_as_much_as_is_free
                a_share_lapses_with_its_month
                unknown_subjects_are_told_apart;
            leasing:
                what_is_leased_is_charged_and_what_is_used_is_told
                a_lease_is_opened_once
                a_repeated_report_is_counted_once
                a_report_out_of_order_is_told_which_is_due
                another_report_under_the_same_number_is_refused
                a_claim_beyond_the_lease_is_refused
                what_is_given_back_is_free_again
                a_settled_lease_is_over
                scarcity_is_exact_and_plenty_is_leased_ahead
                a_gate_that_comes_short_makes_the_others_be_asked
                a_batch_is_answered_report_by_report
                one_wrong_report_does_not_keep_the_others_out
                a_lease_is_its_gates_alone
                leasing_at_once_never_gives_more_than_there_is;
            lives:
                each_start_is_a_new_life
                an_earlier_life_only_raises_use
                a_fenced_report_stays_fenced
                a_new_life_finds_what_is_not_settled
                a_recovered_lease_is_settled_with_its_holds
                a_recovered_lease_is_never_raised
                late_reports_do_not_keep_the_next_life_from_settling
                a_gate_that_never_enlisted_opens_nothing;
            silence:
                a_lease_is_doubted_only_after_its_term
                what_is_in_doubt_stays_charged
                what_is_in_doubt_returns_by_its_gates_settlement
                a_word_from_its_gate_ends_the_doubt
                what_is_forfeited_is_spent_for_good;
            holding:
                a_commit_spends_what_the_call_cost
                a_commit_above_its_hold_follows_the_rule
                a_release_returns_all_but_its_floor
                a_hold_is_settled_once
                a_hold_past_its_time_is_over
                an_extended_hold_stands_longer
                a_hold_on_two_features_is_settled_as_a_whole
                it_is_told_where_a_hold_is
                a_late_part_of_a_settled_hold_is_free_again;
            deciding:
                a_decision_is_found_by_its_key_as_it_was
                a_decision_is_kept_once
                the_second_debit_of_a_key_comes_back
                a_second_debit_of_a_closed_allocation_goes_to_its_parent
                another_body_under_a_key_stays_charged
                a_key_is_known_for_its_retention
                keys_come_page_by_page
                the_same_keys_at_once_are_debited_once;
            sweeping:
                a_sweep_ends_what_is_over_and_a_second_finds_nothing
                a_sweep_is_bounded
                sweeping_at_once_does_each_thing_once;
            feed:
                the_feed_is_read_from_its_latest_entry_on
                changes_of_the_catalogue_are_told_when_committed;
            isolation:
                another_realm_finds_nothing
                another_realm_changes_nothing
                another_realm_forfeits_nothing
                the_same_key_in_two_realms_is_two_keys
                the_same_name_leads_each_tenant_to_its_own
                live_and_test_are_two_worlds
                the_same_lease_id_in_two_realms_is_two_leases;
        }
    };
    (@ $adapter:ty; $($topic:ident: $($promise:ident)*;)*) => {
        $(mod $topic {
            #[allow(unused_imports, reason = "the adapter may be named by a path")]
            use super::*;
            $(
                // Two threads: some promises are about callers that come at once.
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    let world = $crate::contract::World::of::<$adapter>().await;
                    $crate::contract::$topic::$promise(&world).await;
                    world.balances().await;
                }
            )*
        })*
    };
}
