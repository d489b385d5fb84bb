//! `calendar`: the windows that a subscription would have.

use crate::program::{almoner, object, printed, said};

const BERLIN: [&str; 8] =
    ["calendar", "--zone", "Europe/Berlin", "--period", "month", "--anchor", "2026-01-31T09:00", "--json"];

fn starts(arguments: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let windows = object(folder.path(), arguments);
    let windows = windows.as_array().expect("a list");
    for pair in windows.windows(2) {
        assert_eq!(pair[0]["end"], pair[1]["start"], "windows tile");
    }
    windows.iter().map(|window| window["start"].as_str().expect("an instant").to_owned()).collect()
}

fn with<'a>(base: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [base, more].concat()
}

#[test]
fn months_keep_their_day_and_their_hour() {
    let found = starts(&with(&BERLIN, &["--from", "2026-01-01T00:00:00Z", "--count", "24"]));
    assert_eq!(found.len(), 24);
    let first = ["2026-01-31T08:00:00Z", "2026-02-28T08:00:00Z", "2026-03-31T07:00:00Z", "2026-04-30T07:00:00Z"];
    assert_eq!(found[..4], first, "back to the 31st, and by the clocks of Berlin");
    let later = starts(&with(&BERLIN, &["--from", "2027-02-28T07:59:59Z", "--count", "1"]));
    assert_eq!(later, ["2027-01-31T08:00:00Z"], "the window that it falls into");
}

#[test]
fn the_calendars_own_months_begin_on_the_first() {
    let found = starts(&with(&BERLIN, &["--aligned", "--from", "2026-01-01T00:00:00Z", "--count", "3"]));
    assert_eq!(found, ["2025-12-31T23:00:00Z", "2026-01-31T23:00:00Z", "2026-02-28T23:00:00Z"]);
    let weeks = ["calendar", "--period", "2-weeks", "--aligned", "--week-start", "sunday", "--json"];
    let found = starts(&with(&weeks, &["--from", "2026-11-25T00:00:00Z", "--count", "2"]));
    assert_eq!(found, ["2026-11-22T00:00:00Z", "2026-12-06T00:00:00Z"]);
}

#[test]
fn clocks_that_change_move_a_start_and_no_other() {
    let days = ["calendar", "--zone", "Europe/Berlin", "--period", "day", "--json", "--count", "3"];
    let gap = starts(&with(&days, &["--anchor", "2026-03-28T02:30", "--from", "2026-03-28T12:00:00Z"]));
    assert_eq!(gap, ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
    let in_gap = starts(&with(&days, &["--anchor", "2026-03-29T02:30"]));
    assert_eq!(in_gap, ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"], "half past two again");
    let fold = starts(&with(&days, &["--anchor", "2026-10-25T02:30"]));
    assert_eq!(fold[0], "2026-10-25T00:30:00Z", "the earlier one");
}

#[test]
fn what_is_no_calendar_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |more: &[&str], why: &str| {
        let out = almoner(folder.path(), &[], &with(&["calendar"], more));
        assert!(!out.status.success());
        assert!(said(&out).contains(why), "{}", said(&out));
    };
    refused(&["--period", "month"], "--anchor");
    refused(&["--period", "fortnight", "--anchor", "2026-01-31"], "must be hour, day, week");
    refused(&["--period", "0 days", "--anchor", "2026-01-31"], "between 1 and 1000");
    refused(&["--period", "month", "--anchor", "2026-02-30T09:00"], "must be a local time");
    refused(&["--period", "month", "--anchor", "2026-01-31T09:00", "--zone", "Mars/Olympus"], "IANA time zone");
    refused(&["--period", "30 hours", "--aligned", "--from", "2026-01-01T00:00:00Z"], "at most 24 hours");
    refused(&["--period", "month", "--aligned"], "give --from or --anchor");
    let never = printed(folder.path(), &["calendar", "--period", "never", "--anchor", "2026-01-31T09:00"]);
    assert!(never.contains("2026-01-31T09:00:00Z  never"), "{never}");
}
