//! Seeded bugs: small changes to the code that break a promise, each with the test that is to notice. A suite that cannot fail
//! proves nothing.
//!
//! Laws of the ledger have theirs in `almoner_testkit`, where the store in memory runs under spoilt laws with every test run.
//! These are of code that only a whole build can spoil: `cargo run --bin seeds` plants each in a copy of the repository and runs
//! its test. The suite `tidy` sees that each can still be planted.

/// One bug and the test that notices it.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// What goes wrong.
    pub says: &'static str,
    /// Where, from the repository's root.
    pub file: &'static str,
    /// What stands there, once.
    pub before: &'static str,
    /// What is planted instead.
    pub after: &'static str,
    /// The suite (a test binary) that is to fail.
    pub suite: &'static str,
    /// The test in it.
    pub test: &'static str,
}

/// All seeds.
pub const SEEDS: &[Seed] = &[
    Seed {
        says: "a change is not signed",
        file: "crates/app/src/audit.rs",
        before: "    work.audit().record(&entry).await",
        after: "    let _ = (entry, work);\n    Ok(())",
        suite: "graphql",
        test: "each_change_is_signed_and_read_by_whom_it_concerns",
    },
    Seed {
        says: "a member reads what others of the customer did",
        file: "crates/app/src/audit.rs",
        before: "if !narrow(reach, &mut filter.customer, &mut filter.user)",
        after: "if !narrow(reach, &mut filter.customer, &mut None)",
        suite: "graphql",
        test: "each_change_is_signed_and_read_by_whom_it_concerns",
    },
    Seed {
        says: "a stream that is resumed begins now",
        file: "crates/api/src/live/decisions.rs",
        before: "let start = match after {",
        after: "let start = match after.filter(|_| false) {",
        suite: "live",
        test: "decisions_are_resumed_and_none_is_missed",
    },
    Seed {
        says: "decisions that are told out of order are lost to followers",
        file: "crates/api/src/live/feed.rs",
        before: "least_before(now, if is_wide { LATENESS } else { NEAR })",
        after: "least_before(now, Duration::from_millis(1))",
        suite: "live",
        test: "decisions_are_resumed_and_none_is_missed",
    },
    Seed {
        says: "who does not read keeps its place for ever, and loses decisions unsaid",
        file: "crates/api/src/live/feed.rs",
        before: "!to.topic.has(&decision) || to.sender.try_send(decision.clone()).is_ok()",
        after: "!to.topic.has(&decision) || to.sender.try_send(decision.clone()).is_ok() || !to.sender.is_closed()",
        suite: "live",
        test: "who_does_not_read_is_dropped_and_others_go_on",
    },
    Seed {
        says: "a revoked key's stream goes on",
        file: "crates/api/src/live/events.rs",
        before: "Ok(is) if is == was => continue,\n                Err(Denied::Away) => continue,",
        after: "Ok(is) if is == was || is != was => continue,\n                Err(_) => continue,",
        suite: "live",
        test: "a_key_that_changes_ends_its_streams",
    },
    Seed {
        says: "a change that accounts do not tell is not shown",
        file: "crates/api/src/live/balances.rs",
        before: ".filter(|_| !is_touched)",
        after: ".filter(|_| is_touched || !is_touched)",
        suite: "live",
        test: "quotas_are_followed",
    },
    Seed {
        says: "a webhook is signed over another id",
        file: "crates/worker/src/webhook/sign.rs",
        before: ".sign(id, timestamp_s, body.as_bytes())?\n            }\n            SignatureScheme::V1a",
        after: ".sign(&id[1..], timestamp_s, body.as_bytes())?\n            }\n            SignatureScheme::V1a",
        suite: "webhooks",
        test: "four_fifths_and_the_last_unit_are_told_once_and_verified_by_two_libraries",
    },
    Seed {
        says: "an attempt that failed is never made again",
        file: "crates/storage/src/delivery.rs",
        before: "Then::Again(at) => (DeliveryState::Pending, at.as_micros(), None)",
        after: "Then::Again(at) => (DeliveryState::Failed, at.as_micros(), Some(now))",
        suite: "webhooks",
        test: "a_receiver_that_fails_is_tried_again_under_the_same_id",
    },
    Seed {
        says: "only the newest secret signs",
        file: "crates/domain/src/webhook.rs",
        before: "std::iter::once(&self.secret).chain(previous).cloned().collect()",
        after: "std::iter::once(&self.secret).chain(previous.filter(|_| false)).cloned().collect()",
        suite: "webhooks",
        test: "a_rotated_secret_signs_beside_its_successor_and_neither_can_be_read",
    },
    Seed {
        says: "a webhook is signed by a key pair over its body alone",
        file: "crates/worker/src/webhook/sign.rs",
        before: ".sign(format!(\"{id}.{timestamp_s}.{body}\").as_bytes())",
        after: ".sign(body.as_bytes())",
        suite: "webhooks",
        test: "each_endpoint_hears_what_it_wants_by_its_own_key",
    },
    Seed {
        says: "leave to call private addresses goes wherever the endpoint goes",
        file: "crates/app/src/webhooks.rs",
        before: "(endpoint.url, endpoint.callable, endpoint.failing) = (url, Callable::Public, None);",
        after: "(endpoint.url, endpoint.failing) = (url, None);",
        suite: "webhooks",
        test: "private_addresses_are_refused_where_they_are_set_and_where_they_are_called",
    },
    Seed {
        says: "what happens while an endpoint is disabled is forgotten",
        file: "crates/storage/src/delivery.rs",
        before: "endpoints.iter().filter(|endpoint| endpoint.hears(happening))",
        after: "endpoints.iter().filter(|endpoint| endpoint.is_enabled() && endpoint.hears(happening))",
        suite: "webhooks",
        test: "what_was_missed_is_listed_and_replayed_under_the_same_id",
    },
    Seed {
        says: "a member of an event is not in the catalogue",
        file: "crates/worker/src/webhook/wire.rs",
        before: "data[\"sequence\"] = json!(happening.sequence);",
        after: "data[\"number\"] = json!(happening.sequence);",
        suite: "webhooks",
        test: "a_card_tells_of_its_beginning_and_its_end",
    },
    Seed {
        says: "each transaction numbers what happens to an allocation anew",
        file: "crates/storage/src/allocation_sequence.rs",
        before: "row.last - counts.get(&id).copied().unwrap_or_default()",
        after: "0 * row.last",
        suite: "webhooks",
        test: "a_card_tells_of_its_beginning_and_its_end",
    },
    Seed {
        says: "any number of runners have one slot",
        file: "crates/storage/src/schedule.rs",
        before: "    write(tx, &changed).await?;\n    Ok(slots)",
        after: "    let _ = changed;\n    Ok(slots)",
        suite: "store",
        test: "scheduling::of_many_runners_one_has_each_slot",
    },
    Seed {
        says: "a month that is over has no next one",
        file: "crates/storage/src/sweep.rs",
        before: "let running = window::hold_running(tx, &customers).await?;",
        after: "let running: Vec<_> = window::hold_running(tx, &customers).await?.into_iter().filter(|_| false).collect();",
        suite: "runner",
        test: "what_is_due_happens_once_though_runners_race_and_die",
    },
    Seed {
        says: "a denied call counts as one that was allowed",
        file: "crates/storage/src/rollup.rs",
        before: "(Verdict::Deny(_), _) => Some(Sums { denied: 1, ..Sums::default() })",
        after: "(Verdict::Deny(_), _) => Some(Sums { denied: 1, calls: 1, ..Sums::default() })",
        suite: "store",
        test: "usage::usage_is_what_the_ledger_charged_whatever_is_repeated",
    },
    Seed {
        says: "each list below an entry of a list is a statement of its own",
        file: "crates/storage/src/rows.rs",
        before: "const LISTS_MAX: usize = 100;",
        after: "const LISTS_MAX: usize = 1;",
        suite: "statements",
        test: "a_list_takes_as_many_statements_whatever_its_length",
    },
    Seed {
        says: "a connection that forgets its realm sees rows of all",
        file: "migrations/src/realm.rs",
        before: "USING ((SELECT {setting}) = '*')",
        after: "USING (coalesce((SELECT {setting}), '*') IN ('*', ''))",
        suite: "store",
        test: "isolation::a_transaction_that_forgets_its_realm_sees_nothing",
    },
    Seed {
        says: "an upgrade grants the difference twice",
        file: "crates/domain/src/ledger/change.rs",
        before: "let granted = by.saturating_sub(over);",
        after: "let granted = by.saturating_add(by).saturating_sub(over);",
        suite: "laws",
        test: "a_quota_has_what_is_due_or_what_was_used_where_that_is_more",
    },
    Seed {
        says: "what is owed after a downgrade is forgotten when units return",
        file: "crates/domain/src/ledger/change.rs",
        before: "let paid = row.owed.min(amount);",
        after: "let paid = row.owed.min(amount).min(Units::ZERO);",
        suite: "laws",
        test: "a_quota_has_what_is_due_or_what_was_used_where_that_is_more",
    },
    Seed {
        says: "a window that begins with a change opens with the old quota",
        file: "crates/domain/src/subscription.rs",
        before: "self.changes_at.is_some_and(|due| due <= at)",
        after: "self.changes_at.is_some_and(|due| due < at)",
        suite: "store",
        test: "a_window_that_begins_with_a_change_has_the_new_quota",
    },
];
