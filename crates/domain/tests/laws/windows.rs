//! Windows: they tile time, whatever the anchor, the zone and the instant.

use crate::config;
use almoner_domain::calendar::{Calendar, Window};
use almoner_domain::period::{Alignment, PeriodUnit, Recurrence, UsagePeriod, Weekday};
use almoner_domain::time::{DAY, HOUR, Timestamp};
use proptest::prelude::*;
use std::time::Duration;

/// Zones whose clocks do unusual things: at midnight, at one minute past, by half an hour, by a whole day.
const ZONES: [&str; 12] = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Scoresbysund",
];

fn instant() -> impl Strategy<Value = Timestamp> {
    // 2000 to 2060, on the hour as often as not: there the edges are.
    let micros = 946_684_800_000_000..2_840_140_800_000_000_i64;
    prop_oneof![micros.clone(), micros.prop_map(|at| at - at % HOUR)].prop_map(Timestamp::from_micros)
}

/// Late days of a month and the first, at midnight of some zone: what real anchors look like.
fn month_edge() -> impl Strategy<Value = Timestamp> {
    (2_000..2_050_i32, 1..=12_u8, prop_oneof![28..=31_u8, Just(1_u8)], 0..24_u8)
        .prop_filter_map("no such day", |(year, month, day, hour)| {
            Timestamp::parse(&format!("{year}-{month:02}-{day:02}T{hour:02}:00:00Z")).ok()
        })
}

fn calendar() -> impl Strategy<Value = Calendar> {
    let anchor = prop_oneof![instant(), month_edge()];
    (anchor, proptest::sample::select(ZONES.to_vec())).prop_map(|(anchor, zone)| Calendar::new(anchor, zone).unwrap())
}

fn window(calendar: &Calendar, at: Timestamp) -> Window {
    calendar.window_at(UsagePeriod::MONTH, at).unwrap()
}

fn period() -> impl Strategy<Value = UsagePeriod> {
    let start = proptest::sample::select(Weekday::ALL.to_vec());
    let alignment =
        prop_oneof![Just(Alignment::Anchor), start.prop_map(|week_start| Alignment::Calendar { week_start })];
    let every = (1..=24_u16, proptest::sample::select(PeriodUnit::ALL.to_vec()), alignment);
    every.prop_map(|(count, unit, alignment)| UsagePeriod::Every(Recurrence::new(count, unit, alignment).unwrap()))
}

fn later(at: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(at.as_micros() + micros)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_instant_falls_into_its_window(calendar in calendar(), after in 0..30 * 366 * DAY) {
        let at = later(calendar.anchor(), after);
        let window = window(&calendar, at);
        prop_assert!(window.contains(at), "{at} in {} to {}", window.start, window.end.unwrap());
    }

    #[test]
    fn the_end_of_a_window_is_the_start_of_the_next(calendar in calendar(), after in 0..30 * 366 * DAY) {
        let here = window(&calendar, later(calendar.anchor(), after));
        let end = here.end.unwrap();
        prop_assert_eq!(window(&calendar, end).start, end);
        prop_assert_eq!(window(&calendar, later(end, -1)), here);
    }

    #[test]
    fn every_instant_near_an_edge_has_one_window(calendar in calendar(), after in 0..30 * 366 * DAY, near in -3 * HOUR..3 * HOUR) {
        let edge = window(&calendar, later(calendar.anchor(), after)).end.unwrap();
        let at = later(edge, near);
        prop_assume!(at >= calendar.anchor());
        let here = window(&calendar, at);
        prop_assert!(here.contains(at), "{at} in {} to {}", here.start, here.end.unwrap());
        prop_assert_eq!(window(&calendar, here.start), here);
    }

    #[test]
    fn later_instants_never_fall_into_earlier_windows(
        calendar in calendar(), after in 0..30 * 366 * DAY, more in 0..90 * DAY,
    ) {
        let at = later(calendar.anchor(), after);
        let (here, there) = (window(&calendar, at), window(&calendar, later(at, more)));
        prop_assert!(here.start <= there.start);
        prop_assert_eq!(here.start == there.start, here == there);
    }

    #[test]
    fn windows_of_any_period_tile_time(
        calendar in calendar(), period in period(), after in 0..30 * 366 * DAY, near in -3 * HOUR..3 * HOUR,
    ) {
        let here = calendar.window_at(period, later(calendar.anchor(), after)).unwrap();
        let end = here.end.unwrap();
        prop_assert!(here.start < end && here.contains(later(calendar.anchor(), after)));
        let next = calendar.window_at(period, end).unwrap();
        prop_assert_eq!(next.start, end);
        prop_assert_eq!(calendar.window_at(period, later(end, -1)).unwrap(), here);
        // Whatever instant is asked about, it is one of the windows that follow each other.
        let at = later(end, near);
        prop_assume!(at >= calendar.anchor());
        let there = calendar.window_at(period, at).unwrap();
        prop_assert!(there.contains(at));
        prop_assert_eq!(calendar.window_at(period, there.start).unwrap(), there);
        prop_assert_eq!(calendar.window_after(Some(end), period, end).unwrap(), next);
    }

    #[test]
    fn a_month_lasts_about_a_month(calendar in calendar(), after in 0..30 * 366 * DAY) {
        let here = window(&calendar, later(calendar.anchor(), after));
        let lasts = here.end.unwrap().saturating_since(here.start);
        // From 31 January to 28 February, and a month in which a zone skipped a day.
        prop_assert!(lasts >= Duration::from_secs(26 * 24 * 3_600), "{lasts:?}");
        prop_assert!(lasts <= Duration::from_secs(32 * 24 * 3_600), "{lasts:?}");
    }

    #[test]
    fn the_first_window_starts_at_the_anchor(calendar in calendar()) {
        prop_assert_eq!(window(&calendar, calendar.anchor()).start, calendar.anchor());
        prop_assert!(calendar.window_at(UsagePeriod::MONTH, later(calendar.anchor(), -1)).is_err());
    }

    #[test]
    fn a_quota_that_never_renews_has_one_window(calendar in calendar(), after in 0..30 * 366 * DAY) {
        let at = later(calendar.anchor(), after);
        let only = calendar.window_at(UsagePeriod::Never, at).unwrap();
        prop_assert_eq!(only, Window { start: calendar.anchor(), end: None });
    }

    #[test]
    fn a_calendar_reads_back_from_what_is_stored_of_it(calendar in calendar()) {
        prop_assert_eq!(Calendar::local(&calendar.local_anchor(), calendar.zone()), Ok(calendar.clone()));
        prop_assert_eq!(Calendar::new(calendar.anchor(), calendar.zone()), Ok(calendar));
    }
}

/// In St. John's the clocks of 1 November 2009 went from one minute past midnight back into October.
#[test]
fn an_hour_that_comes_twice_across_the_turn_of_the_month_belongs_to_one_window() {
    let calendar = Calendar::new(Timestamp::parse("2009-09-01T02:30:00Z").unwrap(), "America/St_Johns").unwrap();
    for minute in 0..120 {
        let at = later(Timestamp::parse("2009-11-01T02:00:00Z").unwrap(), minute * 60_000_000);
        let here = window(&calendar, at);
        assert!(here.contains(at), "{at} in {} to {}", here.start, here.end.unwrap());
    }
}
